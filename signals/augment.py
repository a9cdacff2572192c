"""Augmentation of recordings: what an assessor varies around each test.

Scaling, time-stretch, the corners of a tolerance box and superposition, by the usual evaluation of
airbag algorithms; the ranges are common practice (assumed) and arguments everywhere. An augmented signal
keeps its time zero at first contact. Labels and required times are not carried over: whoever scales a
crash computes its RTTF anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from crumple.errors import SignalError

from .resample import resample
from .sensor import N_CORNERS, SensorSpec
from .trace import Trace

SCALE_RANGE = (0.8, 1.2)
"""Signal scaling that covers the scatter of vehicles: +-20 % (assumed)."""

STRETCH_RANGE = (0.9, 1.1)
"""Time-stretch that covers the scatter of vehicles: +-10 % (assumed)."""

MOST_CORNERS = 2**20

LAST_PHASE = 0.999
"""Sampling phase is in [0, 1) of a period; its box is closed just below 1."""


def scaled(trace: Trace, factor: float) -> Trace:
    """The trace with every sample times ``factor``; velocity change and displacement scale alike.

    Raises
    ------
    SignalError
        The factor is not positive: turning a signal round is no scatter of vehicles.
    """
    _check_factor(trace, factor)
    return Trace(f"{trace.name} x{factor:g}", trace.accel_g * factor, trace.rate_hz, trace.t0_s)


def time_stretched(trace: Trace, factor: float) -> Trace:
    """The trace ``factor`` times as long about first contact, at the same levels and the same rate.

    Velocity change grows by the factor and displacement by its square. The stretch is a resampling without
    aliases, so a shortened signal loses what the rate can no longer carry.

    Parameters
    ----------
    trace : Trace
    factor : float
        Above 1 slower, below 1 faster; taken to the nearest thousandth.

    Raises
    ------
    SignalError
        The factor is not positive or rounds to zero.
    """
    _check_factor(trace, factor)
    exact = Fraction(round(factor * 1000), 1000)
    if exact == 0:
        raise SignalError(f"{trace.name}: a stretch by {factor:g} leaves nothing")
    slow = Trace(f"{trace.name} stretched {float(exact):g}", trace.accel_g, trace.rate_hz / float(exact), 0.0)
    again = resample(slow, trace.rate_hz)
    return Trace(again.name, again.accel_g, trace.rate_hz, trace.t0_s * float(exact))


def corners(box: Mapping[str, tuple[float, float]]) -> Iterator[dict[str, float]]:
    """Every vertex of a tolerance box, 2^k of them, in a fixed order (the last name changes fastest).

    Parameters
    ----------
    box : mapping
        Name to (lowest, highest), such as ``{"gain_error": (-0.07, 0.07), "offset_g": (-0.5, 0.5)}``. An interval
        of no width counts once.

    Raises
    ------
    SignalError
        An interval is upside down or not finite, or there are more than 2^20 corners.
    """
    for name, (low, high) in box.items():
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise SignalError(f"tolerance {name!r}: expected (lowest, highest), got ({low}, {high})")
    ends = [(low,) if low == high else (low, high) for low, high in box.values()]
    if (n_corners := int(np.prod([len(pair) for pair in ends], dtype=object))) > MOST_CORNERS:
        raise SignalError(f"a box of {len(box)} tolerances has {n_corners} corners, allowed {MOST_CORNERS}")
    return (dict(zip(box, vertex, strict=True)) for vertex in itertools.product(*ends))


def tolerance_box(spec: SensorSpec) -> dict[str, tuple[float, float]]:
    """The box of ``spec``'s tolerances whose vertices are tried: gain, offset, filter corner, sampling phase."""
    return {
        "gain_error": (-spec.gain_tolerance, spec.gain_tolerance),
        "offset_g": (-spec.offset_tolerance_g, spec.offset_tolerance_g),
        "corner": (0.0, N_CORNERS - 1.0) if spec.filter_tolerance else (N_CORNERS // 2, N_CORNERS // 2),
        "phase": (0.0, LAST_PHASE),
    }


def superposed(base: Trace, added: Trace, *, offset_s: float) -> Trace:
    """``base`` plus ``added``, whose first contact is put ``offset_s`` after that of ``base``.

    Parameters
    ----------
    base, added : Trace
        At the same rate. Where one has no samples it counts as standstill, so neither is cut: cutting a
        crash would understate it.
    offset_s : float
        Any sign; taken to the nearest sample of ``base``, which neither smooths nor rings as an
        interpolation would.

    Returns
    -------
    Trace
        From the earlier start to the later end of the two, on the samples of ``base``.

    Raises
    ------
    SignalError
        The rates differ, or the offset is not finite.
    """
    if base.rate_hz != added.rate_hz:
        raise SignalError(
            f"{base.name} at {base.rate_hz:g} Hz and {added.name} at {added.rate_hz:g} Hz do not add; resample one"
        )
    if not np.isfinite(offset_s):
        raise SignalError(f"{added.name}: cannot be put {offset_s} s after {base.name}")
    shift = round((added.t0_s + offset_s - base.t0_s) * base.rate_hz)
    start = min(0, shift)
    stop = max(base.accel_g.size, shift + added.accel_g.size)
    both = np.zeros(stop - start)
    both[-start : -start + base.accel_g.size] += base.accel_g
    both[shift - start : shift - start + added.accel_g.size] += added.accel_g
    return Trace(f"{base.name} + {added.name}", both, base.rate_hz, base.t0_s + start / base.rate_hz)


def _check_factor(trace: Trace, factor: float) -> None:
    """Raise SignalError unless the factor is positive and finite."""
    if not (np.isfinite(factor) and factor > 0):
        raise SignalError(f"{trace.name}: expected a positive factor, got {factor}")
