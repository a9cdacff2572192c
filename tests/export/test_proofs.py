"""The proof pack: it passes on what is exported, says "not run" of absent tools, and catches seeded faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import DSP, EXACT16, PROFILES, Profile
from crumple.export.proofs import render_proofs
from crumple.export.selftest import render_selftest
from crumple.model.deployed import Arming, DeployedModel

NEEDS = {
    "bounds": (),
    "gcc": ("gcc",),
    "clang": ("clang",),
    "cortex-m0": ("arm-none-eabi-gcc",),
    "misra": ("cppcheck",),
    "tests": ("gcc",),
    "stress": ("gcc",),
    "eva": ("frama-c",),
    "wp": ("frama-c", "why3", "cvc4"),
    "bmc": ("esbmc",),
}


def full_range_model() -> DeployedModel:
    """Three nodes that use nearly all of 31 bits, so that a doubled row overflows; few inputs: tools are quick."""
    rng = np.random.default_rng(5)
    shape = rng.integers(-100, 100, (3, 12), endpoint=True)
    scale = (2**31 - 2**16) // (32000 * np.abs(shape).sum(axis=1))
    rows = tuple(tuple(int(w) for w in row * k) for row, k in zip(shape, scale, strict=True))
    return DeployedModel(
        sample_rate_hz=1000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=32000,
        block_samples=1,
        hidden_weight=rows,
        hidden_bias=(-2000, 700, -9000),
        output_weight=(3000, -2000, 32000),
        output_bias=-(10**12),
        confirm_votes=2,
        confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


def package(model: DeployedModel, folder: Path, profile: Profile = EXACT16) -> Path:
    files, image = render_calibration(model, "0" * 64, profile)
    texts = {
        **render_c(model, "0" * 64, profile),
        **files,
        **render_selftest(model, "0" * 64, profile),
        **render_proofs("0" * 64, profile),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_parameters.bin").write_bytes(image)
    return folder


def prove(
    folder: Path, *checks: str, path: str | None = None, timeout: int = 10
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and outcomes by check, from the script run as a stranger would run it."""
    out = folder / "outcomes.json"
    # PWD as `crumple export --prove` passes it on: the shell's folder, not the export's.
    environment = {"PATH": os.environ["PATH"] if path is None else path, "HOME": str(folder), "PWD": str(Path.cwd())}
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "crumple_prove.py",
            "--samples",
            "20000",
            "--timeout",
            str(timeout),
            "--json",
            str(out),
            *checks,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.is_file(), done.stderr
    return done.returncode, {outcome["check"]: outcome for outcome in json.loads(out.read_text())["checks"]}


def need(check: str) -> None:
    absent = [tool for tool in NEEDS[check] if shutil.which(tool) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: the check {check!r} is not run here")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
@pytest.mark.parametrize("check", ["bounds", "gcc", "clang", "cortex-m0", "misra"])
def test_a_quick_check_passes_on_every_profile(
    small_model: DeployedModel, tmp_path: Path, check: str, profile: Profile
) -> None:
    need(check)
    code, outcomes = prove(package(small_model, tmp_path, profile), check)
    assert (code, outcomes[check]["verdict"]) == (0, "passed"), outcomes[check]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("check", ["tests", "stress", "eva", "wp", "bmc"])
@pytest.mark.parametrize("profile", [EXACT16, DSP], ids=lambda profile: profile.name)
def test_a_thorough_check_passes(tmp_path: Path, check: str, profile: Profile) -> None:
    need(check)
    code, outcomes = prove(package(full_range_model(), tmp_path, profile), check)
    assert (code, outcomes[check]["verdict"]) == (0, "passed"), outcomes[check]["detail"]


def test_an_absent_tool_is_not_run_and_never_passed(small_model: DeployedModel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, outcomes = prove(package(small_model, tmp_path), path=str(tmp_path / "empty"))
    assert code == 4
    assert outcomes.pop("bounds")["verdict"] == "passed"
    assert {outcome["verdict"] for outcome in outcomes.values()} == {"not run"}
    assert "frama-c is not installed" in outcomes["eva"]["detail"]


INDEX_TOO_FAR = (
    "crumple_model.c",
    "i < CRUMPLE_BLOCKS; ++i) {\n            const",
    "i <= CRUMPLE_BLOCKS; ++i) {\n            const",
)
WRONG_SUM = ("crumple_model.c", "from_below);", "from_below + 1);")
WRONG_COUNT = ("crumple_model.c", "count >= CRUMPLE_CONFIRM_VOTES", "count > CRUMPLE_CONFIRM_VOTES")
WRONG_SLOT = ("crumple_model.c", "row[at + CRUMPLE_BLOCKS] = ", "row[at + CRUMPLE_BLOCKS - 1u] = ")
WRONG_SIGN = ("crumple_model.c", "node1 += row[", "node1 -= row[")
SIGNED_INDEX = ("crumple_model.c", "const uint32_t at = state->position", "const int32_t at = state->position")
LONG_PRODUCT = ("crumple_model.c", "const int32_t digit_22 = h / 4194304", "const int64_t digit_22 = (int64_t)h * h")
STATE_OF_ITS_OWN = (
    "crumple_model.c",
    "static int32_t positive_part(int32_t z)\n{",
    "static int32_t positive_part(int32_t z)\n{\n    static int32_t calls;\n    ++calls;",
)
GOTO = ("crumple_model.c", "    return status;\n}", "    goto done;\ndone:\n    return status;\n}")


def doubled_row(folder: Path) -> None:
    source = (folder / "crumple_model.c").read_text(encoding="ascii")
    weights = full_range_model().hidden_weight[2]
    row = re.compile(r",\s+".join(str(w) for w in weights))
    assert row.search(source)
    twice = row.sub(", ".join(str(2 * w) for w in weights), source, count=1)
    (folder / "crumple_model.c").write_text(twice, encoding="ascii")


def seed_fault(folder: Path, fault: tuple[str, str, str]) -> None:
    name, old, new = fault
    source = (folder / name).read_text(encoding="ascii")
    assert old in source
    (folder / name).write_text(source.replace(old, new), encoding="ascii")


@pytest.mark.parametrize("check", ["bounds"])
def test_a_doubled_weight_row_fails_the_quick_check(tmp_path: Path, check: str) -> None:
    folder = package(full_range_model(), tmp_path)
    doubled_row(folder)
    code, outcomes = prove(folder, check)
    assert (code, outcomes[check]["verdict"]) == (1, "failed")
    assert "fits 32 bits" in outcomes[check]["detail"]


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("gcc", SIGNED_INDEX),
        ("clang", SIGNED_INDEX),
        ("misra", GOTO),
        ("cortex-m0", LONG_PRODUCT),
        ("cortex-m0", STATE_OF_ITS_OWN),
    ],
)
def test_a_seeded_fault_fails_the_quick_check(tmp_path: Path, check: str, fault: tuple[str, str, str]) -> None:
    need(check)
    folder = package(full_range_model(), tmp_path)
    seed_fault(folder, fault)
    code, outcomes = prove(folder, check)
    assert (code, outcomes[check]["verdict"]) == (1, "failed")


