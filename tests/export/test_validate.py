"""The comparison of Python, C and ONNX finds no difference, and would find any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crumple.export.c99 import render_c
from crumple.export.onnx_graphs import integer_graph
from crumple.export.validate import compare
from crumple.model.deployed import DeployedModel
from crumple.toolchain import find_compiler


def exported(model: DeployedModel, folder: Path) -> Path:
    for name, text in render_c(model, "0" * 64).items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_integer.onnx").write_bytes(integer_graph(model, "0" * 64))
    return folder


def test_python_c_and_onnx_agree_on_every_stress_window(small_model: DeployedModel, tmp_path: Path) -> None:
    found = compare(small_model, exported(small_model, tmp_path), None, find_compiler())
    assert found.agrees
    assert found.n_windows > 30_000
    assert found.n_scalar > 100


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{5, 7, 11, 13}", "{5, 7, 11, 14}"),
        ("acc < 0", "acc < 2"),
        ("status.y > 0", "status.y >= 0"),
        ("clamped > CRUMPLE_CLAMP_LSB", "clamped > 2 * CRUMPLE_CLAMP_LSB"),
        ("clamped = -CRUMPLE_CLAMP_LSB", "clamped = CRUMPLE_CLAMP_LSB"),
        ("int32_t acc = HIDDEN_BIAS[j]", "int32_t acc = HIDDEN_BIAS[0]"),
        ("state->votes << 1u", "state->votes << 2u"),
        ("sample_lsb[CRUMPLE_WINDOW_SAMPLES - 1] = clamped", "sample_lsb[CRUMPLE_WINDOW_SAMPLES - 2] = clamped"),
        (">= (uint32_t)CRUMPLE_CONFIRM_VOTES", "> (uint32_t)CRUMPLE_CONFIRM_VOTES"),
        ("size_t j = 0u; j < CRUMPLE_HIDDEN", "size_t j = 1u; j < CRUMPLE_HIDDEN"),
    ],
)
def test_a_mutant_of_the_exported_c_is_found(small_model: DeployedModel, tmp_path: Path, old: str, new: str) -> None:
    # A quiet window gives exactly 0, the threshold itself, and noise crosses it often.
    model = replace(small_model, output_bias=200)
    folder = exported(model, tmp_path)
    source = (folder / "crumple_model.c").read_text(encoding="ascii")
    assert old in source
    (folder / "crumple_model.c").write_text(source.replace(old, new, 1), encoding="ascii")
    found = compare(model, folder, None, find_compiler())
    assert found.c_differs + found.confirmation_differs > 0


def test_a_different_onnx_graph_is_found(small_model: DeployedModel, tmp_path: Path) -> None:
    folder = exported(small_model, tmp_path)
    other = replace(small_model, output_bias=small_model.output_bias + 1)
    (folder / "crumple_integer.onnx").write_bytes(integer_graph(other, "0" * 64))
    assert compare(small_model, folder, None, find_compiler()).onnx_differs > 0
