"""The model's stages over files: train, prove, check."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crumple.artefact import Artefact, Json, Stage, canonical_json, envelope, read_artefact, sha256_bytes, write_bytes
from crumple.config import plain
from crumple.errors import InputDataError
from crumple.journal import open_journal
from crumple.progress import Advance, quietly
from crumple.shards import ThisProcess, Workers
from crumple.signals.corpus import read_corpus

from . import deployed
from .analysis import checker, witness
from .analysis.properties import SCHEMA as PROPERTY_SCHEMA
from .analysis.properties import Requirement, RequirementSet
from .analysis.prover import Proved, Unknown, Vacuous, prove
from .checkpoint import Checkpoint
from .deployed import DeployedModel, read_model
from .quantise import INPUT_UNIT_G
from .training import TrainingPlan, train

NET_FILE = "net.json"
HISTORY_FILE = "history.json"
PROOF_SCHEMA = "crumple.proof/1"
PROOF_FILE = "proof.json"
CERTIFICATE_SCHEMA = "crumple.certificate/4"


def train_stage(
    corpus_folder: Path,
    out: Path,
    plan: TrainingPlan,
    requirements: RequirementSet,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Train on a corpus folder and write ``model.json`` (integers), ``net.json`` (floats) and the history.

    Parameters
    ----------
    corpus_folder, out : Path
    plan : TrainingPlan
    requirements : RequirementSet
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told steps done and a status text.
    """
    corpus, corpus_artefact = read_corpus(corpus_folder)
    stage = Stage(
        out,
        deployed.FILE,
        deployed.SCHEMA,
        {"corpus": corpus_artefact.sha256},
        {"training": plain(plan), "requirements": [requirement.payload() for requirement in requirements]},
    )

    state = out.parent / f".{out.name}.training.npz"  # beside the folder, which does not exist until all is done

    def work(folder: Path) -> Json:
        trained = train(corpus, requirements, plan, advance, Checkpoint(state, stage.key))
        net = {
            "hidden_weight": trained.net.hidden_weight.tolist(),
            "hidden_bias": trained.net.hidden_bias.tolist(),
            "output_weight": trained.net.output_weight.tolist(),
            "output_bias": trained.net.output_bias.tolist(),
            "unit_lsb": INPUT_UNIT_G / float(trained.model.lsb_g) * trained.model.block_samples,
        }
        if trained.second_net is not None:
            net["second_output_weight"] = trained.second_net.output_weight.tolist()
            net["second_output_bias"] = trained.second_net.output_bias.tolist()
        write_bytes(folder / NET_FILE, canonical_json(net))
        write_bytes(folder / HISTORY_FILE, canonical_json(list(trained.history)))
        return trained.model.payload()

    return stage.run(work, replace=replace, force=force)


