"""Misuse, abuse and harsh driving: what must stay silent, as data and two mechanisms.

A blow is a half-sine lobe, which carries exactly the velocity change stated for it, and structural ringing, which
carries none. Where something strikes the car, the velocity change is not drawn but follows from its momentum,
``m v (1 + e) / (M + m)``. Amplitudes are those usual in misuse programmes, behind a 400 Hz sensor; they are
from practice, vary 3:1 between vehicles, and are all to be read as assumed.

A mode draws ``n_events`` events from ``rng``; ``rule`` gives only crashes a required time, so nothing here reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.units import G0_MPS2, KMH_PER_MPS

from .batch import DT_S, Batch, Mode, after_contact, n_after, n_physical, quiet
from .criteria import RttfRule
from .ringing import ringing_g
from .trace import Float

Range = tuple[float, float]

CAR_KG: Range = (1150.0, 2350.0)
"""Mass of the car; assumed, as the fleet's 5th and 95th percentile."""

WHEELBASE_M: Range = (2.5, 2.9)
"""Usual wheelbases of passenger cars; assumed."""

RAIL_GAUGE_M = 1.435
"""Standard gauge."""

LOBE_SHARE = 0.7
"""A lobe makes at most this share of the peak; a velocity change that needs more is cut, never the peak. Assumed."""


@dataclass(frozen=True, slots=True)
class Striker:
    """Something that hits the car, or that the car hits; its momentum bounds the velocity change."""

    __pydantic_config__ = STRICT
    mass_kg: Annotated[Range, Field(description="usual of its kind; assumed")]
    speed_mps: Annotated[Range | None, Field(description="relative speed, assumed; None: the driving speed")]
    restitution: Annotated[Range, Field(description="share of the closing speed that is returned; assumed")]


@dataclass(frozen=True, slots=True)
class Misuse:
    """One kind of blow, or several in a row."""

    __pydantic_config__ = STRICT
    peak_g: Annotated[Range, Field(description="largest value, drawn log-uniform; from practice, assumed")]
    lobe_s: Annotated[Range, Field(description="duration of the half-sine lobe; from practice, assumed")]
    ring_hz: Annotated[Range, Field(description="frequencies of the ringing, drawn log-uniform; assumed")]
    delta_v_kmh: Annotated[Range, Field(description="net velocity change of all hits together; assumed")] = (0.0, 0.0)
    speed_kmh: Annotated[Range | None, Field(description="driving speed, assumed; None: standing")] = None
    hits: Annotated[str, Field(pattern="^(one|axles|rails|train|repeated)$")] = "one"
    striker: Striker | None = None
    either_sign: bool = False
    cross: Annotated[Range, Field(description="acceleration across over along the axis; assumed")] = (
        0.0,
        0.0,
    )
    damping: Annotated[Range, Field(description="of the ringing, share of critical; assumed")] = (0.03, 0.12)
    ring_mps: Annotated[
        float,
        Field(gt=0, description="largest velocity of the ringing, unless half the net change is more; assumed"),
    ] = 0.3
    duration_s: Annotated[float, Field(ge=0.1, le=2.0, description="room for every hit; assumed")] = 0.240


