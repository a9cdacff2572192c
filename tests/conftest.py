"""Shared by all tests: a tiny hand-made model, and golden files that `--update-golden` rewrites."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import settings

from crumple.model.deployed import Arming, DeployedModel

GOLDEN = Path(__file__).parent / "golden"

# How long an example takes says nothing about what is tested: the first one pays for imports.
settings.register_profile("crumple", deadline=None)
settings.load_profile("crumple")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; review the diff like code")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Compare bytes with a golden file, whole; or rewrite it when asked to."""

    def compare(name: str, data: bytes) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert path.is_file(), f"no golden file {name}; run pytest --update-golden and review it"
        assert data == path.read_bytes(), f"{name} differs from its golden file"

    return compare


@pytest.fixture
def small_model() -> DeployedModel:
    """Four blocks of two samples, three hidden nodes (two for firing, one against), 2 of 3 votes."""
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
