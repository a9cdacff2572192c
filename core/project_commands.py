"""The project's commands: init, run, status."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .artefact import Artefact, write_bytes
from .cli import emit, json_option, log, progress, table
from .errors import CheckFailedError, ConfigError, OutputError, UndecidedError, WouldOverwriteError

if TYPE_CHECKING:
    from .chain import State, Step

REPORT_FILE = "report.html"

project_option = click.option(
    "--project",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="Folder that holds crumple.toml.",
)


@click.command("init", epilog="Example: crumple init my-sensor && crumple run --project my-sensor")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@json_option
def init_command(folder: Path, as_json: bool) -> None:
    """Write a commented project into FOLDER: crumple.toml, and the reference requirements to make your own.

    What is already there is never replaced.
    """
    from .project import PROJECT_FILE, REQUIREMENTS_FILE, project_text, requirements_text

    texts = {PROJECT_FILE: project_text(), REQUIREMENTS_FILE: requirements_text()}
    for name in texts:
        if (folder / name).exists():
            raise WouldOverwriteError(f"{folder / name}: is already there; init replaces nothing")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from error
    for name, text in texts.items():
        write_bytes(folder / name, text.encode("utf-8"))
    where = "" if folder == Path() else f" --project {folder}"
    told = "\n".join([*(f"wrote {folder / name}" for name in texts), f"next: crumple run{where}"])
    emit({"files": [str(folder / name) for name in texts]}, told, as_json=as_json)


@click.command("status", epilog="Example: crumple status --project my-sensor")
@project_option
@json_option
def status_command(root: Path, as_json: bool) -> None:
    """Say of every stage whether it is up to date, and if not why and which command mends it. Runs nothing.

    Exits 1 unless everything is up to date.
    """
    from .chain import Condition, chain, look_at_all
    from .project import read_project

    states = look_at_all(root, chain(root, read_project(root)))
    found = Counter(state.condition for state in states)
    rows = [(state.step, state.condition.value, state.why, state.mend) for state in states]
    title = f"{found[Condition.CURRENT]} of {len(states)} stages are up to date"
    document = {"current": found[Condition.CURRENT], "total": len(states), "stages": [_told(s) for s in states]}
    emit(document, table(title, ("stage", "state", "why", "mended by"), rows), as_json=as_json)
    if found[Condition.CURRENT] != len(states):
        raise CheckFailedError(f"{root}: {len(states) - found[Condition.CURRENT]} stages are not up to date")


@click.command("run", epilog="Example: crumple run, or crumple run --force model")
@click.argument("stages", nargs=-1)
@project_option
@click.option("--force", is_flag=True, help="Make the named stages again (all, if none is named), damaged or not.")
@json_option
def run_command(stages: tuple[str, ...], root: Path, force: bool, as_json: bool) -> None:
    """Bring every stage of the project up to date, or only STAGES and what they need; then write report.html.

    What is current is not run again; of the rest it says why. After Ctrl-C finished stages are kept: run it again to
    go on. Exits 1 if a requirement is violated or implementations differ, 5 if a requirement is undecided.
    """
    from .chain import Condition, chain, look, with_needs
    from .project import read_project

    steps = chain(root, read_project(root))
    _refuse_unknown(stages, steps)
    states: dict[str, State] = {}
    made: dict[str, Artefact] = {}
    told: list[dict[str, Any]] = []
    for step in with_needs(steps, stages) if stages else steps:
        forced = force and (not stages or step.name in stages)
        state = look(root, step, states)
        if forced or state.condition is not Condition.CURRENT:
            log.info("%s: %s", step.name, "made again as asked" if forced else f"{state.condition.value}: {state.why}")
            with progress(step.title, step.work) as advance:
                made[step.name] = step.run(forced, advance)
            states[step.name] = look(root, step, states)
            told.append({**_told(state), "ran": True, "sha256": made[step.name].sha256})
        else:
            with progress(f"{step.name}: current", 1):
                made[step.name] = step.run(False, lambda done, status: None)
            states[step.name] = state
            told.append({**_told(state), "ran": False, "sha256": made[step.name].sha256})
    report = None if stages else _report(root)
    rows = [(row["stage"], "made" if row["ran"] else "was current", row["why"], row["sha256"][:12]) for row in told]
    document = {"stages": told, "report": None if report is None else report.name, **_answers(made)}
    text = table(f"{root / 'crumple.toml'}", ("stage", "now", "why", "SHA-256"), rows)
    emit(document, "\n".join([text, *([] if report is None else [f"report: {report}"])]), as_json=as_json)
    raise_unless_proved(root, made)


def _report(root: Path) -> Path:
    """Write the report of a finished project."""
    from crumple.export.report.page import write_report

    write_report(root, root / REPORT_FILE)
    return root / REPORT_FILE


def _refuse_unknown(names: tuple[str, ...], steps: tuple[Step, ...]) -> None:
    """Raise ConfigError for a stage that the project does not have, with the nearest that it has."""
    known = [step.name for step in steps]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"this project has {', '.join(known)}"
            raise ConfigError(f"unknown stage {name!r}; {hint}")


def _told(state: State) -> dict[str, Any]:
    return {"stage": state.step, "state": state.condition.value, "why": state.why, "mend": state.mend}


def _answers(made: dict[str, Artefact]) -> dict[str, Any]:
    """Verdicts and differences, of the stages that were looked at."""
    answers: dict[str, Any] = {}
    if "proof" in made:
        payload = made["proof"].payload
        answers["verdicts"] = {row["id"]: row["verdict"] for row in payload["requirements"]}
    if "validation" in made:
        answers["differences"] = differences(made["validation"])
    return answers


def differences(validation: Artefact) -> int:
    """Answers that differ from the reference anywhere in the artefact ``validation``."""
    found = validation.payload
    return int(found["c_differs"] + found["onnx_differs"] + found["confirmation_differs"] + found["scalar_differs"])


def raise_unless_proved(where: Path, made: dict[str, Artefact]) -> None:
    """Raise what the verdicts of a chain call for.

    Parameters
    ----------
    where : Path
        Folder that messages name.
    made : dict
        Artefacts by the name of their step; of the proof and the validation only those that are there are judged.

    Raises
    ------
    CheckFailedError
        A requirement is violated or empty, or an implementation differs from the reference.
    UndecidedError
        None is violated, but one is undecided.
    """
    if "validation" in made and (wrong := differences(made["validation"])):
        raise CheckFailedError(f"{where}: {wrong} answers differ between Python, C and ONNX")
    if "proof" not in made:
        return
    payload = made["proof"].payload
    if payload["proved"] == payload["total"]:
        return
    told = f"{where}: {payload['proved']} of {payload['total']} requirements proved"
    verdicts = {row["verdict"] for row in payload["requirements"]} - {"proved"}
    raise (UndecidedError(told) if verdicts == {"unknown"} else CheckFailedError(told))
