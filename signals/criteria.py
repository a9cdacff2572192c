"""Quantities derived from a vehicle's pulse, in hindsight: velocity, crush, required time to fire, severity.

Pulses are decelerations in g, positive while slowing down, at a fixed ``dt_s`` (seconds), from first
contact on, offset removed; ``pulse_g`` makes one from a trace. A quantity that a mild pulse does not
have comes back as ``NotReached``, a value: a pulse too soft for an OLC is a finding, not a failure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import SignalError
from crumple.units import G0_MPS2

from .trace import Float, Trace


@dataclass(frozen=True, slots=True)
class RttfRule:
    """The "5 inches minus 30 ms" rule: the bag must be full before the occupant has moved too far."""

    __pydantic_config__ = STRICT
    distance_m: Annotated[float, Field(gt=0, le=0.5, description="free flight allowed, 5 in; shop-floor rule")] = 0.127
    inflation_s: Annotated[float, Field(ge=0, le=0.1, description="driver bag fill time; shop-floor rule")] = 0.030
    horizon_s: Annotated[float, Field(gt=0, le=0.5, description="no RTTF if not reached by then; assumed")] = 0.150


@dataclass(frozen=True, slots=True)
class NotReached:
    """A quantity that this pulse does not have, because something did not happen.

    Attributes
    ----------
    what : str
        What did not happen.
    reached, needed : float
        How far it came and how far it had to come, in SI units.
    """

    what: str
    reached: float
    needed: float

    def __str__(self) -> str:
        return f"not reached: {self.what} (came to {self.reached:.4g}, needs {self.needed:.4g})"


@dataclass(frozen=True, slots=True)
class DynamicCrush:
    """The deepest crush of a front, in m, and when, in seconds from first contact."""

    crush_m: float
    time_s: float


@dataclass(frozen=True, slots=True)
class Olc:
    """Occupant load criterion: the constant deceleration of an ideally restrained occupant.

    Attributes
    ----------
    olc_g : float
    free_until_s : float
        End of free flight (t1), seconds from first contact.
    held_until_s : float
        When occupant and car move alike again (t2).
    """

    olc_g: float
    free_until_s: float
    held_until_s: float


@dataclass(frozen=True, slots=True)
class Tesw:
    """Tipped equivalent square wave: deceleration that changes linearly over the crush.

    Attributes
    ----------
    start_g, end_g : float
        Deceleration at first contact and at the deepest crush. A back-loaded pulse has ``end_g > start_g``.
    crush_m : float
        The deepest crush.
    """

    start_g: float
    end_g: float
    crush_m: float


def pulse_g(trace: Trace) -> Float:
    """Deceleration of ``trace`` in g from first contact on, offset of its pre-contact samples removed.

    Raises
    ------
    SignalError
        Too few samples before contact to find the offset, or none after it.
    """
    level = trace.without_pretrigger_offset()
    pulse = level.decel_g[level.time_s >= -0.5e-6]
    if pulse.size < 2:
        raise SignalError(f"{trace.name}: ends at first contact, there is no pulse")
    return pulse


def delta_v_mps(decel_g: Float, dt_s: float) -> Float:
    """Velocity lost since the first sample, in m/s, by the trapezoid rule.

    Parameters
    ----------
    decel_g : ndarray, shape (..., n_samples)
        Deceleration, positive while slowing down.
    dt_s : float
        Sample interval in seconds.
    """
    return _integral(decel_g * G0_MPS2, dt_s)


def free_flight_m(decel_g: Float, dt_s: float) -> Float:
    """Displacement of an unbelted occupant relative to the car, in m; shape as ``decel_g``, steps of ``dt_s``."""
    return _integral(delta_v_mps(decel_g, dt_s), dt_s)


def required_ttf_s(decel_g: Float, dt_s: float, rule: RttfRule) -> Float:
    """Required time to fire from first contact, in seconds; NaN where the distance is never reached.

    Parameters
    ----------
    decel_g : ndarray, shape (..., n_samples)
        Deceleration from first contact on, offset removed.
    dt_s : float
    rule : RttfRule

    Returns
    -------
    ndarray, shape (...,)
        Time at which free flight reaches ``rule.distance_m``, less ``rule.inflation_s``. Hindsight:
        it uses the whole pulse, as the rule demands.

    Raises
    ------
    SignalError
        A sample is not finite: it would read as "nothing is required".
    """
    if not np.isfinite(decel_g).all():
        raise SignalError("the required time to fire was asked of samples that are not finite")
    moved = free_flight_m(decel_g, dt_s).reshape(-1, np.shape(decel_g)[-1])
    n_horizon = min(moved.shape[-1], round(rule.horizon_s / dt_s) + 1)
    moved = moved[:, :n_horizon]
    reached = moved >= rule.distance_m
    first = np.argmax(reached, axis=-1)
    ever = reached.any(axis=-1)
    rows = np.arange(moved.shape[0])
    after = moved[rows, first]
    before = moved[rows, np.maximum(first - 1, 0)]
    step = np.where(after > before, after - before, 1.0)
    t_reached = (first - 1 + (rule.distance_m - before) / step) * dt_s
    result = np.where(ever & (first > 0), t_reached - rule.inflation_s, np.nan)
    return result.reshape(np.shape(decel_g)[:-1])


def crush_m(decel_g: Float, dt_s: float, *, speed_mps: float) -> Float:
    """Travel of the compartment after first contact, ``v0 t`` less the double integral, in m.

    Parameters
    ----------
    decel_g : ndarray, shape (..., n_samples)
    dt_s : float
    speed_mps : float
        Closing speed at first contact. Against a fixed rigid wall the travel is the crush of the front.
    """
    time_s = np.arange(np.shape(decel_g)[-1]) * dt_s
    travel: Float = speed_mps * time_s - free_flight_m(decel_g, dt_s)
    return travel


def dynamic_crush(decel_g: Float, dt_s: float, *, speed_mps: float) -> DynamicCrush | NotReached:
    """The deepest crush against a fixed wall: where the speed first becomes zero.

    Parameters
    ----------
    decel_g : ndarray, shape (n_samples,)
    dt_s : float
    speed_mps : float
        Speed at first contact.

    Returns
    -------
    DynamicCrush or NotReached
        NotReached (in m/s) when the car still moves forward at the end of the pulse: the travel at that
        point is an accident of the recording's length.
    """
    slowed = delta_v_mps(_row(decel_g), dt_s)
    stopped = slowed >= speed_mps
    if not stopped.any():
        return NotReached("the car does not come to rest", float(slowed.max()), speed_mps)
    k = max(int(np.argmax(stopped)), 1)
    fraction = _crossing(slowed, k, speed_mps)
    travel = crush_m(decel_g, dt_s, speed_mps=speed_mps)
    # Within the sample interval the speed falls to zero about linearly, so the travel ends as a parabola.
    left_mps = speed_mps - float(slowed[k - 1])
    return DynamicCrush(float(travel[k - 1]) + 0.5 * left_mps * fraction * dt_s, (k - 1 + fraction) * dt_s)


def olc(
    decel_g: Float, dt_s: float, *, free_flight_distance_m: float = 0.065, restraint_distance_m: float = 0.235
) -> Olc | NotReached:
    """Occupant load criterion (Euro NCAP TB 027, which filters CFC 180 first).

    A virtual occupant flies freely until it has moved 65 mm relative to the car (t1), then is decelerated
    at a constant level that uses another 235 mm by the moment its speed equals the car's (t2). So with
    ``s`` the free-flight displacement and ``dV`` the car's velocity change, t2 is the first time at which
    ``s(t2) - dV(t2) (t2 - t1) / 2 = 300 mm``, and ``OLC = dV(t2) / (t2 - t1)``.

    Parameters
    ----------
    decel_g : ndarray, shape (n_samples,)
        Filtered pulse from first contact on.
    dt_s : float
    free_flight_distance_m, restraint_distance_m : float
        65 mm and 235 mm by the definition.

    Returns
    -------
    Olc or NotReached
        Both times are interpolated between samples. NotReached (in m) for a pulse too mild or too short.
    """
    moved = free_flight_m(_row(decel_g), dt_s)
    slowed = delta_v_mps(decel_g, dt_s)
    if not (moved >= free_flight_distance_m).any():
        return NotReached("the occupant's free flight", float(moved.max()), free_flight_distance_m)
    first = int(np.argmax(moved >= free_flight_distance_m))
    t1_s = (first - 1 + _crossing(moved, first, free_flight_distance_m)) * dt_s

    needed_m = free_flight_distance_m + restraint_distance_m
    held_s = np.arange(moved.size) * dt_s - t1_s
    used = moved - 0.5 * slowed * held_s
    used[:first] = 0.0  # before t1 nothing is held
    if not (used >= needed_m).any():
        return NotReached("the way along which the occupant is held", float(used.max()), needed_m)
    last = int(np.argmax(used >= needed_m))
    fraction = _crossing(used, last, needed_m)
    slowed_mps = float(slowed[last - 1]) + fraction * float(slowed[last] - slowed[last - 1])
    t2_s = (last - 1 + fraction) * dt_s
    return Olc(slowed_mps / (t2_s - t1_s) / G0_MPS2, t1_s, t2_s)


def esw_g(speed_mps: float, crush_m: float) -> float:
    """Equivalent square wave, ``v0^2 / (2 C)``, in g: the constant deceleration that stops within the crush.

    Parameters
    ----------
    speed_mps : float
        Speed at first contact.
    crush_m : float
        Deepest crush C in m, positive.

    Raises
    ------
    SignalError
        The crush is not positive.
    """
    if not crush_m > 0:
        raise SignalError(f"an equivalent square wave needs a positive crush, got {crush_m} m")
    return speed_mps**2 / (2 * crush_m) / G0_MPS2


def tesw(decel_g: Float, dt_s: float, *, speed_mps: float) -> Tesw | NotReached:
    """Tipped equivalent square wave, fitted over the crush: ``a(x) = a0 + k x`` with the pulse's energy and centroid.

    With C the deepest crush, ``integral of a dx = v0^2 / 2`` gives the mean (the ESW), and the centroid X of
    ``a`` over ``x`` tips it: ``k C = 12 ESW (X / C - 1/2)``. Idea: Huang, Vehicle Crash Mechanics (2002), from
    memory; the two moment equations are derived here.

    Parameters
    ----------
    decel_g : ndarray, shape (n_samples,)
        Pulse against a fixed wall, from first contact on.
    dt_s : float
    speed_mps : float
        Speed at first contact.

    Returns
    -------
    Tesw or NotReached
        NotReached as from ``dynamic_crush``.
    """
    deepest = dynamic_crush(decel_g, dt_s, speed_mps=speed_mps)
    if isinstance(deepest, NotReached):
        return deepest
    travel = crush_m(decel_g, dt_s, speed_mps=speed_mps)
    n = int(deepest.time_s / dt_s) + 1
    x = np.append(travel[:n], deepest.crush_m)
    at_end = np.interp(deepest.time_s, np.arange(decel_g.size) * dt_s, decel_g)
    a = np.append(decel_g[:n], at_end)
    centroid = float(np.trapezoid(a * x, x) / np.trapezoid(a, x)) / deepest.crush_m
    mean_g = esw_g(speed_mps, deepest.crush_m)
    half_tip_g = 6 * mean_g * (centroid - 0.5)
    return Tesw(mean_g - half_tip_g, mean_g + half_tip_g, deepest.crush_m)


def pdof_deg(delta_v_x_mps: float, delta_v_y_mps: float, *, sense: Literal["from", "towards"] = "from") -> float:
    """Principal direction of force in the horizontal plane, in degrees, positive clockwise seen from above.

    Parameters
    ----------
    delta_v_x_mps, delta_v_y_mps : float
        Velocity change by SAE J211 axes (x forward, y right): a frontal impact has a negative x.
    sense : {"from", "towards"}
        ``from``: where the force comes from, as crash databases state it; 0 is a frontal impact, 90 one from
        the right. ``towards``: where it pushes, ``atan2(dV_y, dV_x)``; 180 is a frontal impact.

    Returns
    -------
    float
        In (-180, 180].

    Raises
    ------
    SignalError
        There is no velocity change, hence no direction.
    """
    if delta_v_x_mps == 0.0 and delta_v_y_mps == 0.0:
        raise SignalError("no velocity change, hence no direction of force")
    sign = -1.0 if sense == "from" else 1.0
    angle = math.degrees(math.atan2(sign * delta_v_y_mps, sign * delta_v_x_mps))
    return 180.0 if angle == -180.0 else angle + 0.0


def _row(decel_g: Float) -> Float:
    """The pulse itself, when it is one row of finite samples."""
    if decel_g.ndim != 1 or decel_g.size < 2 or not np.isfinite(decel_g).all():
        raise SignalError(f"expected one row of at least 2 finite samples, got shape {decel_g.shape}")
    return decel_g


def _crossing(values: Float, k: int, level: float) -> float:
    """Where between samples k-1 and k a rising row crosses a level, as a fraction in [0, 1]."""
    below, above = float(values[k - 1]), float(values[k])
    return min(max((level - below) / (above - below), 0.0), 1.0) if above > below else 1.0


def _integral(values: Float, dt_s: float) -> Float:
    """Running trapezoid integral along the last axis, starting from zero."""
    result = np.zeros_like(values, dtype=np.float64)
    np.cumsum(0.5 * (values[..., 1:] + values[..., :-1]) * dt_s, axis=-1, out=result[..., 1:])
    return result
