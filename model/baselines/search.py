"""One search for every baseline: the same number of settings, the same training events, the same way to choose.

A detector gives a score at every sample and fires where the score of K samples in a row exceeds its threshold. For
each setting the threshold is the largest score that any no-fire training event reaches, so that none of them fires.
The setting is chosen by late and missed events among a third of the training events that fitting did not see; then
it is fitted once more to all of them. Nothing of a test corpus is ever looked at.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError
from crumple.model.evaluation.judge import ROUNDING_S
from crumple.progress import Advance
from crumple.signals.batches import EventSource, EventTable
from crumple.signals.events import MUST_FIRE, NO_FIRE
from crumple.signals.sensor import SensorSpec

from .front import Front, FrontPlan, front_of
from .rules import Rule, Setting, Span

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]

CONFIRM = Span(1.0, 4.0, 3.0, is_whole=True)
"""Samples in a row that must exceed the threshold; every baseline may choose, as the net's plan does."""

CHOOSING = 3
"""Every third event of each mode is kept from fitting, to choose by."""


class Seen:
    """Some neighbouring events as detectors see them; what rules need is computed once.

    Parameters
    ----------
    main_lsb : integer ndarray, shape (n_events, n_samples)
        Counts of the main sensor.
    rows : slice
        Where the events stand in their table.
    spec : SensorSpec
        Of the main sensor.
    front_plan : FrontPlan
    """

    def __init__(self, main_lsb: NDArray[Any], rows: slice, spec: SensorSpec, front_plan: FrontPlan) -> None:
        self.main_lsb, self.rows, self.spec, self.front_plan = main_lsb, rows, spec, front_plan

    @cached_property
    def front(self) -> Front:
        """Deceleration after bias removal and wake-up."""
        return front_of(self.main_lsb, self.spec, self.front_plan)


Scorer = Callable[[Seen], Float]
"""Scores at every sample of some events, shape (n_events, n_samples); causal."""


class Family(Protocol):
    """A kind of detector with settings."""

    @property
    def name(self) -> str:
        """Shown in tables."""

    @property
    def source(self) -> str:
        """Where it comes from."""

    @property
    def spans(self) -> Mapping[str, Span]:
        """Setting to where it is looked for."""

    def fitted(self, setting: Setting, events: Training, use: Bool) -> Scorer:
        """The detector with a ``setting``, learned from those of the training ``events`` that ``use`` marks."""


@dataclass(frozen=True, slots=True)
class RuleFamily:
    """A classical rule; it learns nothing but its threshold."""

    rule: Rule

    @property
    def name(self) -> str:
        """Shown in tables."""
        return self.rule.name

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self.rule.source

    @property
    def spans(self) -> Mapping[str, Span]:
        """Setting to where it is looked for."""
        return self.rule.spans

    def fitted(self, setting: Setting, events: Training, use: Bool) -> Scorer:
        """The rule with a ``setting``; ``events`` and ``use`` do not matter to it."""
        return lambda seen: self.rule.score(seen.front, setting)


@dataclass(frozen=True, slots=True)
class Training:
    """Training events in memory.

    Attributes
    ----------
    table : EventTable
    contact, due : ndarray of int64, shape (n_events,)
        First sample at or after contact, last sample in time.
    seen : tuple of Seen
    dt_s : float
        Sample period.
    """

    table: EventTable
    contact: Int64
    due: Int64
    seen: tuple[Seen, ...]
    dt_s: float

    @classmethod
    def of(cls, events: EventSource, front_plan: FrontPlan) -> Training:
        """All of ``events``, fronts by ``front_plan``."""
        spec = events.sensors.main
        seen = tuple(Seen(batch.main_lsb, batch.rows, spec, front_plan) for batch in events.batches())
        dt_s = float(spec.sample_period_s)
        return cls(events.table, contact_samples(events.table, dt_s), due_samples(events.table, dt_s), seen, dt_s)


@dataclass(frozen=True, slots=True)
class Peaks:
    """The largest scores of events; arrays of shape (n_events,).

    Attributes
    ----------
    in_time : ndarray
        From contact up to the last sample in time.
    overall : ndarray
        From contact on.
    before : ndarray
        Before contact; minus infinity where nothing precedes. All of a no-fire event counts as from contact on.
    """

    in_time: Float
    overall: Float
    before: Float


@dataclass(frozen=True, slots=True)
class Tuned:
    """A detector ready for events it has not seen.

    Attributes
    ----------
    name, source : str
    scorer : callable
    threshold : float
        Fires above it.
    confirm : int
        Samples in a row.
    setting : dict
        What was chosen.
    n_candidates : int
        Settings it was chosen from; 0 where nothing was searched.
    chosen_by : dict
        Late and missed events among those the choice was made by.
    """

    name: str
    source: str
    scorer: Scorer
    threshold: float
    confirm: int
    setting: Setting
    n_candidates: int
    chosen_by: dict[str, int] = field(default_factory=dict)

    def scores(self, seen: Seen) -> Float:
        """Confirmed scores of the events ``seen``: a fire request where they exceed the threshold."""
        return confirmed(self.scorer(seen), self.confirm)


