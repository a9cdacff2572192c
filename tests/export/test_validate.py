"""The comparison of Python, C and ONNX finds no difference, and would find any."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from crumple.export.c99 import render_c
from crumple.export.onnx_graphs import integer_graph
from crumple.export.profiles import DSP, EXACT16, SMALL8, Profile
from crumple.export.validate import compare
from crumple.model.deployed import Arming, DeployedModel
from crumple.toolchain import Compiler, find_compiler


def exported(model: DeployedModel, folder: Path, profile: Profile = EXACT16) -> Path:
    for name, text in render_c(model, "0" * 64, profile).items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_integer.onnx").write_bytes(integer_graph(model, "0" * 64))
    return folder


# Written as the ARM Architecture Reference Manual defines SMLAD, for machines that do not have it.
SMLAD_IN_C = (
    "-DCRUMPLE_DSP=1",
    "-DCRUMPLE_SMLAD(a,b,sum)=((sum)+(int32_t)(int16_t)(a)*(int16_t)(b)+((a)>>16)*((b)>>16))",
)


@pytest.mark.parametrize(
    ("profile", "defines"),
    [
        (EXACT16, ()),
        (EXACT16, ("-DCRUMPLE_SHORT_MULTIPLY=1",)),
        (SMALL8, ()),
        (SMALL8, ("-DCRUMPLE_SHORT_MULTIPLY=1",)),
        (DSP, ()),
        (DSP, SMLAD_IN_C),
    ],
    ids=["exact16", "exact16 in digits", "small8", "small8 in digits", "dsp fallback", "dsp"],
)
def test_python_c_and_onnx_agree_on_every_stress_window(
    small_model: DeployedModel, tmp_path: Path, profile: Profile, defines: tuple[str, ...]
) -> None:
    compiler = find_compiler()
    with_defines = Compiler((*compiler.command, *defines), compiler.name)
    found = compare(small_model, exported(small_model, tmp_path, profile), None, with_defines)
    assert found.agrees
    assert found.n_windows > 30_000
    assert found.n_scalar > 100


@pytest.mark.parametrize("defines", [(), ("-DCRUMPLE_SHORT_MULTIPLY=1",)], ids=["long multiply", "digits"])
def test_a_net_that_uses_the_whole_word_lengths_agrees(tmp_path: Path, defines: tuple[str, ...]) -> None:
    # Ten nodes near 2^31, output weights near 2^15, blocks beyond int16, five nodes at once.
    rng = np.random.default_rng(3)
    weights = rng.integers(-4000, 4000, (10, 8), endpoint=True)
    blocks = 4 * 16000
    rows = tuple(tuple(int(w) for w in row * ((2**31 - 2**20) // blocks) // int(abs(row).sum())) for row in weights)
    model = DeployedModel(
        sample_rate_hz=4000,
        lsb_g=Fraction(1, 64),
        clamp_lsb=16000,
        block_samples=4,
        hidden_weight=rows,
        hidden_bias=tuple(int(b) for b in rng.integers(-(2**19), 2**19, 10)),
        output_weight=(32767, -32767, 32766, -1, 1, -32000, 31000, 0, 12345, -4321),
        output_bias=-(2**40) + 1,
        confirm_votes=1,
        confirm_window=32,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )
    assert max(model.hidden_magnitude) > 2_000_000_000
    compiler = find_compiler()
    with_defines = Compiler((*compiler.command, *defines), compiler.name)
    assert compare(model, exported(model, tmp_path), None, with_defines).agrees


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5, 7, 11, 13,", "5, 7, 11, 14,"),
        ("(z > 0) ? z : 0", "(z > 1) ? z : 0"),
        ("(z > 0) ? z : 0", "z"),
        ("status.y > 0", "status.y >= 0"),
        ("sample_lsb + CRUMPLE_CLAMP_LSB", "sample_lsb + (2 * CRUMPLE_CLAMP_LSB)"),
        ("(2 * CRUMPLE_CLAMP_LSB) - from_below", "(3 * CRUMPLE_CLAMP_LSB) - from_below"),
        ("node1 = parameters->hidden_bias[j + 1u]", "node1 = parameters->hidden_bias[j]"),
        ("row[2u * CRUMPLE_BLOCKS] * x", "row[1u * CRUMPLE_BLOCKS] * x"),
        ("(int64_t)weight * h", "(int64_t)weight * (h & 0xFFF)"),
        ("% 4u) * 2u)", "% 4u) * 4u)"),
        ("row[at + CRUMPLE_BLOCKS] =", "row[at] ="),
        ("return &row[at + 1u]", "return &row[at]"),
        ("(phase, CRUMPLE_BLOCK_SAMPLES)", "(phase, CRUMPLE_BLOCK_SAMPLES + 1u)"),
        ("(k + 1u) < CRUMPLE_BLOCK_SAMPLES", "(k + 2u) < CRUMPLE_BLOCK_SAMPLES"),
        ("count >= CRUMPLE_CONFIRM_VOTES", "count > CRUMPLE_CONFIRM_VOTES"),
        ("rest /= 2u", "rest /= 4u"),
        ("size_t j = 0u; j < CRUMPLE_HIDDEN", "size_t j = CRUMPLE_HIDDEN; j < CRUMPLE_HIDDEN"),
    ],
)
def test_a_mutant_of_the_exported_c_is_found(small_model: DeployedModel, tmp_path: Path, old: str, new: str) -> None:
    # A quiet window gives exactly 0, the threshold itself, and noise crosses it often.
    model = replace(small_model, output_bias=200)
    folder = exported(model, tmp_path)
    source = (folder / "crumple_model.c").read_text(encoding="ascii")
    assert old in source
    (folder / "crumple_model.c").write_text(source.replace(old, new), encoding="ascii")
    found = compare(model, folder, None, find_compiler())
    assert found.c_differs + found.confirmation_differs > 0


def test_a_different_onnx_graph_is_found(small_model: DeployedModel, tmp_path: Path) -> None:
    folder = exported(small_model, tmp_path)
    other = replace(small_model, output_bias=small_model.output_bias + 1)
    (folder / "crumple_integer.onnx").write_bytes(integer_graph(other, "0" * 64))
    assert compare(small_model, folder, None, find_compiler()).onnx_differs > 0
