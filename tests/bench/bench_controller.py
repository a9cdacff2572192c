"""The simulated controller in batches against ONNX Runtime on the same windows: run as a script.

    python tests/bench/bench_controller.py [N_EVENTS]

Draws N_EVENTS (20,000 if left out) synthetic events over every mode, cut or repeated to 200 ms, and runs all of them
once through the compiled controller on as many threads as there are cores: every tick, from both sensors' words to
the firing currents. ONNX Runtime, with as many threads and the batch size that suits it best of those tried, gets the
net only: the same windows, made from the same counts within the measured time, and nothing of the state machine. Both
answer the same question of the net, which is compared for a sample. Rates are given by the clock on the wall and by
the processor's: other load on the machine slows the first and not the second.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crumple.cli import table
from crumple.export.onnx_graphs import integer_graph
from crumple.export.stages import export_stage
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.replay import Controller
from crumple.model.analysis.properties import read_requirements
from crumple.model.deployed import DeployedModel, read_model
from crumple.model.stages import train_stage
from crumple.model.training import TrainingPlan
from crumple.signals.generate import CorpusPlan, full_plan, n_cores, shards
from crumple.signals.stages import generate_stage
from crumple.toolchain import find_compiler

EVENT_S = 0.2
MILLION = 1_000_000
ONNX_BATCHES = (4_096, 16_384, 65_536)
"""Windows handed to ONNX Runtime at a time, of which the fastest counts."""

N_CONTROLLER_TRIES, N_ONNX_TRIES = 5, 2


def drawn(n_events: int, n_samples: int) -> tuple[Any, Any]:
    """Counts of both sensors for events of every mode, shape (n_events, n_samples); the longer ones are cut.

    Events that are shorter start again from their first sample.
    """
    main, safing = [], []
    for shard in shards(full_plan(n_events, seed=1), n_cores()):
        for event in shard:
            rows = np.arange(n_samples) % event.main_lsb.size
            main.append(event.main_lsb[rows])
            safing.append(event.safing_lsb[rows])
    return np.stack(main), np.stack(safing)


def timed(work: Callable[[], object], n_tries: int) -> tuple[float, float]:
    """Least wall time of some tries in seconds, and least processor time of this process, all threads together."""
    wall, processor = [], []
    for _ in range(n_tries):
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_cpu)
    return min(wall), min(processor)


def onnx_net(model: DeployedModel, n_threads: int) -> Callable[[Any], Any]:
    """The integer graph in ONNX Runtime: windows to y."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    session = onnxruntime.InferenceSession(integer_graph(model, "0" * 64), options, providers=["CPUExecutionProvider"])
    return lambda windows: session.run(["y"], {"window_lsb": windows})[0]


def onnx_over(net: Callable[[Any], Any], model: DeployedModel, main: Any, batch: int) -> Any:
    """The net's y at every sample of every event, shape (n_events, n_samples), by batches of windows."""
    n_events, n_samples = main.shape
    before = np.zeros((n_events, model.window_samples - 1), np.int64)
    at_once = max(1, batch // n_samples)
    result = np.empty(main.shape, np.int64)
    for first in range(0, n_events, at_once):
        rows = slice(first, first + at_once)
        padded = np.concatenate([before[rows], main[rows]], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, model.window_samples, axis=1)
        result[rows] = net(windows.reshape(-1, model.window_samples)).reshape(-1, n_samples)
    return result


def main() -> None:
    """Train the demo's net, then print the tables."""
    n_events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    n_threads = n_cores()
    with tempfile.TemporaryDirectory(prefix="crumple-") as scratch:
        root = Path(scratch)
        generate_stage(CorpusPlan(), root / "corpus")
        train_stage(root / "corpus", root / "model", TrainingPlan(), read_requirements(None))
        export_stage(root / "model", root / "export")
        model, _ = read_model(root / "model")
        compiler = find_compiler()
        controller = Controller(build_controller(root / "export", root, compiler))
        n_samples = round(EVENT_S * model.sample_rate_hz)
        main_lsb, safing_lsb = drawn(n_events, n_samples)

        rows = []
        for share in (4, 2, 1):
            part = slice(0, n_events // share)
            wall, cpu = timed(
                lambda part=part: controller.run_batch(main_lsb[part], safing_lsb[part], n_threads=n_threads),
                N_CONTROLLER_TRIES,
            )
            ticks = main_lsb[part].size
            rows.append(
                (
                    part.stop,
                    f"{wall:.3f}",
                    f"{ticks / wall / 1e6:.1f}",
                    f"{n_threads * ticks / cpu / 1e6:.1f}",
                    f"{MILLION / part.stop * wall:.0f}",
                )
            )
        fired = int((controller.run_batch(main_lsb, safing_lsb, n_threads=n_threads)["stage"][:, 0] >= 0).sum())

        few = slice(0, max(1, n_events // 20))  # the net alone takes far longer there
        net = onnx_net(model, n_threads)
        tries = {
            batch: timed(lambda batch=batch: onnx_over(net, model, main_lsb[few], batch), N_ONNX_TRIES)
            for batch in ONNX_BATCHES
        }
        batch = min(tries, key=lambda b: tries[b][0])
        onnx_wall, onnx_cpu = tries[batch]
        c_wall, c_cpu = timed(
            lambda: controller.run_batch(main_lsb[few], safing_lsb[few], n_threads=n_threads), N_CONTROLLER_TRIES
        )
        y = onnx_over(net, model, main_lsb[:20], batch)
        differ = 0
        for k in range(20):
            told = controller.run(main_lsb[k], safing_lsb[k])
            runs = (told.mode <= 5) & (told.sample_lsb == main_lsb[k])  # with no offset followed yet, before the lock
            differ += int((told.y[runs] != y[k][runs]).sum())

    sys.stdout.write(
        table(
            f"controller in C, {n_threads} threads, events of {n_samples} ticks, {fired} of {n_events} fire",
            ("events", "seconds", "million ticks/s", "by processor time", "s for a million events"),
            rows,
        )
        + f"\n\ncompiled by {compiler.name} at -O2, load average {os.getloadavg()[0]:.1f} on {n_threads} cores\n\n"
        + table(
            f"the same {main_lsb[few].size} windows, {n_threads} threads",
            ("what", "seconds", "processor s", "million a second"),
            [
                ("controller, every tick", f"{c_wall:.3f}", f"{c_cpu:.3f}", f"{main_lsb[few].size / c_wall / 1e6:.2f}"),
                *(
                    (
                        f"ONNX Runtime, net only, batch {b}",
                        f"{wall:.3f}",
                        f"{cpu:.3f}",
                        f"{main_lsb[few].size / wall / 1e6:.2f}",
                    )
                    for b, (wall, cpu) in tries.items()
                ),
            ],
        )
        + f"\n\nratio {onnx_wall / c_wall:.0f} x by the wall clock, {onnx_cpu / c_cpu:.0f} x by processor time;"
        f" y differs at {differ} samples of 20 events\n"
    )


if __name__ == "__main__":
    main()
