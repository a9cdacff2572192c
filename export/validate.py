"""One answer everywhere: Python, C on this machine and ONNX give the same y for every window, or the build fails."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel
from crumple.progress import Advance, quietly
from crumple.signals.corpus import Corpus
from crumple.toolchain import Compiler

from .c99 import render_template
from .naming import DEFAULT_PREFIX, renamed

Int16 = NDArray[np.int16]
Int64 = NDArray[np.int64]

N_RANDOM_SIGNALS = 64
RANDOM_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts of windows compared and of differing answers."""

    n_windows: int
    c_differs: int
    onnx_differs: int
    confirmation_differs: int
    scalar_differs: int
    n_scalar: int

    @property
    def agrees(self) -> bool:
        """Whether not one answer differs."""
        return self.c_differs + self.onnx_differs + self.confirmation_differs + self.scalar_differs == 0


class ExportedC:
    """The exported C model, compiled and loaded."""

    def __init__(
        self, export_folder: Path, compiler: Compiler, build_folder: Path, prefix: str = DEFAULT_PREFIX
    ) -> None:
        driver = build_folder / "validate_driver.c"
        text = renamed({driver.name: render_template("validate_driver.c.in", {})}, prefix)[driver.name]
        driver.write_text(text, encoding="ascii")
        library = build_folder / "model.so"
        compiler.shared_library([export_folder / f"{prefix}_model.c", driver], library, include=[export_folder])
        self._run = getattr(ctypes.CDLL(str(library)), f"{prefix}_validate")
        self._run.restype = None

    def run(self, counts_lsb: Int16) -> tuple[Int64, NDArray[np.bool_]]:
        """y and fire request at every sample of ``counts_lsb``, which starts from rest; shapes (n_samples,)."""
        counts = np.ascontiguousarray(counts_lsb, dtype=np.int16)
        y = np.empty(counts.size, dtype=np.int64)
        request = np.empty(counts.size, dtype=np.uint8)
        self._run(
            counts.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(counts.size),
            y.ctypes.data_as(ctypes.c_void_p),
            request.ctypes.data_as(ctypes.c_void_p),
        )
        return y, request.astype(np.bool_)


def onnx_outputs(onnx_image: bytes) -> Callable[[Int64], Int64]:
    """A function that gives y of windows, shape (n, window_samples), by ``onnx_image`` in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_image, options, providers=["CPUExecutionProvider"])

    def outputs(windows_lsb: Int64) -> Int64:
        y: Int64 = session.run(["y"], {"window_lsb": windows_lsb})[0]
        return y

    return outputs


def stress_signals(model: DeployedModel, seed: int) -> list[Int16]:
    """Signals that provoke differences in a model: beyond its clamp, ``seed``-ed noise, each node at its ends."""
    rng = np.random.default_rng(seed)
    signals: list[Int16] = []
    for k in range(N_RANDOM_SIGNALS):
        top = (model.clamp_lsb, 32767, model.clamp_lsb // 8, 3)[k % 4]
        signals.append(rng.integers(-top, top, RANDOM_LENGTH, endpoint=True).astype(np.int16))
    for row in model.hidden_weight:
        extreme = np.repeat(np.where(np.array(row) >= 0, 1, -1), model.block_samples) * model.clamp_lsb
        signals += [extreme.astype(np.int16), (-extreme).astype(np.int16)]
    for level in (model.clamp_lsb, -model.clamp_lsb, 32767, -32768, 0):
        signals.append(np.full(model.window_samples + 8, level, dtype=np.int16))
    return signals


def compare(
    model: DeployedModel,
    export_folder: Path,
    corpus: Corpus | None,
    compiler: Compiler,
    advance: Advance = quietly,
    *,
    prefix: str = DEFAULT_PREFIX,
) -> Comparison:
    """Compare every implementation on every window of the corpus and on stress signals.

    Parameters
    ----------
    model : DeployedModel
        The reference, evaluated in int64 by numpy and, on a sample of windows, in Python's integers.
    export_folder : Path
        Holds the C model and ``crumple_integer.onnx``.
    corpus : Corpus or None
        None compares on stress signals alone.
    compiler : Compiler
    advance : callable
        Told signals done and the number of windows so far.
    prefix : str
        What the exported names begin with.
    """
    signals = stress_signals(model, seed=0) + ([event.main_lsb for event in corpus] if corpus else [])
    n_windows = c_differs = onnx_differs = confirmation_differs = scalar_differs = n_scalar = 0
    run_onnx = onnx_outputs((export_folder / "crumple_integer.onnx").read_bytes())
    with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as build:
        run_c = ExportedC(export_folder, compiler, Path(build), prefix)
        for k, counts in enumerate(signals):
            expected = model.outputs(counts)
            padded = np.concatenate([np.zeros(model.window_samples - 1, dtype=np.int64), counts.astype(np.int64)])
            windows = np.lib.stride_tricks.sliding_window_view(padded, model.window_samples)
            by_c, request = run_c.run(counts)
            n_windows += expected.size
            c_differs += int((by_c != expected).sum())
            onnx_differs += int((run_onnx(np.ascontiguousarray(windows)) != expected).sum())
            confirmation_differs += int((request != model.fire_requests(expected)).sum())
            for at in range(k % 97, expected.size, 97):
                n_scalar += 1
                scalar_differs += model.output_of_window([int(u) for u in windows[at]]) != int(expected[at])
            if k % 32 == 0:
                advance(k, f"{n_windows} windows")
    return Comparison(n_windows, c_differs, onnx_differs, confirmation_differs, scalar_differs, n_scalar)
