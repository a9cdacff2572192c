"""Crash pulses from force-crush models: one car, any speed.

A car is a mass behind a crush force ``F(x)`` that does not know the speed, so at a given crush the g level is
the same at 12 and at 60 km/h; speed shows in how fast the crush proceeds, in the frequency of folding
(speed over fold pitch) and in how strongly the structure rings. The equation of motion is integrated over crush,
not over time: ``mu v^2 / 2`` falls by the work of the force, exactly, in every cell of the table. Unloading is
elasto-plastic and returns ``e^2`` of the energy. With a moving partner ``x`` is the crush of both and ``mu`` the
reduced mass.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.units import G0_MPS2

from .structures import Structure
from .trace import Float

N_GRID = 420
GRID_END_M = 1.6
GRID_M: Float = np.linspace(0.0, GRID_END_M, N_GRID)
"""Crush of the car at which its force is tabulated; 3.8 mm a cell, twelve cells to the mean fold."""

N_FOLDS = 8
"""Most folds of a rail that strike the structure; assumed."""

UNLOADING_EXPONENT = 3.0
"""Force falls as (1 - t/T)^3 on rebound: 30 to 40 ms from largest crush to separation, as in NHTSA test 10146."""

MODE_BANDS_HZ = (
    (30.0, 60.0),
    (60.0, 100.0),
    (100.0, 150.0),
    (150.0, 200.0),
    (200.0, 300.0),
    (300.0, 400.0),
    (400.0, 700.0),
    (700.0, 1000.0),
)
"""One structural mode in each band, log-uniform. 60-400 Hz is the usual range; the front as a whole swings below it,
and what lies above is there for the measured band RMS and hardly passes the sensor."""


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """Scatter of a synthetic fleet. Means and spreads marked fitted are fitted to the
    distributions of 692 rigid-wall tests (peak at CFC 60, dynamic crush), never to one recording."""

    __pydantic_config__ = STRICT
    mass_kg: Annotated[tuple[float, float], Field(description="5th and 95th percentile, log-normal; assumed")] = (
        1150.0,
        2350.0,
    )
    log_strength: Annotated[
        tuple[float, float], Field(description="middle, scale of ln(force / mass / nominal); fitted")
    ] = (0.0, 0.14)
    log_crush: Annotated[tuple[float, float], Field(description="middle, scale of ln(crush scale); fitted")] = (
        -0.05,
        0.16,
    )
    log_engine: Annotated[
        tuple[float, float], Field(description="middle, scale of ln(force past the engine); fitted")
    ] = (-0.32, 0.20)
    log_ringing: Annotated[tuple[float, float], Field(description="middle, scale of ln(ringing scale); fitted")] = (
        -0.25,
        0.30,
    )
    fold_pitch_m: Annotated[tuple[float, float], Field(description="30-60 mm, usual range; assumed")] = (0.030, 0.060)
    fold_depth: Annotated[tuple[float, float], Field(description="folding oscillation, up to +-20 %; assumed")] = (
        0.05,
        0.20,
    )
    damping: Annotated[tuple[float, float], Field(description="of structural modes; assumed")] = (
        0.03,
        0.10,
    )
    mode_gain_g_s_per_m: Annotated[
        tuple[float, ...],
        Field(description="mode amplitude in g per m/s of contact speed, by band; fitted to band RMS"),
    ] = (0.30, 0.44, 0.42, 0.37, 0.37, 0.37, 0.70, 0.70)
    restitution: Annotated[
        tuple[float, float, float],
        Field(
            description="high-speed value, rise at rest, m/s of decay: 0.16 at 57 km/h (NHTSA test 10146),"
            " 0.3-0.4 below 10 km/h (assumed)"
        ),
    ] = (0.13, 0.27, 5.0)


PLATFORM = FleetSpec(
    mass_kg=(1450.0, 1850.0),
    log_strength=(0.0, 0.05),
    log_crush=(-0.05, 0.03),
    log_engine=(-0.32, 0.10),
    log_ringing=(-0.25, 0.20),
)
"""One vehicle at the middle of the fleet, in its variants and with the scatter of identical tests (5-10 % in g).

