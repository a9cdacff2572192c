"""Speed of the chain: proving and checking, and the controller in C against ONNX Runtime on the same windows."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from crumple.export.onnx_graphs import integer_graph
from crumple.export.stages import export_stage
from crumple.export.validate import onnx_outputs
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.replay import Controller
from crumple.model.analysis.properties import read_requirements
from crumple.model.deployed import read_model
from crumple.model.stages import check_folder, prove_stage, train_stage
from crumple.model.training import TrainingPlan
from crumple.signals.corpus import read_corpus
from crumple.signals.generate import CorpusPlan
from crumple.signals.stages import generate_stage
from crumple.toolchain import find_compiler


def seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Median wall time of a piece of work after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def main() -> None:
    """Train the demo's net once, then time what uses it."""
    requirements = read_requirements(None)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        start = time.perf_counter()
        generate_stage(CorpusPlan(), root / "corpus")
        generated = time.perf_counter()
        train_stage(root / "corpus", root / "model", TrainingPlan(), requirements)
        trained = time.perf_counter()
        proof = prove_stage(root / "model", root / "proof", requirements)
        proved = time.perf_counter()
        check_folder(root)
        checked = time.perf_counter()
        export_stage(root / "model", root / "export")
        corpus, _ = read_corpus(root / "corpus")
        model, _ = read_model(root / "model")
        controller = Controller(build_controller(root / "export", root, find_compiler()))
        events = list(corpus)
        ticks = sum(event.main_lsb.size for event in events)

        def by_controller() -> None:
            for event in events:
                controller.run(event.main_lsb, event.safing_lsb)

        run_onnx = onnx_outputs(integer_graph(model, "0" * 64))

        def by_onnx() -> None:
            for event in events:
                padded = np.concatenate([np.zeros(model.window_samples - 1, np.int64), event.main_lsb.astype(np.int64)])
                run_onnx(np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, model.window_samples)))

        c_s, onnx_s = seconds(by_controller), seconds(by_onnx)
    sys.stdout.write(
        f"generate {len(events)} events          {generated - start:8.2f} s\n"
        f"train ({TrainingPlan().n_steps} steps)             {trained - generated:8.2f} s\n"
        f"prove {proof.payload['total']} requirements           {proved - trained:8.3f} s\n"
        f"check {proof.payload['total']} certificates           {checked - proved:8.3f} s\n"
        f"controller, C, one thread     {ticks / c_s / 1e6:8.2f} million ticks/s\n"
        f"ONNX Runtime, same windows    {ticks / onnx_s / 1e6:8.2f} million windows/s\n"
        f"ratio                         {onnx_s / c_s:8.1f} x\n"
    )


if __name__ == "__main__":
    main()
