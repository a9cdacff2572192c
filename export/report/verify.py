"""Check a report again: every file it cites, every certificate, and the page itself."""

from __future__ import annotations

import html.parser
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from crumple.artefact import sha256_file
from crumple.config import STRICT, build
from crumple.errors import ArtefactError, ConfigError, InputDataError
from crumple.model.stages import check_folder

from .page import MARKER, render_report
from .project import Project, read_project
from .statements import PROOF, SCHEMA, Statement

THE_PAGE = "page"


@dataclass(frozen=True, slots=True)
class Citations:
    """What a page embeds about itself."""

    __pydantic_config__ = STRICT
    schema: Annotated[str, Field(pattern=f"^{SCHEMA}$")]
    made_by: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether one sentence of a report still holds.

    Attributes
    ----------
    id, text : str
        The sentence.
    reasons : tuple of str
        Why it no longer holds; none if it does.
    mend : str
        The command that mends it.
    """

    id: str
    text: str
    reasons: tuple[str, ...]
    mend: str

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


class _Citations(html.parser.HTMLParser):
    """Collects the text of the script element with the citations."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter the element, told by ``tag`` and its ``attrs``."""
        self.inside = tag == "script" and ("id", "citations") in attrs

    def handle_endtag(self, tag: str) -> None:
        """Leave whatever ``tag`` ends."""
        self.inside = False

    def handle_data(self, data: str) -> None:
        """Keep ``data`` of the element."""
        if self.inside:
            self.text += data


def read_citations(page: Path) -> Citations:
    """What a page cites.

    Parameters
    ----------
    page : Path

    Raises
    ------
    InputDataError
        Not a report of crumple, or its citations cannot be read.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputDataError(f"{page}: cannot read the report: {error}; write it with `crumple report`") from error
    if MARKER not in text[:2000]:
        raise InputDataError(f"{page}: is not a report of crumple")
    parser = _Citations()
    parser.feed(text)
    try:
        return build(Citations, json.loads(parser.text), where=str(page))
    except (ValueError, ConfigError) as error:
        raise InputDataError(
            f"{page}: its citations cannot be read: {error}; write it with `crumple report`"
        ) from error


def verify_report(folder: Path, page: Path) -> tuple[Finding, ...]:
    """Check every sentence of a report against the files of its project, and every certificate anew.

    Parameters
    ----------
    folder : Path
        The project.
    page : Path
        Its report.

    Returns
    -------
    tuple of Finding
        One a sentence, and one about the page as a whole, last.

    Raises
    ------
    InputDataError
        The page or the project cannot be read at all.
    """
    citations = read_citations(page)
    project = read_project(folder)
    certified = _certified(folder)
    found = [_finding(folder, project, statement, certified) for statement in citations.statements]
    return (*found, _whole(project, page, citations))


def _certified(folder: Path) -> dict[str, str]:
    """What the standalone checker says of each certificate, by its path; nothing where it cannot run."""
    try:
        return {result.certificate: result.verdict for result in check_folder(folder).results}
    except InputDataError:
        return {}


def _finding(folder: Path, project: Project, statement: Statement, certified: dict[str, str]) -> Finding:
    """Whether one statement still holds."""
    reasons, mend = [], ""
    names = {citation.path.split("/")[0] for citation in statement.evidence}
    for citation in statement.evidence:
        path = folder / citation.path
        if ".." in Path(citation.path).parts or Path(citation.path).is_absolute():
            reasons.append(f"cites {citation.path}, which is outside of the project")
        elif not path.is_file():
            reasons.append(f"{citation.path} is missing")
        elif sha256_file(path) != citation.sha256:
            reasons.append(f"{citation.path} is another file than the one cited")
        elif statement.kind == PROOF and citation.path.endswith(".certificate.json"):
            said = certified.get(citation.path, "not found by the checker")
            if said != statement.verdict:
                reasons.append(f"the checker says of {citation.path}: {said}")
    for trouble in project.told(*sorted(names)):
        reasons.append(trouble.text)
        mend = mend or trouble.mend
    if not statement.evidence:
        reasons.append("it cites no evidence")
    if reasons and not mend:
        mend = f"crumple report {folder}"
    return Finding(statement.id, statement.text, tuple(dict.fromkeys(reasons)), mend)


def _whole(project: Project, page: Path, citations: Citations) -> Finding:
    """Whether the page is, byte for byte, what these artefacts give."""
    text = "The page is what its artefacts give, byte for byte."
    try:
        same = render_report(project).encode("utf-8") == page.read_bytes()
    except (ArtefactError, KeyError, TypeError, ValueError) as error:
        return Finding(THE_PAGE, text, (f"it cannot be rendered again: {error}",), f"crumple report {project.folder}")
    if same:
        return Finding(THE_PAGE, text, (), "")
    reason = f"it was changed, or its artefacts were, since {citations.made_by} wrote it"
    return Finding(THE_PAGE, text, (reason,), f"crumple report {project.folder}")
