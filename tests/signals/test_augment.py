"""Augmentation: what scales, what stretches, every corner once, and sums that lose nothing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.signals.augment import SCALE_RANGE, STRETCH_RANGE, corners, scaled, superposed, time_stretched
from crumple.signals.criteria import delta_v_mps, free_flight_m
from crumple.signals.sensor import SensorSpec, Tolerances, sense
from crumple.signals.trace import Float, Trace

RATE_HZ = 10_000.0


def crash(t0_s: float = -0.05) -> Trace:
    """A smooth frontal pulse of 100 ms from first contact."""
    time = t0_s + np.arange(2500) / RATE_HZ
    inside = (time >= 0) & (time <= 0.1)
    return Trace("crash", np.where(inside, -20 * np.sin(np.pi * time / 0.1) ** 2, 0.0), RATE_HZ, t0_s)


def change(trace: Trace) -> float:
    return float(delta_v_mps(trace.decel_g, 1 / trace.rate_hz)[-1])


def test_the_ranges_are_those_of_practice() -> None:
    assert SCALE_RANGE == (0.8, 1.2)
    assert STRETCH_RANGE == (0.9, 1.1)


@given(st.floats(0.5, 2.0))
def test_scaling_scales_velocity_and_displacement_alike(factor: float) -> None:
    before, after = crash(), scaled(crash(), factor)
    assert change(after) == pytest.approx(factor * change(before))
    np.testing.assert_allclose(free_flight_m(after.decel_g, 1e-4), factor * free_flight_m(before.decel_g, 1e-4))
    assert after.t0_s == before.t0_s


@given(st.integers(900, 1100))
@settings(max_examples=15, deadline=None)
def test_a_stretch_keeps_levels_and_grows_velocity_by_the_factor(thousandths: int) -> None:
    factor = thousandths / 1000
    before, after = crash(), time_stretched(crash(), factor)
    assert after.rate_hz == before.rate_hz
    assert after.accel_g.min() == pytest.approx(before.accel_g.min(), rel=1e-3)
    assert change(after) == pytest.approx(factor * change(before), rel=1e-3)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.037, 1.1])
def test_a_stretch_is_about_first_contact(factor: float) -> None:
    after = time_stretched(crash(), factor)
    peak_s = float(after.time_s[np.argmin(after.accel_g)])
    assert peak_s == pytest.approx(0.05 * factor, abs=1.1 / RATE_HZ)
    expected = -20 * np.sin(np.pi * np.clip(after.time_s / factor, 0, 0.1) / 0.1) ** 2
    np.testing.assert_allclose(after.accel_g, expected, atol=0.05)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_factor_that_is_not_positive_is_refused(factor: float) -> None:
    with pytest.raises(SignalError, match="positive factor"):
        scaled(crash(), factor)
    with pytest.raises(SignalError, match="positive factor"):
        time_stretched(crash(), factor)


def test_a_stretch_to_nothing_is_refused() -> None:
    with pytest.raises(SignalError, match="leaves nothing"):
        time_stretched(crash(), 1e-4)


@given(st.dictionaries(st.text(min_size=1), st.tuples(st.floats(-9, -1), st.floats(1, 9)), max_size=7))
def test_every_corner_of_the_box_comes_exactly_once(box: dict[str, tuple[float, float]]) -> None:
    found = list(corners(box))
    assert len(found) == 2 ** len(box)
    assert len({tuple(sorted(corner.items())) for corner in found}) == len(found)
    assert all(corner[name] in ends for corner in found for name, ends in box.items())
    assert all(list(corner) == list(box) for corner in found)


def test_corners_come_in_a_fixed_order() -> None:
    assert list(corners({"gain": (-1.0, 1.0), "offset": (0.0, 2.0)})) == [
        {"gain": -1.0, "offset": 0.0},
        {"gain": -1.0, "offset": 2.0},
        {"gain": 1.0, "offset": 0.0},
        {"gain": 1.0, "offset": 2.0},
    ]


def test_an_interval_without_width_counts_once() -> None:
    assert list(corners({"gain": (0.5, 0.5), "offset": (0.0, 2.0)})) == [
        {"gain": 0.5, "offset": 0.0},
        {"gain": 0.5, "offset": 2.0},
    ]


@pytest.mark.parametrize("ends", [(1.0, -1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_an_interval_that_is_none_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(SignalError, match="'gain'"):
        corners({"gain": ends})


def test_more_corners_than_anyone_can_run_are_refused_at_once() -> None:
    with pytest.raises(SignalError, match="corners"):
        corners({str(k): (0.0, 1.0) for k in range(80)})


rows = st.lists(st.floats(-50, 50), min_size=2, max_size=30).map(np.array)


@given(rows, rows, st.integers(-60, 60), st.integers(-20, 20), st.integers(-20, 20))
def test_a_sum_loses_no_sample_at_any_offset(base: Float, added: Float, offset: int, start: int, other: int) -> None:
    a = Trace("a", base, 1000.0, start / 1000)
    b = Trace("b", added, 1000.0, other / 1000)
    both = superposed(a, b, offset_s=offset / 1000)
    expected: dict[int, float] = {}
    for k, value in enumerate(base):
        expected[start + k] = expected.get(start + k, 0.0) + value
    for k, value in enumerate(added):
        expected[other + offset + k] = expected.get(other + offset + k, 0.0) + value
    first, last = min(expected), max(expected)
    assert both.t0_s == pytest.approx(first / 1000)
    np.testing.assert_allclose(both.accel_g, [expected.get(k, 0.0) for k in range(first, last + 1)])


def test_velocity_changes_add_up() -> None:
    brake = Trace("brake", np.full(8000, -0.9), RATE_HZ, -0.5)
    both = superposed(crash(), brake, offset_s=0.0123)
    assert delta_v_mps(both.decel_g, 1e-4)[-1] == pytest.approx(
        9.80665 * 1e-4 * (crash().decel_g.sum() + 0.9 * (8000 - 1)), rel=1e-3
    )


def test_an_offset_between_samples_goes_to_the_nearest() -> None:
    knock = Trace("knock", np.array([0.0, 5.0, 0.0]), RATE_HZ, 0.0)
    both = superposed(crash(), knock, offset_s=0.15003)
    assert both.accel_g[np.argmin(np.abs(both.time_s - 0.1501))] == 5.0


def test_traces_of_different_rates_do_not_add() -> None:
    with pytest.raises(SignalError, match="resample one"):
        superposed(crash(), Trace("slow", np.zeros(10), 1000.0, 0.0), offset_s=0.0)


@pytest.mark.parametrize("offset_s", [math.nan, math.inf])
def test_an_offset_that_is_no_time_is_refused(offset_s: float) -> None:
    with pytest.raises(SignalError, match="cannot be put"):
        superposed(crash(), crash(), offset_s=offset_s)


def test_the_corners_of_a_sensors_tolerances_bound_every_sensor_drawn_from_them() -> None:
    spec = SensorSpec()
    box = {
        "gain_error": (-spec.gain_tolerance, spec.gain_tolerance),
        "offset_g": (-spec.offset_tolerance_g, spec.offset_tolerance_g),
        "drift_g_per_s": (-spec.drift_tolerance_g_per_s, spec.drift_tolerance_g_per_s),
        "non_linearity": (-spec.non_linearity, spec.non_linearity),
    }
    vertices = list(corners(box))
    at = {name: np.array([vertex[name] for vertex in vertices]) for name in box}
    extreme = dataclasses.replace(Tolerances.nominal(len(vertices)), **at)
    n_drawn = 200
    drawn = Tolerances.drawn(spec, n_drawn, np.random.default_rng(4))
    # Not part of this box: the low-pass and the sampling phase act over time, and their effect is not monotone.
    drawn = dataclasses.replace(drawn, corner=Tolerances.nominal(n_drawn).corner)

    def counts(tolerances: Tolerances, n_events: int) -> Float:
        decel_g = np.repeat(crash().decel_g[None, :], n_events, axis=0)
        return sense(decel_g, RATE_HZ, spec, tolerances, None).astype(np.float64)

    hull = counts(extreme, len(vertices))
    seen = counts(drawn, n_drawn)
    assert len(vertices) == 16
    assert (seen >= hull.min(axis=0)).all() and (seen <= hull.max(axis=0)).all()
    assert (hull.max(axis=0) - hull.min(axis=0)).max() > 2 * 0.07 * 20 * 16