def prove_stage(
    model_path: Path,
    out: Path,
    requirements: RequirementSet,
    *,
    workers: Workers | None = None,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Prove every requirement on a deployed model; write a property and a certificate file for each.

    Verdicts wait in a journal beside the folder until all are there: an interrupted run goes on where it stopped.

    The payload of ``proof.json`` lists the verdicts: ``proved``, ``violated``, or ``unknown`` or ``vacuous``
    (which have no certificate, and are failures).

    Parameters
    ----------
    model_path, out : Path
        ``model.json`` or its folder; the folder to write.
    requirements : RequirementSet
    workers : Workers or None
        None is this process alone. The result does not depend on it.
    replace, force : bool
        See ``Stage.run``; also discards the unfinished work on another model or other requirements.
    advance : callable
        Told requirements done, and how many came to which verdict.
    """
    from .analysis.campaigns import proofs

    model, model_artefact = read_model(model_path)
    config = {"requirements": [requirement.payload() for requirement in requirements]}
    stage = Stage(out, PROOF_FILE, PROOF_SCHEMA, {"model": model_artefact.sha256}, config)

    asked = proofs(model, requirements)
    state = out.parent / f".{out.name}.proofs"  # beside the folder, which does not exist until all is done

    def work(folder: Path) -> Json:
        with open_journal(state, stage.key, asked.n_shards, replace=replace or force) as journal:
            found = {n: json.loads(journal.read(n)) for n in set(range(asked.n_shards)) - set(journal.missing())}
            advance(len(found), _counted(found))
            if len(found) < asked.n_shards:
                with closing((workers or ThisProcess()).results(asked, journal.missing())) as results:
                    for number, result in results:
                        journal.append(number, result)
                        found[number] = json.loads(result)
                        advance(len(found), _counted(found))
        return verdicts([write_verdict(folder, model_artefact.sha256, *found[n]) for n in range(asked.n_shards)])

    artefact = stage.run(work, replace=replace, force=force)
    state.unlink(missing_ok=True)
    return artefact


def _counted(found: dict[int, Any]) -> str:
    """How many verdicts of each kind were ``found``, such as "8 proved, 1 violated, 0 unknown"."""
    verdict = [row["verdict"] for row, _ in found.values()]
    shown = [name for name in ("proved", "violated", "unknown", "vacuous") if name != "vacuous" or name in verdict]
    return ", ".join(f"{verdict.count(name)} {name}" for name in shown)


def verdict_on(model: DeployedModel, requirement: Requirement) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Prove one ``requirement`` on a ``model``.

    Returns
    -------
    row : dict
        The requirement with its verdict, as ``proof.json`` lists it.
    certificate : dict or None
        None for what is unknown or vacuous.
    """
    verdict = prove(model, requirement)
    row: dict[str, Any] = {**requirement.payload(), "detail": ""}
    if isinstance(verdict, Unknown | Vacuous):
        row |= {"verdict": "unknown" if isinstance(verdict, Unknown) else "vacuous", "detail": verdict.reason}
        return row, None
    row["verdict"] = verdict.certificate["verdict"]
    if isinstance(verdict, Proved) and verdict.bound is not None:
        row["detail"] = f"y <= {verdict.bound.numerator // verdict.bound.denominator} on the whole set"
    elif isinstance(verdict, Proved) and verdict.certificate["trees"]:
        row["detail"] = "proved over all windows that confirmation looks at together"
    return row, verdict.certificate


def write_verdict(
    folder: Path, model_sha256: str, row: dict[str, Any], certificate: dict[str, Any] | None
) -> dict[str, Any]:
    """Write the files of one verdict into a folder.

    Parameters
    ----------
    folder : Path
    model_sha256 : str
        Of the model's file.
    row, certificate
        As ``verdict_on`` gives them.

    Returns
    -------
    dict
        The row, with the certificate's size.
    """
    payload = {key: value for key, value in row.items() if key not in ("verdict", "detail")}
    if certificate is None:
        write_bytes(folder / f"{row['id']}.property.json", envelope(PROPERTY_SCHEMA, payload))
        return row
    return {**row, "certificate_bytes": write_proof(folder, model_sha256, payload, certificate)}


def write_proof(folder: Path, model_sha256: str, described: dict[str, Any], certificate: dict[str, Any]) -> int:
    """Write a property and its certificate into a folder, named by the property's id, as ``crumple check`` reads them.

    Parameters
    ----------
    folder : Path
    model_sha256 : str
        Of the model's file.
    described : dict
        The requirement's payload.
    certificate : dict

    Returns
    -------
    int
        Bytes of the certificate's file.
    """
    asked = envelope(PROPERTY_SCHEMA, described)
    parents = {"model": model_sha256, "property": sha256_bytes(asked)}
    document = envelope(CERTIFICATE_SCHEMA, certificate, parents=parents)
    write_bytes(folder / f"{described['id']}.property.json", asked)
    write_bytes(folder / f"{described['id']}.certificate.json", document)
    return len(document)


def verdicts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The payload of ``proof.json``: all ``rows``, and how many of them are proved."""
    return {"requirements": rows, "proved": sum(row["verdict"] == "proved" for row in rows), "total": len(rows)}


@dataclass(frozen=True, slots=True)
class Result:
    """What a certificate turned out to be worth.

    Attributes
    ----------
    certificate : str
        The property's files, below the folder that was checked, without what follows their first dot.
    property_id, text : str
    verdict : str
        ``proved``; ``violated`` by a counterexample that was replayed; or ``rejected``.
    reason : str
        Why it is not proved.
    """

    certificate: str
    property_id: str
    text: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What the standalone checker said of a folder."""

    results: tuple[Result, ...]

    @property
    def proved(self) -> int:
        """Certificates accepted as proofs."""
        return sum(result.verdict == "proved" for result in self.results)

    @property
    def accepted(self) -> bool:
        """Whether every certificate proves its property, and no property lacks one."""
        return self.proved == len(self.results)


def check_folder(folder: Path) -> Checked:
    """Run the standalone checker over a folder, and replay the counterexamples of what is violated.

    Raises
    ------
    InputDataError
        The folder does not exist or holds no property.
    """
    if not folder.is_dir():
        raise InputDataError(f"{folder}: no such folder; give one that holds model.json and *.certificate.json")
    results = []
    for name, verdict, told in checker.check_folder(folder):
        property_id, text, reason = Path(name).name, told if verdict == "proved" else "", told
        if verdict == "proved":
            reason = ""
        elif _is_violated(folder, name):
            verdict, reason = "violated", "a sequence of the set breaks it when replayed"
        results.append(Result(f"{name}.certificate.json", property_id, text, verdict, reason))
    if not results:
        raise InputDataError(f"{folder}: holds no *.property.json; run `crumple prove` first")
    return Checked(tuple(results))


def _is_violated(folder: Path, name: str) -> bool:
    """Whether a property's certificate carries a counterexample that holds when it is replayed."""
    try:
        payload, digest, _ = checker.read(folder / f"{name}.property.json", PROPERTY_SCHEMA)
        certificate, _, parents = checker.read(folder / f"{name}.certificate.json", CERTIFICATE_SCHEMA)
        for path in sorted(folder.rglob(deployed.FILE)):
            model, model_digest, _ = checker.read(path, deployed.SCHEMA)
            if parents == {"model": model_digest, "property": digest}:
                witness.check(checker.Model(model), payload, certificate)
                return True
    except checker.Rejected:
        return False
    return False


def read_proof(folder: Path) -> Artefact:
    """Read the verdicts of a proof folder. Raises ArtefactError."""
    return read_artefact(folder / PROOF_FILE, PROOF_SCHEMA)