MISUSE: dict[str, Misuse] = {
    "cattle_grid": Misuse((2, 8), (0.005, 0.010), (40, 120), (0, 0.8), (40, 80), "train", duration_s=0.480),
    "pothole": Misuse((5, 20), (0.005, 0.015), (30, 90), (0.5, 2), (30, 60), "axles", cross=(0.5, 2), duration_s=0.480),
    "kerb_straight": Misuse(
        (8, 30), (0.010, 0.025), (20, 70), (2, 5), (20, 45), "axles", cross=(0.5, 1.5), duration_s=0.640
    ),
    "kerb_oblique": Misuse(
        (6, 25), (0.008, 0.020), (30, 90), (1, 3), (30, 50), "axles", cross=(0.5, 2), duration_s=0.480
    ),
    "ditch": Misuse((5, 20), (0.015, 0.040), (10, 50), (2, 6), (30, 70), "axles", cross=(0.5, 2), duration_s=0.480),
    "rail_crossing": Misuse(
        (3, 10), (0.005, 0.015), (20, 80), (0, 0.8), (50, 100), "rails", cross=(0.5, 2), duration_s=0.400
    ),
    "speed_bump": Misuse((5, 15), (0.015, 0.040), (10, 60), (1, 3), (20, 60), "axles", cross=(1, 2), duration_s=0.640),
    "underbody_hit": Misuse((15, 60), (0.003, 0.010), (80, 300), (0.5, 3), (20, 60), cross=(0.3, 1)),
    "hammer": Misuse(
        (20, 150),
        (0.0005, 0.003),
        (150, 400),
        striker=Striker((0.5, 2.0), (2.0, 6.0), (0.1, 0.6)),
        either_sign=True,
        damping=(0.03, 0.10),
        ring_mps=0.4,  # 12 N s on a tunnel panel of 30 kg; assumed
    ),
    "door_slam": Misuse((1, 8), (0.003, 0.010), (40, 200), either_sign=True, cross=(0.5, 2)),
    "hood_slam": Misuse((1, 10), (0.005, 0.010), (30, 150), either_sign=True, cross=(0.5, 2)),
    "jack_drop": Misuse((2, 10), (0.010, 0.030), (10, 80), either_sign=True, cross=(1.5, 3), ring_mps=0.7),
    "bumper_kick": Misuse((0.5, 4), (0.005, 0.015), (20, 100), striker=Striker((3.0, 20.0), (1.0, 3.5), (0.1, 0.5))),
    "parking_impact": Misuse((2, 8), (0.050, 0.120), (5, 20), (3, 10), (2.5, 8), damping=(0.15, 0.3)),
    "trailer_coupling": Misuse((0.5, 4), (0.020, 0.080), (5, 30), (0.5, 2), either_sign=True, damping=(0.1, 0.3)),
    "wheel_drop": Misuse(
        (3, 12), (0.010, 0.030), (15, 60), (0.2, 1.8), (10, 20), "repeated", cross=(0.5, 2), duration_s=0.640
    ),
    "deer": Misuse(
        (4, 15), (0.030, 0.060), (20, 100), speed_kmh=(50, 90), striker=Striker((60.0, 100.0), None, (0.0, 0.1))
    ),
    "controller_knock": Misuse((5, 50), (0.0005, 0.003), (100, 400), either_sign=True, ring_mps=0.2),
}
"""Every discrete row of the misuse table; durations of events leave room for the rear axle."""


def momentum_delta_v_mps(striker_kg: Float, speed_mps: Float, restitution: Float, car_kg: Float) -> Float:
    """Velocity change of a free car that meets a free striker: ``m v (1 + e) / (M + m)``, in m/s.

    Parameters
    ----------
    striker_kg, car_kg : ndarray
        Masses m and M.
    speed_mps : ndarray
        Closing speed v.
    restitution : ndarray
        e, 0 where they stick together.
    """
    return striker_kg * speed_mps * (1.0 + restitution) / (car_kg + striker_kg)


def lobe_g(delta_v_mps: Float, start_s: Float, lobe_s: Float, *, n_samples: int, dt_s: float) -> Float:
    """Half-sine lobes that carry exactly ``delta_v_mps``, in steps of ``dt_s`` (s).

    The difference of the closed-form velocity over each sample, so that even a lobe of four samples is exact.

    Parameters
    ----------
    delta_v_mps, start_s, lobe_s : ndarray, shape (n_events,)
        Velocity change, start and duration of each; ``2 A T / pi`` is the first.

    Returns
    -------
    ndarray, shape (n_events, n_samples)
    """
    # Only where the lobe is: the longest one and a sample on either side.
    n_lobe = min(int(np.max(lobe_s) / dt_s) + 3, n_samples)
    first = np.clip((start_s / dt_s).astype(np.int64), 0, n_samples - n_lobe)
    index = first[:, None] + np.arange(n_lobe + 1)
    turn = np.clip((index * dt_s - start_s[:, None]) / lobe_s[:, None], 0.0, 1.0)
    velocity = 0.5 * delta_v_mps[:, None] * (1.0 - np.cos(np.pi * turn))
    lobes = np.zeros((delta_v_mps.size, n_samples))
    np.put_along_axis(lobes, index[:, :-1], np.diff(velocity, axis=1) / (dt_s * G0_MPS2), axis=1)
    return lobes


