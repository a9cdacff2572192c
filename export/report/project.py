"""The artefacts of a project folder as the report finds them: believed, or in trouble and told so.

Nothing here stops at the first thing that is wrong: what can be believed is shown, and what cannot is named with the
command that mends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crumple.artefact import ENVELOPE_KEYS, Artefact, read_artefact
from crumple.errors import ArtefactError, InputDataError

PROJECT_FILE = "crumple.toml"
MANIFEST = "corpus.json"
TIMELINES = "timelines.json"

EXPLANATIONS = "crumple.explanations"


def explanation_folder(corpus: str) -> str:
    """Where the explanations of a ``corpus`` lie unless the user chose another folder."""
    return "explanation" if corpus == "corpus" else f"explanation-{corpus}"


def explanation_command(corpus: str) -> str:
    """What explains the events of a ``corpus`` that the report shows."""
    return f"crumple explain model {corpus} --out {explanation_folder(corpus)}"


COMMANDS = {
    "crumple.firemap": "crumple firemap model --out firemap",
    "crumple.faults": "crumple faults export corpus --out faults",
    "crumple.campaign": "crumple campaign PLAN.toml --out campaign",
    "crumple.target": "crumple target export corpus --out target",
    "crumple.kernels": "crumple kernels model corpus --out kernels",
    EXPLANATIONS: explanation_command("corpus"),
}
"""What makes the artefacts in further folders, by schema without its version."""

PARTS = ("crumple.property", "crumple.certificate", "crumple.model")
"""Documents that also lie beside an artefact as its files; they speak for a folder only where nothing else does."""


@dataclass(frozen=True, slots=True)
class Source:
    """One artefact that the report has words for: its folder, document and schema, and the command that makes it.

    ``is_in_chain`` tells whether ``crumple run`` makes it too.
    """

    name: str
    document: str
    schema: str
    command: str
    is_in_chain: bool = True


SOURCES = (
    Source("corpus", MANIFEST, "crumple.corpus/1", "crumple generate --out corpus"),
    Source("model", "model.json", "crumple.model/1", "crumple train corpus --out model"),
    Source("proof", "proof.json", "crumple.proof/1", "crumple prove model --out proof"),
    Source("export", "export.json", "crumple.export/1", "crumple export model --out export"),
    Source("validation", "validation.json", "crumple.validation/1", "crumple validate model export corpus"),
    Source("simulation", "simulation.json", "crumple.simulation/1", "crumple simulate export corpus"),
)
"""What every report is about. What else lies in the folder is shown too, where it is there."""

TEST_CORPUS = Source("test-corpus", MANIFEST, "crumple.corpus/1", "crumple generate --seed 1 --out test-corpus")
EVALUATION = Source(
    "evaluation", "evaluation.json", "crumple.evaluation/1", "crumple evaluate model --corpus test-corpus"
)

COVERAGE = Source(
    "coverage", "coverage.json", "crumple.coverage/1", "crumple cover model proof recording --out coverage"
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an artefact cannot be relied upon.

    Attributes
    ----------
    name : str
        Its folder.
    kind : str
        ``missing``, ``damaged`` (changed after it was written, or unreadable) or ``stale``.
    text : str
        One sentence, without absolute paths.
    mend : str
        The command that mends it, run in the project's folder.
    """

    name: str
    kind: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Project:
    """What lies in a project folder.

    Attributes
    ----------
    folder : Path
    artefacts : dict
        By folder name, each read and every hash in it verified; stale ones included.
    troubles : tuple of Trouble
        In the order of work.
    recordings : tuple of str
        Folders of imported corpora.
    others : tuple of str
        Folders with artefacts that the report has no words of its own for.
    """

    folder: Path
    artefacts: dict[str, Artefact]
    troubles: tuple[Trouble, ...]
    recordings: tuple[str, ...]
    others: tuple[str, ...]

    def payload(self, name: str) -> Any:
        """Payload of the artefact ``name``; None where it is not here or cannot be believed."""
        return self.artefacts[name].payload if name in self.artefacts else None

    def timelines(self, name: str) -> Any:
        """Full traces of the simulation ``name``."""
        return json.loads(self.artefacts[name].file(TIMELINES).read_bytes())

    def told(self, *names: str) -> list[Trouble]:
        """Troubles of the artefacts ``names``."""
        return [trouble for trouble in self.troubles if trouble.name in names]