A controller is calibrated for a vehicle, so corpora draw from this; reality is compared with the whole fleet."""

NOMINAL_KG = 1650.0
"""Mass that the forces of the structures are drawn for; a heavier car is drawn with proportionally more force."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Cars, drawn once and driven at any speed into anything; arrays of shape (n_cars,) unless stated."""

    mass_kg: Float
    force_scale: Float
    crush_scale: Float
    engine_scale: Float
    fold_pitch_m: Float
    fold_depth: Float
    fold_phase: Float
    restitution_bias: Float
    mode_hz: Float
    """Shape (n_cars, n_modes), as the two below."""
    mode_damping: Float
    mode_gain_g_s_per_m: Float
    excitation: Float
    """How each contact strikes each mode, shape (n_cars, n_contacts, n_modes), about unit variance."""

    @classmethod
    def drawn(cls, n_cars: int, rng: np.random.Generator, spec: FleetSpec | None = None) -> Fleet:
        """A fleet of ``n_cars`` with the scatter of ``spec``, drawn from ``rng``."""
        spec = FleetSpec() if spec is None else spec
        low, high = np.log(spec.mass_kg[0]), np.log(spec.mass_kg[1])
        mass_kg = np.exp(0.5 * (low + high) + (high - low) / (2 * 1.645) * _bounded_normal(rng, n_cars))
        low_hz, high_hz = np.log(np.array(MODE_BANDS_HZ)).T
        n_modes = low_hz.size
        strength, crush, engine, ringing = (
            np.exp(mean + scale * _heavy_tailed(rng, n_cars))
            for mean, scale in (spec.log_strength, spec.log_crush, spec.log_engine, spec.log_ringing)
        )
        return cls(
            mass_kg=mass_kg,
            force_scale=strength * mass_kg / NOMINAL_KG,
            crush_scale=crush,
            engine_scale=engine,
            fold_pitch_m=rng.uniform(*spec.fold_pitch_m, n_cars),
            fold_depth=rng.uniform(*spec.fold_depth, n_cars),
            fold_phase=rng.uniform(0.0, 2 * np.pi, n_cars),
            restitution_bias=rng.uniform(-0.03, 0.03, n_cars),
            mode_hz=np.exp(rng.uniform(low_hz, high_hz, (n_cars, n_modes))),
            mode_damping=rng.uniform(*spec.damping, (n_cars, n_modes)),
            mode_gain_g_s_per_m=np.array(spec.mode_gain_g_s_per_m) * ringing[:, None],
            excitation=rng.normal(0.0, 1.0, (n_cars, N_FOLDS + 6, n_modes)),
        )

    def __len__(self) -> int:
        return self.mass_kg.size

    def car(self, index: int, n_copies: int) -> Fleet:
        """The car at ``index``, ``n_copies`` times: to be driven at as many speeds."""
        return Fleet(
            **{f.name: np.repeat(getattr(self, f.name)[index : index + 1], n_copies, axis=0) for f in fields(self)}
        )

    def restitution(self, closing_mps: Float, spec: FleetSpec | None = None) -> Float:
        """Ratio of separating to closing speed at ``closing_mps`` by ``spec``; 0.10-0.20 at 50 km/h, more when slow."""
        high, rise, decay_mps = (FleetSpec() if spec is None else spec).restitution
        return np.clip(high + self.restitution_bias + rise * np.exp(-closing_mps / decay_mps), 0.08, 0.45)


@dataclass(frozen=True, slots=True)
class Loading:
    """Force against crush for a batch of cars; all of shape (n_cars, n_grid).

    Attributes
    ----------
    own_crush_m : ndarray
        Crush of the car itself.
    crush_m : ndarray
        Crush of the car and whatever stands in series with it; rising along the grid.
    force_n : ndarray
        Force between the two, not negative.
    """

    own_crush_m: Float
    crush_m: Float
    force_n: Float


def envelope_n(fleet: Fleet, structure: Structure) -> Float:
    """Rising force of each car at ``own_crush(fleet)``, without folding; shape (n_cars, n_grid)."""
    force = np.interp(GRID_M, structure.crush_m, structure.force_n)
    at_engine = np.interp(structure.engine_m, structure.crush_m, structure.force_n)
    engine = np.maximum(force - at_engine, 0.0)
    scaled: Float = fleet.force_scale[:, None] * (force + (fleet.engine_scale[:, None] - 1.0) * engine)
    return scaled


