"""The self-tests in the export: they build and pass anywhere, and fail when anything at all is changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.naming import renamed
from crumple.export.profiles import EXACT16, PROFILES, Profile
from crumple.export.selftest import golden_vectors, render_selftest
from crumple.model.deployed import DeployedModel
from crumple.toolchain import find_compiler

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


def package(model: DeployedModel, folder: Path, profile: Profile = EXACT16, prefix: str = "crumple") -> Path:
    files, image = render_calibration(model, "0" * 64, profile)
    texts = {**render_c(model, "0" * 64, profile), **files, **render_selftest(model, "0" * 64, profile)}
    for name, text in renamed(texts, prefix).items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / f"{prefix}_parameters.bin").write_bytes(image)
    return folder


def run_test_program(folder: Path, prefix: str = "crumple") -> subprocess.CompletedProcess[str]:
    sources = [str(folder / f"{prefix}_{part}.c") for part in ("model", "calibration", "selftest", "test")]
    program = folder / "program"
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*find_compiler().command, *flags, *sources, "-o", str(program)], check=True)
    image = str(folder / f"{prefix}_parameters.bin")
    return subprocess.run([str(program), image], capture_output=True, text=True, check=False)


@every_profile
def test_every_self_test_file_equals_its_golden_file(
    profile: Profile, small_model: DeployedModel, golden: Callable[[str, bytes], None]
) -> None:
    for name, text in render_selftest(small_model, "0" * 64, profile).items():
        golden(f"{profile.name}/{name}", text.encode("ascii"))


@every_profile
def test_the_self_tests_build_with_c99_and_pass(profile: Profile, small_model: DeployedModel, tmp_path: Path) -> None:
    done = run_test_program(package(small_model, tmp_path, profile))
    assert (done.returncode, done.stdout) == (0, "passed: 0 failures\n")


def test_they_pass_under_another_prefix(small_model: DeployedModel, tmp_path: Path) -> None:
    done = run_test_program(package(small_model, tmp_path, prefix="side"), "side")
    assert (done.returncode, done.stdout) == (0, "passed: 0 failures\n")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("crumple_model.c", "5, 7, 11, 13,", "5, 7, 11, 14,", "boot test"),
        ("crumple_model.c", "(z > 0) ? z : 0", "z", "boot test"),
        ("crumple_model.c", "-100, 50", "-100, 51", "boot test"),
        ("crumple_model.c", "(at + 1u) % CRUMPLE_BLOCKS", "at", "golden vector"),
        ("crumple_model.c", "count >= CRUMPLE_CONFIRM_VOTES", "count > CRUMPLE_CONFIRM_VOTES", "fire request"),
        ("crumple_calibration.c", "verdict = CRUMPLE_IMAGE_DAMAGED", "verdict = CRUMPLE_IMAGE_ACCEPTED", "one bit"),
        ("crumple_calibration.c", "room -= weight", "room += weight", ""),
    ],
)
def test_a_changed_file_fails_its_self_test(
    small_model: DeployedModel, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = package(small_model, tmp_path)
    source = (folder / file).read_text(encoding="ascii")
    assert old in source
    (folder / file).write_text(source.replace(old, new, 1), encoding="ascii")
    done = run_test_program(folder)
    if said:
        assert done.returncode == 1
        assert said in done.stdout
    else:  # only the reader's own tests look as closely at the last count of room
        assert done.returncode == 0


def test_golden_vectors_reach_both_ends_of_every_node_and_leave_the_clamp(small_model: DeployedModel) -> None:
    vectors = golden_vectors(small_model)
    nodes = small_model.block_sums(vectors) @ np.array(small_model.hidden_weight).T + np.array(small_model.hidden_bias)
    magnitude = np.array(small_model.hidden_magnitude) - np.abs(small_model.hidden_bias)
    assert (nodes.max(axis=0) == magnitude + small_model.hidden_bias).all()
    assert (nodes.min(axis=0) == -magnitude + small_model.hidden_bias).all()
    assert vectors.max() == 32767
    assert vectors.min() == -32768
    votes = small_model.outputs(vectors) > 0
    assert 0 < votes.sum() < votes.size


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile_builds_and_runs_them(small_model: DeployedModel, tmp_path: Path) -> None:
    command = " ".join(find_compiler().command)
    done = subprocess.run(
        ["make", "-C", str(package(small_model, tmp_path)), "test", f"CC={command}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "passed: 0 failures" in done.stdout


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_builds_and_runs_them(small_model: DeployedModel, tmp_path: Path) -> None:
    package(small_model, tmp_path)
    build = tmp_path / "build"
    for arguments in (["cmake", "-S", tmp_path, "-B", build], ["cmake", "--build", build]):
        subprocess.run([str(word) for word in arguments], capture_output=True, check=True)
    subprocess.run(["ctest", "--output-on-failure"], cwd=build, capture_output=True, check=True)
