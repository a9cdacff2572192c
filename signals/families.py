"""Analytic pulse families: shapes whose velocity change is known in closed form.

Proofs and tests use them because nothing about them is approximate: half-sine, haversine and symmetric triangle as
sets of the kind ``pulse``, bi-slope and tipped square waves as the corridors of ``crumple corridor``. All return
deceleration in g on a time axis and are zero outside ``[0, duration]``. Levels are ``peak_g``, durations
``duration_s`` in seconds, both positive; in the formulae A and T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crumple.errors import ConfigError
from crumple.units import G0_MPS2

from .trace import Float


@dataclass(frozen=True, slots=True)
class Pulse:
    """A pulse of one family.

    Attributes
    ----------
    duration_s : float
    delta_v_mps : float
        Velocity change over the whole pulse in m/s, in closed form.
    shape : callable
        Deceleration in g for times within ``[0, duration_s]``.
    """

    duration_s: float
    delta_v_mps: float
    shape: Callable[[Float], Float]

    def decel_g(self, time_s: Float) -> Float:
        """Deceleration in g at ``time_s`` (any shape), zero outside the pulse."""
        inside = (time_s >= 0.0) & (time_s <= self.duration_s)
        return np.where(inside, self.shape(np.clip(time_s, 0.0, self.duration_s)), 0.0)


def half_sine(peak_g: float, duration_s: float) -> Pulse:
    """``A sin(pi t / T)``, velocity change ``2 A T / pi``."""
    _positive(peak_g=peak_g, duration_s=duration_s)
    return Pulse(
        duration_s,
        2 * peak_g * duration_s / np.pi * G0_MPS2,
        lambda t: peak_g * np.sin(np.pi * t / duration_s),
    )


def haversine(peak_g: float, duration_s: float) -> Pulse:
    """``A sin^2(pi t / T)``, velocity change ``A T / 2``."""
    _positive(peak_g=peak_g, duration_s=duration_s)
    return Pulse(
        duration_s,
        peak_g * duration_s / 2 * G0_MPS2,
        lambda t: peak_g * np.sin(np.pi * t / duration_s) ** 2,
    )


def triangle(peak_g: float, duration_s: float, peak_at: float = 0.5) -> Pulse:
    """Straight up to the peak at ``peak_at`` of the duration and straight down; velocity change ``A T / 2``."""
    _positive(peak_g=peak_g, duration_s=duration_s)
    if not 0.0 < peak_at < 1.0:
        raise ConfigError(f"triangle: peak_at = {peak_at!r}, expected a fraction between 0 and 1")
    top_s = peak_at * duration_s
    return Pulse(
        duration_s,
        peak_g * duration_s / 2 * G0_MPS2,
        lambda t: peak_g * np.minimum(t / top_s, (duration_s - t) / (duration_s - top_s)),
    )


def bi_slope(first_g: float, first_s: float, second_g: float, second_s: float) -> Pulse:
    """Plateau of ``first_g`` for ``first_s``, then of ``second_g`` for ``second_s`` (s); typical of modern fronts.

    The velocity change is the sum of both.
    """
    _positive(first_g=first_g, first_s=first_s, second_g=second_g, second_s=second_s)
    return Pulse(
        first_s + second_s,
        (first_g * first_s + second_g * second_s) * G0_MPS2,
        lambda t: np.where(t < first_s, first_g, second_g),
    )


def tipped_square(start_g: float, slope_g_per_s: float, duration_s: float) -> Pulse:
    """Tipped equivalent square wave ``a0 + b t`` (Huang, Vehicle Crash Mechanics); ``a0 T + b T^2 / 2``.

    Here ``a0`` is ``start_g`` and ``b`` is ``slope_g_per_s``.

    Raises
    ------
    ConfigError
        The wave would push the car forward at either end.
    """
    _positive(duration_s=duration_s)
    if start_g < 0.0 or start_g + slope_g_per_s * duration_s < 0.0:
        raise ConfigError("tipped_square: deceleration must not be negative at either end")
    return Pulse(
        duration_s,
        (start_g * duration_s + slope_g_per_s * duration_s**2 / 2) * G0_MPS2,
        lambda t: start_g + slope_g_per_s * t,
    )


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} = {value!r}: expected a positive number")
