"""Vehicle criteria against closed forms: half-sine, square wave, linear spring."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.signals.criteria import (
    DynamicCrush,
    NotReached,
    Olc,
    RttfRule,
    Tesw,
    crush_m,
    delta_v_mps,
    dynamic_crush,
    esw_g,
    free_flight_m,
    olc,
    pdof_deg,
    pulse_g,
    required_ttf_s,
    tesw,
)
from crumple.signals.trace import Float, Trace
from crumple.units import G0_MPS2, KMH_PER_MPS

DT_S = 1e-4
OMEGA = 21.3
"""rad/s of the one-parameter spring that fits NHTSA test 10146."""

MPH = 0.44704
TABLE_RTTF_MS = {
    8: 51.8,
    10: 45.3,
    12: 40.5,
    14: 36.7,
    16: 33.6,
    18: 31.0,
    20: 28.8,
    25: 24.4,
    30: 21.0,
    35: 18.4,
    40: 16.2,
}
"""Rigid barrier by speed (mph) with that spring, from the stated formula."""


def spring_g(speed_mps: float, *, duration_s: float = 0.15) -> Float:
    """Deceleration of a mass behind a linear spring, ``v0 w sin(w t)`` until it lets go."""
    time = np.arange(round(duration_s / DT_S) + 1) * DT_S
    return np.where(OMEGA * time <= np.pi, speed_mps * OMEGA * np.sin(OMEGA * time), 0.0) / G0_MPS2


def square_g(level_g: float, duration_s: float) -> Float:
    return np.full(round(duration_s / DT_S) + 1, level_g)


def test_a_half_sine_of_15_g_and_100_ms_is_worth_33_7_kmh() -> None:
    time = np.arange(1001) * DT_S
    change = delta_v_mps(15 * np.sin(np.pi * time / 0.1), DT_S)[-1] * KMH_PER_MPS
    assert round(float(change), 1) == 33.7


def test_a_haversine_of_15_g_and_100_ms_is_worth_26_5_kmh() -> None:
    time = np.arange(1001) * DT_S
    change = delta_v_mps(15 * np.sin(np.pi * time / 0.1) ** 2, DT_S)[-1] * KMH_PER_MPS
    assert round(float(change), 1) == 26.5


def test_the_sled_pulse_of_fmvss_208_is_worth_30_mph() -> None:
    time = np.arange(1251) * DT_S
    change = delta_v_mps(17.2 * np.sin(np.pi * time / 0.125), DT_S)[-1]
    assert change / MPH == pytest.approx(30.0, abs=0.05)


def test_a_constant_deceleration_moves_the_occupant_by_half_a_t_squared() -> None:
    assert free_flight_m(square_g(10.0, 0.1), DT_S)[-1] == pytest.approx(0.5 * 10 * G0_MPS2 * 0.1**2)


@pytest.mark.parametrize(("mph", "expected_ms"), TABLE_RTTF_MS.items())
def test_the_required_time_of_a_linear_spring_matches_the_published_table(mph: int, expected_ms: float) -> None:
    found = required_ttf_s(spring_g(mph * MPH), DT_S, RttfRule()) * 1e3
    assert float(found) == pytest.approx(expected_ms, abs=0.06)


@given(speed_mps=st.floats(4.0, 20.0), distance_m=st.floats(0.02, 0.2))
@settings(max_examples=50)
def test_the_required_time_solves_the_springs_closed_form(speed_mps: float, distance_m: float) -> None:
    rule = RttfRule(distance_m=distance_m, inflation_s=0.0)
    t5 = float(required_ttf_s(spring_g(speed_mps), DT_S, rule))
    if not math.isnan(t5):
        assert speed_mps * (t5 - math.sin(OMEGA * t5) / OMEGA) == pytest.approx(distance_m, rel=1e-4)


def test_the_small_angle_form_gives_the_camrys_47_3_ms() -> None:
    t5_s = (6 * 0.127 / (15.86 * OMEGA**2)) ** (1 / 3)
    assert t5_s == pytest.approx(0.0473, abs=5e-5)


def test_a_mild_pulse_requires_nothing() -> None:
    assert math.isnan(float(required_ttf_s(square_g(0.5, 0.15), DT_S, RttfRule())))


def test_the_horizon_ends_the_search() -> None:
    pulse = square_g(2.0, 0.4)
    assert math.isnan(float(required_ttf_s(pulse, DT_S, RttfRule(horizon_s=0.10))))
    assert float(required_ttf_s(pulse, DT_S, RttfRule(horizon_s=0.2))) == pytest.approx(
        math.sqrt(2 * 0.127 / (2 * G0_MPS2)) - 0.030, abs=1e-6
    )


def test_batches_of_any_shape_agree_with_single_pulses() -> None:
    speeds = np.array([[2.0, 8.0, 15.0], [4.0, 11.0, 20.0]])
    batch = np.array([[spring_g(v) for v in row] for row in speeds])
    found = required_ttf_s(batch, DT_S, RttfRule())
    assert found.shape == speeds.shape
    single = [[float(required_ttf_s(pulse, DT_S, RttfRule())) for pulse in row] for row in batch]
    np.testing.assert_array_equal(found, np.array(single))


@given(factor=st.floats(1.0, 2.0), seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_a_harder_pulse_never_allows_more_time(factor: float, seed: int) -> None:
    pulse = np.abs(np.random.default_rng(seed).normal(10, 5, 1500))
    soft, hard = (float(required_ttf_s(k * pulse, DT_S, RttfRule())) for k in (1.0, factor))
    assert hard <= soft or math.isnan(soft)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_not_taken_for_harmless(bad: float) -> None:
    with pytest.raises(SignalError, match="not finite"):
        required_ttf_s(np.array([1.0, bad, 2.0]), DT_S, RttfRule())


def test_a_linear_springs_crush_is_its_amplitude_after_a_quarter_period() -> None:
    found = dynamic_crush(spring_g(15.86), DT_S, speed_mps=15.86)
    assert isinstance(found, DynamicCrush)
    assert found.crush_m == pytest.approx(15.86 / OMEGA, rel=1e-5)
    assert found.time_s == pytest.approx(math.pi / (2 * OMEGA), abs=2e-6 + DT_S / 20)


@given(level_g=st.floats(5, 60), speed_mps=st.floats(1, 20))
@settings(max_examples=50)
def test_a_square_wave_stops_within_v_squared_over_2a(level_g: float, speed_mps: float) -> None:
    stop_s = speed_mps / (level_g * G0_MPS2)
    found = dynamic_crush(square_g(level_g, stop_s + 0.01), DT_S, speed_mps=speed_mps)
    assert isinstance(found, DynamicCrush)
    assert found.crush_m == pytest.approx(speed_mps**2 / (2 * level_g * G0_MPS2), rel=1e-6)
    assert found.time_s == pytest.approx(stop_s, rel=1e-6)
    assert esw_g(speed_mps, found.crush_m) == pytest.approx(level_g, rel=1e-6)


def test_a_car_that_still_moves_has_no_dynamic_crush() -> None:
    found = dynamic_crush(square_g(10.0, 0.05), DT_S, speed_mps=20.0)
    assert isinstance(found, NotReached)
    assert found.needed == 20.0
    assert found.reached == pytest.approx(10 * G0_MPS2 * 0.05)
    assert "not reached" in str(found)


def test_without_any_deceleration_the_travel_is_speed_times_time() -> None:
    np.testing.assert_allclose(crush_m(np.zeros((2, 11)), 0.01, speed_mps=3.0)[1], np.arange(11) * 0.03)


@given(level_g=st.floats(3.5, 80.0))
@settings(max_examples=50)
def test_the_olc_of_a_square_wave_solves_its_quadratic(level_g: float) -> None:
    # s = a t^2/2: free until t1 = sqrt(2 * 0.065 / a); then a t2^2/2 - a t2 (t2 - t1)/2 = a t1 t2/2 = 0.3 m.
    a = level_g * G0_MPS2
    t1 = math.sqrt(2 * 0.065 / a)
    t2 = 2 * 0.300 / (a * t1)
    found = olc(square_g(level_g, t2 + 0.01), DT_S)
    assert isinstance(found, Olc)
    assert found.free_until_s == pytest.approx(t1, abs=2e-7 + t1 * 1e-5)
    assert found.held_until_s == pytest.approx(t2, abs=2e-7 + t2 * 1e-5)
    assert found.olc_g == pytest.approx(a * t2 / (t2 - t1) / G0_MPS2, rel=1e-4)


def test_the_olc_occupant_moves_exactly_the_two_distances() -> None:
    pulse = spring_g(15.0)
    found = olc(pulse, DT_S, free_flight_distance_m=0.05, restraint_distance_m=0.2)
    assert isinstance(found, Olc)
    time = np.arange(pulse.size) * DT_S
    car = free_flight_m(pulse, DT_S)
    held = np.maximum(time - found.free_until_s, 0.0)
    moved = car - 0.5 * found.olc_g * G0_MPS2 * held**2
    assert np.interp(found.held_until_s, time, moved) == pytest.approx(0.25, abs=1e-5)
    speed = np.interp(found.held_until_s, time, delta_v_mps(pulse, DT_S))
    assert found.olc_g * G0_MPS2 * (found.held_until_s - found.free_until_s) == pytest.approx(speed, rel=1e-6)


@pytest.mark.parametrize(
    ("level_g", "words", "needed_m"), [(0.2, "free flight", 0.065), (2.5, "held", 0.300)], ids=["free", "held"]
)
def test_an_olc_that_is_not_reached_is_a_value(level_g: float, words: str, needed_m: float) -> None:
    found = olc(square_g(level_g, 0.10), DT_S)
    assert isinstance(found, NotReached)
    assert words in found.what
    assert found.needed == needed_m
    assert found.reached < needed_m


def test_a_still_car_has_no_olc() -> None:
    assert isinstance(olc(np.zeros(100), DT_S), NotReached)


def test_the_tipped_wave_of_a_linear_spring_starts_at_zero_and_ends_at_its_peak() -> None:
    found = tesw(spring_g(15.0), DT_S, speed_mps=15.0)
    assert isinstance(found, Tesw)
    assert found.start_g == pytest.approx(0.0, abs=0.02)
    assert found.end_g == pytest.approx(15.0 * OMEGA / G0_MPS2, rel=1e-3)


def test_the_tipped_wave_of_a_square_wave_is_not_tipped() -> None:
    found = tesw(square_g(20.0, 0.1), DT_S, speed_mps=15.0)
    assert isinstance(found, Tesw)
    assert found.start_g == pytest.approx(20.0, rel=1e-4)
    assert found.end_g == pytest.approx(20.0, rel=1e-4)


def test_the_tipped_wave_keeps_the_energy() -> None:
    found = tesw(spring_g(9.0) + 3.0, DT_S, speed_mps=10.0)
    assert isinstance(found, Tesw)
    assert 0.5 * (found.start_g + found.end_g) == pytest.approx(esw_g(10.0, found.crush_m))


def test_the_tipped_wave_needs_a_car_that_stops() -> None:
    assert isinstance(tesw(square_g(1.0, 0.1), DT_S, speed_mps=20.0), NotReached)


@pytest.mark.parametrize("crush", [0.0, -0.1, math.nan])
def test_an_equivalent_square_wave_needs_a_crush(crush: float) -> None:
    with pytest.raises(SignalError, match="positive crush"):
        esw_g(10.0, crush)


@pytest.mark.parametrize(
    ("x", "y", "comes_from"),
    [(-10.0, 0.0, 0.0), (0.0, -5.0, 90.0), (0.0, 5.0, -90.0), (3.0, 0.0, 180.0), (-10.0, -10.0, 45.0)],
    ids=["frontal", "from the right", "from the left", "rear", "right front"],
)
def test_the_direction_of_force_follows_the_crash_databases(x: float, y: float, comes_from: float) -> None:
    assert pdof_deg(x, y) == pytest.approx(comes_from)
    assert math.cos(math.radians(pdof_deg(x, y, sense="towards") - comes_from)) == pytest.approx(-1.0)


def test_towards_is_the_plain_arc_tangent() -> None:
    assert pdof_deg(-3.0, 4.0, sense="towards") == pytest.approx(math.degrees(math.atan2(4.0, -3.0)))


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_every_direction_lies_in_one_turn(x: float, y: float) -> None:
    if x or y:
        for sense in ("from", "towards"):
            assert -180.0 < pdof_deg(x, y, sense=sense) <= 180.0  # type: ignore[arg-type]


def test_no_velocity_change_has_no_direction() -> None:
    with pytest.raises(SignalError, match="no direction"):
        pdof_deg(0.0, -0.0)


def test_a_pulse_starts_at_contact_without_the_offset_before_it() -> None:
    values = np.concatenate([np.full(50, 0.7), [0.7 - 5.0, 0.7 - 10.0, 0.7]])
    pulse = pulse_g(Trace("probe", values, 10_000.0, -0.005))
    np.testing.assert_allclose(pulse, [5.0, 10.0, 0.0], atol=1e-12)


def test_a_record_that_ends_at_contact_holds_no_pulse() -> None:
    with pytest.raises(SignalError, match="there is no pulse"):
        pulse_g(Trace("probe", np.zeros(50), 10_000.0, -0.005))


@pytest.mark.parametrize(
    "bad", [np.zeros(1), np.zeros((2, 5)), np.array([0.0, math.nan])], ids=["one", "two rows", "nan"]
)
def test_criteria_of_one_pulse_refuse_anything_else(bad: Float) -> None:
    with pytest.raises(SignalError, match="one row"):
        olc(bad, DT_S)
    with pytest.raises(SignalError, match="one row"):
        dynamic_crush(bad, DT_S, speed_mps=1.0)
