"""Classical rules as scores: a rule fires where its score exceeds one threshold, which the search sets last.

Rules with several thresholds are written so that one scale is left and their ratios are settings. Numbers in the
names are those of the project's list of algorithms to compare with; sources are patents and papers named there.
Functions take a ``front`` and ``at``, the settings by name, and return a score of shape (n_events, n_samples).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crumple.units import G0_MPS2

from .front import Front

Float = NDArray[np.float64]
Setting = dict[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a setting is looked for: between ``low`` and ``high``, ``usual`` first; all ranges are assumed."""

    low: float
    high: float
    usual: float
    is_log: bool = False
    is_whole: bool = False

    def at(self, share: float) -> float:
        """The value a ``share`` (0 to 1) of the way along the span."""
        value = self.low * (self.high / self.low) ** share if self.is_log else self.low + share * (self.high - self.low)
        return float(round(value)) if self.is_whole else value


@dataclass(frozen=True, slots=True)
class Rule:
    """A classical rule.

    Attributes
    ----------
    name, source : str
    spans : mapping
        Setting to its span.
    score : callable
        Front and settings to a score.
    """

    name: str
    source: str
    spans: Mapping[str, Span]
    score: Callable[[Front, Setting], Float]


LEAK_G = Span(0.0, 4.0, 2.0)


def fixed_delta_v(front: Front, at: Setting) -> Float:
    """Rule 1: leaky velocity change."""
    return front.velocity_mps(at["leak_g"])


def windowed_delta_v(front: Front, at: Setting) -> Float:
    """Rule 2: velocity change over a sliding window."""
    return front.window_sum(front.decel_g, front.samples(at["window_ms"])) * (G0_MPS2 * front.dt_s)


def boundary_curve(front: Front, at: Setting) -> Float:
    """Rule 3: velocity change over a boundary ``(1 + t / t1)^p`` that rises with time since wake-up."""
    age_ms = front.since * (1e3 * front.dt_s)
    return front.velocity_mps(at["leak_g"]) / (1.0 + age_ms / at["t1_ms"]) ** at["power"]


def displacement_velocity(front: Front, at: Setting) -> Float:
    """Rule 4: displacement above a boundary that falls with velocity, in two straight pieces."""
    velocity = front.velocity_mps(at["leak_g"])
    displacement = front.summed(velocity) * front.dt_s
    low, high = np.minimum(velocity, at["knee_mps"]), np.maximum(velocity - at["knee_mps"], 0.0)
    return displacement + 1e-3 * (at["slow_ms"] * low + at["fast_ms"] * high)


def velocity_energy(front: Front, at: Setting) -> Float:
    """Rule 5: ``v > T1 or v + w E > T2 or w E > T3``, E the energy of the band-passed signal over a window."""
    velocity = front.velocity_mps(at["leak_g"])
    band = _mean(front, at["short_ms"]) - _mean(front, at["long_ms"])
    energy = at["weight"] * front.window_sum(band * band, front.samples(at["window_ms"])) * (1e3 * front.dt_s)
    first = np.maximum(velocity, (velocity + energy) / at["sum_ratio"])
    return np.maximum(first, energy / at["energy_ratio"])


def power_rate(front: Front, at: Setting) -> Float:
    """Rule 8: change of deceleration times velocity change, or deceleration squared times velocity change."""
    velocity = front.velocity_mps(at["leak_g"])
    smooth = _mean(front, at["smooth_ms"])
    if at["squared"] >= 0.5:
        return np.square(smooth) * velocity * np.sign(smooth)
    lag = front.samples(at["lag_ms"])
    return (smooth - np.pad(smooth, ((0, 0), (lag, 0)))[:, : smooth.shape[1]]) * velocity


def roughness(front: Front, at: Setting) -> Float:
    """Rule 9: sum of |change of a| since wake-up above a boundary ``T / v^p`` over velocity change."""
    change = np.abs(np.diff(front.decel_g, axis=1, prepend=front.decel_g[:, :1]))
    return front.summed(change) * front.velocity_mps(at["leak_g"]) ** at["power"]


def predicted_displacement(front: Front, at: Setting) -> Float:
    """Rule 13: displacement predicted ahead, ``s + v tau + a tau^2 / 2``, while a window's delta-V is severe."""
    velocity = front.velocity_mps(at["leak_g"])
    ahead_s = 1e-3 * at["ahead_ms"]
    accel = _mean(front, at["smooth_ms"]) * G0_MPS2
    predicted = front.summed(velocity) * front.dt_s + velocity * ahead_s + accel * ahead_s**2 / 2
    window = front.window_sum(front.decel_g, front.samples(at["window_ms"])) * (G0_MPS2 * front.dt_s)
    return np.where(window > at["gate_mps"], predicted, np.minimum(predicted, 0.0))


RULES = (
    Rule("1 fixed delta-V", "textbook", {"leak_g": LEAK_G}, fixed_delta_v),
    Rule("2 windowed delta-V", "textbook", {"window_ms": Span(2.0, 48.0, 16.0)}, windowed_delta_v),
    Rule(
        "3 delta-V boundary in time",
        "US 6,363,308",
        {"leak_g": LEAK_G, "t1_ms": Span(2.0, 60.0, 20.0, is_log=True), "power": Span(0.0, 3.0, 1.0)},
        boundary_curve,
    ),
    Rule(
        "4 displacement over velocity",
        "US 5,702,124",
        {
            "leak_g": LEAK_G,
            "slow_ms": Span(0.0, 80.0, 30.0),
            "fast_ms": Span(0.0, 80.0, 30.0),
            "knee_mps": Span(0.3, 5.0, 1.0, is_log=True),
        },
        displacement_velocity,
    ),
    Rule(
        "5 velocity and impact energy",
        "EP 0590476",
        {
            "leak_g": LEAK_G,
            "short_ms": Span(0.5, 3.0, 1.0),
            "long_ms": Span(4.0, 20.0, 8.0),
            "window_ms": Span(5.0, 40.0, 20.0),
            "weight": Span(1e-4, 1e-1, 3e-3, is_log=True),
            "sum_ratio": Span(1.0, 3.0, 1.3),
            "energy_ratio": Span(0.5, 20.0, 3.0, is_log=True),
        },
        velocity_energy,
    ),
    Rule(
        "8 power rate",
        "ESV, new crash discrimination algorithms",
        {
            "leak_g": LEAK_G,
            "smooth_ms": Span(1.0, 12.0, 4.0),
            "lag_ms": Span(1.0, 20.0, 5.0),
            "squared": Span(0.0, 1.0, 1.0, is_whole=True),
        },
        power_rate,
    ),
    Rule(
        "9 roughness over delta-V",
        "new algorithm and accelerometer locations",
        {"leak_g": LEAK_G, "power": Span(0.3, 8.0, 1.0, is_log=True)},
        roughness,
    ),
    Rule(
        "13 predicted displacement",
        "common practice",
        {
            "leak_g": LEAK_G,
            "ahead_ms": Span(10.0, 40.0, 30.0),
            "smooth_ms": Span(2.0, 15.0, 6.0),
            "window_ms": Span(4.0, 32.0, 16.0),
            "gate_mps": Span(0.1, 2.0, 0.5, is_log=True),
        },
        predicted_displacement,
    ),
)


def _mean(front: Front, duration_ms: float) -> Float:
    """Mean deceleration in g over the last ``duration_ms`` of a ``front``."""
    n_samples = front.samples(duration_ms)
    return front.window_sum(front.decel_g, n_samples) / n_samples
