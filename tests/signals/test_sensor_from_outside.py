"""The sensor chain, from outside: what it keeps, what it limits, what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crumple.config import build
from crumple.errors import ConfigError, SignalError
from crumple.signals.sensor import SensorPair, SensorSpec, Tolerances, sense, sense_trace
from crumple.signals.trace import Float, Trace

RATE_HZ = 10_000.0
SPEC = SensorSpec()


def nominal(decel_g: Float, spec: SensorSpec = SPEC) -> np.ndarray:
    """Counts of one signal behind a nominal, noiseless sensor."""
    return sense(np.asarray(decel_g, dtype=np.float64)[None, :], RATE_HZ, spec, Tolerances.nominal(1), None)[0]


@given(st.floats(-119, 119))
@settings(max_examples=30, deadline=None)
def test_a_constant_reads_as_its_nearest_count(level_g: float) -> None:
    counts = nominal(np.full(200, level_g))
    assert counts.dtype == np.int16
    assert np.abs(counts * float(SPEC.lsb) - level_g).max() <= 0.5 * float(SPEC.lsb) + 1e-9


@given(st.floats(121, 1000))
@settings(max_examples=20, deadline=None)
def test_what_exceeds_the_range_reads_as_the_largest_count_and_never_wraps(level_g: float) -> None:
    assert (nominal(np.full(200, level_g)) == SPEC.clamp_lsb).all()
    assert (nominal(np.full(200, -level_g)) == -SPEC.clamp_lsb).all()


def test_the_filter_is_causal() -> None:
    step = np.zeros(1000)
    step[500:] = 50.0
    counts = nominal(step)
    first = int(np.flatnonzero(counts)[0])
    assert first / SPEC.sample_rate_hz >= 500 / RATE_HZ
    assert counts[-1] == 50 / SPEC.lsb


def test_the_filter_delays_by_its_published_group_delay() -> None:
    # A 4-pole 400 Hz Bessel delays by 0.84 ms; a slow ramp arrives that much later.
    time = np.arange(4000) / RATE_HZ
    counts = nominal(100 * time)
    at = np.arange(counts.size) / SPEC.sample_rate_hz
    late_s = at[-200:] - counts[-200:] * float(SPEC.lsb) / 100
    assert late_s.mean() == pytest.approx(0.84e-3, abs=0.05e-3)


@pytest.mark.parametrize(("frequency_hz", "loss_db"), [(200.0, 0.7), (400.0, 3.0), (800.0, 13.0)])
def test_the_filter_loses_what_its_data_sheet_says(frequency_hz: float, loss_db: float) -> None:
    time = np.arange(20_000) / RATE_HZ
    fine = SensorSpec(sample_rate_hz=10_000)
    out = nominal(50 * np.sin(2 * np.pi * frequency_hz * time), fine)[2000:] * float(fine.lsb)
    carrier = np.exp(-2j * np.pi * frequency_hz * np.arange(out.size) / RATE_HZ)
    left = abs(2 * np.mean(out * carrier)) / 50
    # The digital filter bends towards its Nyquist frequency: 13.8 dB at 800 Hz where the analogue one has 13.4.
    assert -20 * math.log10(left) == pytest.approx(loss_db, abs=0.9)


def test_a_sensor_that_was_running_starts_without_a_transient() -> None:
    assert np.ptp(nominal(np.full(500, 7.0))) == 0


def test_turning_the_car_round_turns_the_counts_round() -> None:
    noise = np.random.default_rng(3).normal(0, 20, 2000)
    np.testing.assert_array_equal(nominal(noise), -nominal(-noise))


def test_the_same_noise_gives_the_same_counts() -> None:
    signal = np.zeros((2, 1000))
    both = [sense(signal, RATE_HZ, SPEC, Tolerances.nominal(2), np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*both)
    other = sense(signal, RATE_HZ, SPEC, Tolerances.nominal(2), np.random.default_rng(6))
    assert (both[0] != other).any()


def test_noise_has_the_stated_strength() -> None:
    loud = SensorSpec(noise_rms_g=1.0)
    counts = sense(np.zeros((1, 100_000)), RATE_HZ, loud, Tolerances.nominal(1), np.random.default_rng(1))
    assert counts.std() * float(loud.lsb) == pytest.approx(1.0, rel=0.03)


def test_drawn_tolerances_fill_their_box_and_stay_inside() -> None:
    box = Tolerances.drawn(SPEC, 5000, np.random.default_rng(0))
    for values, limit in ((box.gain_error, SPEC.gain_tolerance), (box.offset_g, SPEC.offset_tolerance_g)):
        assert np.abs(values).max() <= limit
        assert values.max() > 0.99 * limit
        assert values.min() < -0.99 * limit


def test_a_measured_trace_is_sensed_as_deceleration() -> None:
    trace = Trace("sill", np.full(500, -10.0), RATE_HZ, 0.0)
    assert (sense_trace(trace, SPEC) == 10 / SPEC.lsb).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(SignalError, match="not finite"):
        nominal(np.array([0.0, bad, 0.0] * 100))


@pytest.mark.parametrize("rate_hz", [1000.0, 1599.0])
def test_a_signal_too_slow_for_the_filter_is_refused(rate_hz: float) -> None:
    with pytest.raises(SignalError, match="too slow"):
        sense(np.zeros((1, 1000)), rate_hz, SPEC, Tolerances.nominal(1), None)


@pytest.mark.parametrize("lsb_g", ["", "x", "1/0", "0", "-1/16", "1/16 g"])
def test_a_resolution_that_is_no_positive_fraction_is_refused(lsb_g: str) -> None:
    with pytest.raises(ConfigError, match="lsb_g"):
        SensorSpec(lsb_g=lsb_g)
    with pytest.raises(ConfigError, match="lsb_g"):
        build(SensorSpec, {"lsb_g": lsb_g}, where="plan.toml")


def test_two_sensors_share_one_clock() -> None:
    with pytest.raises(ConfigError, match="same rate"):
        SensorPair(safing=SensorSpec(sample_rate_hz=1000))


def test_every_default_names_its_source() -> None:
    schema = TypeAdapter(SensorSpec).json_schema()
    assert all(field.get("description") for field in schema["properties"].values())
