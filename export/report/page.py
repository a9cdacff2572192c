"""Assemble the report from a project folder's artefacts. Every figure in it comes from a file it names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from crumple import MADE_BY
from crumple.artefact import Artefact, read_artefact, write_bytes
from crumple.errors import InputDataError, WouldOverwriteError

from .figures import decision_figure, kernels_figure, ladder_figure

MARKER = '<meta name="generator" content="crumple report">'

# Folder in the project, artefact document in it, schema, whether the report cannot do without.
SOURCES = (
    ("corpus", "corpus.json", "crumple.corpus/1", True),
    ("recording", "corpus.json", "crumple.corpus/1", False),
    ("model", "model.json", "crumple.model/1", True),
    ("proof", "proof.json", "crumple.proof/1", True),
    ("export", "export.json", "crumple.export/1", True),
    ("validation", "validation.json", "crumple.validation/1", True),
    ("simulation", "simulation.json", "crumple.simulation/1", True),
    ("recording-simulation", "simulation.json", "crumple.simulation/1", False),
)
COMMANDS = {
    "corpus": "crumple generate",
    "model": "crumple train",
    "proof": "crumple prove",
    "export": "crumple export",
    "validation": "crumple validate",
    "simulation": "crumple simulate",
}


@dataclass(frozen=True, slots=True)
class Project:
    """The artefacts that a report is about, each read and believed."""

    artefacts: dict[str, Artefact]

    def payload(self, name: str) -> Any:
        """Payload of an artefact; None where the project has none of that name."""
        return self.artefacts[name].payload if name in self.artefacts else None

    def timelines(self, name: str) -> Any:
        """Full traces of the simulation of that name."""
        return json.loads(self.artefacts[name].file("timelines.json").read_bytes())


def read_project(folder: Path) -> Project:
    """Read every artefact of a project folder and check that they belong together.

    Raises
    ------
    InputDataError
        A stage's result is missing, changed, or was made from something else than what lies beside it.
    """
    artefacts = {}
    for name, document, schema, needed in SOURCES:
        path = folder / name / document
        if path.is_file():
            artefacts[name] = read_artefact(path, schema)
        elif needed:
            raise InputDataError(f"{path}: missing; make it with `{COMMANDS[name]}`, or everything with `crumple demo`")
    for name, parent, role in (
        ("model", "corpus", "corpus"),
        ("proof", "model", "model"),
        ("export", "model", "model"),
        ("validation", "export", "export"),
        ("simulation", "export", "export"),
        ("simulation", "corpus", "corpus"),
        ("recording-simulation", "export", "export"),
        ("recording-simulation", "recording", "corpus"),
    ):
        if name in artefacts and parent in artefacts and artefacts[name].parents[role] != artefacts[parent].sha256:
            raise InputDataError(
                f"{artefacts[name].path}: stale, made from another {parent} than {artefacts[parent].path};"
                " make it again"
            )
    return Project(artefacts)


def render_report(project: Project) -> str:
    """The report as one self-contained HTML page. The same artefacts give the same bytes."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("crumple.export.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    simulation = project.payload("simulation")
    model = project.payload("model")
    measured = project.payload("recording-simulation")
    return environment.from_string(template).render(
        marker=MARKER,
        made_by=MADE_BY,
        artefacts=[(name, a.path.name, a.schema, a.sha256) for name, a in project.artefacts.items()],
        corpus=project.payload("corpus"),
        model=model,
        model_sha256=project.artefacts["model"].sha256,
        proof=project.payload("proof"),
        validation=project.payload("validation"),
        files=sorted(project.artefacts["export"].files.items()),
        tally=simulation["tally"],
        measured_tally=measured["tally"] if measured else {},
        measured=_measured(project),
        synthetic=_synthetic(project),
        ladder=ladder_figure(simulation["events"]),
        kernels=kernels_figure(model),
    )


def write_report(folder: Path, out: Path, *, force: bool = False) -> None:
    """Render the report of a project folder to a file.

    Parameters
    ----------
    folder : Path
        The project, as ``crumple demo`` lays it out.
    out : Path
        HTML file. An earlier report is replaced; any other file only with ``force``.

    Raises
    ------
    InputDataError, WouldOverwriteError
    """
    page = render_report(read_project(folder)).encode("utf-8")
    if out.exists() and not force and (not out.is_file() or MARKER.encode() not in out.read_bytes()[:2000]):
        raise WouldOverwriteError(f"{out}: is not a report of crumple; choose another --out or use --force")
    write_bytes(out, page)


def _measured(project: Project) -> list[dict[str, Any]]:
    """Outcome and figure of every measured event."""
    found = project.payload("recording-simulation")
    if not found:
        return []
    timelines = project.timelines("recording-simulation")
    return [
        {**event, "figure": decision_figure(timelines[event["name"]], event, span_ms=(-10.0, 60.0))}
        for event in found["events"]
    ]


def _synthetic(project: Project) -> list[dict[str, Any]]:
    """Outcome and figure of the first event of every synthetic mode."""
    timelines = project.timelines("simulation")
    events = {event["name"]: event for event in project.payload("simulation")["events"]}
    return [
        {**events[name], "figure": decision_figure(timelines[name], events[name], span_ms=(-10.0, 120.0))}
        for name in sorted(timelines, key=lambda name: list(events).index(name))
    ]
