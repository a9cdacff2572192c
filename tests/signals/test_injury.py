"""Injury criteria against brute force and closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crumple.errors import SignalError
from crumple.signals.criteria import NotReached
from crumple.signals.injury import ImpactVelocity, asi, clip_g, hic, occupant_impact_velocity, resultant_g
from crumple.signals.trace import Float
from crumple.units import G0_MPS2

DT_S = 1e-4


def brute_hic(head_g: Float, dt_s: float, n_longest: int) -> float:
    """The definition, pair by pair."""
    best = 0.0
    for i in range(head_g.size - 1):
        for j in range(i + 1, min(i + n_longest, head_g.size - 1) + 1):
            span = (j - i) * dt_s
            best = max(best, span * (float(np.trapezoid(head_g[i : j + 1], dx=dt_s)) / span) ** 2.5)
    return best


@given(
    arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 300)),
    st.integers(1, 50),
)
@settings(max_examples=60)
def test_hic_is_the_maximum_over_all_pairs(head_g: Float, n_longest: int) -> None:
    found = hic(head_g, 1e-3, window_s=n_longest * 1e-3)
    assert found.value == pytest.approx(brute_hic(head_g, 1e-3, n_longest), rel=1e-9)


@given(arrays(np.float64, st.integers(3, 60), elements=st.floats(0, 300)))
def test_the_reported_window_gives_the_reported_value(head_g: Float) -> None:
    found = hic(head_g, 1e-3)
    i, j = round(found.start_s / 1e-3), round(found.stop_s / 1e-3)
    span = (j - i) * 1e-3
    assert 0 < span <= 0.015 + 1e-12
    assert found.value == pytest.approx(span * (np.trapezoid(head_g[i : j + 1], dx=1e-3) / span) ** 2.5, abs=1e-9)


def test_a_constant_level_fills_the_window() -> None:
    assert hic(np.full(1000, 80.0), DT_S).value == pytest.approx(0.015 * 80**2.5)
    assert hic(np.full(1000, 80.0), DT_S, window_s=0.036).value == pytest.approx(0.036 * 80**2.5)


def test_a_short_knock_is_judged_over_less_than_the_window() -> None:
    knock = np.zeros(1000)
    knock[500:520] = 150.0
    found = hic(knock, DT_S)
    assert found.stop_s - found.start_s < 0.003
    # A window stretched to 15 ms, as tools do that believe the longest is always the worst, would miss half of it.
    assert found.value > 2 * 0.015 * (150 * 0.002 / 0.015) ** 2.5


def test_the_hic_of_a_half_sine_is_the_published_share() -> None:
    # Chou and Nyquist (1974): 0.4146 A^2.5 T when the window is free.
    t = np.arange(0, 0.0100 + DT_S / 20, DT_S / 10)
    found = hic(100 * np.sin(np.pi * t / 0.010), DT_S / 10)
    assert found.value == pytest.approx(0.4146 * 100**2.5 * 0.010, rel=1e-3)


@given(arrays(np.float64, 30, elements=st.floats(0, 100)), st.floats(0.1, 10))
def test_hic_scales_with_the_power_of_two_and_a_half(head_g: Float, factor: float) -> None:
    assert hic(factor * head_g, 1e-3).value == pytest.approx(factor**2.5 * hic(head_g, 1e-3).value, rel=1e-9)


@given(arrays(np.float64, 60, elements=st.floats(0, 100)))
def test_a_longer_window_never_lowers_hic(head_g: Float) -> None:
    assert hic(head_g, 1e-3, window_s=0.036).value >= hic(head_g, 1e-3, window_s=0.015).value


def test_nothing_happening_is_worth_nothing() -> None:
    assert hic(np.zeros(100), DT_S).value == 0.0


def test_hic36_of_a_fast_record_takes_well_under_a_second() -> None:
    noise = np.abs(np.random.default_rng(0).normal(size=30_000))
    start = time.perf_counter()
    hic(noise, 1e-5, window_s=0.036)
    assert time.perf_counter() - start < 5.0


@pytest.mark.parametrize(
    "bad",
    [np.array([1.0, -0.1]), np.array([1.0, math.nan]), np.array([1.0, math.inf]), np.zeros(1), np.zeros((3, 3))],
    ids=["negative", "nan", "inf", "one sample", "table"],
)
def test_hic_refuses_what_is_no_resultant(bad: Float) -> None:
    with pytest.raises(SignalError):
        hic(bad, DT_S)


def test_hic_refuses_a_window_shorter_than_a_sample() -> None:
    with pytest.raises(SignalError, match="shorter than a sample"):
        hic(np.zeros(10), 0.1)


@pytest.mark.parametrize("method", ["single", "cumulative"])
def test_the_clip_of_a_half_sine_is_its_level_3_ms_wide(method: str) -> None:
    t = np.arange(501) * DT_S
    found = clip_g(40 * np.sin(np.pi * t / 0.05), DT_S, method=method)  # type: ignore[arg-type]
    assert found == pytest.approx(40 * math.cos(math.pi * 0.0015 / 0.05), rel=1e-5)


def test_two_peaks_add_up_only_when_asked() -> None:
    t = np.arange(2001) * DT_S
    one = np.where(t < 0.004, 50 * np.sin(np.pi * t / 0.004), 0.0)
    two = one + np.where((t > 0.1) & (t < 0.104), 50 * np.sin(np.pi * (t - 0.1) / 0.004), 0.0)
    alone = 50 * math.cos(math.pi * 0.0015 / 0.004)
    shared = 50 * math.cos(math.pi * 0.00075 / 0.004)
    assert clip_g(two, DT_S) == pytest.approx(alone, rel=2e-3)
    assert clip_g(two, DT_S, method="cumulative") == pytest.approx(shared, rel=2e-3)


@given(arrays(np.float64, st.integers(5, 60), elements=st.floats(0, 100)))
def test_the_single_peak_clip_never_exceeds_the_cumulative_one_or_the_peak(level_g: Float) -> None:
    single, cumulative = clip_g(level_g, 1e-3), clip_g(level_g, 1e-3, method="cumulative")
    assert level_g.min() <= single <= cumulative * (1 + 1e-12) <= level_g.max() * (1 + 1e-12)


@given(arrays(np.float64, st.integers(5, 40), elements=st.floats(0, 100, width=16)))
def test_the_single_peak_clip_is_at_least_the_best_window_of_samples(level_g: Float) -> None:
    by_samples = max(level_g[i : i + 4].min() for i in range(level_g.size - 3))
    assert clip_g(level_g, 1e-3) >= by_samples * (1 - 1e-12)


def test_a_constant_is_its_own_clip() -> None:
    assert clip_g(np.full(50, 7.5), 1e-3) == 7.5


def test_a_record_shorter_than_the_duration_has_no_clip() -> None:
    with pytest.raises(SignalError, match="longer record"):
        clip_g(np.ones(3), 1e-3)


@pytest.mark.parametrize(("axis", "limit"), [(0, 12.0), (1, 9.0), (2, 10.0)])
@pytest.mark.parametrize("method", ["mean", "filter"])
def test_the_limit_on_one_axis_is_severity_one(axis: int, limit: float, method: str) -> None:
    rows = [np.zeros(2000), np.zeros(2000), np.zeros(2000)]
    rows[axis] = np.full(2000, -limit)
    assert asi(*rows, DT_S, method=method).value == pytest.approx(1.0)  # type: ignore[arg-type]


def test_the_mean_asi_of_a_half_sine_is_its_middle_50_ms() -> None:
    t = np.arange(1001) * DT_S
    pulse = -12 * np.sin(np.pi * t / 0.1)
    found = asi(pulse, np.zeros(1001), np.zeros(1001), DT_S)
    assert found.value == pytest.approx(2 * math.sin(math.pi / 4) * 0.1 / (math.pi * 0.05), rel=1e-4)
    assert found.time_s == pytest.approx(0.050, abs=2 * DT_S)


def test_the_filter_of_the_asi_is_three_decibels_down_at_13_hz() -> None:
    t = np.arange(40_000) * 1e-3
    found = asi(12 * np.sin(2 * np.pi * 13 * t), np.zeros_like(t), np.zeros_like(t), 1e-3, method="filter")
    assert 20 * math.log10(found.value) == pytest.approx(-3.0, abs=0.06)


def test_the_axes_of_the_asi_add_as_squares() -> None:
    ones = np.ones(2000)
    found = asi(12 * ones, 9 * ones, 10 * ones, DT_S)
    assert found.value == pytest.approx(math.sqrt(3))


def test_a_window_that_is_no_whole_number_of_samples_is_refused() -> None:
    with pytest.raises(SignalError, match="does not fit"):
        asi(np.zeros(50), np.zeros(50), np.zeros(50), 0.02)


def test_axes_of_different_length_are_refused() -> None:
    with pytest.raises(SignalError, match="differ in length"):
        resultant_g(np.zeros(3), np.zeros(4), np.zeros(3))
    with pytest.raises(SignalError, match="differ in length"):
        asi(np.zeros(1000), np.zeros(1000), np.zeros(1001), DT_S)
    with pytest.raises(SignalError, match="differ in length"):
        occupant_impact_velocity(np.zeros(10), np.zeros(11), DT_S)


@pytest.mark.parametrize(("x", "y", "metres"), [(-10.0, 0.0, 0.6), (0.0, 10.0, 0.3), (0.0, -10.0, 0.3)])
def test_the_impact_velocity_under_constant_acceleration_is_root_2as(x: float, y: float, metres: float) -> None:
    found = occupant_impact_velocity(np.full(4000, x), np.full(4000, y), DT_S)
    assert isinstance(found, ImpactVelocity)
    speed = math.sqrt(2 * 10 * G0_MPS2 * metres)
    assert math.hypot(found.x_mps, found.y_mps) == pytest.approx(speed, rel=1e-4)
    assert found.time_s == pytest.approx(speed / (10 * G0_MPS2), rel=1e-4)
    assert (found.x_mps > 0) == (x < 0)
    assert (found.y_mps > 0) == (y < 0)


def test_a_flail_that_does_not_reach_is_a_value() -> None:
    assert isinstance(occupant_impact_velocity(np.full(100, -1.0), np.zeros(100), DT_S), NotReached)