def loading(
    fleet: Fleet, structure: Structure, partner: Structure | None = None, partner_scale: Float | None = None
) -> Loading:
    """What a fleet feels when driven into a rigid thing, or into one that crushes in series.

    Parameters
    ----------
    fleet : Fleet
    structure : Structure
        How the car is loaded.
    partner : Structure, optional
        What stands in series: honeycomb, or the front of the other car.
    partner_scale : ndarray, shape (n_cars,), optional
        Force scale of the partner; 1 if not given.
    """
    own = fleet.crush_scale[:, None] * GRID_M
    force = envelope_n(fleet, structure)
    total = own
    if partner is not None:
        scale = np.ones(len(fleet)) if partner_scale is None else partner_scale
        last = (partner.crush_m[-1] - partner.crush_m[-2]) / (partner.force_n[-1] - partner.force_n[-2])
        seen = force / scale[:, None]
        # Past its last corner point the partner goes on at its last stiffness.
        beyond = np.maximum(seen - partner.force_n[-1], 0.0) * last
        total = own + np.interp(seen, partner.force_n, partner.crush_m) + beyond
    if structure.fold_to_m > structure.fold_from_m:
        inside = (structure.fold_from_m <= GRID_M) & (structure.fold_to_m >= GRID_M)
        folds = np.sin(2 * np.pi * own[:, inside] / fleet.fold_pitch_m[:, None] + fleet.fold_phase[:, None])
        force[:, inside] *= 1.0 + fleet.fold_depth[:, None] * folds
    return Loading(own, total, force)


def angled(rigid: Loading, reach_m: float) -> Loading:
    """The same front against an oblique wall: contact spreads over the width while the car moves ``reach_m``.

    ``rigid`` must be the loading of a rigid wall, whose grid is even. Every strip of the width carries its share of
    the full-width force, later by its distance to the wall; the sum is the mean force over the last ``reach_m`` of
    crush.
    """
    dx = np.diff(rigid.crush_m, axis=1)
    work = np.zeros_like(rigid.force_n)
    np.cumsum(0.5 * (rigid.force_n[:, 1:] + rigid.force_n[:, :-1]) * dx, axis=1, out=work[:, 1:])
    # The grid of one car is even, so a shift by distance is a shift by a fractional index.
    index = np.arange(N_GRID)[None, :] - reach_m / dx[:, :1]
    left = np.clip(np.floor(index), 0, N_GRID - 2).astype(np.int64)
    fraction = np.clip(index - left, 0.0, 1.0)
    before = (
        np.take_along_axis(work, left, axis=1) * (1 - fraction) + np.take_along_axis(work, left + 1, axis=1) * fraction
    )
    return replace(rigid, force_n=(work - before) / reach_m)


@dataclass(frozen=True, slots=True)
class Collision:
    """Rigid-body result of driving a fleet into something.

    Attributes
    ----------
    decel_g : ndarray of float32, shape (n_cars, n_samples)
        Deceleration of the car from first contact on.
    largest_crush_m : ndarray, shape (n_cars,)
        Dynamic crush, of car and partner together.
    crush_end_s : ndarray, shape (n_cars,)
        Time at which it is reached.
    contact_s, contact_mps : ndarray, shape (n_cars, n_contacts)
        When each contact happens and at which crush speed; never reached: speed 0.
    """

    decel_g: Float
    largest_crush_m: Float
    crush_end_s: Float
    contact_s: Float
    contact_mps: Float


