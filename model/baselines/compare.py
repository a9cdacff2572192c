"""The net beside every baseline: trained on the same events, judged on the same unseen ones.

The main path alone decides, for all alike: a fire request of the net, a crossing of a baseline's threshold. Two
figures answer different questions. *As trained*: each with the threshold that its training set it, which is what
would ship. *At no false fire*: each with the lowest threshold at which no no-fire test event fires, which compares
how well they separate, but looks at the test events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.model.evaluation.exact import first_true, levels, outputs
from crumple.model.evaluation.intervals import clopper_pearson, upper_bound
from crumple.model.evaluation.judge import FAST_KMH, refuse_one_class, same_sensors, spread, verdicts
from crumple.progress import Advance
from crumple.signals.batches import EventSource
from crumple.signals.corpus import SOURCES
from crumple.signals.events import MUST_FIRE, NO_FIRE

from .front import FrontPlan
from .learned import learned_families
from .rules import RULES
from .search import (
    Bool,
    Family,
    Float,
    Scorer,
    Seen,
    Training,
    Tuned,
    contact_samples,
    due_samples,
    peaks_of,
    rule_families,
    tune,
)

NET = "crumple net"


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """How baselines are tuned; the TOML file of ``crumple compare --config``."""

    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0, description="of the settings tried")] = 0
    n_candidates: Annotated[int, Field(ge=1, le=10_000, description="settings tried of each baseline; assumed")] = 24
    confidence: Annotated[float, Field(gt=0, lt=1, description="of every interval; usual in the field")] = 0.95
    only: Annotated[tuple[str, ...], Field(description="names of baselines, or how they begin; all if empty")] = ()
    front: FrontPlan = field(default_factory=FrontPlan)


def families(model: DeployedModel, plan: ComparePlan) -> tuple[Family, ...]:
    """The baselines that ``plan`` asks for, learned ones on the inputs of ``model``.

    Raises
    ------
    ConfigError
        A name that no baseline begins with.
    """
    every = rule_families(RULES) + learned_families(model.n_blocks, model.block_samples)
    for name in plan.only:
        if not any(family.name.startswith(name) for family in every):
            raise ConfigError(f"only: no baseline {name!r}; there are {', '.join(family.name for family in every)}")
    return tuple(f for f in every if not plan.only or any(f.name.startswith(name) for name in plan.only))


def net_detector(model: DeployedModel) -> Tuned:
    """The deployed integers of ``model`` as a detector: its levels are confirmed already, its threshold is 0."""

    def scorer(seen: Seen) -> Float:
        return levels(model, outputs(model, seen.main_lsb)).astype(np.float64)

    return Tuned(NET, "this project", scorer, 0.0, 1, {}, 0)


@dataclass(frozen=True, slots=True)
class Compared:
    """What one detector did on every test event; arrays of shape (n_events,).

    Attributes
    ----------
    detector : Tuned
    in_time, overall, before : ndarray
        Largest score from contact up to the last sample in time, from contact on, and before contact.
    request_s : ndarray
        First crossing of its threshold in s from contact, NaN without one.
    """

    detector: Tuned
    in_time: Float
    overall: Float
    before: Float
    request_s: Float


def compare(
    model: DeployedModel, training: EventSource, test: EventSource, plan: ComparePlan, advance: Advance
) -> tuple[Compared, ...]:
    """Tune every baseline on the training events and run all of them and the net on the test events.

    Parameters
    ----------
    model : DeployedModel
    training, test : EventSource
        The test events are streamed, the training events are held in memory.
    plan : ComparePlan
    advance : callable
        Told baselines done, then test events done.

    Raises
    ------
    CorpusError
        Either corpus lacks a class or was seen by other sensors than the model reads.
    """
    from threadpoolctl import threadpool_limits

    for events in (training, test):
        same_sensors(model, events)
        refuse_one_class(events, "comparison")
    held = Training.of(training, plan.front)
    with threadpool_limits(limits=1):  # the order of float additions must not depend on the machine's load
        tuned = [net_detector(model)]
        for family in families(model, plan):
            tuned.append(tune(family, held, plan.n_candidates, plan.seed, lambda done, status: advance(0, status)))
        return run(tuned, test, plan, advance)


def run(detectors: Sequence[Tuned], test: EventSource, plan: ComparePlan, advance: Advance) -> tuple[Compared, ...]:
    """Run ``detectors`` on ``test`` events, streamed; ``plan`` gives the front, ``advance`` is told events done."""
    table, spec = test.table, test.sensors.main
    dt_s = float(spec.sample_period_s)
    due = due_samples(table, dt_s)
    contact = contact_samples(table, dt_s)
    in_time, overall, before, request_s = (np.empty((len(detectors), len(table))) for _ in range(4))
    for batch in test.batches():
        seen = Seen(batch.main_lsb, batch.rows, spec, plan.front)
        for d, detector in enumerate(detectors):
            score = detector.scores(seen)
            peaks = peaks_of(score, contact[batch.rows], due[batch.rows])
            in_time[d, batch.rows], overall[d, batch.rows] = peaks.in_time, peaks.overall
            before[d, batch.rows] = peaks.before
            at = first_true(score > detector.threshold)
            request_s[d, batch.rows] = np.where(at < 0, np.nan, table.first_sample_s[batch.rows] + at * dt_s)
        advance(batch.rows.stop, str(table.mode[batch.rows.start]))
    return tuple(Compared(*row) for row in zip(detectors, in_time, overall, before, request_s, strict=True))


def rows_of(compared: Sequence[Compared], test: EventSource, plan: ComparePlan) -> dict[str, list[dict[str, Any]]]:
    """One table a source of evidence, never pooled; a source without both classes has none.

    Parameters
    ----------
    compared : sequence of Compared
    test : EventSource
    plan : ComparePlan
    """
    table = test.table
    tables = {}
    for source in SOURCES:
        must = (table.label == MUST_FIRE) & (table.source == source)
        quiet = (table.label == NO_FIRE) & (table.source == source)
        if must.any() and quiet.any():
            tables[source] = [_row(each, test, must, quiet, plan) for each in compared]
    return tables


def trade_off(compared: Compared, must: Bool, quiet: Bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Late or missed events for every number of false fires, as the threshold is lowered.

    Parameters
    ----------
    compared : Compared
    must, quiet : ndarray of bool, shape (n_events,)
        Must-fire and no-fire events.

    Returns
    -------
    false_fires, late_or_missed : ndarray, shape (n_quiet + 1,)
    """
    thresholds = np.sort(compared.overall[quiet])[::-1]
    # At the k-th largest no-fire peak as threshold, at most k - 1 no-fire events exceed it.
    late = np.searchsorted(np.sort(compared.in_time[must]), thresholds, side="right")
    everyone_fires = int(np.isneginf(compared.in_time[must]).sum())
    return np.arange(thresholds.size + 1), np.append(late, everyone_fires).astype(np.int64)


