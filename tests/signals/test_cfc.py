"""CFC filters: their published corners, no delay, and no transient at either end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.signals.cfc import CLASSES, ISO6487_DESIGN_HZ_PER_CFC, J211_DESIGN_HZ_PER_CFC, cfc, phaseless
from crumple.signals.trace import Float, Trace

CORNERS_HZ = {60: 100.0, 180: 300.0, 600: 1000.0, 1000: 1667.0}


def trace(values: Float, rate_hz: float = 10_000.0) -> Trace:
    return Trace("probe", values, rate_hz, 0.0)


def gain(channel_class: int, frequency_hz: float, *, design: float, rate_hz: float) -> float:
    """Amplitude that is left of a unit sine, by projection on sine and cosine over the middle of the record."""
    time = np.arange(int(rate_hz)) / rate_hz
    out = cfc(trace(np.sin(2 * np.pi * frequency_hz * time), rate_hz), channel_class, design_hz_per_cfc=design)
    middle = slice(time.size // 4, 3 * time.size // 4)
    carrier = np.exp(-2j * np.pi * frequency_hz * time[middle])
    return float(abs(2 * np.mean(out.accel_g[middle] * carrier)))


@pytest.mark.parametrize("channel_class", CLASSES)
@pytest.mark.parametrize(
    ("design", "tolerance"),
    [(J211_DESIGN_HZ_PER_CFC, 0.02), (ISO6487_DESIGN_HZ_PER_CFC, 0.05)],
    ids=["J211", "ISO 6487"],
)
def test_the_filter_is_three_decibels_down_at_its_published_corner(
    channel_class: int, design: float, tolerance: float
) -> None:
    # At 100 kHz the bilinear transform bends nothing; at 10 kHz it is prewarped and must hold all the same.
    left = gain(channel_class, CORNERS_HZ[channel_class], design=design, rate_hz=100_000.0)
    assert 20 * np.log10(left) == pytest.approx(-3.0, abs=tolerance)


def test_the_two_constants_differ_by_the_stated_share() -> None:
    assert pytest.approx(0.003, abs=0.0003) == ISO6487_DESIGN_HZ_PER_CFC / J211_DESIGN_HZ_PER_CFC - 1


@pytest.mark.parametrize("channel_class", CLASSES)
def test_the_filter_delays_nothing(channel_class: int) -> None:
    time = np.arange(2001) / 10_000.0
    bump = np.exp(-(((time - 0.1) / 0.010) ** 2))
    out = cfc(trace(bump), channel_class).accel_g
    assert int(np.argmax(out)) == 1000
    assert np.allclose(out, out[::-1], atol=1e-9)


@given(level=st.floats(-500, 500), slope=st.floats(-1000, 1000))
@settings(max_examples=30)
def test_a_straight_line_passes_unchanged_to_both_ends(level: float, slope: float) -> None:
    line = level + slope * np.arange(800) / 10_000.0
    assert np.allclose(cfc(trace(line), 180).accel_g, line, atol=1e-6 * (1 + abs(level)) + 2e-3 * abs(slope) / 100)


@given(factor=st.floats(-10, 10), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_filtering_commutes_with_scaling(factor: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=400)
    once = cfc(trace(factor * noise), 60).accel_g
    assert np.allclose(once, factor * cfc(trace(noise), 60).accel_g, atol=1e-9)


def test_a_velocity_change_survives_the_filter() -> None:
    time = np.arange(3000) / 10_000.0
    pulse = np.where((time > 0.1) & (time < 0.2), -15 * np.sin(np.pi * (time - 0.1) / 0.1), 0.0)
    assert cfc(trace(pulse), 60).accel_g.sum() == pytest.approx(pulse.sum(), rel=1e-6)


@pytest.mark.parametrize("n_samples", [2, 3, 50, 99, 101])
def test_short_records_are_filtered_too(n_samples: int) -> None:
    out = cfc(trace(np.full(n_samples, -3.0)), 60).accel_g
    assert np.allclose(out, -3.0)


@pytest.mark.parametrize("channel_class", [0, 61, -60, 100])
def test_a_class_that_does_not_exist_is_refused(channel_class: int) -> None:
    with pytest.raises(SignalError, match="choose one of"):
        cfc(trace(np.zeros(100)), channel_class)


@pytest.mark.parametrize(("channel_class", "rate_hz"), [(1000, 9_999.0), (60, 500.0)])
def test_a_record_sampled_too_slowly_is_refused(channel_class: int, rate_hz: float) -> None:
    with pytest.raises(SignalError, match="too slow"):
        cfc(trace(np.zeros(100), rate_hz), channel_class)


@pytest.mark.parametrize("design_hz", [0.0, -1.0, 5000.0, float("nan")])
def test_a_corner_that_does_not_fit_the_rate_is_refused(design_hz: float) -> None:
    with pytest.raises(SignalError, match="corner"):
        phaseless(np.zeros(100), 10_000.0, design_hz=design_hz)


def test_a_single_sample_is_no_row() -> None:
    with pytest.raises(SignalError, match="at least 2"):
        phaseless(np.zeros(1), 10_000.0, design_hz=100.0)
