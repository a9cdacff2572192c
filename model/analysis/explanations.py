"""The stage ``explain`` over files: why events fire or not, and how much noise their verdicts are proved to survive."""

from __future__ import annotations

from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.errors import InputDataError
from crumple.model import deployed
from crumple.model.deployed import DeployedModel, read_model
from crumple.model.stages import write_proof
from crumple.progress import Advance, quietly
from crumple.signals.corpus import Corpus, Event, read_corpus

from .explain import Distance, Explanation
from .explain import distance as distance_of
from .explain import explain as explanation_of

SCHEMA = "crumple.explanations/1"
FILE = "explanations.json"


def explanations_stage(
    model_path: Path,
    corpus_folder: Path,
    out: Path,
    names: tuple[str, ...] = (),
    *,
    distance: bool = True,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Explain events of a corpus, and write the proofs of their distances with the model that they are about.

    Parameters
    ----------
    model_path, corpus_folder, out : Path
    names : tuple of str
        Events to explain; without any every measured event and the first of each other mode.
    distance : bool
        Also prove how much noise each verdict survives (slow).
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told hundredths done and the event at hand.

    Raises
    ------
    InputDataError
        The corpus holds no event of a name.
    """
    model, artefact = read_model(model_path)
    corpus, corpus_artefact = read_corpus(corpus_folder)
    chosen = tuple(named(corpus, name, corpus_folder) for name in names) or corpus.examples
    parents = {"model": artefact.sha256, "corpus": corpus_artefact.sha256}
    config = {"explain": {"events": list(names), "distance": distance}}
    stage = Stage(out, FILE, SCHEMA, parents, config)

    def work(folder: Path) -> Json:
        if distance:
            write_bytes(folder / deployed.FILE, artefact.path.read_bytes())
        told = []
        for number, event in enumerate(chosen, 1):
            advance((number - 1) * 100 // len(chosen), event.name)
            row = {"name": event.name, **explained(model, event, explanation_of(model, event.main_lsb))}
            far = distance_of(model, event.main_lsb) if distance else None
            row |= {"distance": None if far is None else distance_json(far), "proof": None}
            if far is not None and far.requirement is not None and far.proof is not None:
                row["proof"] = f"D{number}"
                described = replaced(far.requirement, id=f"D{number}", text=claim(event, far))
                write_proof(folder, artefact.sha256, described.payload(), far.proof)
            told.append(row)
        advance(100, f"{len(chosen)} events, {sum(row['proof'] is not None for row in told)} proofs")
        return {"events": told}

    return stage.run(work, replace=replace, force=force)


def named(corpus: Corpus, name: str, where: Path) -> Event:
    """The event called ``name`` of a ``corpus`` read from ``where``. Raises InputDataError if there is none."""
    for event in corpus:
        if event.name == name:
            return event
    raise InputDataError(f"{where}: holds no event {name!r}")


def explained(model: DeployedModel, event: Event, told: Explanation) -> dict[str, Any]:
    """An explanation as JSON values, its times in ms from first contact.

    Parameters
    ----------
    model : DeployedModel
    event : Event
    told : Explanation
        Of that event.
    """
    start_ms, period_ms = 1e3 * event.first_sample_s, 1e3 / model.sample_rate_hz
    return {
        "source": event.source,
        "label": event.label,
        "fired_at_ms": None if told.fired_at is None else start_ms + told.fired_at * period_ms,
        "explained_at_ms": start_ms + told.decisive * period_ms,
        "period_ms": period_ms,
        "y": int(told.y[told.decisive]),
        "pattern": told.pattern,
        "constant": told.constant,
        "contributions": told.contributions.tolist(),
    }


def distance_json(far: Distance) -> dict[str, Any]:
    """A distance ``far`` as JSON values; its proof is written elsewhere."""
    return {
        "holds_lsb": far.holds_lsb,
        "flips_lsb": far.flips_lsb,
        "lsb_g": far.lsb_g,
        "flipped_by": list(far.counts),
    }


def claim(event: Event, far: Distance) -> str:
    """What a proof says of an ``event``'s verdict at the distance ``far``."""
    keeps = "never requests fire" if far.requirement and not far.requirement.by_ms else "still requests fire"
    return f"{event.name} ({event.source}) {keeps} under noise of up to {far.holds_lsb * far.lsb_g:g} g on every sample"
