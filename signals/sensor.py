"""The sensor chain: from physical g to the integer counts that the algorithm reads.

Order: cross-axis and misalignment, element clip, causal low-pass, sampling at an unknown phase, gain error, offset,
drift and non-linearity, output clip, noise, quantisation, bus. Gain, offset and noise are those of the sampled
signal: they commute with the linear filter, and the clip of the element happens in true g. Defaults follow
published sensor data where a source is named.

A frame lost or corrupted on the bus counts as 0, and the controller knows it. So counts never show an error code;
``Frames.is_lost`` says which are substitutes. Repeating the last good count instead would stretch the peak of a
hammer blow over the gap: three repeats of 100 g are 5 km/h that never were.
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
    clamp_lsb: Annotated[int, Field(ge=1, le=32767, description="largest count; 120 g (MMA65xx class)")] = 1920
    sample_rate_hz: Annotated[int, Field(ge=100, le=20000, description="controller loop 0.5 ms; assumed")] = 2000
    filter_hz: Annotated[float, Field(gt=0, description="-3 dB, Motorola/NXP and Bosch satellites: 400 Hz")] = 400.0
    filter_order: Annotated[int, Field(ge=1, le=6, description="poles of the Bessel low-pass (MMA65xx: 4)")] = 4
    element_range_g: Annotated[float, Field(gt=0, description="mechanical clip before the filter; assumed")] = 400.0
    filter_tolerance: Annotated[float, Field(ge=0, lt=0.5, description="of filter_hz; Motorola: 360-440 Hz")] = 0.10
    noise_rms_g: Annotated[float, Field(ge=0, description="10-400 Hz, Motorola MMA: 0.09 g")] = 0.09
    gain_tolerance: Annotated[float, Field(ge=0, lt=0.5, description="Motorola MMA: +-7 %")] = 0.07
    offset_tolerance_g: Annotated[float, Field(ge=0, description="after auto-zero, Motorola note 0.5 to 2 g")] = 0.5
    drift_tolerance_g_per_s: Annotated[
        float, Field(ge=0, description="slew of the offset cancellation, MMA65xx: below 0.25 LSB/s")
    ] = 0.016
    non_linearity: Annotated[
        float, Field(ge=0, lt=0.2, description="of full scale, at half scale; Motorola: +-1 %")
    ] = 0.01
    cross_axis: Annotated[float, Field(ge=0, lt=0.5, description="Motorola: at most 3 %")] = 0.03
    misalignment_deg: Annotated[float, Field(ge=0, lt=45, description="mounting; Motorola: 3 degrees")] = 3.0
    frame_error_rate: Annotated[float, Field(ge=0, lt=1, description="single frames lost on the bus; assumed")] = 1e-4
    dropout_probability: Annotated[
        float, Field(ge=0, le=1, description="events with one run of lost frames; assumed")
    ] = 0.01
    dropout_frames: Annotated[int, Field(ge=1, le=1000, description="longest such run; assumed")] = 8

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


N_CORNERS = 5
"""Filter corners are drawn from this many, evenly over the tolerance, so that equal ones are filtered together."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Where each event's sensor sits in its tolerance box; arrays of shape (n_events,)."""

    gain_error: Float
    offset_g: Float
    phase: Float
    """Sampling phase as a fraction of a sample period, in [0, 1)."""
    drift_g_per_s: Float
    non_linearity: Float
    """Deviation at half scale as a fraction of full scale, signed."""
    cross_gain: Float
    """Share of the acceleration across the sensing axis that is felt, signed."""
    tilt_rad: Float
    corner: NDArray[np.int64]
    """Index of the filter corner, 0 to ``N_CORNERS - 1``; the middle one is nominal."""

    @classmethod
    def nominal(cls, n_events: int) -> Tolerances:
        """No error of any kind, phase zero."""
        zero = np.zeros(n_events)
        return cls(zero, zero, zero, zero, zero, zero, zero, np.full(n_events, N_CORNERS // 2))

    @classmethod
    def drawn(cls, spec: SensorSpec, n_events: int, rng: np.random.Generator, phase: Float | None = None) -> Tolerances:
        """Drawn from ``rng`` uniformly over the box of ``spec``; ``phase`` is given: both sensors share the clock."""

        def box(tolerance: float) -> Float:
            return rng.uniform(-tolerance, tolerance, n_events)

        return cls(
            gain_error=box(spec.gain_tolerance),
            offset_g=box(spec.offset_tolerance_g),
            phase=np.zeros(n_events) if phase is None else phase,
            drift_g_per_s=box(spec.drift_tolerance_g_per_s),
            non_linearity=box(spec.non_linearity),
            cross_gain=box(spec.cross_axis),
            tilt_rad=box(np.deg2rad(spec.misalignment_deg)),
            corner=rng.integers(0, N_CORNERS, n_events),
        )


@dataclass(frozen=True, slots=True)
class Frames:
    """What arrives at the controller; both of shape (n_events, n_samples)."""

    counts_lsb: Counts
    is_lost: NDArray[np.bool_]
    """Frames lost or corrupted on the bus: their count is 0."""


def sense(
    decel_g: Float,
    rate_hz: float,
    spec: SensorSpec,
    tolerances: Tolerances,
    rng: np.random.Generator | None,
    cross_g: Float | None = None,
) -> Counts:
    """Counts of ``sense_frames``, lost frames and all.

    The parameters ``decel_g``, ``rate_hz``, ``spec``, ``tolerances``, ``rng`` and ``cross_g`` and the errors are its.
    """
    return sense_frames(decel_g, rate_hz, spec, tolerances, rng, cross_g).counts_lsb


def sense_frames(
    decel_g: Float,
    rate_hz: float,
    spec: SensorSpec,
    tolerances: Tolerances,
    rng: np.random.Generator | None,
    cross_g: Float | None = None,
) -> Frames:
    """Run physical deceleration through a sensor and its bus.

    Parameters
    ----------
    decel_g : ndarray, shape (n_events, n_physical)
        Physical deceleration, positive while slowing down.
    rate_hz : float
        Its rate; at least 4 times the filter's corner.
    spec : SensorSpec
    tolerances : Tolerances
    rng : Generator or None
        Source of noise and bus errors; None for a noiseless sensor on a perfect bus (measured signals bring
        their own).
    cross_g : ndarray, shape (n_events, n_physical), optional
        Acceleration at right angles to the sensing axis.

    Returns
    -------
    Frames
        Counts at ``spec.sample_rate_hz``, in ``[-clamp_lsb, clamp_lsb]``. Sample k is taken
        ``(k + phase) / sample_rate_hz`` after the first physical sample.

    Raises
    ------
    SignalError
        The physical rate is too low for the filter, or a value is not finite.
    """
    if rate_hz < 4 * spec.filter_hz or rate_hz < spec.sample_rate_hz:
        raise SignalError(
            f"{rate_hz:g} Hz is too slow for a {spec.filter_hz:g} Hz sensor read at {spec.sample_rate_hz} Hz"
        )
    if cross_g is not None and cross_g.size:
        felt = decel_g * np.cos(tolerances.tilt_rad)[:, None]
        felt += cross_g * (np.sin(tolerances.tilt_rad) + tolerances.cross_gain)[:, None]
    else:
        felt = decel_g
    largest = np.abs(felt).max()
    if not np.isfinite(largest):
        raise SignalError("the sensor chain was given samples that are not finite")
    if largest > spec.element_range_g:
        felt = np.clip(felt, -spec.element_range_g, spec.element_range_g)
    sampled = _sampled(_filtered(felt, rate_hz, spec, tolerances), rate_hz / spec.sample_rate_hz, tolerances.phase)

    full_scale_g = float(spec.lsb) * spec.clamp_lsb
    sampled *= (1 + tolerances.gain_error)[:, None]
    # Zero at rest and at full scale, largest at half scale.
    bow = np.abs(sampled)
    np.subtract(1.0, np.minimum(bow / full_scale_g, 1.0), out=bow)
    sampled *= 1 + 4 * tolerances.non_linearity[:, None] * bow
    time_s = np.arange(sampled.shape[1]) / spec.sample_rate_hz
    sampled += tolerances.offset_g[:, None] + tolerances.drift_g_per_s[:, None] * time_s
    np.clip(sampled, -full_scale_g, full_scale_g, out=sampled)
    if rng is not None:
        sampled += np.float32(spec.noise_rms_g) * rng.standard_normal(sampled.shape, dtype=np.float32)
    sampled /= float(spec.lsb)
    counts: Counts = np.clip(np.rint(sampled, out=sampled), -spec.clamp_lsb, spec.clamp_lsb, out=sampled).astype(
        np.int16
    )
    is_lost = np.zeros(counts.shape, dtype=np.bool_) if rng is None else lost_frames(spec, counts.shape, rng)
    counts[is_lost] = 0
    return Frames(counts, is_lost)


def _filtered(felt: Float, rate_hz: float, spec: SensorSpec, tolerances: Tolerances) -> Float:
    """The causal low-pass, each event with its own corner; shape as ``felt``."""
    from scipy.signal import bessel, sosfilt, sosfilt_zi

    filtered = np.empty(felt.shape)
    corners = 1.0 + spec.filter_tolerance * np.linspace(-1.0, 1.0, N_CORNERS)
    for corner in np.unique(tolerances.corner):
        rows = np.flatnonzero(tolerances.corner == corner)
        sos = bessel(spec.filter_order, spec.filter_hz * corners[corner], norm="mag", fs=rate_hz, output="sos")
        here = felt[rows]
        # The sensor has been running: start in the steady state of the first sample, not from rest.
        zi = sosfilt_zi(sos)[:, None, :] * here[None, :, :1]
        filtered[rows] = sosfilt(sos, here, axis=1, zi=zi)[0]
    return filtered


def _sampled(signal: Float, step: float, phase: Float) -> Float:
    """Values at ``(k + phase) * step`` samples, linearly between neighbours."""
    n_samples = int((signal.shape[1] - 1 - 1) / step)
    position = (np.arange(n_samples)[None, :] + phase[:, None]) * step
    left = position.astype(np.int64)
    fraction = position - left
    before = np.take_along_axis(signal, left, axis=1)
    left += 1
    after = np.take_along_axis(signal, left, axis=1)
    after -= before
    after *= fraction
    after += before
    return after


def lost_frames(spec: SensorSpec, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw from ``rng`` which frames of ``shape`` the bus of ``spec`` loses: single ones, now and then a run."""
    n_events, n_samples = shape
    lost = np.zeros(shape, dtype=np.bool_)
    n_single = rng.poisson(spec.frame_error_rate * n_events * n_samples)
    lost[rng.integers(0, n_events, n_single), rng.integers(0, n_samples, n_single)] = True
    for event in np.flatnonzero(rng.random(n_events) < spec.dropout_probability):
        start = int(rng.integers(0, n_samples))
        lost[event, start : start + int(rng.integers(1, spec.dropout_frames, endpoint=True))] = True
    return lost


def sense_trace(trace: Trace, spec: SensorSpec) -> Counts:
    """Counts of a measured ``trace`` behind a nominal ``spec``: no error of any kind, no phase, no added noise."""
    counts: Counts = sense(trace.decel_g[None, :], trace.rate_hz, spec, Tolerances.nominal(1), None)[0]
    return counts
