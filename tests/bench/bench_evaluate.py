"""Evaluating a deployed model on no-fire events that are streamed from a corpus file: run as a script.

    python tests/bench/bench_evaluate.py [N_EVENTS]

Generates N_EVENTS (100,000 if left out) no-fire events to a temporary folder, shard by shard, and judges them with a
random net of the usual shape, in this process on one thread. Prints events per second and the peak memory before and
after: counts are read a few hundred events at a time, so only the event table grows with the corpus.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from crumple.cli import table
from crumple.config import plain
from crumple.model.deployed import Arming, DeployedModel
from crumple.model.evaluation.judge import judge
from crumple.signals.batches import open_corpus
from crumple.signals.corpus import corpus_stage, write_shards
from crumple.signals.generate import CorpusPlan, shards

QUIET_MODES = ("low_speed_bump", "rough_road", "hammer", "belgian_blocks")


def random_model() -> DeployedModel:
    """A 32-15-1 net on 96 samples with 3 of 4 votes; what it decides does not matter here."""
    rng = np.random.default_rng(0)
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=3,
        hidden_weight=tuple(tuple(row) for row in rng.integers(-2047, 2048, (15, 32)).tolist()),
        hidden_bias=tuple(rng.integers(-100_000, 100_000, 15).tolist()),
        output_weight=tuple(rng.integers(-16_383, 16_384, 15).tolist()),
        output_bias=-(10**9),
        confirm_votes=3,
        confirm_window=4,
        arming=Arming(Fraction(1, 4), 480, 32, 488, 200),
    )


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = []
    for n_events in (largest // 10, largest):
        plan = CorpusPlan(counts={mode: n_events // len(QUIET_MODES) for mode in QUIET_MODES})
        with tempfile.TemporaryDirectory(prefix="crumple-") as folder, threadpool_limits(limits=1):
            out = Path(folder) / "corpus"
            corpus_stage(out, {}, plain(plan)).run(lambda to, plan=plan: write_shards(shards(plan), plan.sensors, to))
            events = open_corpus(out)
            before, start, cpu = peak_mb(), time.perf_counter(), time.process_time()
            judge(random_model(), events)
            taken, cpu = time.perf_counter() - start, time.process_time() - cpu
            rows.append(
                (len(events.table), f"{taken:.1f}", f"{n_events / cpu:.0f}", f"{before:.0f}", f"{peak_mb():.0f}")
            )
    header = ("no-fire events", "seconds", "events per processor s", "peak MB before", "peak MB after")
    print(table("evaluation per event, streamed", header, rows))  # noqa: T201 - a script's result


if __name__ == "__main__":
    main()
