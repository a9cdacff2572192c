"""The model's commands: train, prove, check."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Any

import click

from crumple.cli import config_option, emit, force_option, json_option, log, out_option, progress, table
from crumple.config import build, read_toml
from crumple.errors import CheckFailedError, UndecidedError

from .analysis.properties import read_requirements

requirements_option = click.option(
    "--requirements",
    "requirements_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with requirements; the shipped reference set of a frontal sensor if left out.",
)


@click.command("train", epilog="Example: crumple train corpus --out model")
@click.argument("corpus", type=click.Path(path_type=Path))
@config_option
@requirements_option
@click.option("--seed", type=click.IntRange(min=0), help="Overrides the configuration's seed.")
@out_option("model")
@force_option
@json_option
def train_command(
    corpus: Path,
    config_path: Path | None,
    requirements_path: Path | None,
    seed: int | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Train a net on CORPUS and write the integers that ship.

    Requirements are an input of training: their certified bounds are penalised, and they cap the threshold. Exits 1
    if the net cannot meet all of them together, naming a pair that conflicts; the model is kept.
    """
    from .deployed import read_model
    from .stages import train_stage
    from .tradeoff import conflict
    from .training import TrainingPlan

    plan = build(TrainingPlan, read_toml(config_path), where=str(config_path)) if config_path else TrainingPlan()
    if seed is not None:
        plan = with_changes(plan, seed=seed)
    requirements = read_requirements(requirements_path)
    with progress("train", plan.n_steps) as advance:
        artefact = train_stage(corpus, out, plan, requirements, force=force, advance=advance)
    with progress("conflicts", len(requirements)) as advance:
        found = conflict(read_model(artefact.path)[0], requirements, advance, priced=False)
    model = artefact.payload
    n_parameters = sum(len(row) + 2 for row in model["hidden_weight"]) + 1
    document = {"model": str(artefact.path), "sha256": artefact.sha256, "n_parameters": n_parameters}
    document["conflict"] = found.text() if found else None
    text = table(
        "Deployed model",
        ("what", "value"),
        [
            ("file", artefact.path),
            ("SHA-256", artefact.sha256),
            ("shape", f"{len(model['hidden_weight'][0])}-{len(model['hidden_weight'])}-1, {n_parameters} integers"),
            ("confirmation", f"{model['confirm_votes']} of {model['confirm_window']} samples"),
        ],
    )
    emit(document, text, as_json=as_json)
    if found:
        raise CheckFailedError(f"{out}: {found.text()}; see `crumple tradeoff {out}`")


@click.command("prove", epilog="Example: crumple prove model --out proof")
@click.argument("model", type=click.Path(path_type=Path))
@requirements_option
@out_option("proof")
@force_option
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@json_option
def prove_command(
    model: Path, requirements_path: Path | None, out: Path, force: bool, processes: int, as_json: bool
) -> None:
    """Prove the requirements on the integers of MODEL, and write a certificate for each.

    Exits 1 if a requirement is violated or vacuous (its set is empty, or holds nothing but silence), else 5 if one is
    undecided; neither is ever counted as proved. Verdicts are kept as they are found: run the same command again to go
    on after an interruption.
    """
    from crumple.processes import Processes
    from crumple.shards import ThisProcess

    from .stages import prove_stage

    requirements = read_requirements(requirements_path)
    with progress("prove", len(requirements)) as advance:
        workers = ThisProcess() if processes == 1 else Processes(processes)
        artefact = prove_stage(model, out, requirements, workers=workers, force=force, advance=advance)
    payload = artefact.payload
    rows = [(row["id"], row["verdict"], row["text"], row["detail"]) for row in payload["requirements"]]
    title = f"{payload['proved']} of {payload['total']} requirements proved"
    emit({"requirements": payload}, table(title, ("id", "verdict", "requirement", "detail"), rows), as_json=as_json)
    refuse_unproved(payload, str(out))


def refuse_unproved(payload: dict[str, Any], where: str) -> None:
    """Raise CheckFailedError or UndecidedError, naming ``where``, unless a ``payload`` has only proved requirements."""
    verdicts = {row["verdict"] for row in payload["requirements"]}
    if "violated" in verdicts:
        raise CheckFailedError(f"{where}: a requirement is violated; its certificate holds a sequence that shows it")
    if "vacuous" in verdicts:
        empty = next(row for row in payload["requirements"] if row["verdict"] == "vacuous")
        raise CheckFailedError(
            f"{where}: a requirement is vacuous, so that nothing is proved: {empty['id']}: {empty['detail']}"
        )
    if "unknown" in verdicts:
        first = next(row for row in payload["requirements"] if row["verdict"] == "unknown")
        raise UndecidedError(
            f"{where}: a requirement is undecided, which counts as not proved: {first['id']}: {first['detail']}"
        )


@click.command("check", epilog="Example: crumple check crumple-demo")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def check_command(folder: Path, as_json: bool) -> None:
    """Re-check every certificate below FOLDER against the model and property files beside it.

    The checker is one file of standard-library Python that imports nothing of crumple; its path is printed,
    so that it can be read, copied and run alone.
    """
    from .analysis import checker
    from .stages import check_folder

    checked = check_folder(folder)
    rows = [(r.property_id, r.verdict, r.text or r.certificate, r.reason) for r in checked.results]
    title = f"{checked.proved} of {len(checked.results)} certificates prove their requirement"
    document = {
        "accepted": checked.accepted,
        "certificates": [asdict(result) for result in checked.results],
        "proved": checked.proved,
        "total": len(checked.results),
    }
    emit(document, table(title, ("id", "verdict", "requirement", "why not"), rows), as_json=as_json)
    log.info("checked by %s", checker.__file__)
    if not checked.accepted:
        first = next(result for result in checked.results if result.verdict != "proved")
        raise CheckFailedError(f"{folder}: {first.certificate}: {first.verdict}: {first.reason or first.text}")
