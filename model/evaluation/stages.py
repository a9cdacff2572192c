"""The stage ``evaluate`` over files: a deployed model on a corpus, every table an assessor expects."""

from __future__ import annotations

import csv
import io
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.config import STRICT, plain
from crumple.errors import CorpusError
from crumple.model.deployed import DeployedModel, read_model
from crumple.progress import Advance, quietly
from crumple.signals.batches import CorpusFile, EventSource, open_corpus
from crumple.signals.corpus import MEASURED, SYNTHETIC, read_corpus
from crumple.signals.events import MODES, MUST_FIRE, NO_FIRE, UNLABELLED

from .immunity import immunity, severity_margin
from .intervals import refuse_unsupported_claim, trials_needed
from .judge import ROUNDING_S, Judged, by_source, judge, refuse_one_class, same_sensors, spread
from .physical import (
    ADDED_MODES,
    FAMILIES,
    PhysicalEvent,
    drawn_events,
    measured_events,
    superposition,
    threshold_map,
    tolerance_corners,
)
from .plots import evaluation_svg, maps_svg

log = logging.getLogger("crumple")

SCHEMA = "crumple.evaluation/1"
FILE = "evaluation.json"
OUTCOMES_FILE = "outcomes.csv"
PLOT_FILE = "evaluation.svg"
MAPS_FILE = "threshold-maps.svg"


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What to look at besides every event; the TOML file of ``crumple evaluate --config``."""

    __pydantic_config__ = STRICT
    confidence: Annotated[float, Field(gt=0, lt=1, description="of every interval; usual in the field")] = 0.95
    claimed_false_fire: Annotated[
        float | None, Field(gt=0, lt=1, description="probability an event claimed never to be exceeded; none claimed")
    ] = None
    allow_one_class: Annotated[bool, Field(description="also evaluate a corpus that lacks one class")] = False
    seed: Annotated[int, Field(ge=0, description="of events drawn for corners and superposition")] = 1
    immunity_events: Annotated[
        int, Field(ge=0, le=10_000, description="of each no-fire mode, the loudest; assumed enough")
    ] = 20
    immunity_most: Annotated[float, Field(gt=1, le=1000, description="largest factor tried; assumed")] = 10.0
    corner_events: Annotated[int, Field(ge=0, le=10_000, description="drawn of each synthetic mode")] = 10
    superposition_events: Annotated[int, Field(ge=0, le=1_000, description="drawn of each synthetic mode")] = 5
    map_steps: Annotated[int, Field(ge=0, le=200, description="of each side of a threshold map; 0 draws none")] = 24


def evaluate_stage(
    model_path: Path,
    corpus_folder: Path,
    out: Path,
    plan: EvaluationPlan,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Evaluate a deployed model on a corpus folder and write tables, plots and every event's outcome.

    Memory holds one batch of counts and a few numbers an event, so a corpus of any size can be evaluated.

    Parameters
    ----------
    model_path, corpus_folder, out : Path
        The model's file or folder, a corpus, and the folder to write.
    plan : EvaluationPlan
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told events done and what is being done.

    Raises
    ------
    CorpusError
        Empty, unlabelled, one-class (unless the plan allows it), of other sensors than the model reads, or too small
        for the plan's claim.
    """
    model, model_artefact = read_model(model_path)
    corpus = open_corpus(corpus_folder)
    same_sensors(model, corpus)
    refuse_what_cannot_serve(corpus, plan)
    seen = corpus.artefact.sha256 in model_artefact.parents.values()
    if seen:
        log.warning("%s: the model was trained on this corpus; these figures say nothing of new events", corpus.where)
    stage = Stage(
        out,
        FILE,
        SCHEMA,
        {"model": model_artefact.sha256, "corpus": corpus.artefact.sha256},
        {"evaluation": plain(plan)},
    )

    def work(folder: Path) -> Json:
        judged = judge(model, corpus, advance)
        sources = by_source(judged, plan.confidence)
        grey = {source: tables["grey"] for source, tables in sources.items()}
        write_bytes(folder / OUTCOMES_FILE, outcomes_csv(judged))
        write_bytes(folder / PLOT_FILE, evaluation_svg(judged, grey))
        maps = _maps(model, corpus, plan, folder)
        advance(len(judged.table), "immunity")
        scaling = _scaling(model, corpus, judged, plan)
        advance(len(judged.table), "corners and superposition")
        return {
            "seen_in_training": seen,
            "claim": _claim(judged, plan),
            "sources": sources,
            "scaling": scaling,
            **_studies(model, corpus, corpus_folder, plan),
            "threshold_maps": maps,
        }

    return stage.run(work, replace=replace, force=force)


