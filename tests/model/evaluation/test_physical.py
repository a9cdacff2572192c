"""Corners, superposition and maps on a delta-V threshold, whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from crumple.errors import ConfigError, SignalError
from crumple.model.deployed import Arming, DeployedModel
from crumple.model.evaluation.physical import (
    DampedSine,
    PhysicalEvent,
    drawn_events,
    measured_events,
    request_time_s,
    superposition,
    threshold_map,
    tolerance_corners,
    verdict,
)
from crumple.signals.augment import tolerance_box
from crumple.signals.events import PHYSICAL_RATE_HZ
from crumple.signals.generate import CorpusPlan, generate
from crumple.signals.sensor import SensorSpec
from crumple.signals.trace import Trace

SPEC = SensorSpec()
LSB = 1 / 16


def window_sum_above(g_samples: float) -> DeployedModel:
    """Requests fire when the sum of 32 samples (16 ms) exceeds ``g_samples``."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=32,
        hidden_weight=((1,),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-round(g_samples / LSB),
        confirm_votes=1,
        confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 2, 100, 4),
    )


def plateau(level_g: float, label: str, rttf_s: float) -> PhysicalEvent:
    time_s = np.arange(2400) / PHYSICAL_RATE_HZ - 0.02
    decel = np.where((time_s >= 0) & (time_s < 0.1), level_g, 0.0)
    return PhysicalEvent(
        Trace("plateau", -decel, PHYSICAL_RATE_HZ, -0.02), "plateau", "plateau", "synthetic", label, rttf_s
    )


def test_a_corner_fires_no_earlier_than_gain_and_offset_allow() -> None:
    # 20 g nominal over a window sum of 320 g: after 16 samples; 7 % and 0.5 g more or less move it by a sample or two.
    (row,) = tolerance_corners(window_sum_above(320.0), SPEC, [plateau(20.0, "must_fire", 0.012)])
    assert sum(row["corners"].values()) == 2 ** len(tolerance_box(SPEC))
    assert row["ttf_min_ms"] < row["ttf_ms"] < row["ttf_max_ms"]
    assert row["ttf_min_ms"] == pytest.approx(320 / (20 * 1.07 + 0.5) / 2 + 0.84, abs=1.0)
    assert row["ttf_max_ms"] == pytest.approx(320 / (20 * 0.93 - 0.5) / 2 + 0.84, abs=1.0)


def test_corners_that_do_not_fire_leave_the_largest_time_open() -> None:
    (row,) = tolerance_corners(window_sum_above(20.0 * 32 * 1.02), SPEC, [plateau(20.0, "no_fire", float("nan"))])
    assert row["ttf_ms"] is None and row["ttf_max_ms"] is None and row["ttf_min_ms"] is not None
    assert row["verdict"] == "silent" and row["corners"]["false fire"] >= 4


def test_a_sensor_without_tolerances_has_only_its_sampling_phase() -> None:
    perfect = replace(SPEC, gain_tolerance=0.0, offset_tolerance_g=0.0, filter_tolerance=0.0)
    (row,) = tolerance_corners(window_sum_above(320.0), perfect, [plateau(20.0, "must_fire", 0.012)])
    assert sum(row["corners"].values()) == 2
    assert row["ttf_max_ms"] - row["ttf_min_ms"] <= 0.5


def test_the_nominal_sensor_needs_no_vertices() -> None:
    event = plateau(20.0, "must_fire", 0.012)
    once = request_time_s(window_sum_above(320.0), SPEC, event.trace)
    again = request_time_s(window_sum_above(320.0), SPEC, event.trace, [{"gain_error": 0.0, "offset_g": 0.0}])
    assert once.tolist() == again.tolist()