def read_project(folder: Path) -> Project:
    """Read every artefact of a project folder and find out which can be relied upon.

    Parameters
    ----------
    folder : Path
        As ``crumple run`` and ``crumple demo`` lay it out.

    Raises
    ------
    InputDataError
        There is nothing to report on.
    """
    recordings = tuple(sorted(path.parent.name for path in folder.glob(f"recording*/{MANIFEST}")))
    sources = [*SOURCES, *(Source(r, MANIFEST, "crumple.corpus/1", "crumple import") for r in recordings)]
    for recording in recordings:
        simulation = f"{recording}-simulation"
        command = f"crumple simulate export {recording} --out {simulation}"
        sources.append(Source(simulation, "simulation.json", "crumple.simulation/1", command))
    perhaps = (TEST_CORPUS, EVALUATION, coverage_of(recordings))
    sources += [source for source in perhaps if (folder / source.name).is_dir()]
    known = {source.name for source in sources}
    others = list(_others(folder, known, recordings))
    sources += others
    if not any((folder / source.name / source.document).is_file() for source in sources):
        first = SOURCES[0]
        raise InputDataError(
            f"{folder / first.name / first.document}: missing, nothing to report yet; make it with `{first.command}`,"
            " or everything with `crumple run` or `crumple demo`"
        )
    whole = (folder / PROJECT_FILE).is_file()
    artefacts: dict[str, Artefact] = {}
    troubles: dict[str, Trouble] = {}
    for source in sources:
        path = folder / source.name / source.document
        if not path.is_file():
            text = f"{source.name}/{source.document} is missing"
            troubles[source.name] = Trouble(source.name, "missing", text, _mend(source, whole, force=False))
            continue
        try:
            artefacts[source.name] = read_artefact(path, source.schema)
        except ArtefactError as error:
            text = str(error).replace(f"{folder}/", "").replace(f"{folder}\\", "")
            troubles[source.name] = Trouble(source.name, "damaged", text, _mend(source, whole, force=True))
    for source in sources:
        reason = _stale(source.name, artefacts, recordings)
        if reason and source.name in artefacts:
            text = f"{source.name}/{source.document} is stale: {reason}"
            mend = _mend(source, whole, force=not (whole and source.is_in_chain))
            troubles[source.name] = Trouble(source.name, "stale", text, mend)
    ordered = tuple(troubles[source.name] for source in sources if source.name in troubles)
    return Project(folder, artefacts, ordered, recordings, tuple(other.name for other in others))


def coverage_of(recordings: tuple[str, ...]) -> Source:
    """What makes the coverage of a project with these folders of ``recordings``."""
    named = " ".join(recordings) or "recording"
    return replace(COVERAGE, command=f"crumple cover model proof {named} --out coverage")


def coverage_command(project: Project) -> str:
    """What makes the coverage of a ``project`` that has none."""
    return _mend(coverage_of(project.recordings), (project.folder / PROJECT_FILE).is_file(), force=False)


def _mend(source: Source, whole_project: bool, *, force: bool) -> str:
    """The command that makes an artefact anew, in the project's folder."""
    if whole_project and source.is_in_chain:
        return f"crumple run{' --force' if force else ''} {source.name}"
    return f"{source.command}{' --force' if force else ''}"


def _others(folder: Path, known: set[str], recordings: tuple[str, ...]) -> Iterator[Source]:
    """Artefacts in further folders, one a folder, told by their documents' own schema."""
    found: dict[str, Source] = {}
    of_recordings = {explanation_folder(name): explanation_command(name) for name in recordings}
    for path in sorted(folder.glob("*/*.json")):
        name = path.parent.name
        if name in known or name.startswith("."):
            continue
        try:
            document = json.loads(path.read_bytes())
        except (ValueError, RecursionError, OSError):
            continue
        if not isinstance(document, dict) or set(document) != ENVELOPE_KEYS:
            continue
        schema = document["schema"]
        if not isinstance(schema, str) or not schema.startswith("crumple."):
            continue
        if name not in found or found[name].schema.partition("/")[0] in PARTS:
            stem = schema.partition("/")[0]
            command = COMMANDS.get(stem, f"crumple --help, for what makes {schema}")
            if stem == EXPLANATIONS:
                command = of_recordings.get(name, command)
            found[name] = Source(name, path.name, schema, command, is_in_chain=False)
    known.update(found)
    yield from found.values()


def _stale(name: str, artefacts: dict[str, Artefact], recordings: tuple[str, ...], depth: int = 0) -> str:
    """Why an artefact was not made from what lies beside it; empty if it was. Recordings come from foreign files."""
    if name not in artefacts or name in recordings or depth > len(artefacts):
        return ""
    by_hash = {artefact.sha256: other for other, artefact in artefacts.items()}
    for role, digest in sorted(artefacts[name].parents.items()):
        parent = by_hash.get(digest)
        if parent is None:
            return f"made from another {role.partition('_')[0]} than lies here"
        if _stale(parent, artefacts, recordings, depth + 1):
            return f"made from {parent}, which is stale itself"
    return ""
