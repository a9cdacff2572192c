"""Force-crush physics: energy, momentum, and what does not depend on speed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ConfigError
from crumple.signals import crashes, crush, structures
from crumple.signals.crush import Fleet, collide, contacts_m, loading, nominal_fleet
from crumple.signals.structures import STRUCTURES, Structure
from crumple.signals.trace import Float
from crumple.units import G0_MPS2

DT_S = 1 / 8000
N = 2000
WALLS = (structures.FULL_WIDTH, structures.OFFSET, structures.SMALL_OVERLAP, structures.POLE, structures.UNDERRIDE)


def driven(fleet: Fleet, structure: Structure, speed_mps: Float, dt_s: float = DT_S, n: int = N) -> crush.Collision:
    return collide(
        loading(fleet, structure),
        fleet.mass_kg,
        None,
        speed_mps,
        fleet.restitution(speed_mps),
        contacts_m(fleet, structure),
        n_samples=n,
        dt_s=dt_s,
    )


@pytest.mark.parametrize("structure", WALLS, ids=lambda one: one.name)
@settings(max_examples=15, deadline=None)
@given(speed_kmh=st.floats(3, 80), seed=st.integers(0, 1000))
def test_a_wall_returns_the_restitution_and_nothing_else(structure: Structure, speed_kmh: float, seed: int) -> None:
    fleet = Fleet.drawn(4, np.random.default_rng(seed))
    speed = np.full(4, speed_kmh / 3.6)
    hit = driven(fleet, structure, speed, n=4000)
    lost = hit.decel_g.sum(axis=1, dtype=float) * DT_S * G0_MPS2
    np.testing.assert_allclose(lost, (1 + fleet.restitution(speed)) * speed, rtol=0.01)


@pytest.mark.parametrize("structure", WALLS, ids=lambda one: one.name)
def test_kinetic_energy_lost_is_the_work_of_the_force(structure: Structure) -> None:
    fleet = nominal_fleet(3)
    speed = np.array([20.0, 40.0, 56.0]) / 3.6
    hit = driven(fleet, structure, speed)
    for row in range(3):
        # An independent answer: work over the structure's own corner points, by fine quadrature.
        x = np.linspace(0.0, hit.largest_crush_m[row], 200_001)
        work = np.trapezoid(np.interp(x, structure.crush_m, structure.force_n), x)
        assert work == pytest.approx(0.5 * fleet.mass_kg[row] * speed[row] ** 2, rel=2e-3)


def test_integration_over_crush_agrees_with_small_steps_in_time() -> None:
    fleet, speed = nominal_fleet(1), np.array([50 / 3.6])
    hit = driven(fleet, structures.FULL_WIDTH, speed)
    x, v, dt = 0.0, float(speed[0]), 1e-6
    crossed: dict[int, float] = {}
    for k in range(int(hit.crush_end_s[0] / dt)):
        if k % 5000 == 0:
            crossed[k] = float(np.interp(x, structures.FULL_WIDTH.crush_m, structures.FULL_WIDTH.force_n))
        v -= float(np.interp(x, structures.FULL_WIDTH.crush_m, structures.FULL_WIDTH.force_n)) / crush.NOMINAL_KG * dt
        x += v * dt
    assert x == pytest.approx(hit.largest_crush_m[0], rel=2e-3)
    for k, force in list(crossed.items())[1:]:
        assert hit.decel_g[0, k // 125] * crush.NOMINAL_KG * G0_MPS2 == pytest.approx(force, rel=0.03)


def test_the_g_level_at_a_crush_does_not_know_the_speed() -> None:
    fleet = Fleet.drawn(1, np.random.default_rng(3)).car(0, 4)
    speed = np.array([20.0, 32.0, 48.0, 64.0]) / 3.6
    hit = driven(fleet, structures.FULL_WIDTH, speed)
    travelled = np.cumsum(speed[:, None] - np.cumsum(hit.decel_g * G0_MPS2 * DT_S, axis=1), axis=1) * DT_S
    levels = [[np.interp(x, travelled[k, :400], hit.decel_g[k, :400]) for x in (0.05, 0.10, 0.15)] for k in range(4)]
    np.testing.assert_allclose(levels, np.tile(levels[0], (4, 1)), rtol=0.06)


def test_one_car_rings_at_its_own_frequencies_at_every_speed() -> None:
    fleet = Fleet.drawn(5, np.random.default_rng(1))
    same = fleet.car(2, 3)
    assert len(same) == 3
    np.testing.assert_array_equal(same.mode_hz, np.tile(fleet.mode_hz[2], (3, 1)))
    assert (same.mass_kg == fleet.mass_kg[2]).all()


def test_folds_are_passed_at_speed_over_pitch() -> None:
    fleet = nominal_fleet(2)
    speed = np.array([40.0, 64.0]) / 3.6
    hit = driven(fleet, structures.FULL_WIDTH, speed)
    first_folds = hit.contact_s[:, len(structures.FULL_WIDTH.contact_m) + 1 :][:, :2]
    frequency = 1 / np.diff(first_folds, axis=1)[:, 0]
    slowed = hit.contact_mps[:, len(structures.FULL_WIDTH.contact_m) + 1 :][:, :2].mean(axis=1)
    np.testing.assert_allclose(frequency, slowed / 0.045, rtol=0.05)


@settings(max_examples=20, deadline=None)
@given(speed_kmh=st.floats(8, 64), seed=st.integers(0, 500))
def test_two_bodies_keep_their_momentum(speed_kmh: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet = Fleet.drawn(3, rng)
    partner_kg = rng.uniform(900, 2500, 3)
    speed = np.full(3, speed_kmh / 3.6)
    load = loading(fleet, structures.OFFSET, structures.PROGRESSIVE_FACE)
    restitution = fleet.restitution(2 * speed)
    hit = collide(load, fleet.mass_kg, partner_kg, 2 * speed, restitution, np.zeros((3, 1)), n_samples=4000, dt_s=DT_S)
    own = hit.decel_g.sum(axis=1, dtype=float) * DT_S * G0_MPS2
    closed_form = (1 + restitution) * 2 * speed * partner_kg / (fleet.mass_kg + partner_kg)
    np.testing.assert_allclose(own, closed_form, rtol=0.01)


def test_the_partner_feels_the_same_force() -> None:
    fleet = Fleet.drawn(20, np.random.default_rng(0))
    hit = crashes.impact(
        fleet, crashes.MOVING_BARRIER, np.full(20, 14.0), np.random.default_rng(1), n_samples=N, dt_s=DT_S
    )
    own_n = hit.body.decel_g.max(axis=1) * fleet.mass_kg
    partner_kg = own_n / hit.partner_decel_g.max(axis=1)
    assert ((partner_kg > 1389) & (partner_kg < 1411)).all()


def test_restitution_rises_at_low_speed_within_the_usual_ranges() -> None:
    fleet = Fleet.drawn(500, np.random.default_rng(0))
    fast, slow = fleet.restitution(np.full(500, 50 / 3.6)), fleet.restitution(np.full(500, 6 / 3.6))
    assert fast.min() >= 0.10 and fast.max() <= 0.20
    assert slow.min() >= 0.28 and slow.max() <= 0.42


def test_an_oblique_wall_does_the_same_work_later() -> None:
    fleet = nominal_fleet(1)
    rigid = loading(fleet, structures.FULL_WIDTH)
    oblique = crush.angled(rigid, 0.65)
    assert (oblique.force_n[0, 1:100] < rigid.force_n[0, 1:100]).all()
    # Far past the reach the mean over it equals the force half a reach before, where the curve is straight.
    assert oblique.force_n[0, 0] == 0.0


def test_every_shipped_structure_names_its_source_and_a_falling_curve_is_refused() -> None:
    assert all(one.source for one in STRUCTURES)
    with pytest.raises(ConfigError, match="rising"):
        Structure("dent", (0.0, 0.1, 0.2), (0.0, 5.0, 4.0), "assumed")
    with pytest.raises(ConfigError, match="start at no crush"):
        Structure("gap", (0.1, 0.2), (0.0, 5.0), "assumed")
