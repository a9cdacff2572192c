"""Assemble the report from a project folder's artefacts. Every figure in it comes from a file it names."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from crumple import MADE_BY
from crumple.artefact import write_bytes
from crumple.errors import ArtefactError, OutputError, ToolMissingError, WouldOverwriteError

from .argument import argument, argument_svg
from .crossref import ASSUMPTIONS, CHANGE_RULES, CROSS_REFERENCES, RESIDUALS
from .figures import decision_figure, kernels_figure
from .further import Plot, further, kind_of, plots_of
from .project import Project, coverage_command, read_project
from .statements import SCHEMA, simulations, statements
from .tables import (
    counterexamples,
    coverage_rows,
    event_rows,
    explorer_events,
    open_points,
    parameter_rows,
    requirement_rows,
    trace_rows,
)

MARKER = '<meta name="generator" content="crumple report">'
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PDF_TIMEOUT_S = 120


def render_report(project: Project) -> str:
    """The report on a ``project`` as one self-contained HTML page. The same artefacts give the same bytes."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    model, proof = project.payload("model"), project.payload("proof")
    said = statements(project)
    goals = argument(project)
    return environment.from_string(_resource("report.html.j2")).render(
        marker=MARKER,
        made_by=MADE_BY,
        style=_resource("report.css"),
        script=_resource("report.js"),
        project=project,
        model=model,
        proof=proof,
        requirements=requirement_rows(project),
        trace=trace_rows(project),
        parameters=parameter_rows(project),
        validation=project.payload("validation"),
        measured=_measured(project),
        measured_rows=event_rows(project, measured=True),
        synthetic_rows=event_rows(project, measured=False),
        simulations=[(name, corpus, project.payload(name)) for name, corpus in simulations(project)],
        evaluation=project.payload("evaluation"),
        plots=_plots(project),
        coverage=project.payload("coverage"),
        coverage_rows=coverage_rows(project),
        coverage_command=coverage_command(project) if project.recordings else "",
        further=further(project),
        kernels=None if model is None else kernels_figure(model),
        goals=goals,
        argument=argument_svg(goals),
        cross_references=CROSS_REFERENCES,
        assumptions=ASSUMPTIONS,
        residuals=RESIDUALS,
        change_rules=CHANGE_RULES,
        open_points=open_points(project),
        explorer=_embedded({"events": explorer_events(project), "witnesses": list(counterexamples(project))}),
        citations=_embedded({"schema": SCHEMA, "made_by": MADE_BY, "statements": [s.payload() for s in said]}),
        said=said,
    )


def write_report(folder: Path, out: Path, *, force: bool = False) -> None:
    """Render the report of a project folder to a file.

    What is missing, damaged or stale is told on the page, in place, and then raised.

    Parameters
    ----------
    folder : Path
        The project, as ``crumple run`` or ``crumple demo`` lays it out.
    out : Path
        HTML file. An earlier report is replaced; any other file only with ``force``.
    force : bool

    Raises
    ------
    InputDataError
        There is nothing to report on; nothing is written.
    WouldOverwriteError
        ``out`` is something else; nothing is written.
    ArtefactError
        The report is written, and tells what cannot be relied upon.
    """
    project = read_project(folder)
    page = render_report(project).encode("utf-8")
    if out.exists() and not force and (not out.is_file() or MARKER.encode() not in out.read_bytes()[:2000]):
        raise WouldOverwriteError(f"{out}: is not a report of crumple; choose another --out or use --force")
    write_bytes(out, page)
    if project.troubles:
        lines = [f"{folder}: {trouble.text}; mended by: {trouble.mend}" for trouble in project.troubles]
        raise ArtefactError("\n".join([*lines, f"{out}: written, and says so in place"]))


def write_pdf(page: Path, out: Path) -> None:
    """Print a report to PDF with a Chromium of this machine.

    Parameters
    ----------
    page, out : Path
        The HTML file; the PDF to write. It holds a date and so is not byte for byte the same each time.

    Raises
    ------
    ToolMissingError
        There is none, so that no PDF was made.
    OutputError
        It made none.
    """
    browser = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if browser is None:
        raise ToolMissingError(f"{out}: not made: no chromium on the PATH; open {page} and print it to PDF")
    with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as profile:
        made = Path(profile) / "report.pdf"
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--print-to-pdf={made}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PDF_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError(f"{out}: not made: {browser}: {error}") from error
        if not made.is_file():
            told = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise OutputError(f"{out}: not made: {browser} said: {told[0]}")
        write_bytes(out, made.read_bytes())


def _resource(name: str) -> str:
    """A file that ships beside this module."""
    return resources.files("crumple.export.report").joinpath(name).read_text(encoding="utf-8")


def _embedded(value: Any) -> str:
    """JSON that may stand inside a script element whatever it holds."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _measured(project: Project) -> list[dict[str, Any]]:
    """Outcome and figure of every measured event."""
    found = []
    for name, _ in simulations(project):
        timelines = project.timelines(name)
        found += [
            {**event, "figure": decision_figure(timelines[event["name"]], event, span_ms=(-10.0, 60.0))}
            for event in project.payload(name)["events"]
            if event["source"] == "measured" and event["name"] in timelines
        ]
    return found


def _plots(project: Project) -> list[Plot]:
    """Plots that other stages drew: evaluation, and what the report has no section of its own for."""
    here = [(name, project.artefacts[name]) for name in ("evaluation", *project.others) if name in project.artefacts]
    return [plot for name, artefact in here if kind_of(artefact.schema) is None for plot in plots_of(name, artefact)]


__all__ = ["MARKER", "read_project", "render_report", "write_pdf", "write_report"]