def due_samples(table: EventTable, dt_s: float) -> Int64:
    """Last sample in time of every event of ``table`` sampled every ``dt_s``; the last of all where none is required.

    -1 where not even the first sample is in time.
    """
    required = np.floor((table.rttf_s - table.first_sample_s + ROUNDING_S) / dt_s)
    last = np.where(np.isnan(required), np.inf, required)
    due: Int64 = np.clip(last, -1, table.n_samples - 1).astype(np.int64)
    return due


def confirmed(score: Float, votes: int) -> Float:
    """The least of the last ``votes`` samples of ``score``; before so many there is none."""
    result = score.copy()
    for back in range(1, votes):
        np.minimum(result[:, back:], score[:, :-back], out=result[:, back:])
    result[:, : votes - 1] = -np.inf
    return result


def contact_samples(table: EventTable, dt_s: float) -> Int64:
    """First sample at or after contact of every must-fire event of ``table`` sampled every ``dt_s``; 0 of others."""
    first = np.ceil((-table.first_sample_s - ROUNDING_S) / dt_s)
    contact: Int64 = np.where(table.label == MUST_FIRE, np.clip(first, 0, table.n_samples), 0).astype(np.int64)
    return contact


def peaks_of(score: Float, contact: Int64, due: Int64) -> Peaks:
    """Largest values of a ``score``, shape (n_events, n_samples).

    Parameters
    ----------
    score : ndarray
    contact, due : ndarray of int64, shape (n_events,)
        First sample at or after contact, last sample in time.
    """
    sample = np.arange(score.shape[1])
    after = np.where(sample >= contact[:, None], score, -np.inf)
    return Peaks(
        in_time=np.where(sample <= due[:, None], after, -np.inf).max(axis=1),
        overall=after.max(axis=1),
        before=np.where(sample < contact[:, None], score, -np.inf).max(axis=1),
    )


def candidates(spans: Mapping[str, Span], n_candidates: int, seed: int, name: str) -> list[Setting]:
    """Settings to try: the usual one, then drawn ones.

    Parameters
    ----------
    spans : mapping
    n_candidates : int
        In all.
    seed : int
    name : str
        Of the family; gives each its own draws.
    """
    if n_candidates < 1:
        raise ConfigError(f"{n_candidates} candidate settings: expected at least 1")
    spans = {**spans, "confirm": CONFIRM}
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),)))
    drawn = [{key: span.at(float(rng.random())) for key, span in spans.items()} for _ in range(n_candidates - 1)]
    return [{key: span.usual for key, span in spans.items()}, *drawn]


def tune(family: Family, events: Training, n_candidates: int, seed: int, advance: Advance) -> Tuned:
    """Search the settings of a family.

    Parameters
    ----------
    family : Family
    events : Training
        Holding must-fire and no-fire events.
    n_candidates : int
    seed : int
    advance : callable
        Told candidates done.
    """
    must, quiet = events.table.label == MUST_FIRE, events.table.label == NO_FIRE
    held = choosing(events.table)
    best: tuple[int, int, Setting] | None = None
    for done, setting in enumerate(candidates(family.spans, n_candidates, seed, family.name)):
        peaks = _peaks(family.fitted(setting, events, ~held), events, int(setting["confirm"]))
        threshold = peaks.overall[quiet].max()
        late_or_missed = int((peaks.in_time[must & held] <= threshold).sum())
        missed = int((peaks.overall[must & held] <= threshold).sum())
        if best is None or (late_or_missed, missed) < best[:2]:
            best = (late_or_missed, missed, setting)
        advance(done + 1, f"{family.name}: {best[0]} of {int((must & held).sum())} late or missed")
    assert best is not None  # there is at least one candidate
    late_or_missed, missed, setting = best
    scorer = family.fitted(setting, events, np.ones(len(events.table), dtype=np.bool_))
    peaks = _peaks(scorer, events, int(setting["confirm"]))
    return Tuned(
        name=family.name,
        source=family.source,
        scorer=scorer,
        threshold=float(peaks.overall[quiet].max()),
        confirm=int(setting["confirm"]),
        setting=setting,
        n_candidates=n_candidates,
        chosen_by={"events": int((must & held).sum()), "late or missed": late_or_missed, "missed": missed},
    )


def choosing(table: EventTable) -> Bool:
    """Which events of ``table`` are kept from fitting: every third of each mode and label, shape (n_events,)."""
    held = np.zeros(len(table), dtype=np.bool_)
    for mode in np.unique(table.mode):
        for label in np.unique(table.label):
            held[np.flatnonzero((table.mode == mode) & (table.label == label))[CHOOSING - 1 :: CHOOSING]] = True
    if not held[table.label == MUST_FIRE].any():  # too few of each mode: choose by those that are fitted
        held[table.label == MUST_FIRE] = True
    return held


def _peaks(scorer: Scorer, events: Training, votes: int) -> Peaks:
    """Peaks of all training events."""
    parts = [
        peaks_of(confirmed(scorer(seen), votes), events.contact[seen.rows], events.due[seen.rows])
        for seen in events.seen
    ]
    return Peaks(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("in_time", "overall", "before")))


def rule_families(rules: Sequence[Rule]) -> tuple[Family, ...]:
    """The ``rules`` as families."""
    return tuple(RuleFamily(rule) for rule in rules)