# Which thorough check sees which fault. The others cannot, by what they look at: EVA bounds values and accesses but
# compares no answers, so a wrong sign or count is not its matter; WP proves for all parameters, so a doubled row is as
# good as any; ESBMC compares two loops over the same tables and does not check bounds; gcc, clang and MISRA read forms.
SEEN = {
    "wrong sign": (WRONG_SIGN, ("tests", "stress", "wp", "bmc")),
    "index too far": (INDEX_TOO_FAR, ("tests", "stress", "eva", "wp")),
    "wrong block sum": (WRONG_SUM, ("tests", "stress", "wp")),
    "wrong count of votes": (WRONG_COUNT, ("tests", "stress", "wp")),
    "wrong slot": (WRONG_SLOT, ("tests", "stress", "wp")),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "fault"),
    [pytest.param(check, fault, id=f"{check}, {name}") for name, (fault, checks) in SEEN.items() for check in checks],
)
def test_a_seeded_fault_fails_the_thorough_check(tmp_path: Path, check: str, fault: tuple[str, str, str]) -> None:
    need(check)
    folder = package(full_range_model(), tmp_path)
    seed_fault(folder, fault)
    code, outcomes = prove(folder, check, timeout=2)
    assert (code, outcomes[check]["verdict"]) == (1, "failed"), outcomes[check]["detail"]


DUAL_INDEX_TOO_FAR = ("crumple_model.c", "&input[10u]", "&input[12u]")
DUAL_WRONG_SIGN = ("crumple_model.c", "node1 = CRUMPLE_SMLAD(", "node1 = -CRUMPLE_SMLAD(")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("tests", DUAL_INDEX_TOO_FAR),
        ("tests", DUAL_WRONG_SIGN),
        ("stress", DUAL_INDEX_TOO_FAR),
        ("stress", DUAL_WRONG_SIGN),
        ("bmc", DUAL_WRONG_SIGN),
    ],
    ids=["tests, index too far", "tests, wrong sign", "stress, index too far", "stress, wrong sign", "bmc, wrong sign"],
)
def test_a_seeded_fault_in_the_dual_loop_alone_fails_the_dsp_profile(
    tmp_path: Path, check: str, fault: tuple[str, str, str]
) -> None:
    need(check)
    folder = package(full_range_model(), tmp_path, DSP)
    seed_fault(folder, fault)
    code, outcomes = prove(folder, check)
    assert (code, outcomes[check]["verdict"]) == (1, "failed"), outcomes[check]["detail"]
    assert check == "bmc" or "dual products" in outcomes[check]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("check", ["eva", "tests", "stress"])
def test_a_doubled_weight_row_overflows_and_is_caught(tmp_path: Path, check: str) -> None:
    need(check)
    folder = package(full_range_model(), tmp_path)
    doubled_row(folder)
    code, outcomes = prove(folder, check)
    assert (code, outcomes[check]["verdict"]) == (1, "failed"), outcomes[check]["detail"]
