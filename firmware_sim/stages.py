"""The controller's stage over files: simulate."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from crumple.artefact import Artefact, Json, Stage, canonical_json, write_bytes
from crumple.errors import CorpusError
from crumple.export.exported import read_export
from crumple.progress import Advance, quietly
from crumple.signals.corpus import Corpus, Event, read_corpus
from crumple.signals.sensor import SensorPair
from crumple.toolchain import find_compiler

from .arming import ArmingEvidence, ArmingRule
from .build import build_controller
from .outcome import as_json, outcome, tally
from .replay import Controller, Timeline

SCHEMA = "crumple.simulation/1"
FILE = "simulation.json"
TIMELINES_FILE = "timelines.json"


def simulate_stage(
    export_folder: Path,
    corpus_folder: Path,
    out: Path,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Compile the controller with the exported model and run every event of a corpus through it.

    The payload holds each event's outcome, the tally, and what the events show of the arming path;
    ``timelines.json`` the full traces of measured events and of the first event of every synthetic mode, for plots.

    Parameters
    ----------
    export_folder, corpus_folder, out : Path
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told events done and the mode at hand.

    Raises
    ------
    CorpusError
        The corpus was sensed by other sensors than the model reads.
    ToolMissingError, CompileError
    """
    export = read_export(export_folder)
    corpus, corpus_artefact = read_corpus(corpus_folder)
    same_sensors(export, corpus, corpus_artefact)
    compiler = find_compiler()
    parents = {"export": export.sha256, "corpus": corpus_artefact.sha256}
    stage = Stage(out, FILE, SCHEMA, parents, {})

    def work(folder: Path) -> Json:
        outcomes, timelines = [], {}
        examples = {event.name for event in corpus.examples}
        arming = ArmingEvidence(ArmingRule.of_export(export.payload["model"]))
        with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as build:
            controller = Controller(build_controller(export_folder, Path(build), compiler))
            for done, event in enumerate(corpus):
                timeline = controller.run(event.main_lsb, event.safing_lsb)
                outcomes.append(outcome(event, timeline, corpus.sample_period_s))
                arming.add(event, timeline, outcomes[-1])
                if event.name in examples:
                    timelines[event.name] = _traces(event, timeline, corpus)
                if done % 64 == 0:
                    advance(done, event.mode)
        write_bytes(folder / TIMELINES_FILE, canonical_json(timelines))
        return {
            "events": as_json(outcomes),
            "tally": tally(outcomes),
            "arming": arming.as_json(),
            "compiler": compiler.name,
        }

    return stage.run(work, replace=replace, force=force)


def _traces(event: Event, timeline: Timeline, corpus: Corpus) -> dict[str, Any]:
    """Everything a plot of one event needs."""
    return {
        "first_sample_s": event.first_sample_s,
        "sample_period_s": corpus.sample_period_s,
        "main_g": (event.main_lsb * float(corpus.sensors.main.lsb)).tolist(),
        "safing_g": (event.safing_lsb * float(corpus.sensors.safing.lsb)).tolist(),
        "y": timeline.y.tolist(),
        "mode": timeline.mode.tolist(),
        "fire_request": timeline.fire_request.astype(int).tolist(),
        "armed": timeline.armed.astype(int).tolist(),
    }


def same_sensors(export: Artefact, corpus: Corpus, corpus_artefact: Artefact) -> None:
    """Raise CorpusError unless a ``corpus``, read as ``corpus_artefact``, holds the counts that an ``export`` reads."""
    require_sensors(export, corpus.sensors, str(corpus_artefact.path))


def require_sensors(export: Artefact, sensors: SensorPair, where: str) -> None:
    """Raise CorpusError, naming ``where``, unless a pair of ``sensors`` gives the counts that an ``export`` reads."""
    model = export.payload["model"]
    wanted = {
        "main lsb_g": Fraction(model["lsb_g"]),
        "main clamp_lsb": model["clamp_lsb"],
        "sample_rate_hz": model["sample_rate_hz"],
        "safing lsb_g": Fraction(model["arming"]["lsb_g"]),
    }
    main, safing = sensors.main, sensors.safing
    # Arming limits every sample itself, so all that matters is that the sensor reaches so far.
    wanted["safing clamp_lsb"] = max(safing.clamp_lsb, model["arming"]["clamp_lsb"])
    found = {
        "main lsb_g": main.lsb,
        "main clamp_lsb": main.clamp_lsb,
        "sample_rate_hz": main.sample_rate_hz,
        "safing lsb_g": safing.lsb,
        "safing clamp_lsb": safing.clamp_lsb,
    }
    for name, value in wanted.items():
        if found[name] != value:
            raise CorpusError(
                f"{where}: {name} is {found[name]}, the model reads {value};"
                " generate or import with the model's sensors"
            )