def collide(
    load: Loading,
    mass_kg: Float,
    partner_kg: Float | None,
    closing_mps: Float,
    restitution: Float,
    contact_m: Float,
    *,
    n_samples: int,
    dt_s: float,
) -> Collision:
    """Drive cars into something.

    Parameters
    ----------
    load : Loading
    mass_kg : ndarray, shape (n_cars,)
    partner_kg : ndarray, shape (n_cars,), or None
        Mass of a partner that is free to move; None for a wall.
    closing_mps : ndarray, shape (n_cars,)
        Speed at which the two approach, positive.
    restitution : ndarray, shape (n_cars,)
        Separating over closing speed, positive.
    contact_m : ndarray, shape (n_cars, n_contacts)
        Own crush at which parts meet.
    n_samples : int
    dt_s : float
        Interval of the result in seconds.

    Returns
    -------
    Collision
        The velocity change of the car is ``(1 + e) v mu / m``: momentum holds by construction.
    """
    mu = mass_kg if partner_kg is None else mass_kg * partner_kg / (mass_kg + partner_kg)
    dx = np.diff(load.crush_m, axis=1)
    mean_n = 0.5 * (load.force_n[:, 1:] + load.force_n[:, :-1])
    square = np.empty_like(load.force_n)
    square[:, 0] = closing_mps**2
    np.cumsum(mean_n * dx, axis=1, out=square[:, 1:])
    square[:, 1:] = square[:, :1] - square[:, 1:] * (2.0 / mu)[:, None]
    n_alive = (square > 0.0).sum(axis=1)
    speed = np.sqrt(np.maximum(square, 0.0))
    time = np.zeros_like(square)
    # Exact for a force that is constant within the cell; the cell in which the car stops is done below.
    np.cumsum(2.0 * dx / np.maximum(speed[:, 1:] + speed[:, :-1], 1e-9), axis=1, out=time[:, 1:])

    rows = np.arange(mass_kg.size)
    last = np.minimum(n_alive, N_GRID - 1) - 1
    # The rest of the energy is spent within the next cell, where the force is straight; past the table it goes on so.
    dx_m = dx[rows, last]
    force_n = load.force_n[rows, last]
    rise_n = load.force_n[rows, last + 1] - force_n
    spent_n = 0.5 * mu * square[rows, last] / dx_m
    share = 2.0 * spent_n / (force_n + np.sqrt(np.maximum(force_n**2 + 2.0 * rise_n * spent_n, 0.0)))
    left_m = share * dx_m
    end_s = time[rows, last] + 2.0 * left_m / speed[rows, last]
    peak_n = force_n + share * rise_n
    own_end_m = load.own_crush_m[rows, last] + share * (load.own_crush_m[rows, last + 1] - load.own_crush_m[rows, last])

    sample_s = np.arange(n_samples) * dt_s
    rebound_s = (UNLOADING_EXPONENT + 1.0) * mu * restitution * closing_mps / peak_n
    force: Float = np.zeros((mass_kg.size, n_samples), dtype=np.float32)
    contact_s = np.zeros(contact_m.shape)
    contact_square = np.zeros(contact_m.shape)
    n_loading = np.minimum(np.floor(end_s / dt_s).astype(np.int64) + 1, n_samples)
    for row in rows:
        n = last[row] + 1
        t = np.append(time[row, :n], end_s[row])
        f = np.append(load.force_n[row, :n], peak_n[row])
        k = n_loading[row]
        force[row, :k] = np.interp(sample_s[:k], t, f)
        stop = min(n_samples, int((end_s[row] + rebound_s[row]) / dt_s) + 1)
        force[row, k:stop] = (
            peak_n[row] * (1.0 - (sample_s[k:stop] - end_s[row]) / rebound_s[row]) ** UNLOADING_EXPONENT
        )
        own = np.append(load.own_crush_m[row, :n], own_end_m[row])
        contact_s[row] = np.interp(contact_m[row], own, t)
        contact_square[row] = np.interp(contact_m[row], own, np.append(square[row, :n], 0.0))
    contact_mps = np.where(contact_m < own_end_m[:, None], np.sqrt(np.maximum(contact_square, 0.0)), 0.0)
    force /= (mass_kg * G0_MPS2).astype(np.float32)[:, None]
    return Collision(force, load.crush_m[rows, last] + left_m, end_s, contact_s, contact_mps)


def contacts_m(fleet: Fleet, structure: Structure) -> Float:
    """Own crush at which parts of each car of a ``fleet`` meet: stated contacts, every rail fold, the engine.

    Returns
    -------
    ndarray, shape (n_cars, n_contacts)
    """
    stated = np.append(structure.contact_m, structure.engine_m)
    parts: Float = fleet.crush_scale[:, None] * stated
    if structure.fold_to_m <= structure.fold_from_m:
        return parts
    folds = structure.fold_from_m * fleet.crush_scale[:, None] + fleet.fold_pitch_m[:, None] * np.arange(1, N_FOLDS + 1)
    past = folds > structure.fold_to_m * fleet.crush_scale[:, None]
    return np.concatenate([parts, np.where(past, 9.0, folds)], axis=1)


def nominal_fleet(n_cars: int = 1) -> Fleet:
    """``n_cars`` in the middle of everything, without scatter or ringing, for checks and figures."""
    one = np.ones(n_cars)
    n_modes = len(MODE_BANDS_HZ)
    middle = np.sqrt(np.prod(np.array(MODE_BANDS_HZ), axis=1))
    return Fleet(
        mass_kg=NOMINAL_KG * one,
        force_scale=one,
        crush_scale=one,
        engine_scale=one,
        fold_pitch_m=0.045 * one,
        fold_depth=0.0 * one,
        fold_phase=0.0 * one,
        restitution_bias=0.0 * one,
        mode_hz=np.tile(middle, (n_cars, 1)),
        mode_damping=np.full((n_cars, n_modes), 0.06),
        mode_gain_g_s_per_m=np.zeros((n_cars, n_modes)),
        excitation=np.zeros((n_cars, N_FOLDS + 6, n_modes)),
    )


def _bounded_normal(rng: np.random.Generator, n: int) -> Float:
    """Standard normal draws, held at 2.6 deviations."""
    return np.clip(rng.normal(0.0, 1.0, n), -2.6, 2.6)


def _heavy_tailed(rng: np.random.Generator, n: int) -> Float:
    """Student's t of 3 degrees of freedom, held at 3.5: measured crush has a narrow middle and long tails."""
    return np.clip(rng.standard_t(3.0, n), -3.5, 3.5)
