"""Resampling: nothing aliases, nothing moves, and irregular times are never guessed at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.signals.resample import from_irregular, resample
from crumple.signals.trace import Float, Trace

SHARED = Path(__file__).resolve().parents[3] / "shared"
needs_recordings = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared recordings are not here")

RATES = [1000.0, 2000.0, 4000.0, 8000.0, 12_500.0, 25_000.0]


def trace(values: Float, rate_hz: float = 10_000.0, t0_s: float = -0.01) -> Trace:
    return Trace("probe", values, rate_hz, t0_s)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_slow_sine_keeps_its_values_at_the_new_times(rate_hz: float) -> None:
    time = np.arange(5000) / 10_000.0
    out = resample(trace(np.sin(2 * np.pi * 80 * time), t0_s=0.0), rate_hz)
    inside = slice(out.accel_g.size // 10, -out.accel_g.size // 10)
    np.testing.assert_allclose(out.accel_g[inside], np.sin(2 * np.pi * 80 * out.time_s)[inside], atol=3e-4)


@pytest.mark.parametrize("rate_hz", [1000.0, 2000.0, 4000.0])
@pytest.mark.parametrize("above", [1.02, 1.3, 1.9])
def test_what_the_new_rate_cannot_carry_is_removed_not_folded(rate_hz: float, above: float) -> None:
    frequency_hz = above * rate_hz / 2
    time = np.arange(10_000) / 10_000.0
    out = resample(trace(np.sin(2 * np.pi * frequency_hz * time)), rate_hz).accel_g
    inside = out[out.size // 4 : -out.size // 4]
    assert np.abs(inside).max() < 10 ** (-70 / 20)


@pytest.mark.parametrize("rate_hz", RATES)
def test_first_sample_and_covered_time_stay(rate_hz: float) -> None:
    before = trace(np.zeros(1234))
    after = resample(before, rate_hz)
    assert after.t0_s == before.t0_s
    assert after.rate_hz == rate_hz
    assert 0 <= before.time_s[-1] - after.time_s[-1] < 1 / rate_hz


@given(st.sampled_from(RATES), st.floats(-100, 100), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_resampling_commutes_with_scaling(rate_hz: float, factor: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=300)
    np.testing.assert_allclose(
        resample(trace(factor * noise), rate_hz).accel_g, factor * resample(trace(noise), rate_hz).accel_g, atol=1e-9
    )


@given(st.sampled_from(RATES), st.floats(-100, 100), st.floats(-100, 100))
@settings(max_examples=30, deadline=None)
def test_a_straight_line_passes_to_both_ends(rate_hz: float, level: float, slope: float) -> None:
    before = trace(level + slope * np.linspace(0, 1, 900))
    after = resample(before, rate_hz)
    expected = level + slope * (after.time_s - before.t0_s) * 10_000.0 / 899
    np.testing.assert_allclose(after.accel_g, expected, atol=1e-3 * (abs(level) + abs(slope) + 1e-9))


def test_a_velocity_change_survives() -> None:
    time = np.arange(4000) / 10_000.0
    pulse = np.where((time > 0.1) & (time < 0.2), -15 * np.sin(np.pi * (time - 0.1) / 0.1) ** 2, 0.0)
    assert resample(trace(pulse), 2000.0).accel_g.sum() / 2000 == pytest.approx(pulse.sum() / 10_000, rel=1e-4)


def test_there_and_back_again_is_where_one_was() -> None:
    time = np.arange(3000) / 10_000.0
    before = trace(np.exp(-(((time - 0.15) / 0.01) ** 2)))
    back = resample(resample(before, 25_000.0), 10_000.0)
    np.testing.assert_allclose(back.accel_g, before.accel_g[: back.accel_g.size], atol=1e-3)
    assert before.accel_g.size - back.accel_g.size <= 1


def test_the_same_rate_is_the_same_trace() -> None:
    before = trace(np.arange(10.0))
    assert resample(before, 10_000.0) is before


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, math.nan, math.inf, 10_000 * math.pi, 1e9])
def test_a_rate_that_cannot_be_had_is_refused(rate_hz: float) -> None:
    with pytest.raises(SignalError, match="probe"):
        resample(trace(np.zeros(100)), rate_hz)


def test_a_record_too_short_for_the_new_rate_is_refused() -> None:
    with pytest.raises(SignalError, match="fewer than 2"):
        resample(trace(np.zeros(5)), 1000.0)


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_irregular_samples_of_a_straight_line_become_the_line(n_samples: int, seed: int) -> None:
    time = np.cumsum(np.random.default_rng(seed).uniform(1e-4, 2e-3, n_samples))
    made = from_irregular("line", time, 3 * time - 1, rate_hz=10_000.0, longest_gap_s=1.0)
    np.testing.assert_allclose(made.accel_g, 3 * made.time_s - 1, atol=1e-9)
    assert made.t0_s == time[0]
    assert made.time_s[-1] <= time[-1] + 1e-12


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ([0.0, 0.1, 0.1, 0.2], r"repeats at sample 2"),
        ([0.0, 0.2, 0.1, 0.3], r"goes backwards at sample 2"),
        ([0.0, 0.1, 0.2, 0.9], r"nothing between 0\.2 s and 0\.9 s"),
        ([0.0, 0.1, math.nan, 0.3], r"not finite"),
        ([0.0, 0.1, 0.2], r"two rows"),
    ],
)
def test_times_that_make_no_record_are_refused(time: list[float], words: str) -> None:
    with pytest.raises(SignalError, match=words):
        from_irregular("probe", np.array(time), np.zeros(4), rate_hz=100.0, longest_gap_s=0.5)


@needs_recordings
def test_the_pooled_helmet_data_are_refused_for_their_repeated_times() -> None:
    table = np.loadtxt(SHARED / "data/real/mcycle/mcycle.csv", delimiter=",", skiprows=1)
    assert table.shape == (133, 3)
    assert (table[:, 2].min(), table[:, 2].max()) == (-134.0, 75.0)
    with pytest.raises(SignalError, match="repeats"):
        from_irregular("mcycle", table[:, 1] * 1e-3, table[:, 2], rate_hz=10_000.0, longest_gap_s=0.01)


@needs_recordings
def test_the_pooled_helmet_data_pass_once_the_user_has_decided_about_repeats() -> None:
    table = np.loadtxt(SHARED / "data/real/mcycle/mcycle.csv", delimiter=",", skiprows=1)
    times = np.unique(table[:, 1])
    means = np.array([table[table[:, 1] == t, 2].mean() for t in times])
    made = from_irregular("mcycle", times * 1e-3, means, rate_hz=10_000.0, longest_gap_s=0.01)
    assert made.t0_s == pytest.approx(0.0024)
    assert made.time_s[-1] == pytest.approx(0.0576, abs=1e-4)
    assert made.accel_g.min() == pytest.approx(means.min(), abs=1e-9)
