"""Pulse families in floats: samples of one pulse, when it must fire, and the band that a cell of them fills.

Shapes have unit area over [0, 1]; deceleration is positive. The band follows the checker's enclosure (see the kind
``pulse`` in ``certificates.md``) but for rounding: it says what is worth proving, and proves nothing itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.signals.criteria import RttfRule, required_ttf_s
from crumple.units import G0_MPS2

from . import checker
from .many import Band

Float = NDArray[np.float64]
Real = NDArray[np.floating[Any]]

SHAPES = ("half_sine", "haversine", "triangle")
ROUNDING_LSB = 5 / 4096
"""What the checker's rounding may add to a sample's own deviation, and a little more."""

FINE_HZ = 20e3
"""Rate at which required times are found."""


def unit_pulse(shape: str, x: Real) -> Float:
    """A pulse of unit area over [0, 1] at ``x``, zero outside; ``shape`` is one of ``SHAPES``."""
    inside = (x > 0) & (x < 1)
    values = {
        "half_sine": np.pi / 2 * np.sin(np.pi * x),
        "haversine": 2 * np.sin(np.pi * x) ** 2,
        "triangle": 4 * np.minimum(x, 1 - x),
    }[shape]
    result: Float = np.where(inside, values, 0.0)
    return result


def sampled_pulse(shape: str, delta_v_kmh: float, duration_ms: float, rate_hz: float, length_s: float) -> Float:
    """Deceleration in g of one pulse.

    Parameters
    ----------
    shape : str
    delta_v_kmh, duration_ms : float
    rate_hz, length_s : float
        Of the samples; the first one is at impact.
    """
    time_s = np.arange(int(length_s * rate_hz)) / rate_hz
    x = time_s / (duration_ms / 1e3)
    return unit_pulse(shape, x) * delta_v_kmh / 3.6 / (duration_ms / 1e3) / G0_MPS2


def required_ms(shape: str, delta_v_kmh: float, duration_ms: float, rule: RttfRule) -> float | None:
    """Required time to fire of a pulse in ms, or None if the rule asks for none.

    Parameters
    ----------
    shape : str
    delta_v_kmh, duration_ms : float
    rule : RttfRule
    """
    found = float(required_ttf_s(sampled_pulse(shape, delta_v_kmh, duration_ms, FINE_HZ, 0.25), 1 / FINE_HZ, rule))
    return None if np.isnan(found) else 1e3 * found


def pulse_band(
    voter: checker.Voter,
    shape: str,
    delta_v_kmh: tuple[float, float],
    duration_ms: tuple[float, float],
    noise_lsb: float,
    gain: float = 0.0,
    offset_lsb: float = 0.0,
) -> Band:
    """The band of a cell of pulses from impact on, after ``voter.window + voter.m - 1`` quiet samples.

    Parameters
    ----------
    voter : checker.Voter
    shape : str
    delta_v_kmh, duration_ms : tuple of float
        From and to.
    noise_lsb : float
        Each sample's own noise in counts.
    gain, offset_lsb : float
        Tolerances that all samples share.
    """
    mean = sum(delta_v_kmh) / 2
    gain = (1 + (delta_v_kmh[1] - delta_v_kmh[0]) / (2 * mean)) * (1 + gain) - 1
    area = mean / 3.6 * 1e3 / G0_MPS2 / float(voter.lsb_g)
    period = 1e3 / voter.rate
    slow, fast = 1 / duration_ms[1], 1 / duration_ms[0]
    rate, swing, step = (slow + fast) / 2, (fast - slow) / 2, period / 2
    quiet = voter.window + voter.m - 1
    first = np.arange(int(duration_ms[1] / period) + 1 + quiet) * period
    middle, last = first + step, first + period

    def at(speed: float, time: Real) -> Real:
        return speed * area * unit_pulse(shape, speed * time)

    early, late = first * slow, last * fast
    smooth = late <= 1
    if shape == "triangle":
        smooth &= (late <= 0.5) | (early >= 0.5)
    error = checker.BEND[shape] * area * (last * swing**2 + fast * swing * step + fast**3 * step**2)
    ends = np.stack([unit_pulse(shape, x) for x in (early, late, np.clip(0.5, early, late))])
    low, high = ends.min(axis=0) * area * slow, ends.max(axis=0) * area * fast
    centre = np.where(smooth, at(rate, middle), (low + high) / 2)
    half = np.where(smooth, error, (high - low) / 2) + ROUNDING_LSB
    drift = np.where(smooth, (at(rate, last) - at(rate, first)) / 2, 0.0)
    growth = np.where(smooth, (at(fast, middle) - at(slow, middle)) / 2, 0.0)
    own = half * (1 + gain) + gain * (np.abs(drift) + np.abs(growth)) + noise_lsb
    pad = np.zeros(quiet)
    common, drift, growth = (np.concatenate([pad, part]) for part in (gain * centre, drift, growth))
    shared = np.stack([common, np.full(len(common), offset_lsb), drift, growth])
    return Band(np.concatenate([pad, centre]), shared, np.concatenate([pad + noise_lsb, own]))
