"""The sensor chain: from physical g to the integer counts that the algorithm reads.

Order: gain error and offset, element clip, causal low-pass, output clip, noise, sampling at an unknown
phase, quantisation. Defaults follow published sensor data where a source is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError, SignalError

from .trace import Float, Trace

Counts = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One accelerometer, as a data sheet states it. Counts are positive for deceleration."""

    __pydantic_config__ = STRICT
    lsb_g: Annotated[str, Field(description="g per count, an exact fraction; 12 bit over +-120 g (MMA65xx class)")] = (
        "1/16"
    )
    clamp_lsb: Annotated[int, Field(ge=1, le=32767, description="largest count; 120 g")] = 1920
    sample_rate_hz: Annotated[int, Field(ge=100, le=20000, description="controller loop 0.5 ms; assumed")] = 2000
    filter_hz: Annotated[float, Field(gt=0, description="-3 dB, Motorola/NXP and Bosch satellites: 400 Hz")] = 400.0
    filter_order: Annotated[int, Field(ge=1, le=6, description="poles of the Bessel low-pass (MMA65xx: 4)")] = 4
    element_range_g: Annotated[float, Field(gt=0, description="mechanical clip before the filter; assumed")] = 400.0
    noise_rms_g: Annotated[float, Field(ge=0, description="10-400 Hz, Motorola MMA: 0.09 g")] = 0.09
    gain_tolerance: Annotated[float, Field(ge=0, lt=0.5, description="Motorola MMA: +-7 %")] = 0.07
    offset_tolerance_g: Annotated[float, Field(ge=0, description="after auto-zero, Motorola note 0.5 to 2 g")] = 0.5

    def __post_init__(self) -> None:
        try:
            value = Fraction(self.lsb_g)
        except (ValueError, ZeroDivisionError) as error:
            raise ConfigError(f"sensor lsb_g = {self.lsb_g!r}: expected an exact fraction such as '1/16'") from error
        if value <= 0:
            raise ConfigError(f"sensor lsb_g = {self.lsb_g!r}: must be positive")

    @property
    def lsb(self) -> Fraction:
        """g per count, exactly."""
        return Fraction(self.lsb_g)

    @property
    def sample_period_s(self) -> Fraction:
        """Seconds between samples, exactly."""
        return Fraction(1, self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class SensorPair:
    """The main sensor and the independent one of the arming (safing) path, read at the same rate."""

    __pydantic_config__ = STRICT
    main: SensorSpec = field(default_factory=SensorSpec)
    safing: SensorSpec = field(default_factory=lambda: SensorSpec(lsb_g="1/4", clamp_lsb=480, filter_order=3))

    def __post_init__(self) -> None:
        if self.main.sample_rate_hz != self.safing.sample_rate_hz:
            raise ConfigError("main and safing sensor must be sampled at the same rate")


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Where each event's sensor sits in its tolerance box; arrays of shape (n_events,)."""

    gain_error: Float
    offset_g: Float
    phase: Float
    """Sampling phase as a fraction of a sample period, in [0, 1)."""

    @classmethod
    def nominal(cls, n_events: int) -> Tolerances:
        """No gain error, no offset, phase zero."""
        return cls(np.zeros(n_events), np.zeros(n_events), np.zeros(n_events))

    @classmethod
    def drawn(cls, spec: SensorSpec, n_events: int, rng: np.random.Generator) -> Tolerances:
        """Uniform over the tolerance box; the phase is the caller's, since both sensors share the clock."""
        return cls(
            rng.uniform(-spec.gain_tolerance, spec.gain_tolerance, n_events),
            rng.uniform(-spec.offset_tolerance_g, spec.offset_tolerance_g, n_events),
            np.zeros(n_events),
        )


def sense(
    decel_g: Float, rate_hz: float, spec: SensorSpec, tolerances: Tolerances, rng: np.random.Generator | None
) -> Counts:
    """Run physical deceleration through a sensor.

    Parameters
    ----------
    decel_g : ndarray, shape (n_events, n_physical)
        Physical deceleration, positive while slowing down.
    rate_hz : float
        Its rate; at least 4 times the filter's corner.
    spec : SensorSpec
    tolerances : Tolerances
    rng : Generator or None
        Source of sensor noise; None for a noiseless sensor (measured signals bring their own).

    Returns
    -------
    ndarray of int16, shape (n_events, n_samples)
        Counts at ``spec.sample_rate_hz``, in ``[-clamp_lsb, clamp_lsb]``. Sample k is taken
        ``(k + phase) / sample_rate_hz`` after the first physical sample.

    Raises
    ------
    SignalError
        The physical rate is too low for the filter, or a value is not finite.
    """
    from scipy.signal import bessel, sosfilt

    if rate_hz < 4 * spec.filter_hz or rate_hz < spec.sample_rate_hz:
        raise SignalError(
            f"{rate_hz:g} Hz is too slow for a {spec.filter_hz:g} Hz sensor read at {spec.sample_rate_hz} Hz"
        )
    if not np.isfinite(decel_g).all():
        raise SignalError("the sensor chain was given samples that are not finite")
    seen = decel_g * (1 + tolerances.gain_error[:, None])
    np.clip(seen, -spec.element_range_g, spec.element_range_g, out=seen)
    sos = bessel(spec.filter_order, spec.filter_hz, norm="mag", fs=rate_hz, output="sos")
    # The sensor has been running: start in the steady state of the first sample, not from rest.
    seen = sosfilt(sos, seen - seen[:, :1], axis=1) + seen[:, :1] + tolerances.offset_g[:, None]

    step = rate_hz / spec.sample_rate_hz
    n_samples = int((decel_g.shape[1] - 1 - 1) / step)
    position = (np.arange(n_samples)[None, :] + tolerances.phase[:, None]) * step
    left = position.astype(np.int64)
    fraction = position - left
    sampled = np.take_along_axis(seen, left, axis=1) * (1 - fraction)
    sampled += np.take_along_axis(seen, left + 1, axis=1) * fraction
    if rng is not None:
        sampled += rng.normal(0.0, spec.noise_rms_g, sampled.shape)
    counts: Float = np.rint(sampled / float(spec.lsb))
    clamped: Counts = np.clip(counts, -spec.clamp_lsb, spec.clamp_lsb).astype(np.int16)
    return clamped


def sense_trace(trace: Trace, spec: SensorSpec) -> Counts:
    """Counts of a measured trace behind a nominal sensor: no gain error, offset, phase or added noise."""
    counts: Counts = sense(trace.decel_g[None, :], trace.rate_hz, spec, Tolerances.nominal(1), None)[0]
    return counts
