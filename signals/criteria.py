"""Quantities derived from a pulse: velocity change, free-flight displacement, required time to fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.units import G0_MPS2

from .trace import Float


@dataclass(frozen=True, slots=True)
class RttfRule:
    """The "5 inches minus 30 ms" rule: the bag must be full before the occupant has moved too far."""

    __pydantic_config__ = STRICT
    distance_m: Annotated[float, Field(gt=0, le=0.5, description="free flight allowed, 5 in; shop-floor rule")] = 0.127
    inflation_s: Annotated[float, Field(ge=0, le=0.1, description="driver bag fill time; shop-floor rule")] = 0.030
    horizon_s: Annotated[float, Field(gt=0, le=0.5, description="no RTTF if not reached by then; assumed")] = 0.150


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
    """Displacement of an unbelted occupant relative to the car, in m; shape as ``decel_g``."""
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
    """
    moved = np.atleast_2d(free_flight_m(decel_g, dt_s))
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


def _integral(values: Float, dt_s: float) -> Float:
    """Running trapezoid integral along the last axis, starting from zero."""
    result = np.zeros_like(values, dtype=np.float64)
    np.cumsum(0.5 * (values[..., 1:] + values[..., :-1]) * dt_s, axis=-1, out=result[..., 1:])
    return result
