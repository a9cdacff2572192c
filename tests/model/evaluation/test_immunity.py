"""Scaling factors on models whose answer is known in closed form."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ConfigError
from crumple.model.deployed import Arming, DeployedModel
from crumple.model.evaluation.immunity import first_request, immunity, scaled, severity_margin


def sum_above(threshold: int) -> DeployedModel:
    """Requests fire when the sum of 4 samples exceeds ``threshold`` counts, at once."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=4,
        hidden_weight=((1,),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-threshold,
        confirm_votes=1,
        confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 2, 100, 4),
    )


def block(level: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    counts = np.zeros((1, 12), dtype=np.int64)
    counts[0, 4:8] = level
    return counts


@settings(max_examples=30)
@given(st.integers(50, 400))
def test_immunity_is_threshold_over_sum(level: int) -> None:
    # 4 round(lambda level) <= 2000 exactly up to lambda = 500.5 / level.
    (factor,) = immunity(sum_above(2000), block(level), most=20.0)
    assert factor == pytest.approx(500.5 / level, rel=6e-4)
    assert first_request(sum_above(2000), scaled(block(level), np.array([factor])))[0] == -1


def test_an_event_that_clipping_keeps_silent_has_the_largest_factor() -> None:
    assert immunity(sum_above(4 * 1920), block(1000), most=7.0).tolist() == [7.0]


def test_an_event_that_fires_unscaled_has_no_factor() -> None:
    assert np.isnan(immunity(sum_above(100), block(1000))).all()


@settings(max_examples=30)
@given(st.integers(600, 1900))
def test_the_severity_margin_is_the_scale_at_which_firing_in_time_ends(level: int) -> None:
    # Due at the third sample of the pulse: 3 round(lambda level) > 1200 down to lambda = 400.5 / level.
    (factor,) = severity_margin(sum_above(1200), block(level), np.array([6]))
    assert factor == pytest.approx(400.5 / level, rel=6e-4)


def test_a_late_event_has_no_margin() -> None:
    assert np.isnan(severity_margin(sum_above(1200), block(500), np.array([4]))).all()


def test_events_are_scaled_each_on_its_own() -> None:
    both = np.concatenate([block(100), block(400), block(3000)])
    factor = immunity(sum_above(2000), both, most=20.0)
    assert factor[0] > factor[1] and np.isnan(factor[2])


@pytest.mark.parametrize("most", [1.0, 0.5, float("nan"), float("inf")])
def test_a_largest_factor_that_is_none_is_refused(most: float) -> None:
    with pytest.raises(ConfigError):
        immunity(sum_above(1), block(1), most)
    with pytest.raises(ConfigError):
        severity_margin(sum_above(1), block(1), np.array([1]), least=most + 1)