def blows(spec: Misuse, n_events: int, rng: np.random.Generator) -> Batch:
    """Draw events of the one kind that ``spec`` describes."""
    n = n_after(spec.duration_s)
    speed_kmh = np.full(n_events, np.nan) if spec.speed_kmh is None else rng.uniform(*spec.speed_kmh, n_events)
    peak_g = _log_uniform(rng, spec.peak_g, (n_events,))
    lobe_s = rng.uniform(*spec.lobe_s, n_events)
    start_s, strength = _hits(spec, speed_kmh, rng)
    if spec.striker is None:
        delta_v_mps = rng.uniform(*spec.delta_v_kmh, n_events) / KMH_PER_MPS
    else:
        speed_mps = (
            speed_kmh / KMH_PER_MPS
            if spec.striker.speed_mps is None
            else rng.uniform(*spec.striker.speed_mps, n_events)
        )
        delta_v_mps = momentum_delta_v_mps(
            rng.uniform(*spec.striker.mass_kg, n_events),
            speed_mps,
            rng.uniform(*spec.striker.restitution, n_events),
            rng.uniform(*CAR_KG, n_events),
        )
    if spec.hits == "train":  # many small bars slow the car as one long lobe does
        lobe_s = start_s.max(axis=1) - start_s[:, 0]
    share = strength / strength.sum(axis=1, keepdims=True) if spec.hits != "train" else np.ones((n_events, 1))
    lobe_peak_g = LOBE_SHARE * peak_g
    if spec.striker is None:
        # A lobe of this peak and duration cannot carry more.
        most_mps = 2 * lobe_peak_g * lobe_s / np.pi * G0_MPS2 / share.max(axis=1)
        delta_v_mps = np.minimum(delta_v_mps, most_mps)
    sign = rng.choice([-1.0, 1.0], n_events) if spec.either_sign else np.ones(n_events)

    decel_g: Float = np.zeros((n_events, n), dtype=np.float32)
    for hit in range(share.shape[1]):
        decel_g += lobe_g(sign * delta_v_mps * share[:, hit], start_s[:, hit], lobe_s, n_samples=n, dt_s=DT_S)
    largest_g: Float = np.abs(decel_g).max(axis=1)

    n_modes = 2
    # A blow can shake the structure only so fast: half a swing changes velocity by no more than the blow itself, or
    # than its momentum gives a panel. What is loud is therefore high.
    ring_mps = np.maximum(spec.ring_mps, 0.5 * np.abs(delta_v_mps))
    lowest_hz = np.minimum(peak_g * G0_MPS2 / (2 * np.pi * ring_mps), spec.ring_hz[1])
    hz = np.maximum(_log_uniform(rng, spec.ring_hz, (n_events, n_modes)), lowest_hz[:, None])
    zeta = rng.uniform(*spec.damping, (n_events, n_modes))
    split = rng.dirichlet(np.ones(n_modes) * 2.0, n_events)
    struck = strength[:, :, None] * split[:, None, :] * rng.choice([-1.0, 1.0], (n_events, 1, n_modes))
    ringing = ringing_g(struck, hz, zeta, start_s, n_samples=n, dt_s=DT_S)
    ringing /= np.maximum(np.abs(ringing).max(axis=1, keepdims=True), 1e-9)
    # Lobe and ringing need not be largest at once: two corrections bring their sum to the drawn peak.
    lobes_g = decel_g
    peak_g = peak_g.astype(np.float32)
    scale_g = np.maximum(peak_g - largest_g, 0.15 * peak_g)
    decel_g = lobes_g + scale_g[:, None] * ringing
    for _ in range(2):
        scale_g = np.maximum(scale_g + peak_g - np.abs(decel_g).max(axis=1), 0.1 * peak_g)
        decel_g = lobes_g + scale_g[:, None] * ringing

    seen_g = after_contact(decel_g)
    cross_g = None
    if spec.cross[1] > 0:
        share_across = rng.uniform(*spec.cross, n_events) * rng.choice([-1.0, 1.0], n_events)
        cross_g = seen_g * share_across.astype(np.float32)[:, None]
    return quiet(seen_g, speed_kmh, cross_g)


