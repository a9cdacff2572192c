"""Tests that travel with the exported C: a boot test of known answers, golden vectors, and what builds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from .c99 import render_template, wrapped
from .profiles import Profile

Int16 = NDArray[np.int16]

N_NOISE = 96
"""Samples of noise of each size in the golden vectors."""


def render_selftest(model: DeployedModel, model_sha256: str, profile: Profile) -> dict[str, str]:
    """The boot test, the golden vectors, a test program, and a Makefile and CMakeLists.txt that build and run it.

    Parameters
    ----------
    model : DeployedModel
        Answers, in unbounded integers, what the C has to answer.
    model_sha256 : str
        SHA-256 of the model's file.
    profile : Profile

    Returns
    -------
    dict
        File name to text.
    """
    levels = (0, 1, model.clamp_lsb, 32767, -model.clamp_lsb, -32768, model.clamp_lsb // 3)
    steps = np.repeat(np.array(levels, dtype=np.int16), model.window_samples)
    y_steps = model.outputs(steps)
    ends = np.arange(1, len(levels) + 1) * model.window_samples - 1
    vectors = golden_vectors(model)
    y = model.outputs(vectors)
    values = {
        "model_sha256": model_sha256,
        "profile": profile.name,
        "block_max": model.block_samples * model.clamp_lsb,
        "y_at_rest": model.output_of_window([0] * model.window_samples),
        "y_highest": wrapped([f"INT64_C({_at_extreme(model, j, 1)})" for j in range(model.n_hidden)], indent=4),
        "y_lowest": wrapped([f"INT64_C({_at_extreme(model, j, -1)})" for j in range(model.n_hidden)], indent=4),
        "n_levels": len(levels),
        "levels": ", ".join(_int16(level) for level in levels),
        "level_y": wrapped([f"INT64_C({value})" for value in y_steps[ends].tolist()], indent=4),
        "level_fire": ", ".join(f"{int(fire)}u" for fire in model.fire_requests(y_steps)[ends]),
        "n_vectors": vectors.size,
        "samples": wrapped([_int16(sample) for sample in vectors.tolist()], indent=4),
        "y": wrapped([f"INT64_C({value})" for value in y.tolist()], indent=4),
        "fire": wrapped([f"{int(fire)}u" for fire in model.fire_requests(y)], indent=4),
    }
    names = (
        "crumple_selftest.h",
        "crumple_selftest.c",
        "crumple_vectors.h",
        "crumple_test.c",
        "Makefile",
        "CMakeLists.txt",
    )
    return {name: render_template(f"{name}.in", values) for name in names}


def golden_vectors(model: DeployedModel) -> Int16:
    """Samples that exercise every part of ``model``: noise, each node at both its ends, levels beyond the clamp."""
    rng = np.random.default_rng(0)
    parts = [np.zeros(2, dtype=np.int64)]
    parts += [rng.integers(-top, top, N_NOISE, endpoint=True) for top in (3, model.clamp_lsb // 8, model.clamp_lsb)]
    for row in model.hidden_weight:
        drive = np.repeat(np.where(np.array(row) >= 0, 1, -1), model.block_samples) * model.clamp_lsb
        parts += [drive, -drive]
    parts += [np.full(model.window_samples, level) for level in (32767, -32768)]
    return np.concatenate(parts).astype(np.int16)


def _at_extreme(model: DeployedModel, node: int, direction: int) -> int:
    """y for the window that drives a node as far up (direction 1) or down (-1) as it goes."""
    limit = model.clamp_lsb * direction
    window = [
        -limit if weight < 0 else limit for weight in model.hidden_weight[node] for _ in range(model.block_samples)
    ]
    return model.output_of_window(window)


def _int16(value: int) -> str:
    """A sample as C writes it: -32768 is no int16 literal but a negated 32768."""
    return "(-32767 - 1)" if value == -32768 else str(value)
