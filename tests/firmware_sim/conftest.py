"""One small exported model, compiled once for all tests of the controller that do not spoil it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import EXACT16
from crumple.export.selftest import render_selftest
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.replay import Controller
from crumple.model.deployed import Arming, DeployedModel
from crumple.toolchain import find_compiler


@pytest.fixture(scope="session")
def deployed() -> DeployedModel:
    """Two nodes for firing and one against, 2 of 3 votes; as small as the one that all tests share."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=2,
        hidden_weight=((5, 7, 11, 13), (1, 2, 4, 8), (9, -9, 9, -9)),
        hidden_bias=(-2000, -100, 50),
        output_weight=(3, 2, -4),
        output_bias=-9000,
        confirm_votes=2,
        confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


@pytest.fixture(scope="session")
def exported(deployed: DeployedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything of an export that the controller reads."""
    folder = tmp_path_factory.mktemp("export")
    calibration, image = render_calibration(deployed, "0" * 64, EXACT16)
    files = {**render_c(deployed, "0" * 64), **calibration, **render_selftest(deployed, "0" * 64, EXACT16)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_parameters.bin").write_bytes(image)
    return folder


@pytest.fixture(scope="session")
def controller(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Runs start from power-on, so tests may share it."""
    return Controller(build_controller(exported, tmp_path_factory.mktemp("build"), find_compiler()))
