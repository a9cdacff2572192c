"""What every synthetic mode hands over: a batch of physical signals with labels, severities and required times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from crumple.errors import SignalError

from .criteria import RttfRule
from .trace import Float

PHYSICAL_RATE_HZ = 8_000
"""Rate at which physics is drawn: four times the usual 2 kHz of the sensors, twenty times their 400 Hz corner."""

DT_S = 1.0 / PHYSICAL_RATE_HZ
PRETRIGGER_S = 0.020
"""Standstill before first contact; assumed."""

DURATION_S = 0.240
"""Length of an event unless its mode needs more; assumed."""

MUST_FIRE = "must_fire"
NO_FIRE = "no_fire"
GREY = "grey"
UNLABELLED = "unlabelled"
LABELS = (MUST_FIRE, NO_FIRE, GREY, UNLABELLED)

STAGE_1 = "must_fire_stage1"
STAGE_2 = "must_fire_stage2"
UNSTATED = "unstated"
SEVERITIES = (NO_FIRE, GREY, STAGE_1, STAGE_2, UNSTATED)

N_PRETRIGGER = round(PRETRIGGER_S * PHYSICAL_RATE_HZ)


def n_physical(duration_s: float) -> int:
    """Physical samples of an event that lasts ``duration_s``; two more than the sensor reads."""
    return round(duration_s * PHYSICAL_RATE_HZ) + 2


def n_after(duration_s: float) -> int:
    """Physical samples from first contact to the end of an event of ``duration_s``."""
    return n_physical(duration_s) - N_PRETRIGGER


def _nothing() -> Float:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Batch:
    """Physical events of one mode.

    Attributes
    ----------
    decel_g : ndarray, shape (n_events, n_physical)
        Longitudinal deceleration at ``PHYSICAL_RATE_HZ``, positive while slowing down. The length is the mode's own.
    labels : tuple of str
    rttf_s : ndarray, shape (n_events,)
        Required time to fire from the contact that it counts from; NaN where nothing is required.
    speed_kmh : ndarray, shape (n_events,)
        Impact or driving speed; NaN where it has no meaning.
    severities : tuple of str
        One of ``SEVERITIES`` for each event.
    contact_s : ndarray, shape (n_events,)
        Time from the first sample to the contact that ``rttf_s`` counts from: first contact, or in a sequence
        the contact of the crash that demands firing.
    cross_g : ndarray, shape (n_events, n_physical) or (0, 0)
        Acceleration at right angles to the sensing axis, which misalignment and cross-axis sensitivity let in;
        empty where the mode has none.
    """

    decel_g: Float
    labels: tuple[str, ...]
    rttf_s: Float
    speed_kmh: Float
    severities: tuple[str, ...]
    contact_s: Float
    cross_g: Float = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        n_events = self.decel_g.shape[0]
        lengths = {len(self.labels), len(self.severities), self.rttf_s.size, self.speed_kmh.size, self.contact_s.size}
        if lengths != {n_events} or (self.cross_g.size and self.cross_g.shape != self.decel_g.shape):
            raise SignalError(f"a batch of {n_events} events must describe each of them, got lengths {sorted(lengths)}")


Mode = Callable[[int, np.random.Generator, RttfRule], Batch]
"""Draws ``n_events`` events of one kind."""


def quiet(decel_g: Float, speed_kmh: Float, cross_g: Float | None = None) -> Batch:
    """A batch that must not fire, from ``decel_g`` and ``cross_g`` (g along and across) at ``speed_kmh``."""
    n_events = decel_g.shape[0]
    return Batch(
        decel_g=decel_g,
        labels=(NO_FIRE,) * n_events,
        rttf_s=np.full(n_events, np.nan),
        speed_kmh=speed_kmh,
        severities=(NO_FIRE,) * n_events,
        contact_s=np.full(n_events, PRETRIGGER_S),
        cross_g=_nothing() if cross_g is None else cross_g,
    )


def after_contact(decel_g: Float) -> Float:
    """Put standstill before ``decel_g``; shape (n_events, n) becomes (n_events, N_PRETRIGGER + n)."""
    return np.pad(decel_g, ((0, 0), (N_PRETRIGGER, 0)))
