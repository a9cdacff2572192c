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


def seconds(plan: CorpusPlan, n_workers: int) -> tuple[int, float]:
    """Events drawn and seconds taken, events thrown away as they come."""
    start = time.perf_counter()
    n_events = sum(len(shard) for shard in shards(plan, n_workers))
    return n_events, time.perf_counter() - start


def main() -> None:
    """Print the table."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    rows = []
    for name, plan_of in (("default modes", default_modes), ("every mode", full_plan)):
        for n_workers in (1, 2):
            seconds(plan_of(2000), n_workers)  # workers start, modules load
            for n_events in (largest // 4, largest // 2, largest):
                done, taken = seconds(plan_of(n_events), n_workers)
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                rows.append((name, n_workers, done, f"{taken:.2f}", f"{done / taken:.0f}", f"{peak_mb:.0f}"))
    header = ("plan", "workers", "events", "seconds", "events/s", "peak MB of the parent")
    print(table("synthetic events, physics and both sensors", header, rows))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
