"""The controller's commands: simulate, faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import emit, force_option, json_option, log, out_option, progress, table
from crumple.errors import CheckFailedError


@click.command("simulate", epilog="Example: crumple simulate export corpus --out simulation")
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@out_option("simulation")
@force_option
@json_option
def simulate_command(export: Path, corpus: Path, out: Path, force: bool, as_json: bool) -> None:
    """Compile the EXPORT folder into the simulated airbag controller and run every event of CORPUS through it.

    Sample by sample, from power-on, both sensors. The C compiler is the system's cc, else ziglang's.
    """
    from .stages import simulate_stage

    with progress("simulate", 1) as advance:
        artefact = simulate_stage(export, corpus, out, force=force, advance=advance)
    found = artefact.payload
    log.info("compiled by %s", found["compiler"])
    emit(
        {"simulation": {"tally": found["tally"], "events": found["events"]}},
        tally_table(found["tally"]),
        as_json=as_json,
    )


@click.command("faults", epilog="Example: crumple faults export corpus --out faults")
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@out_option("faults")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise and jitter.")
@force_option
@json_option
def faults_command(export: Path, corpus: Path, out: Path, seed: int, force: bool, as_json: bool) -> None:
    """Try the complete list of single faults on the EXPORT folder's controller, in rest and in events of CORPUS.

    Every bit of state and parameters, sensors, frames, clock, supply, firing loops and sequences of misuse, each from
    several moments on. An interrupted run goes on where it was. Exits with 1 if a goal is missed.
    """
    from .fault_stage import faults_stage

    with progress("faults", 1000) as advance:
        artefact = faults_stage(export, corpus, out, seed=seed, force=force, advance=advance)
    found = artefact.payload
    for reason in found["left_out"]:
        log.warning("left out: %s", reason)
    emit({"faults": found}, faults_tables(found), as_json=as_json)
    if missed := [goal for goal in found["goals"] if not goal["holds"]]:
        raise CheckFailedError(
            f"{artefact.path}: {len(missed)} of {len(found['goals'])} goals missed,"
            f" first: {missed[0]['goal']} ({missed[0]['figure']})"
        )


def faults_tables(found: dict[str, Any]) -> str:
    """The payload of a fault list, ``found``, as text: goals, counts by class of fault and event, what is left."""
    goals = table(
        "goals",
        ("goal", "figure", "holds"),
        [(g["goal"], g["figure"], "yes" if g["holds"] else "NO") for g in found["goals"]],
    )
    counts = table(
        "single faults",
        ("fault", "event", "runs", "harmless", "detected", "omitted, noticed", "omitted, silent", "unintended"),
        [
            (
                row["family"],
                row["class"],
                row["faults"],
                row["harmless"],
                row["detected"],
                row["omitted, noticed"],
                row["omitted fire"] - row["omitted, noticed"],
                row["unintended fire"],
            )
            for row in found["table"]
        ],
    )
    percent = "all harmless" if found["coverage"] is None else f"{found['coverage']} %"
    left = [one for one in found["rest"] if not one["noticed"] or one["outcome"] == "unintended fire"]
    n_left = sum(one["faults"] for one in left)
    said = f"coverage {percent}; {n_left} runs not covered, each with its reason in `rest` of faults.json"
    return f"{counts}\n\n{goals}\n\n{said}"


def tally_table(tally: dict[str, Any]) -> str:
    """The tally of a simulation as text, one table a source of evidence."""
    return "\n\n".join(
        table(
            f"{source} events in the simulated controller",
            (
                "mode",
                "events",
                "in time",
                "late",
                "missed",
                "premature",
                "silent",
                "false fires",
                "TTF - RTTF ms (min/med/max)",
            ),
            [
                (
                    row["mode"],
                    row["events"],
                    row["in time"],
                    row["late"],
                    row["missed"],
                    row["premature"],
                    row["silent"],
                    row["false fire"],
                    span(row["delta_ttf_ms"]),
                )
                for row in rows
            ],
        )
        for source, rows in tally.items()
    )


def span(delta: dict[str, float] | None) -> str:
    """Range of TTF - RTTF, the ``delta`` of a tally's row, as text."""
    return "" if delta is None else f"{delta['min']:+.1f} / {delta['median']:+.1f} / {delta['max']:+.1f}"
