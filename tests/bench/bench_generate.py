"""Events per second of the synthetic generator, physics and both sensors: run as a script.

    python tests/bench/bench_generate.py [N_EVENTS]

Prints events per second for 1 and 2 workers, for the default modes and for every mode, at three sizes (the rate must
not fall with the size), and the peak memory of this process while events are streamed and thrown away.
"""

from __future__ import annotations

import resource
import sys
import time

from crumple.cli import table
from crumple.signals.generate import CorpusPlan, full_plan, shards


def default_modes(n_events: int) -> CorpusPlan:
    """The default plan's modes in its own proportions."""
    counts = CorpusPlan().counts
    total = sum(counts.values())
    return CorpusPlan(counts={mode: n_events * count // total for mode, count in counts.items()})


def seconds(plan: CorpusPlan, n_workers: int) -> tuple[int, float, float]:
    """Events drawn, seconds taken, and processor seconds of this process; events are thrown away as they come."""
    start, start_cpu = time.perf_counter(), time.process_time()
    n_events = sum(len(shard) for shard in shards(plan, n_workers))
    return n_events, time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    """Print the table."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rows = []
    for name, plan_of in (("default modes", default_modes), ("every mode", full_plan)):
        for n_workers in (1, 2):
            seconds(plan_of(2000), n_workers)  # workers start, modules load
            for n_events in (largest // 4, largest // 2, largest):
                done, taken, cpu = seconds(plan_of(n_events), n_workers)
                # With one worker all the work is here, and other load on the machine does not count.
                per_cpu = f"{done / cpu:.0f}" if n_workers == 1 else ""
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                rows.append((name, n_workers, done, f"{taken:.2f}", f"{done / taken:.0f}", per_cpu, f"{peak_mb:.0f}"))
    header = ("plan", "workers", "events", "seconds", "events/s", "events per processor s", "peak MB of the parent")
    print(table("synthetic events, physics and both sensors", header, rows))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
