"""Events per second of the synthetic generator, physics and both sensors: run as a script.

    python tests/bench/bench_generate.py [N_EVENTS]

Prints events per second for 1 and 2 workers, for the default modes and for every mode, at three sizes (the rate must
not fall with the size), and the peak memory of this process: while events are streamed and thrown away, and at the
largest size while they are streamed to the HDF5 file that ``crumple generate`` writes.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from crumple.cli import table
from crumple.signals.corpus import write_shards
from crumple.signals.generate import CorpusPlan, full_plan, shards


def default_modes(n_events: int) -> CorpusPlan:
    """The default plan's modes in its own proportions."""
    counts = CorpusPlan().counts
    total = sum(counts.values())
    return CorpusPlan(counts={mode: n_events * count // total for mode, count in counts.items()})


def seconds(plan: CorpusPlan, n_workers: int, *, is_stored: bool = False) -> tuple[int, float, float]:
    """Events drawn, seconds taken, and processor seconds of this process; events are stored, or thrown away."""
    start, start_cpu = time.perf_counter(), time.process_time()
    with closing(shards(plan, n_workers)) as drawn:
        if is_stored:
            with tempfile.TemporaryDirectory() as folder:
                write_shards(drawn, plan.sensors, Path(folder))
            n_events = sum(plan.counts.values())
        else:
            n_events = sum(len(shard) for shard in drawn)
    return n_events, time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    """Print the table."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rows = []
    for name, plan_of in (("default modes", default_modes), ("every mode", full_plan)):
        runs = [(n_workers, size, False) for n_workers in (1, 2) for size in (largest // 4, largest // 2, largest)]
        for n_workers, size, is_stored in (*runs, (1, largest, True), (2, largest, True)):
            if size == largest // 4:
                seconds(plan_of(2000), n_workers)  # modules load
            done, taken, cpu = seconds(plan_of(size), n_workers, is_stored=is_stored)
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            to = "store" if is_stored else "nowhere"
            # With one worker all the work is here, and other load on the machine does not count.
            per_cpu = f"{done / cpu:.0f}" if n_workers == 1 else ""
            rows.append((name, to, n_workers, done, f"{taken:.2f}", f"{done / taken:.0f}", per_cpu, f"{peak_mb:.0f}"))
    header = (
        "plan",
        "to",
        "workers",
        "events",
        "seconds",
        "events/s",
        "events per processor s",
        "peak MB of the parent",
    )
    print(table("synthetic events, physics and both sensors", header, rows))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
