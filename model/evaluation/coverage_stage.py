"""The coverage stage over files: which proved set each measured event of some corpora lies in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crumple.artefact import Artefact, Json, Stage, read_artefact
from crumple.errors import ArtefactError, CorpusError
from crumple.model.analysis import checker
from crumple.model.deployed import read_model
from crumple.model.stages import PROOF_FILE, PROOF_SCHEMA
from crumple.progress import Advance, quietly
from crumple.signals.batches import CorpusInMemory
from crumple.signals.corpus import MEASURED, Event, read_corpus

from .coverage import COVERS, distance
from .judge import same_sensors

SCHEMA = "crumple.coverage/1"
FILE = "coverage.json"
PROVED = "proved"


def cover_stage(
    model_path: Path,
    proof_path: Path,
    corpora: Sequence[Path],
    out: Path,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Hold the measured events of some corpora against every set of a proof.

    Parameters
    ----------
    model_path, proof_path : Path
        The model, and the proof of it.
    corpora : sequence of Path
        Corpus folders; events that are not measured are passed over.
    out : Path
        Folder to write.
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told thousandths of the work, and the event at hand.

    Raises
    ------
    ArtefactError
        The proof is of another model.
    CorpusError
        A corpus was seen by other sensors than the model reads, or there is no measured event.
    """
    deployed, model_artefact = read_model(model_path)
    where = proof_path / PROOF_FILE if proof_path.is_dir() else proof_path
    proof = read_artefact(where, PROOF_SCHEMA)
    if proof.parents.get("model") != model_artefact.sha256:
        raise ArtefactError(f"{where}: proves another model than {model_artefact.path}; prove this one first")
    read = [read_corpus(folder) for folder in corpora]
    for corpus, _ in read:
        same_sensors(deployed, CorpusInMemory.of(corpus))
    parents = {"model": model_artefact.sha256, "proof": proof.sha256}
    parents |= {f"corpus_{k}": artefact.sha256 for k, (_, artefact) in enumerate(read)}
    stage = Stage(out, FILE, SCHEMA, parents, {})

    def work(folder: Path) -> Json:
        subject = checker.Model(deployed.payload())
        rows = [row for row in proof.payload["requirements"] if row["claim"] in COVERS]
        measured = [event for corpus, _ in read for event in corpus if event.source == MEASURED]
        if not measured:
            raise CorpusError("no measured event is in these corpora; import recordings first (crumple import)")
        events = []
        for done, event in enumerate(measured):
            advance(1000 * done // len(measured), event.name)
            events.append(_covered(subject, rows, event, float(deployed.sample_period_s)))
        labelled = [event for event in events if event["label"] in COVERS.values()]
        return {
            "sets": [
                {"id": r["id"], "claim": r["claim"], "kind": r["set"]["kind"], "verdict": r["verdict"]} for r in rows
            ],
            "events": events,
            "events_with_label": len(labelled),
            "covered": sum(bool(event["covered_by"]) for event in labelled),
        }

    return stage.run(work, replace=replace, force=force)


def _covered(model: checker.Model, rows: list[dict[str, Any]], event: Event, period_s: float) -> dict[str, Any]:
    """One event against every set."""
    # The first sample later than contact; rounding must not make a sample at contact one after it.
    contact = max(0, int(np.floor(-event.first_sample_s / period_s + 1e-6)) + 1)
    distances, inside = [], []
    for row in rows:
        counts = event.safing_lsb if row["claim"] in ("never_arms", "arms_by") else event.main_lsb
        far = distance(model, row, counts, contact)
        distances.append(
            {
                "id": row["id"],
                "measure": far.measure,
                "at_least": float(f"{far.at_least:.6g}"),
                "at_most": float(f"{far.at_most:.6g}"),
                "inside": far.is_inside,
            }
        )
        if far.is_inside and row["verdict"] == PROVED and COVERS[row["claim"]] == event.label:
            inside.append(row["id"])
    return {
        "name": event.name,
        "mode": event.mode,
        "source": event.source,
        "label": event.label,
        "covered_by": inside,
        "distances": distances,
    }
