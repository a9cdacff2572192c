"""Misuse: momentum and zero-mean ringing by construction, amplitudes as stated, never a demand to fire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.signals.batch import DT_S, NO_FIRE
from crumple.signals.criteria import RttfRule
from crumple.signals.events import MODES
from crumple.signals.misuse import CAR_KG, MISUSE, blows, lobe_g, momentum_delta_v_mps
from crumple.units import G0_MPS2

QUIET = [
    *MISUSE,
    "snow_bank",
    "abs_braking",
    "gravel_road",
    "belgian_blocks",
    "rough_road",
    "washboard",
    "transport",
    "braking_pothole",
    "braking_kerb",
    "misuse_twice",
]


def net_mps(decel_g: np.ndarray) -> np.ndarray:
    return decel_g.sum(axis=1, dtype=np.float64) * DT_S * G0_MPS2


@pytest.mark.parametrize("mode", QUIET)
def test_it_must_not_fire(mode: str) -> None:
    batch = MODES[mode](17, np.random.default_rng(0), RttfRule())
    assert set(batch.labels) == {NO_FIRE} == set(batch.severities)
    assert np.isfinite(batch.decel_g).all() and np.isnan(batch.rttf_s).all()


@pytest.mark.parametrize("name", MISUSE)
def test_peaks_and_velocity_changes_stay_within_the_table(name: str) -> None:
    spec = MISUSE[name]
    batch = blows(spec, 200, np.random.default_rng(1))
    peak = np.abs(batch.decel_g).max(axis=1)
    assert peak.max() <= 1.2 * spec.peak_g[1] and peak.min() >= 0.6 * spec.peak_g[0]
    if spec.striker is None:
        assert np.abs(net_mps(batch.decel_g)).max() * 3.6 <= spec.delta_v_kmh[1] + 0.01


@pytest.mark.parametrize("name", [name for name, spec in MISUSE.items() if spec.striker])
def test_a_striker_cannot_change_more_than_its_momentum(name: str) -> None:
    spec = MISUSE[name]
    assert spec.striker is not None
    batch = blows(spec, 300, np.random.default_rng(2))
    fastest = spec.striker.speed_mps[1] if spec.striker.speed_mps else batch.speed_kmh / 3.6
    most = momentum_delta_v_mps(
        np.full(300, spec.striker.mass_kg[1]),
        np.full(300, 1.0) * fastest,
        np.full(300, spec.striker.restitution[1]),
        np.full(300, CAR_KG[0]),
    )
    assert (np.abs(net_mps(batch.decel_g)) <= most + 1e-3).all()


def test_the_deer_of_the_textbook() -> None:
    deer = momentum_delta_v_mps(np.array([80.0]), np.array([80 / 3.6]), np.array([0.0]), np.array([1500.0]))
    assert deer[0] * 3.6 == pytest.approx(4.05, abs=0.01)


@pytest.mark.parametrize("name", ["hammer", "door_slam", "controller_knock"])
def test_a_knock_leaves_almost_no_velocity(name: str) -> None:
    batch = blows(MISUSE[name], 100, np.random.default_rng(3))
    assert np.abs(net_mps(batch.decel_g)).max() * 3.6 < 0.1


@pytest.mark.parametrize("mode", ["gravel_road", "belgian_blocks", "rough_road", "washboard", "transport"])
def test_a_road_leaves_no_velocity(mode: str) -> None:
    batch = MODES[mode](20, np.random.default_rng(0), RttfRule())
    assert np.abs(net_mps(batch.decel_g)).max() < 1e-3


@settings(max_examples=40, deadline=None)
@given(st.floats(-5, 5), st.floats(0, 0.05), st.floats(0.0005, 0.1))
def test_a_lobe_carries_exactly_what_is_stated(delta_v: float, start_s: float, lobe_s: float) -> None:
    lobe = lobe_g(np.array([delta_v]), np.array([start_s]), np.array([lobe_s]), n_samples=1600, dt_s=DT_S)
    assert net_mps(lobe)[0] == pytest.approx(delta_v, abs=1e-9)


def test_the_rear_axle_follows_at_wheelbase_over_speed() -> None:
    batch = blows(MISUSE["kerb_straight"], 50, np.random.default_rng(5))
    for row in range(50):
        axle = 2.7 / (batch.speed_kmh[row] / 3.6)
        after = round((0.020 + 0.9 * axle) / DT_S)
        before = round((0.020 + 0.6 * axle) / DT_S)
        rear = np.abs(batch.decel_g[row, after : after + round((0.35 * axle) / DT_S)]).max()
        assert rear > 3 * np.abs(batch.decel_g[row, before - 80 : before]).max() or rear > 2.0