def _row(each: Compared, test: EventSource, must: Bool, quiet: Bool, plan: ComparePlan) -> dict[str, Any]:
    """One detector on the events of one source."""
    table = test.table
    verdict = verdicts(table, each.request_s)
    fired = must & np.isin(verdict, ("in time", "late"))
    fast = must & (table.speed_kmh >= FAST_KMH)
    late, missed = int((verdict[must] == "late").sum()), int((verdict[must] == "missed").sum())
    false_fires, n_must, n_quiet = int((verdict[quiet] == "false fire").sum()), int(must.sum()), int(quiet.sum())
    separating = float(each.overall[quiet].max())
    late_then = int((each.in_time[must] <= separating).sum())
    missed_then = int((each.overall[must] <= separating).sum())
    return {
        "name": each.detector.name,
        "source": each.detector.source,
        "setting": each.detector.setting,
        "n_candidates": each.detector.n_candidates,
        "chosen_by": each.detector.chosen_by,
        "must_fire": n_must,
        "no_fire": n_quiet,
        "as_trained": {
            "late": late,
            "missed": missed,
            "premature": int((verdict[must] == "premature").sum()),
            "late_or_missed_interval": list(clopper_pearson(late + missed, n_must, plan.confidence)),
            "false_fires": false_fires,
            "false_fire_upper": upper_bound(false_fires, n_quiet, plan.confidence),
            "fast_in_time": int((verdict[fast] == "in time").sum()),
            "fast": int(fast.sum()),
            "ttf_ms": spread(1e3 * each.request_s[fired]),
            "delta_ttf_ms": spread(1e3 * (each.request_s - table.rttf_s)[fired]),
        },
        "at_no_false_fire": {
            "late": late_then - missed_then,
            "missed": missed_then,
            "premature": int((each.before[must] > separating).sum()),
            "late_or_missed_interval": list(clopper_pearson(late_then, n_must, plan.confidence)),
        },
    }


__all__ = ["ComparePlan", "Compared", "Scorer", "compare", "families", "net_detector", "rows_of", "run", "trade_off"]
