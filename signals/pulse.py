"""Crash pulses from force-crush models: one car, any speed.

The car is a mass behind a crush force ``F(x)`` that does not know the speed, so at a given crush the
early g level is nearly the same at 12 and at 60 km/h; speed shows in how fast the crush proceeds and
how strongly the structure rings. Unloading is elasto-plastic along a steep slope, which gives rebound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crumple.units import G0_MPS2

from .trace import Float

# Force-crush corner points of a mid-size car against a full-width rigid wall (m, N). The ranges are the
# domain's usual ones (bumper 30-80 kN, crash boxes 100-180 kN, rails 180-280 kN, engine 350-700 kN): assumed.
RIGID_CRUSH_M = np.array([0.0, 0.010, 0.060, 0.085, 0.200, 0.230, 0.450, 0.520, 0.650, 0.750, 1.600])
RIGID_FORCE_N = np.array([0.0, 45e3, 55e3, 135e3, 145e3, 225e3, 235e3, 480e3, 520e3, 650e3, 900e3])

# 40 % offset against a deformable honeycomb: about half the structure, later, behind a 50-100 kN plateau.
OFFSET_CRUSH_M = np.array([0.0, 0.020, 0.080, 0.300, 0.420, 0.600, 0.850, 1.000, 1.200, 1.800])
OFFSET_FORCE_N = np.array([0.0, 30e3, 60e3, 80e3, 130e3, 160e3, 280e3, 380e3, 480e3, 700e3])

N_GRID = 512
MAX_CRUSH_M = 1.6


@dataclass(frozen=True, slots=True)
class Cars:
    """A batch of cars hitting something; arrays of shape (n_events,)."""

    mass_kg: Float
    speed_mps: Float
    force_scale: Float
    crush_scale: Float
    restitution: Float
    """Ratio of rebound to impact speed that the unloading slope aims at."""

    @classmethod
    def drawn(cls, n_events: int, rng: np.random.Generator, *, kmh: tuple[float, float]) -> Cars:
        """Scatter of a vehicle fleet: mass 1300-1900 kg, force +-15 %, crush +-10 % (assumed)."""
        speed_mps = rng.uniform(*kmh, n_events) / 3.6
        return cls(
            mass_kg=rng.uniform(1300.0, 1900.0, n_events),
            speed_mps=speed_mps,
            force_scale=rng.uniform(0.85, 1.15, n_events),
            crush_scale=rng.uniform(0.90, 1.10, n_events),
            # 0.10-0.20 at 50 km/h, rising to 0.3-0.4 below 10 km/h (assumed, from the domain's usual ranges)
            restitution=np.clip(0.15 + 0.25 * np.exp(-speed_mps / 4.0), 0.10, 0.40),
        )


def crush_decel_g(cars: Cars, crush_m: Float, force_n: Float, *, n_samples: int, dt_s: float) -> Float:
    """Rigid-body deceleration of each car, in g; shape (n_events, n_samples), positive, from first contact.

    Integrates ``m x'' = -F(x)`` by semi-implicit Euler steps of ``dt_s``; on the way back the force falls
    along a slope chosen so that the energy returned matches the restitution.
    """
    grid = np.linspace(0.0, MAX_CRUSH_M, N_GRID)
    force = np.interp(grid, crush_m, force_n)
    per_cell = (N_GRID - 1) / MAX_CRUSH_M

    n_events = cars.mass_kg.size
    x = np.zeros(n_events)
    v = cars.speed_mps.copy()
    x_max = np.zeros(n_events)
    decel = np.empty((n_samples, n_events))
    # Energy to return: e^2 of the kinetic energy; slope k of the unloading line from F at x_max: F^2/(2k).
    returned_j = 0.5 * cars.mass_kg * (cars.restitution * cars.speed_mps) ** 2
    for k in range(n_samples):
        np.maximum(x_max, x, out=x_max)
        loading_n = cars.force_scale * _lookup(force, x_max / cars.crush_scale * per_cell)
        # The slope is steep enough to give back only returned_j, however deep the crush is by then.
        slope = loading_n**2 / np.maximum(2 * returned_j, 1.0)
        f = np.maximum(loading_n - slope * (x_max - x), 0.0)
        f[x <= 0.0] = 0.0
        a = f / cars.mass_kg
        decel[k] = a
        v -= a * dt_s
        x += v * dt_s
    return decel.T / G0_MPS2


def _lookup(table: Float, position: Float) -> Float:
    """Linear interpolation in a table by fractional index, held at its end."""
    position = np.clip(position, 0.0, table.size - 1.001)
    left = position.astype(np.int64)
    fraction = position - left
    return table[left] * (1 - fraction) + table[left + 1] * fraction


def ringing_g(
    amplitude_g: Float,
    frequency_hz: Float,
    damping: Float,
    start_s: Float,
    *,
    n_samples: int,
    dt_s: float,
) -> Float:
    """Structural ringing that leaves no velocity behind; shape (n_events, n_samples), in g.

    Each event sums modes given as arrays of shape (n_events, n_modes). A mode's *velocity* is
    ``A/w * (1 - exp(-t/tau)) * exp(-z w t) * sin(w t)`` from its start, and the acceleration is the exact
    difference of that velocity, so the sum over samples is the final velocity, which has died away:
    energy leaves as ringing, momentum does not change.
    """
    time = np.arange(n_samples + 1) * dt_s
    velocity = np.zeros((amplitude_g.shape[0], n_samples + 1))
    for mode in range(amplitude_g.shape[1]):
        omega = 2 * np.pi * frequency_hz[:, mode, None]
        since = time[None, :] - start_s[:, mode, None]
        on = since > 0
        since = np.where(on, since, 0.0)
        rise = 1 - np.exp(-since * frequency_hz[:, mode, None] * 4)
        decay = np.exp(-damping[:, mode, None] * omega * since)
        velocity += amplitude_g[:, mode, None] / omega * rise * decay * np.sin(omega * since)
    return np.diff(velocity, axis=1) / dt_s
