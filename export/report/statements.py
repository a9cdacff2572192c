"""The sentences that a report makes, each with the files that it rests on, so that each can be checked again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from crumple.artefact import Artefact

from .project import Project

SCHEMA = "crumple.report/1"

PROOF = "proof"
"""Kind of a statement that a certificate settles; every other kind rests on hashes alone."""

FACT = "fact"


@dataclass(frozen=True, slots=True)
class Citation:
    """A file, by its path below the project's folder, and the SHA-256 it had."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of the report.

    Attributes
    ----------
    id : str
        Name on the page; also the anchor that it is found under.
    kind : str
        ``proof`` or ``fact``.
    text : str
    verdict : str
        For a proof what its certificate must say; else empty.
    evidence : tuple of Citation
    """

    id: str
    kind: str
    text: str
    verdict: str
    evidence: tuple[Citation, ...]

    def payload(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def statements(project: Project) -> tuple[Statement, ...]:
    """Every checkable sentence about a ``project``, those about artefacts that cannot be believed left out."""
    about = (_proofs, _one_answer, _events, _evaluated, _covered, _further)
    return tuple(statement for told in about for statement in told(project))


def cited(artefact: Artefact) -> tuple[Citation, ...]:
    """An ``artefact`` and every file that it vouches for."""
    folder = artefact.path.parent.name
    files = (Citation(f"{folder}/{name}", digest) for name, digest in sorted(artefact.files.items()))
    return (Citation(f"{folder}/{artefact.path.name}", artefact.sha256), *files)


def _document(project: Project, name: str) -> tuple[Citation, ...]:
    """The document of one artefact alone; nothing where it is not here."""
    if name not in project.artefacts:
        return ()
    artefact = project.artefacts[name]
    return (Citation(f"{name}/{artefact.path.name}", artefact.sha256),)


def _proofs(project: Project) -> Iterator[Statement]:
    proof = project.artefacts.get("proof")
    if proof is None:
        return
    for row in proof.payload["requirements"]:
        own = [f"{row['id']}.property.json", f"{row['id']}.certificate.json"]
        files = tuple(Citation(f"proof/{name}", proof.files[name]) for name in own if name in proof.files)
        yield Statement(
            id=f"requirement-{row['id']}",
            kind=PROOF if len(files) == len(own) else FACT,
            text=f"{row['id']} is {row['verdict']}: {row['text']}",
            verdict=row["verdict"],
            evidence=(*_document(project, "model"), *_document(project, "proof"), *files),
        )


def _one_answer(project: Project) -> Iterator[Statement]:
    found = project.payload("validation")
    if found is not None:
        evidence = (*_document(project, "model"), *_document(project, "validation"))
        if "export" in project.artefacts:
            evidence += cited(project.artefacts["export"])
        wrong = found["c_differs"] + found["onnx_differs"] + found["confirmation_differs"] + found["scalar_differs"]
        text = (
            f"On {found['n_windows']} windows the exported C ({found['compiler']}) and ONNX differ from the integer"
            f" reference in {wrong} answers."
        )
        yield Statement("one-answer", FACT, text, "", evidence)


def _events(project: Project) -> Iterator[Statement]:
    for name, corpus in simulations(project):
        found = project.payload(name)
        evidence = (*_document(project, "export"), *_document(project, corpus), *cited(project.artefacts[name]))
        for source, rows in found["tally"].items():
            for row in rows:
                counts = ", ".join(f"{row[word]} {word}" for word in COUNTED if row[word])
                text = f"Of {row['events']} {source} {row['mode']} events in {corpus}: {counts}."
                yield Statement(f"{name}-{source}-{row['mode']}", FACT, text, "", evidence)


def _evaluated(project: Project) -> Iterator[Statement]:
    found = project.payload("evaluation")
    if found is None:
        return
    evidence = (
        *_document(project, "model"),
        *_document(project, "test-corpus"),
        *cited(project.artefacts["evaluation"]),
    )
    for source, tables in found["sources"].items():
        total = tables["total"]
        counts = ", ".join(f"{total[word]} {word}" for word in COUNTED if total.get(word))
        seen = "seen in training" if found["seen_in_training"] else "never trained on"
        text = f"Of {total['events']} {source} test events, {seen}: {counts}."
        yield Statement(f"evaluation-{source}", FACT, text, "", evidence)


def _covered(project: Project) -> Iterator[Statement]:
    found = project.payload("coverage")
    if found is None:
        return
    corpora = [name for name in ("corpus", *project.recordings) if name in project.artefacts]
    used = set(project.artefacts["coverage"].parents.values())
    evidence = (
        *_document(project, "model"),
        *_document(project, "proof"),
        *(c for name in corpora if project.artefacts[name].sha256 in used for c in _document(project, name)),
        *cited(project.artefacts["coverage"]),
    )
    text = (
        f"{found['covered']} of {found['events_with_label']} labelled measured events lie in a proved set about their"
        " class."
    )
    yield Statement("coverage", FACT, text, "", evidence)


def _further(project: Project) -> Iterator[Statement]:
    for name in project.others:
        if name in project.artefacts:
            artefact = project.artefacts[name]
            text = f"Further evidence: {name} ({artefact.schema})."
            yield Statement(f"further-{name}", FACT, text, "", cited(artefact))


COUNTED = ("in time", "late", "missed", "premature", "silent", "false fire", "not scored")


def simulations(project: Project) -> Iterator[tuple[str, str]]:
    """The simulations that are here, each with its corpus; that of the synthetic corpus of ``project`` first."""
    for name, corpus in (("simulation", "corpus"), *((f"{r}-simulation", r) for r in project.recordings)):
        if name in project.artefacts:
            yield name, corpus
