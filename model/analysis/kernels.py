"""The stage ``kernels`` over files: the few matched filters that decide events, and the patterns no event visits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.config import STRICT, plain
from crumple.model.deployed import DeployedModel, read_model
from crumple.model.evaluation.plots import figure_svg
from crumple.progress import Advance, quietly
from crumple.signals.corpus import Event, read_corpus

from .explain import Pattern, patterns
from .regions import reachable_patterns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "crumple.kernels/1"
FILE = "kernels.json"
PLOT_FILE = "kernels.svg"


@dataclass(frozen=True, slots=True)
class KernelsPlan:
    """What is told of the patterns."""

    __pydantic_config__ = STRICT
    n_drawn: Annotated[int, Field(ge=1, le=24, description="kernels drawn and listed with their events")] = 6
    most: Annotated[int, Field(ge=1, le=10_000_000, description="patterns counted before the count is given up")] = (
        40_000
    )


def kernels_stage(
    model_path: Path,
    corpus_folder: Path,
    out: Path,
    plan: KernelsPlan,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Count the patterns of a model, and tell those that decide a corpus's events.

    Parameters
    ----------
    model_path, corpus_folder, out : Path
    plan : KernelsPlan
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told what is being done.
    """
    model, artefact = read_model(model_path)
    corpus, corpus_artefact = read_corpus(corpus_folder)
    parents = {"model": artefact.sha256, "corpus": corpus_artefact.sha256}
    stage = Stage(out, FILE, SCHEMA, parents, {"kernels": plain(plan)})

    def work(folder: Path) -> Json:
        events = {event.name: event for event in corpus}
        advance(0, "patterns of events")
        visited = patterns(model, ((name, event.main_lsb) for name, event in events.items()))
        advance(1, "reachable patterns")
        counted = reachable_patterns(model, most=plan.most)
        seen = {pattern.bits for pattern in visited}
        unvisited = sorted(set(counted.patterns) - seen)
        drawn = [pattern for pattern in visited if pattern.events][: plan.n_drawn]
        write_bytes(folder / PLOT_FILE, figure_svg(kernels_figure(model, drawn, events)))
        decided = sum(len(pattern.events) for pattern in drawn)
        return {
            "reachable": len(counted.patterns),
            "undecided": len(counted.open_),
            "is_complete": counted.is_complete,
            "visited": len(seen),
            "unvisited": unvisited,
            "unvisited_windows": {bits: list(counted.patterns[bits]) for bits in unvisited[:100]},
            "events": len(events),
            "decided_by_drawn": decided,
            "kernels": [_told(pattern, events) for pattern in drawn],
        }

    return stage.run(work, replace=replace, force=force)


def _told(pattern: Pattern, events: dict[str, Event]) -> dict[str, Any]:
    return {
        "pattern": pattern.bits,
        "constant": pattern.constant,
        "kernel": pattern.kernel.tolist(),
        "windows": pattern.n_windows,
        "events": list(pattern.events),
        "sources": sorted({events[name].source for name in pattern.events}),
        "labels": {
            label: sum(events[name].label == label for name in pattern.events)
            for label in sorted({events[name].label for name in pattern.events})
        },
    }


def kernels_figure(model: DeployedModel, drawn: list[Pattern], events: dict[str, Event]) -> Figure:
    """Each kernel over the time before the decision, with the events it decides.

    Parameters
    ----------
    model : DeployedModel
    drawn : list of Pattern
        One or more.
    events : dict of str to Event
    """
    from matplotlib.figure import Figure

    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    window = model.window_samples
    time_ms = (np.arange(window) - window + 1) * 1e3 / model.sample_rate_hz
    largest = max(1, *(int(np.abs(pattern.kernel).max()) for pattern in drawn))
    for axes, pattern in zip(panels, drawn, strict=False):
        values = pattern.kernel / largest
        axes.axhline(0.0, color="#85929e", lw=0.7)
        axes.fill_between(time_ms, values, step="mid", color="#e59866", alpha=0.5)
        axes.step(time_ms, values, where="mid", color="#212f3d", lw=1.2)
        labels = _told(pattern, events)
        counts = ", ".join(f"{number} {label.replace('_', '-')}" for label, number in labels["labels"].items())
        axes.set_title(f"{pattern.bits}\n{counts} ({', '.join(labels['sources'])})", fontsize=8)
    for axes in panels[len(drawn) :]:
        axes.set_axis_off()
    for axes in panels[-columns:]:
        axes.set_xlabel("time before the decision (ms)")
    panels[0].set_ylabel("weight of a sample, relative")
    return figure
