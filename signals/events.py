"""Synthetic events by mode: what each looks like at the tunnel, and what the controller must do about it.

Every mode draws a batch of physical signals. Labels and required times come from the physics that made
the event, never from a classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crumple.units import KMH_PER_MPS

from . import pulse
from .criteria import RttfRule, required_ttf_s
from .trace import Float

PHYSICAL_RATE_HZ = 10_000
PRETRIGGER_S = 0.020
DURATION_S = 0.240

MUST_FIRE = "must_fire"
NO_FIRE = "no_fire"
GREY = "grey"
UNLABELLED = "unlabelled"
LABELS = (MUST_FIRE, NO_FIRE, GREY, UNLABELLED)


@dataclass(frozen=True, slots=True)
class Batch:
    """Physical events of one mode.

    Attributes
    ----------
    decel_g : ndarray, shape (n_events, n_physical)
        Deceleration at ``PHYSICAL_RATE_HZ``; first contact is ``PRETRIGGER_S`` after the first sample.
    labels : tuple of str
    rttf_s : ndarray, shape (n_events,)
        Required time to fire from first contact; NaN where nothing is required.
    speed_kmh : ndarray, shape (n_events,)
        Impact or driving speed; NaN where it has no meaning.
    """

    decel_g: Float
    labels: tuple[str, ...]
    rttf_s: Float
    speed_kmh: Float


Mode = Callable[[int, np.random.Generator, RttfRule], Batch]

N_PRETRIGGER = round(PRETRIGGER_S * PHYSICAL_RATE_HZ)
N_PHYSICAL = round(DURATION_S * PHYSICAL_RATE_HZ) + 2
N_AFTER = N_PHYSICAL - N_PRETRIGGER
DT_S = 1.0 / PHYSICAL_RATE_HZ


def rigid_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Full-width rigid barrier, 26 to 64 km/h (16 mph, belted must-fire, and up): must fire."""
    cars = pulse.Cars.drawn(n_events, rng, kmh=(26.0, 64.0))
    return _crash(cars, pulse.RIGID_CRUSH_M, pulse.RIGID_FORCE_N, 0.25, rng, rule)


def offset_barrier(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """40 % offset deformable barrier, 40 to 64 km/h: must fire, soft onset."""
    cars = pulse.Cars.drawn(n_events, rng, kmh=(40.0, 64.0))
    return _crash(cars, pulse.OFFSET_CRUSH_M, pulse.OFFSET_FORCE_N, 0.10, rng, rule)


def low_speed_bump(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Rigid wall at 2.5 to 12.9 km/h (parking bump to the 8 mph wall): must not fire."""
    cars = pulse.Cars.drawn(n_events, rng, kmh=(2.5, 12.9))
    decel_g = _pulse_with_ringing(cars, pulse.RIGID_CRUSH_M, pulse.RIGID_FORCE_N, 0.25, rng)
    return _quiet(decel_g, cars.speed_mps * KMH_PER_MPS)


def rough_road(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Gravel to Belgian blocks: coloured noise with wheel hop, no net velocity, rms 0.3 to 1.5 g."""
    from scipy.signal import butter, sosfiltfilt

    n_pad = 512
    white = rng.normal(size=(n_events, N_PHYSICAL + 2 * n_pad))
    road = sosfiltfilt(butter(2, (10.0, 120.0), "bandpass", fs=PHYSICAL_RATE_HZ, output="sos"), white, axis=1)
    hop = sosfiltfilt(butter(2, (12.0, 20.0), "bandpass", fs=PHYSICAL_RATE_HZ, output="sos"), white, axis=1)
    mix = rng.uniform(0.0, 1.0, (n_events, 1))
    signal = _unit_rms(road) * (1 - mix) + _unit_rms(hop) * mix
    signal = _unit_rms(signal) * rng.uniform(0.3, 1.5, (n_events, 1))
    return _quiet(signal[:, n_pad : n_pad + N_PHYSICAL], rng.uniform(30.0, 90.0, n_events))


def hammer(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Hammer blow near the controller: 20 to 150 g damped sinusoids of 150 to 400 Hz that leave no velocity."""
    n_modes = 2
    start_s = np.repeat(rng.uniform(0.0, 0.002, (n_events, 1)), n_modes, axis=1)
    share = rng.dirichlet(np.ones(n_modes), n_events)
    sign = rng.choice([-1.0, 1.0], (n_events, 1))
    peak_g = rng.uniform(20.0, 150.0, (n_events, 1))
    ringing = pulse.ringing_g(
        sign * peak_g * share,
        rng.uniform(150.0, 400.0, (n_events, n_modes)),
        rng.uniform(0.03, 0.10, (n_events, n_modes)),
        start_s,
        n_samples=N_AFTER,
        dt_s=DT_S,
    )
    return _quiet(_after_contact(ringing), np.full(n_events, np.nan))


MODES: dict[str, Mode] = {
    "rigid_barrier": rigid_barrier,
    "offset_barrier": offset_barrier,
    "low_speed_bump": low_speed_bump,
    "rough_road": rough_road,
    "hammer": hammer,
}
"""Every mode that a corpus plan may name; its position seeds it, so append only."""


def _crash(
    cars: pulse.Cars,
    crush_m: Float,
    force_n: Float,
    roughness: float,
    rng: np.random.Generator,
    rule: RttfRule,
) -> Batch:
    """Must-fire batch: rigid-body pulse with ringing, and the required time to fire computed from it."""
    decel_g = _pulse_with_ringing(cars, crush_m, force_n, roughness, rng)
    rttf_s = required_ttf_s(decel_g[:, N_PRETRIGGER:], DT_S, rule)
    labels = tuple(MUST_FIRE if np.isfinite(required) else GREY for required in rttf_s)
    return Batch(decel_g, labels, rttf_s, cars.speed_mps * KMH_PER_MPS)


def _pulse_with_ringing(
    cars: pulse.Cars, crush_m: Float, force_n: Float, roughness: float, rng: np.random.Generator
) -> Float:
    """Rigid-body pulse and 3 to 8 structural modes excited at contact and while the front folds."""
    n_events, n_modes = cars.mass_kg.size, 6
    body = pulse.crush_decel_g(cars, crush_m, force_n, n_samples=N_AFTER, dt_s=DT_S)
    # Ringing grows with impact speed; `roughness` is g of mode amplitude per m/s (assumed, from measured band RMS).
    amplitude = rng.exponential(1.0, (n_events, n_modes)) * roughness * cars.speed_mps[:, None]
    ringing = pulse.ringing_g(
        amplitude * rng.choice([-1.0, 1.0], (n_events, n_modes)),
        rng.uniform(60.0, 400.0, (n_events, n_modes)),
        rng.uniform(0.03, 0.10, (n_events, n_modes)),
        rng.uniform(0.0, 0.045, (n_events, n_modes)),
        n_samples=N_AFTER,
        dt_s=DT_S,
    )
    return _after_contact(body + ringing)


def _quiet(decel_g: Float, speed_kmh: Float) -> Batch:
    """No-fire batch."""
    n_events = decel_g.shape[0]
    return Batch(decel_g, (NO_FIRE,) * n_events, np.full(n_events, np.nan), speed_kmh)


def _after_contact(decel_g: Float) -> Float:
    """Put standstill before first contact."""
    return np.concatenate([np.zeros((decel_g.shape[0], N_PRETRIGGER)), decel_g], axis=1)


def _unit_rms(signal: Float) -> Float:
    scaled: Float = signal / np.sqrt(np.mean(signal**2, axis=1, keepdims=True))
    return scaled