def test_a_sum_is_judged_by_the_label_of_the_event_alone() -> None:
    quiet = plateau(6.0, "no_fire", float("nan"))
    (row,) = superposition(window_sum_above(320.0), SPEC, [quiet], [plateau(5.0, "no_fire", float("nan"))], [0.0])
    assert row["alone"] == {"silent": 1} and row["together"] == {"false fire": 1}
    crash = plateau(20.0, "must_fire", 0.012)
    (row,) = superposition(window_sum_above(320.0), SPEC, [crash], [plateau(-8.0, "no_fire", float("nan"))], [0.0])
    assert row["alone"] == {"in time": 1} and row["together"] == {"late": 1}


def test_what_is_added_is_brought_to_the_rate_of_the_event() -> None:
    crash, added = plateau(20.0, "must_fire", 0.012), plateau(-8.0, "no_fire", float("nan"))
    fine = Trace("fine", np.repeat(crash.trace.accel_g, 2), 2 * PHYSICAL_RATE_HZ, crash.trace.t0_s)
    (row,) = superposition(window_sum_above(320.0), SPEC, [replace(crash, trace=fine)], [added], [0.0])
    assert row["alone"] == {"in time": 1} and row["together"] == {"late": 1}


def test_a_crash_is_never_added() -> None:
    crash = plateau(20.0, "must_fire", 0.012)
    with pytest.raises(SignalError, match="only no-fire"):
        superposition(window_sum_above(320.0), SPEC, [crash], [crash])


def test_drawn_events_repeat_and_differ_from_those_of_a_corpus() -> None:
    events = drawn_events(["rigid_barrier", "hammer"], 3, seed=0)
    again = drawn_events(["rigid_barrier", "hammer"], 3, seed=0)
    assert all(np.array_equal(a.trace.accel_g, b.trace.accel_g) for a, b in zip(events, again, strict=True))
    assert [event.label for event in events] == ["must_fire"] * 3 + ["no_fire"] * 3
    corpus = generate(CorpusPlan(seed=0, counts={"rigid_barrier": 3, "hammer": 3}))
    assert not {round(event.rttf_s, 9) for event in events[:3]} & {round(event.rttf_s, 9) for event in corpus}


def test_a_mode_that_nobody_generates_is_refused() -> None:
    with pytest.raises(ConfigError, match="not synthetic"):
        drawn_events(["frontal"], 1, 0)


def test_a_synthetic_corpus_keeps_no_measured_signals() -> None:
    assert measured_events(generate(CorpusPlan(counts={"hammer": 2}))) == []


@pytest.mark.parametrize("family", ["half-sine", "haversine", "triangle"])
def test_the_map_of_a_delta_v_threshold_rises_with_peak_and_fires_earlier(family: str) -> None:
    ttf = threshold_map(
        window_sum_above(200.0), SPEC, family, np.array([5.0, 10.0, 20.0, 40.0]), np.array([0.02, 0.06])
    )
    assert np.isnan(ttf[0]).all() and not np.isnan(ttf[3]).any()
    fired = ~np.isnan(ttf)
    assert (np.diff(fired.astype(int), axis=0) >= 0).all()
    assert (np.diff(ttf[2:], axis=0) < 0).all()


def test_a_damped_sine_has_next_to_no_velocity_change_and_does_not_fire_a_delta_v_threshold() -> None:
    time_s = np.linspace(0, 0.5, 200_001)
    burst = DampedSine(100.0, 200.0)
    assert abs(np.trapezoid(burst.decel_g(time_s), time_s)) < 100.0 / (2 * np.pi * 200.0) * 1.1
    ttf = threshold_map(window_sum_above(400.0), SPEC, "damped sine", np.array([60.0, 100.0]), np.array([200.0, 300.0]))
    assert np.isnan(ttf).all()


def test_a_family_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        threshold_map(window_sum_above(1.0), SPEC, "square", np.array([1.0]), np.array([0.01]))


def test_verdicts_of_times() -> None:
    crash = plateau(20.0, "must_fire", 0.012)
    assert verdict(crash, np.array([0.011, 0.013, np.nan, -0.1])) == ["in time", "late", "missed", "premature"]
    assert verdict(plateau(1.0, "grey", np.nan), np.array([np.nan])) == ["not scored"]
