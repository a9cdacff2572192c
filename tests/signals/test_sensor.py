"""The sensor chain, link by link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ConfigError, SignalError
from crumple.signals.sensor import (
    N_CORNERS,
    SensorPair,
    SensorSpec,
    Tolerances,
    lost_frames,
    sense,
    sense_frames,
)

RATE = 8000
SPEC = SensorSpec()


def constant(level_g: float, n_events: int = 1) -> np.ndarray:
    return np.full((n_events, 802), level_g)


def sine(hz: float, amplitude_g: float = 50.0) -> np.ndarray:
    return amplitude_g * np.sin(2 * np.pi * hz * np.arange(8002) / RATE)[None, :]


@given(st.floats(-119, 119))
def test_a_nominal_sensor_reads_a_constant_to_half_a_count(level_g: float) -> None:
    counts = sense(constant(level_g), RATE, SPEC, Tolerances.nominal(1), None)
    assert (np.abs(counts / 16 - level_g) <= 0.5 / 16 + 1e-9).all()


def test_it_saturates_and_never_wraps() -> None:
    counts = sense(np.array([[1e6] * 400 + [-1e6] * 402]), RATE, SPEC, Tolerances.nominal(1), None)
    assert counts.max() == SPEC.clamp_lsb and counts.min() == -SPEC.clamp_lsb


@pytest.mark.parametrize(("hz", "loss_db", "within"), [(50, 0.05, 0.1), (200, 0.7, 0.3), (400, 3.0, 0.3)])
def test_the_filter_loses_what_a_4_pole_bessel_loses(hz: float, loss_db: float, within: float) -> None:
    counts = sense(sine(hz), RATE, SPEC, Tolerances.nominal(1), None)[0, 200:] / 16
    seen_db = 20 * np.log10(50 / (np.sqrt(2) * counts.std()))
    assert seen_db == pytest.approx(loss_db, abs=within)


def test_a_low_corner_loses_more_than_a_high_one() -> None:
    losses = []
    for corner in range(N_CORNERS):
        box = replace(Tolerances.nominal(1), corner=np.array([corner]))
        losses.append(sense(sine(400), RATE, SPEC, box, None)[0, 200:].std())
    assert losses == sorted(losses)


def test_gain_offset_drift_and_bow_do_what_they_say() -> None:
    one = Tolerances.nominal(1)
    level = constant(60.0)

    def last(**changes: float) -> float:
        box = replace(one, **{name: np.array([value]) for name, value in changes.items()})
        return float(sense(level, RATE, SPEC, box, None)[0, -1]) / 16

    assert last(gain_error=0.05) == pytest.approx(63.0, abs=0.05)
    assert last(offset_g=-2.0) == pytest.approx(58.0, abs=0.05)
    assert last(drift_g_per_s=20.0) == pytest.approx(60.0 + 20.0 * 0.0995, abs=0.1)
    assert last(non_linearity=0.01) == pytest.approx(61.2, abs=0.05)  # 1 % of 120 g, at half scale


def test_the_bow_is_nothing_at_full_scale() -> None:
    box = replace(Tolerances.nominal(1), non_linearity=np.array([-0.01]))
    assert sense(constant(119.9), RATE, SPEC, box, None)[0, -1] == pytest.approx(119.9 * 16, abs=3)


def test_across_the_axis_comes_in_by_tilt_and_sensitivity() -> None:
    box = replace(Tolerances.nominal(1), tilt_rad=np.deg2rad([3.0]), cross_gain=np.array([0.03]))
    counts = sense(constant(0.0), RATE, SPEC, box, None, constant(20.0))
    assert counts[0, -1] / 16 == pytest.approx(20 * (np.sin(np.deg2rad(3)) + 0.03), abs=0.05)


def test_sampling_phase_moves_the_samples() -> None:
    ramp = np.linspace(0, 100, 8002)[None, :]
    early = sense(ramp, RATE, SPEC, Tolerances.nominal(1), None)
    late = sense(ramp, RATE, SPEC, replace(Tolerances.nominal(1), phase=np.array([0.9])), None)
    assert (late[0, 100:] >= early[0, 100:]).all() and late[0, 1000] > early[0, 1000] - 1


def test_drawn_tolerances_fill_their_box_and_differ_between_sensors() -> None:
    pair = SensorPair()
    main = Tolerances.drawn(pair.main, 2000, np.random.default_rng(0))
    safing = Tolerances.drawn(pair.safing, 2000, np.random.default_rng(1))
    assert 0.068 < np.abs(main.gain_error).max() <= 0.07
    assert 0.48 < np.abs(main.offset_g).max() <= 0.5
    assert set(main.corner) == set(range(N_CORNERS))
    assert abs(np.corrcoef(main.gain_error, safing.gain_error)[0, 1]) < 0.1


def test_noise_is_as_loud_as_stated() -> None:
    quiet_bus = replace(SPEC, frame_error_rate=0.0, dropout_probability=0.0)
    counts = sense(constant(0.0, 200), RATE, quiet_bus, Tolerances.nominal(200), np.random.default_rng(0))
    assert np.sqrt((counts / 16) ** 2).std() < 0.2
    assert (counts / 16).std() == pytest.approx(np.hypot(0.09, 1 / 16 / np.sqrt(12)), rel=0.03)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_lost_frames_are_flagged_and_count_as_zero_and_the_others_are_untouched(seed: int) -> None:
    bad = replace(SPEC, frame_error_rate=0.05, dropout_probability=0.5, noise_rms_g=0.0)
    ramp = np.linspace(0, 100, 802)[None, :].repeat(3, axis=0)
    frames = sense_frames(ramp, RATE, bad, Tolerances.nominal(3), np.random.default_rng(seed))
    clean = sense(ramp, RATE, SPEC, Tolerances.nominal(3), None)
    assert frames.is_lost.any() and not frames.counts_lsb[frames.is_lost].any()
    assert (frames.counts_lsb[~frames.is_lost] == clean[~frames.is_lost]).all()


def test_the_bus_loses_as_many_frames_as_stated() -> None:
    spec = replace(SPEC, frame_error_rate=1e-3, dropout_probability=0.0)
    assert lost_frames(spec, (1000, 480), np.random.default_rng(0)).mean() == pytest.approx(1e-3, rel=0.15)


def test_what_cannot_be_sensed_is_refused() -> None:
    with pytest.raises(SignalError, match="too slow"):
        sense(constant(0.0), 1000, SPEC, Tolerances.nominal(1), None)
    with pytest.raises(SignalError, match="not finite"):
        sense(np.array([[0.0, np.nan, 0.0] * 100]), RATE, SPEC, Tolerances.nominal(1), None)
    with pytest.raises(ConfigError, match="exact fraction"):
        SensorSpec(lsb_g="0.1.2")
    with pytest.raises(ConfigError, match="same rate"):
        SensorPair(main=SensorSpec(sample_rate_hz=1000))
