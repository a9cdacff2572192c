"""The stage ``compare`` over files: the net and every baseline, one table and one plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.config import plain
from crumple.errors import CorpusError
from crumple.model.deployed import read_model
from crumple.model.evaluation.plots import figure_svg
from crumple.progress import Advance, quietly
from crumple.signals.batches import EventTable, open_corpus
from crumple.signals.corpus import SOURCES
from crumple.signals.events import MUST_FIRE, NO_FIRE

from .compare import NET, Compared, ComparePlan, compare, rows_of, trade_off

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "crumple.comparison/1"
FILE = "comparison.json"
PLOT_FILE = "comparison.svg"


def compare_stage(
    model_path: Path,
    training_folder: Path,
    test_folder: Path,
    out: Path,
    plan: ComparePlan,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Tune every baseline on a training corpus and judge all of them and the net on a test corpus.

    Parameters
    ----------
    model_path, training_folder, test_folder, out : Path
        The net, the corpus it was trained on, another corpus, and the folder to write.
    plan : ComparePlan
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told what is being done.

    Raises
    ------
    CorpusError
        The net was not trained on the training corpus, the test corpus was seen in training, or either cannot serve.
    """
    model, model_artefact = read_model(model_path)
    training, test = open_corpus(training_folder), open_corpus(test_folder)
    trained_on = set(model_artefact.parents.values())
    if training.artefact.sha256 not in trained_on:
        raise CorpusError(
            f"{training.where}: the net was trained on another corpus; baselines must learn from the same"
        )
    if test.artefact.sha256 in trained_on or set(training.artefact.files.values()) & set(test.artefact.files.values()):
        raise CorpusError(f"{test.where}: was seen in training; generate a test corpus with another --seed")
    parents = {
        "model": model_artefact.sha256,
        "training": training.artefact.sha256,
        "test": test.artefact.sha256,
    }
    stage = Stage(out, FILE, SCHEMA, parents, {"comparison": plain(plan)})

    def work(folder: Path) -> Json:
        compared = compare(model, training, test, plan, advance)
        write_bytes(folder / PLOT_FILE, figure_svg(comparison_figure(compared, test.table)))
        return {"sources": rows_of(compared, test, plan)}

    return stage.run(work, replace=replace, force=force)


def comparison_figure(compared: Sequence[Compared], table: EventTable) -> Figure:
    """Error trade-off and lateness of every detector, a row of plots for each source of evidence.

    Parameters
    ----------
    compared : sequence of Compared
    table : EventTable
        Of the test events.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sources = [
        source
        for source in SOURCES
        if all(((table.source == source) & (table.label == label)).any() for label in (MUST_FIRE, NO_FIRE))
    ]
    figure = Figure(figsize=(12.0, 5.0 * len(sources)), layout="constrained")
    for source, (errors, lateness) in zip(sources, figure.subplots(len(sources), 2, squeeze=False), strict=True):
        must = (table.source == source) & (table.label == MUST_FIRE)
        quiet = (table.source == source) & (table.label == NO_FIRE)
        colours = mpl.colormaps["tab20"]
        for k, each in enumerate(compared):
            style: dict[str, Any] = (
                {"color": "black", "linewidth": 2.2} if each.detector.name == NET else {"linewidth": 1.1}
            )
            style.setdefault("color", colours(k % colours.N))
            false_fires, late = trade_off(each, must, quiet)
            # Half a failure stands for none on a logarithmic axis.
            errors.plot(
                np.maximum(false_fires, 0.5) / quiet.sum(),
                np.maximum(late, 0.5) / must.sum(),
                drawstyle="steps-post",
                label=each.detector.name,
                **style,
            )
            delta = np.sort(1e3 * (each.request_s - table.rttf_s)[must & ~(each.request_s < 0.0)])
            delta = delta[~np.isnan(delta)]
            lateness.plot(delta, np.arange(1, delta.size + 1) / must.sum(), **style)
        errors.set(
            xscale="log",
            yscale="log",
            xlabel="share of no-fire events that fire (left end: none)",
            ylabel="share of must-fire events late or missed",
            title=f"{source} test events: any threshold",
        )
        errors.legend(fontsize=7)
        lateness.axvline(0.0, color="grey", linewidth=0.8)
        lateness.set(
            xlabel="TTF - RTTF, ms",
            ylabel="share of must-fire events",
            xlim=(-40.0, 40.0),
            title="fired by, at the threshold that training set",
        )
    return figure