def refuse_what_cannot_serve(corpus: EventSource, plan: EvaluationPlan) -> None:
    """Raise CorpusError if ``corpus`` is unlabelled, lacks a class, or is too small for the claim of ``plan``."""
    labels = corpus.table.label
    if (labels == UNLABELLED).all():
        raise CorpusError(f"{corpus.where}: no event is labelled; state labels in the map of `crumple import`")
    if not plan.allow_one_class:
        refuse_one_class(corpus, "evaluation", "; --allow-one-class evaluates what is there")
    if plan.claimed_false_fire is not None:
        for source in dict.fromkeys(corpus.table.source.tolist()):
            n_quiet = int(((labels == NO_FIRE) & (corpus.table.source == source)).sum())
            refuse_unsupported_claim(
                plan.claimed_false_fire, n_quiet, plan.confidence, f"{corpus.where}: a false-fire rate ({source})"
            )


def outcomes_csv(judged: Judged) -> bytes:
    """Every event of ``judged`` on a line, times in ms from contact; empty where something did not happen."""
    table, verdict = judged.table, judged.verdict
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("name", "mode", "source", "label", "speed_kmh", "rttf_ms", "request_ms", "arming_ms", "ttf_ms", "verdict")
    )
    numbers = (table.speed_kmh, *(1e3 * t for t in (table.rttf_s, judged.request_s, judged.arming_s, judged.fire_s)))
    for k in range(len(table)):
        told = ["" if math.isnan(row[k]) else repr(round(float(row[k]), 6)) for row in numbers]
        writer.writerow((table.name[k], table.mode[k], table.source[k], table.label[k], *told, verdict[k]))
    return text.getvalue().encode("utf-8")


def _claim(judged: Judged, plan: EvaluationPlan) -> dict[str, Any] | None:
    """Whether each source supports the claimed false-fire rate."""
    if plan.claimed_false_fire is None:
        return None
    upper = {
        source: tables["total"]["false_fire_upper"] for source, tables in by_source(judged, plan.confidence).items()
    }
    return {
        "false_fire_below": plan.claimed_false_fire,
        "confidence": plan.confidence,
        "events_needed": trials_needed(plan.claimed_false_fire, plan.confidence),
        "upper_bound": upper,
        "supported": {
            source: bound is not None and bound <= plan.claimed_false_fire for source, bound in upper.items()
        },
    }


