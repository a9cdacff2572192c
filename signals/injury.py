"""Injury criteria of occupants and of people in vehicles: HIC, clip, ASI, occupant impact velocity.

They judge measured dummies and vehicles in hindsight and never reach an algorithm. Rows are sampled at a
fixed ``dt_s`` (seconds), and times count from the first sample. Filter first: head CFC 1000, chest CFC 180.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from crumple.errors import SignalError

from .cfc import phaseless
from .criteria import NotReached, delta_v_mps, free_flight_m
from .trace import Float

TWO_PASS_DESIGN_RATIO = 1.25
"""Single-pass design frequency over the two-pass corner, as in ISO 6487 (exact: 1.2465)."""


@dataclass(frozen=True, slots=True)
class Hic:
    """Head injury criterion and the window that gave it, in seconds from the first sample."""

    value: float
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Asi:
    """Acceleration severity index and when it was highest, in seconds from the first sample."""

    value: float
    time_s: float


@dataclass(frozen=True, slots=True)
class ImpactVelocity:
    """Occupant impact velocity: speed relative to the vehicle when a free body meets its inside.

    Attributes
    ----------
    x_mps, y_mps : float
        Forward and rightward velocity relative to the vehicle at that moment.
    time_s : float
        Seconds from first contact.
    """

    x_mps: float
    y_mps: float
    time_s: float


def resultant_g(x_g: Float, y_g: Float, z_g: Float) -> Float:
    """Length of the acceleration vector with components ``x_g``, ``y_g``, ``z_g``, all of one shape, in g.

    Raises
    ------
    SignalError
        The components differ in length.
    """
    if not x_g.shape == y_g.shape == z_g.shape:
        raise SignalError(f"components of a resultant differ in length: {x_g.shape}, {y_g.shape}, {z_g.shape}")
    length: Float = np.sqrt(x_g**2 + y_g**2 + z_g**2)
    return length


def hic(head_g: Float, dt_s: float, *, window_s: float = 0.015) -> Hic:
    """Head injury criterion: the highest ``(t2 - t1) * mean^2.5`` over all pairs of samples within the window.

    Definition: 49 CFR 571.208 S6.2 (HIC15, HIC36); the mean by the trapezoid rule. Every pair is evaluated: even
    for a resultant the longest window is not always the worst.

    Parameters
    ----------
    head_g : ndarray, shape (n_samples,)
        Resultant head acceleration in g, never negative.
    dt_s : float
    window_s : float
        Longest ``t2 - t1``: 0.015 or 0.036. Only whole samples are tried, so a window that is not a
        multiple of ``dt_s`` counts as the next shorter multiple.

    Returns
    -------
    Hic
        The earliest of equal windows; value 0 over the first interval where nothing happens.

    Raises
    ------
    SignalError
        A value is negative or not finite, or the window is shorter than a sample.
    """
    _check_row(head_g)
    if head_g.min() < 0:
        raise SignalError(f"HIC needs a resultant, found {head_g.min():g} g: take resultant_g of the three axes first")
    n_longest = min(int(window_s / dt_s * (1 + 1e-9)), head_g.size - 1)
    if n_longest < 1:
        raise SignalError(f"a window of {window_s} s is shorter than a sample of {dt_s} s")
    sums = np.concatenate([[0.0], np.cumsum(0.5 * (head_g[1:] + head_g[:-1]))])
    best = (0.0, 0, 1)
    for lag in range(1, n_longest + 1):
        # For a fixed length the criterion rises with the mean, so one power per length is enough.
        over = sums[lag:] - sums[:-lag]
        start = int(np.argmax(over))
        value = lag * dt_s * (float(over[start]) / lag) ** 2.5
        if value > best[0]:
            best = (value, start, lag)
    value, start, lag = best
    return Hic(value, start * dt_s, (start + lag) * dt_s)


def clip_g(
    level_g: Float, dt_s: float, *, duration_s: float = 0.003, method: Literal["single", "cumulative"] = "single"
) -> float:
    """The highest level that is held for a duration: the "3 ms clip" of chest and head.

    Samples are joined by straight lines, so that the result does not step with the sampling rate.

    Parameters
    ----------
    level_g : ndarray, shape (n_samples,)
        Resultant acceleration in g.
    dt_s : float
    duration_s : float
        0.003 by FMVSS 208 (chest) and UN R94 (head).
    method : {"single", "cumulative"}
        ``single``: without interruption, in one peak. ``cumulative``: all time above the level adds up.

    Raises
    ------
    SignalError
        A value is not finite, or the record is shorter than the duration.
    """
    _check_row(level_g)
    if not 0 < duration_s <= (level_g.size - 1) * dt_s:
        raise SignalError(f"a clip over {duration_s} s needs a longer record than {(level_g.size - 1) * dt_s:g} s")
    held_s = _longest_held_s if method == "single" else _total_held_s
    low, high = float(level_g.min()), float(level_g.max())
    while (middle := 0.5 * (low + high)) not in (low, high):
        if held_s(level_g, dt_s, middle) >= duration_s:
            low = middle
        else:
            high = middle
    return low


def asi(
    x_g: Float,
    y_g: Float,
    z_g: Float,
    dt_s: float,
    *,
    method: Literal["mean", "filter"] = "mean",
    window_s: float = 0.050,
    corner_hz: float = 13.0,
    limits_g: tuple[float, float, float] = (12.0, 9.0, 10.0),
) -> Asi:
    """Acceleration severity index of a vehicle: the highest length of (a_x/12, a_y/9, a_z/10), smoothed.

    Definition: EN 1317-1, from memory: earlier editions take 50 ms means, the 2010 edition a phaseless
    four-pole filter of 13 Hz.

    Parameters
    ----------
    x_g, y_g, z_g : ndarray, shape (n_samples,)
        Acceleration near the vehicle's centre of gravity; its sign does not matter.
    dt_s : float
    method : {"mean", "filter"}
        ``mean``: moving mean over ``window_s``, at the window's centre. ``filter``: low-pass of ``corner_hz``.
    window_s : float
        50 ms.
    corner_hz : float
        -3 dB point of both passes together.
    limits_g : tuple of float
        What a belted body bears along x, y, z.

    Raises
    ------
    SignalError
        Rows differ in length or are shorter than the window, or the window is no whole number of samples (to 1 %).
    """
    smooth = []
    n = round(window_s / dt_s)
    for row in (x_g, y_g, z_g):
        _check_row(row)
        if method == "filter":
            smooth.append(phaseless(row, 1 / dt_s, design_hz=corner_hz * TWO_PASS_DESIGN_RATIO))
            continue
        if n < 1 or n >= row.size or abs(n * dt_s - window_s) > 0.01 * window_s:
            raise SignalError(f"a mean over {window_s} s does not fit {row.size} samples of {dt_s} s")
        sums = np.concatenate([[0.0], np.cumsum(0.5 * (row[1:] + row[:-1]))])
        smooth.append((sums[n:] - sums[:-n]) / n)
    severity = resultant_g(*(row / limit for row, limit in zip(smooth, limits_g, strict=True)))
    worst = int(np.argmax(severity))
    return Asi(float(severity[worst]), (worst + (n / 2 if method == "mean" else 0)) * dt_s)


def occupant_impact_velocity(
    x_g: Float, y_g: Float, dt_s: float, *, forward_m: float = 0.6, sideways_m: float = 0.3
) -> ImpactVelocity | NotReached:
    """Velocity of a free body relative to the vehicle when it has flown 0.6 m forward or 0.3 m sideways (OIV).

    Definition: Michie (1981), flail space model, from memory, without yaw. The theoretical head impact
    velocity of EN 1317 adds yaw and is not offered.

    Parameters
    ----------
    x_g, y_g : ndarray, shape (n_samples,)
        Acceleration by SAE J211 axes from first contact on: x forward (negative in a frontal impact), y right.
    dt_s : float
    forward_m, sideways_m : float
        Flail distances.

    Returns
    -------
    ImpactVelocity or NotReached
        NotReached (in m) when neither distance is reached.

    Raises
    ------
    SignalError
        Rows differ in length, are shorter than 2 samples or not finite.
    """
    for row in (x_g, y_g):
        _check_row(row)
    if x_g.shape != y_g.shape:
        raise SignalError(f"rows differ in length: {x_g.shape}, {y_g.shape}")
    # A free body moves relative to the vehicle as the vehicle's own velocity change, turned round.
    share = np.maximum(np.abs(free_flight_m(x_g, dt_s)) / forward_m, np.abs(free_flight_m(y_g, dt_s)) / sideways_m)
    if not (share >= 1).any():
        nearest = int(np.argmax(share))
        flown_m = float(np.abs(free_flight_m(x_g, dt_s))[nearest])
        return NotReached("the flail distance", flown_m, forward_m)
    k = int(np.argmax(share >= 1))
    before = float(share[k - 1])
    at = k - 1 + (1 - before) / (float(share[k]) - before)
    samples = np.arange(x_g.size)
    return ImpactVelocity(
        float(np.interp(at, samples, delta_v_mps(-x_g, dt_s))),
        float(np.interp(at, samples, delta_v_mps(-y_g, dt_s))),
        at * dt_s,
    )


def _check_row(row: Float) -> None:
    """Raise SignalError unless this is one row of at least 2 finite samples."""
    if row.ndim != 1 or row.size < 2 or not np.isfinite(row).all():
        raise SignalError(f"expected one row of at least 2 finite samples, got shape {row.shape}")


def _above(row: Float, level: float) -> Float:
    """Fraction of each interval between samples during which the joining line is at or above a level."""
    low, high = np.minimum(row[1:], row[:-1]), np.maximum(row[1:], row[:-1])
    rise = np.where(high > low, high - low, 1.0)
    fraction: Float = np.where(low >= level, 1.0, np.clip(high - level, 0.0, rise) / rise)
    return fraction


def _total_held_s(row: Float, dt_s: float, level: float) -> float:
    """All time at or above a level."""
    return float(_above(row, level).sum()) * dt_s


def _longest_held_s(row: Float, dt_s: float, level: float) -> float:
    """The longest uninterrupted time at or above a level."""
    above = row >= level
    if not above.any():
        return 0.0
    fraction = _above(row, level)
    sums = np.concatenate([[0.0], np.cumsum(fraction)])
    edges = np.diff(np.concatenate([[0], above.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    # A run of samples first..last also owns its share of the interval before and the one after.
    held = sums[np.minimum(last + 1, row.size - 1)] - sums[np.maximum(first - 1, 0)]
    return float(held.max()) * dt_s
