"""The events that faults are crossed with: rest, the hardest misuse of each mode, the tightest crash of each mode."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import CorpusError
from crumple.signals.corpus import Corpus, Event
from crumple.signals.events import MUST_FIRE, NO_FIRE
from crumple.signals.sensor import Counts

from .inject import Injector
from .replay import Controller

QUIET, MISUSE, CRASH = "quiet", "misuse", "crash"
EVENT_CLASSES = (QUIET, MISUSE, CRASH)

REST_SAMPLES = 480


@dataclass(frozen=True, slots=True)
class Scene:
    """One event, ready to be run with faults.

    Attributes
    ----------
    name, mode, event_class : str
        The last one of ``EVENT_CLASSES``.
    main_lsb, safing_lsb : ndarray of int16, shape (n_samples,)
        Counts of both sensors, positive for deceleration.
    inputs, expected : ndarray, shape (n_samples,)
        Of ``INPUT_DTYPE``, everything healthy; the controller's answer, of ``OUTPUT_DTYPE``.
    contact, required : int or None
        First sample at or after contact, last sample at which a fire is in time; None but for a crash.
    moments : tuple of (str, int)
        Samples at which faults begin, and what happens there.
    rate_hz : int
        Ticks a second.
    """

    name: str
    mode: str
    event_class: str
    main_lsb: Counts
    safing_lsb: Counts
    inputs: NDArray[Any]
    expected: NDArray[Any]
    contact: int | None
    required: int | None
    moments: tuple[tuple[str, int], ...]
    rate_hz: int

    @property
    def sample_period_s(self) -> float:
        """Seconds between ticks."""
        return 1.0 / self.rate_hz

    @property
    def period_us(self) -> int:
        """Microseconds between ticks, as the watchdog counts them."""
        return 1_000_000 // self.rate_hz

    @property
    def n_samples(self) -> int:
        """Ticks of the event."""
        return int(self.inputs.size)


def choose_scenes(corpus: Corpus, controller: Controller, injector: Injector) -> tuple[tuple[Scene, ...], list[str]]:
    """Rest, and of each mode of a corpus the event that faults endanger most.

    Of a no-fire mode that is the one that arms, and among those the one whose net output comes nearest to a vote; of
    a must-fire mode the one that fires in time with the least to spare. Grey and unlabelled events take no part.

    Parameters
    ----------
    corpus : Corpus
    controller : Controller
    injector : Injector
        Of the same library.

    Returns
    -------
    scenes : tuple of Scene
    left_out : list of str
        Modes that have no event to try faults on, with the reason.

    Raises
    ------
    CorpusError
        No event of the corpus fires in time, or none must stay silent and does: nothing to be spoilt.
    """
    rest = (np.arange(REST_SAMPLES) % 3 - 1).astype(np.int16)
    rate_hz = corpus.sensors.main.sample_rate_hz

    def made(name: str, mode: str, kind: str, main: Counts, safing: Counts) -> Scene:
        inputs = controller.words(main, safing)
        expected = injector.run(inputs)
        moments = _moments(expected)
        return Scene(name, mode, kind, main, safing, inputs, expected, None, None, moments, rate_hz)

    scenes = [made("at rest, one count of dither", "rest", QUIET, rest, rest)]
    left_out = []
    modes: dict[tuple[str, str], list[Event]] = {}
    for event in corpus:
        if event.label in (MUST_FIRE, NO_FIRE):
            modes.setdefault((event.label, event.mode), []).append(event)
    for (label, mode), events in modes.items():
        hardest = _hardest(label, events, controller, corpus.sample_period_s)
        if hardest is None:
            fault_free = "fires in time" if label == MUST_FIRE else "stays silent"
            left_out.append(
                f"{mode}: none of {len(events)} {label.replace('_', '-')} events {fault_free} without a fault"
            )
            continue
        kind = CRASH if label == MUST_FIRE else MISUSE
        scene = made(hardest.name, mode, kind, hardest.main_lsb, hardest.safing_lsb)
        if kind == CRASH:
            contact, required = due(
                hardest.first_sample_s, hardest.rttf_s, hardest.main_lsb.size, corpus.sample_period_s
            )
            scene = replace(scene, contact=contact, required=required)
        scenes.append(scene)
    for kind, wanted in (
        (CRASH, "a must-fire event that fires in time"),
        (MISUSE, "a no-fire event that stays silent"),
    ):
        if all(scene.event_class != kind for scene in scenes):
            raise CorpusError(f"the corpus holds no {kind} to try faults on: expected {wanted}; generate more events")
    return tuple(scenes), left_out


def after(before: Scene, n_before: int, scene: Scene, controller: Controller) -> tuple[NDArray[Any], int]:
    """Inputs of a ``scene`` right after the first ``n_before`` samples of another, ``before``; and its first sample.

    ``controller`` makes the words.
    """
    main = np.concatenate([before.main_lsb[:n_before], scene.main_lsb])
    safing = np.concatenate([before.safing_lsb[:n_before], scene.safing_lsb])
    return controller.words(main, safing), n_before


def _hardest(label: str, events: list[Event], controller: Controller, period_s: float) -> Event | None:
    best: tuple[tuple[float, ...], Event] | None = None
    for event in events:
        timeline = controller.run(event.main_lsb, event.safing_lsb)
        if label == MUST_FIRE:
            contact, required = due(event.first_sample_s, event.rttf_s, event.main_lsb.size, period_s)
            fire = timeline.fire_sample
            if fire is None or not contact <= fire <= required:
                continue
            rank: tuple[float, ...] = (fire - required,)
        else:
            if timeline.fired:
                continue
            rank = (float(timeline.armed.any()), float(timeline.y.max()))
        if best is None or rank > best[0]:
            best = (rank, event)
    return None if best is None else best[1]


def due(first_sample_s: float, rttf_s: float, n_samples: int, period_s: float) -> tuple[int, int]:
    """First sample at or after contact, and the last one in time; a nanosecond is forgiven for decimal times.

    Parameters
    ----------
    first_sample_s, rttf_s : float
        As in `crumple.signals.corpus.Event`.
    n_samples : int
    period_s : float
    """
    contact = math.ceil(-first_sample_s / period_s - 1e-9)
    if not math.isfinite(rttf_s):
        return contact, n_samples - 1
    return contact, math.floor((rttf_s - first_sample_s) / period_s + 1e-9 / period_s)


def _moments(expected: NDArray[Any]) -> tuple[tuple[str, int], ...]:
    """Where faults begin; the first name stands where two things happen in one sample."""
    current = expected["current_ma"].max(axis=1) > 0
    found = {0: "the start"}
    if current.any():
        fire = int(np.argmax(current))
        for name, at in (
            ("firing", fire),
            ("the sample before firing", fire - 1),
            ("firing current", fire + 2),
            ("the time between the stages", fire + 10),
        ):
            if 0 <= at < expected.size:
                found.setdefault(at, name)
    else:
        found.setdefault(int(np.argmax(expected["y"])), "the highest output of the net")
    for name, flags in (("wake-up", expected["awake"]), ("arming", expected["armed"])):
        if flags.any():
            found.setdefault(int(np.argmax(flags)), name)
    return tuple((name, at) for at, name in sorted(found.items()))