def _scaling(model: DeployedModel, events: EventSource, judged: Judged, plan: EvaluationPlan) -> list[dict[str, Any]]:
    """Immunity of the loudest silent events, severity margins of the weakest events in time, by mode."""
    table = judged.table
    in_time = (judged.request_s >= 0.0) & (
        judged.request_s <= np.where(np.isnan(table.rttf_s), np.inf, table.rttf_s + ROUNDING_S)
    )
    right = np.where(table.label == NO_FIRE, judged.level <= 0, in_time)
    chosen = np.zeros(len(table), dtype=np.bool_)
    groups = sorted({*zip(table.source.tolist(), table.mode.tolist(), table.label.tolist(), strict=True)})
    for source, mode, label in groups:
        rows = np.flatnonzero((table.source == source) & (table.mode == mode) & (table.label == label) & right)
        order = np.argsort(judged.level[rows], kind="stable")
        if plan.immunity_events and label == NO_FIRE:
            chosen[rows[order[-plan.immunity_events :]]] = True
        elif plan.immunity_events and label == MUST_FIRE:
            chosen[rows[order[: plan.immunity_events]]] = True
    factor = np.full(len(table), np.nan)
    due = _due(events)
    for batch in events.batches():
        here = np.arange(batch.rows.start, batch.rows.stop)
        for label in (NO_FIRE, MUST_FIRE):
            picked = chosen[batch.rows] & (table.label[batch.rows] == label)
            if picked.any() and label == NO_FIRE:
                factor[here[picked]] = immunity(model, batch.main_lsb[picked], plan.immunity_most)
            elif picked.any():
                factor[here[picked]] = severity_margin(model, batch.main_lsb[picked], due[here[picked]])
    result = []
    for source, mode, label in groups:
        rows = np.flatnonzero(chosen & (table.source == source) & (table.mode == mode) & (table.label == label))
        if rows.size:
            towards = factor[rows] if label == NO_FIRE else -factor[rows]
            result.append(
                {
                    "source": source,
                    "mode": mode,
                    "label": label,
                    "what": "immunity" if label == NO_FIRE else "severity margin",
                    "events": int(rows.size),
                    "closest_event": str(table.name[rows[np.argmin(towards)]]),
                    "factor": spread(factor[rows]),
                }
            )
    return result


def _due(events: EventSource) -> NDArray[np.int64]:
    """Last sample in time of every event; the last of the event where nothing is required."""
    table = events.table
    period_s = float(events.sensors.main.sample_period_s)
    required = (table.rttf_s - table.first_sample_s + ROUNDING_S) / period_s
    last: NDArray[np.int64] = np.where(np.isnan(required), table.n_samples - 1, np.floor(required)).astype(np.int64)
    return last


def _studies(model: DeployedModel, corpus: CorpusFile, folder: Path, plan: EvaluationPlan) -> dict[str, Any]:
    """Tolerance corners and superposition: measured events of the corpus, and drawn ones of its synthetic modes."""
    spec = corpus.sensors.main
    synthetic = corpus.table.mode[corpus.table.source == SYNTHETIC]
    modes = [mode for mode in dict.fromkeys(synthetic.tolist()) if mode in MODES]
    added = drawn_events(ADDED_MODES, 1, plan.seed)
    measured: list[PhysicalEvent] = []
    if (corpus.table.source == MEASURED).any():
        measured = measured_events(read_corpus(folder)[0])
    cornered = measured + drawn_events(modes, plan.corner_events, plan.seed)
    summed = measured + drawn_events(modes, plan.superposition_events, plan.seed + 1)
    return {
        "tolerance_corners": tolerance_corners(model, spec, cornered),
        "superposition": superposition(model, spec, summed, added),
    }


def _maps(model: DeployedModel, corpus: CorpusFile, plan: EvaluationPlan, folder: Path) -> dict[str, Any]:
    """Threshold maps of every family, and their plot."""
    if plan.map_steps < 2:
        return {}
    peak_g = np.linspace(2.0, 60.0, plan.map_steps)
    maps = {}
    for family in (*FAMILIES, "damped sine"):
        burst = family == "damped sine"
        across = np.geomspace(20.0, 400.0, plan.map_steps) if burst else np.linspace(0.005, 0.12, plan.map_steps)
        ttf_ms = threshold_map(model, corpus.sensors.main, family, peak_g * (2.0 if burst else 1.0), across)
        maps[family] = {
            "unit": "frequency, Hz" if burst else "duration, ms",
            "peak_g": (peak_g * (2.0 if burst else 1.0)).tolist(),
            "across": (across if burst else 1e3 * across).tolist(),
            "ttf_ms": [[None if math.isnan(value) else round(value, 6) for value in row] for row in ttf_ms.tolist()],
        }
    write_bytes(folder / MAPS_FILE, maps_svg(maps))
    return maps