def blow_mode(spec: Misuse) -> Mode:
    """The mode of one row of the table, ``spec``."""

    def mode(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
        return blows(spec, n_events, rng)

    return mode


def snow_bank(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Snow bank or water at 40 to 80 km/h: one slow lobe, 1 to 5 g over 100 to 400 ms, at most 15 km/h lost."""
    duration_s = 0.480
    n = n_after(duration_s)
    lobe_s = rng.uniform(0.100, 0.400, n_events)
    peak_g = rng.uniform(1.0, 5.0, n_events)
    delta_v_mps = np.clip(2 * peak_g * lobe_s / np.pi * G0_MPS2, 0.0, 15.0 / KMH_PER_MPS)
    decel_g = lobe_g(delta_v_mps, np.zeros(n_events), lobe_s, n_samples=n, dt_s=DT_S)
    hz = rng.uniform(6.0, 20.0, (n_events, 2))
    splash = ringing_g(
        rng.normal(0.0, 0.15, (n_events, 3, 2)) * peak_g[:, None, None],
        hz,
        rng.uniform(0.1, 0.3, (n_events, 2)),
        rng.uniform(0.0, 1.0, (n_events, 3)) * lobe_s[:, None],
        n_samples=n,
        dt_s=DT_S,
    )
    return quiet(after_contact(decel_g + splash), rng.uniform(40.0, 80.0, n_events))


def braking_g(n_events: int, rng: np.random.Generator, n_samples: int) -> Float:
    """Panic braking with ABS: 0.8 to 1.1 g from the first sample on, rising in 0.1 to 0.3 s before it, with
    a ripple of 5 to 15 Hz; shape (n_events, n_samples)."""
    time = np.arange(n_samples) * DT_S
    level = rng.uniform(0.8, 1.1, (n_events, 1))
    rise_s = rng.uniform(0.1, 0.3, (n_events, 1))
    begun_s = rng.uniform(0.0, 0.3, (n_events, 1))
    ripple = rng.uniform(0.05, 0.15, (n_events, 1)) * np.sin(
        2 * np.pi * rng.uniform(5.0, 15.0, (n_events, 1)) * time + rng.uniform(0.0, 2 * np.pi, (n_events, 1))
    )
    on = np.clip((time + begun_s) / rise_s, 0.0, 1.0)
    braking: Float = level * on * (1.0 + ripple)
    return braking


def abs_braking(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Panic braking: 0.8 to 1.1 g with ABS ripple."""
    return quiet(braking_g(n_events, rng, n_physical(0.480)), rng.uniform(30.0, 130.0, n_events))


def _hits(spec: Misuse, speed_kmh: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Start times in s from first contact and relative strengths, both of shape (n_events, n_hits)."""
    n_events = speed_kmh.size
    first = rng.uniform(0.0, 0.002, (n_events, 1))
    if spec.hits == "one":
        return first, np.ones((n_events, 1))
    speed_mps = speed_kmh[:, None] / KMH_PER_MPS
    if spec.hits == "train":
        # A bar every 0.15 to 0.25 m, for 0.3 m to 8 m of grid; bars beyond the drawn number are not there.
        n_bars = 32
        bars_hz = np.clip(speed_mps / rng.uniform(0.15, 0.25, (n_events, 1)), 40.0, 120.0)
        index = np.arange(n_bars)[None, :]
        there = index < rng.integers(10, n_bars + 1, (n_events, 1))
        return first + np.where(there, index, 0) / bars_hz, rng.uniform(0.5, 1.0, (n_events, n_bars)) * there
    axle_s = rng.uniform(*WHEELBASE_M, (n_events, 1)) / speed_mps
    if spec.hits == "axles":
        rear = rng.uniform(0.4, 1.0, (n_events, 1))
        return np.concatenate([first, first + axle_s], axis=1), np.concatenate([np.ones((n_events, 1)), rear], axis=1)
    if spec.hits == "rails":
        gauge_s = RAIL_GAUGE_M / speed_mps
        start = np.concatenate([first, first + gauge_s, first + axle_s, first + axle_s + gauge_s], axis=1)
        return start, rng.uniform(0.4, 1.0, (n_events, 4))
    # Stairs and kerbs in a row: 0.3 to 0.9 m apart.
    gap_s = np.clip(rng.uniform(0.3, 0.9, (n_events, 1)) / speed_mps, 0.06, 0.18)
    return first + gap_s * np.arange(3)[None, :], rng.uniform(0.4, 1.0, (n_events, 3))


def _log_uniform(rng: np.random.Generator, limits: Range, shape: tuple[int, ...]) -> Float:
    return np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), shape))
