"""What every classical rule works on: deceleration after bias removal and wake-up, from the counts the net reads.

Everything is causal: at sample k only samples up to k are used. Arrays have shape (n_events, n_samples);
deceleration is positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.signals.sensor import SensorSpec
from crumple.units import G0_MPS2

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrontPlan:
    """Bias removal, wake-up and reset; the same for all rules."""

    __pydantic_config__ = STRICT
    bias_ms: Annotated[float, Field(ge=0, le=100, description="first samples averaged as bias; assumed")] = 8.0
    bias_most_g: Annotated[float, Field(ge=0, le=5, description="larger ones are no bias; assumed")] = 1.0
    wake_g: Annotated[float, Field(gt=0, le=20, description="two successive samples above it; PMC3217513: 2 g")] = 2.0
    quiet_ms: Annotated[float, Field(gt=0, le=1000, description="below wake_g for so long resets; 50-150, assumed")] = (
        100.0
    )


@dataclass(frozen=True, slots=True)
class Front:
    """Some events as the rules see them.

    Attributes
    ----------
    decel_g : ndarray
        After bias removal.
    awake : ndarray of bool
        From wake-up until reset.
    since : ndarray of int64
        Samples since wake-up, 0 at wake-up and while asleep.
    dt_s : float
        Sample period.
    """

    decel_g: Float
    awake: Bool
    since: Int64
    dt_s: float

    def velocity_mps(self, leak_g: float) -> Float:
        """Leaky velocity ``v[k] = max(0, v[k-1] + (a[k] - leak) T)``, 0 while asleep, in m/s.

        Parameters
        ----------
        leak_g : float
            Taken off each sample, so that braking does not add up.
        """
        step = np.where(self.awake, self.decel_g - leak_g, 0.0) * (G0_MPS2 * self.dt_s)
        value = np.zeros(len(step))
        result = np.empty_like(step)
        for k in range(step.shape[1]):
            value = np.where(self.awake[:, k], np.maximum(value + step[:, k], 0.0), 0.0)
            result[:, k] = value
        return result

    def summed(self, values: Float) -> Float:
        """Running sum of ``values`` since wake-up, 0 while asleep."""
        running = np.cumsum(np.where(self.awake, values, 0.0), axis=1)
        at_wake = np.arange(values.shape[1]) - self.since
        before = np.take_along_axis(np.pad(running, ((0, 0), (1, 0))), at_wake, axis=1)
        since_wake: Float = np.where(self.awake, running - before, 0.0)
        return since_wake

    def window_sum(self, values: Float, n_samples: int) -> Float:
        """Sum of the last ``n_samples`` of ``values``, those from before wake-up counting as zero."""
        running = np.cumsum(np.pad(np.where(self.awake, values, 0.0), ((0, 0), (n_samples, 0))), axis=1)
        in_window: Float = running[:, n_samples:] - running[:, :-n_samples]
        return in_window

    def samples(self, duration_ms: float) -> int:
        """Samples in ``duration_ms``, at least one."""
        return max(1, round(duration_ms * 1e-3 / self.dt_s))


def front_of(main_lsb: NDArray[Any], spec: SensorSpec, plan: FrontPlan) -> Front:
    """Bias removal and wake-up.

    Parameters
    ----------
    main_lsb : integer ndarray, shape (n_events, n_samples)
        Counts of the main sensor.
    spec : SensorSpec
        That sensor.
    plan : FrontPlan
    """
    decel_g = np.clip(np.asarray(main_lsb, dtype=np.float64), -spec.clamp_lsb, spec.clamp_lsb) * float(spec.lsb)
    dt_s = float(spec.sample_period_s)
    sample = np.arange(decel_g.shape[1])
    n_bias = round(plan.bias_ms * 1e-3 / dt_s)
    if n_bias:
        mean = np.cumsum(decel_g, axis=1) / (sample + 1)
        bias = mean[:, np.minimum(sample, n_bias - 1)]
        decel_g = decel_g - np.clip(bias, -plan.bias_most_g, plan.bias_most_g)
    loud = np.abs(decel_g) > plan.wake_g
    above = decel_g > plan.wake_g
    wakes = above & np.pad(above[:, :-1], ((0, 0), (1, 0)))
    n_quiet = max(1, round(plan.quiet_ms * 1e-3 / dt_s))
    awake = np.zeros(decel_g.shape, dtype=np.bool_)
    since = np.zeros(decel_g.shape, dtype=np.int64)
    on = np.zeros(len(decel_g), dtype=np.bool_)
    quiet = np.zeros(len(decel_g), dtype=np.int64)
    age = np.zeros(len(decel_g), dtype=np.int64)
    for k in range(decel_g.shape[1]):
        quiet = np.where(loud[:, k], 0, quiet + 1)
        stays = on & (quiet < n_quiet)
        age = np.where(stays, age + 1, 0)
        on = stays | wakes[:, k]
        awake[:, k], since[:, k] = on, age
    return Front(decel_g, awake, since, dt_s)
