"""The command of campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .cli import emit, force_option, json_option, out_option, progress, table
from .errors import ConfigError


@click.command("campaign", epilog="Example: crumple campaign plan.toml --out campaign --workers 8")
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False))
@out_option("campaign")
@click.option(
    "--workers", type=click.IntRange(1, 4096), help="Processes on this machine; as many as cores if left out."
)
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask scheduler, such as tcp://host:8786.")
@force_option
@json_option
def campaign_command(
    plan: Path, out: Path, workers: int | None, scheduler: str | None, force: bool, as_json: bool
) -> None:
    """Run the campaign that PLAN describes, in shards that any number of workers may do.

    Stop it and start it again as you like: finished shards are kept beside --out. The result is the same, byte for
    byte, whoever did the work. Kinds of PLAN: monte_carlo draws events, tolerances and phases at random and runs them
    through the compiled controller; proofs proves a set of requirements, and exits as crumple prove does;
    firemap proves the cells of a fire map.
    """
    from crumple.model.commands import refuse_unproved
    from crumple.signals.generate import n_cores

    from .campaign import campaign_stage
    from .cluster import Cluster
    from .processes import Processes
    from .shards import Workers

    if scheduler is not None and workers is not None:
        raise ConfigError("--workers counts processes on this machine, --scheduler uses others; give one of the two")
    chosen: Workers = Processes(workers or n_cores()) if scheduler is None else Cluster(scheduler)
    with progress("campaign", 1000) as advance:
        artefact = campaign_stage(plan, out, workers=chosen, force=force, advance=advance)
    emit({"campaign": artefact.payload}, TABLES[artefact.payload["kind"]](artefact.payload), as_json=as_json)
    if artefact.payload["kind"] == "proofs":
        refuse_unproved(artefact.payload, str(out))


def monte_carlo_table(found: dict[str, Any]) -> str:
    """Counts by mode, and what they allow one to claim, from the payload ``found`` of a Monte Carlo campaign."""
    columns = ("events", "in time", "late", "missed", "premature", "silent", "false fire", "not scored")
    total = {name: sum(row[name] for row in found["modes"]) for name in columns}
    percent = f"{100 * found['confidence']:g} %"
    parts = [
        table(
            "synthetic events in the simulated controller",
            ("mode", *columns),
            [(row["mode"], *(row[name] for name in columns)) for row in [*found["modes"], {"mode": "all", **total}]],
        ),
        table(
            f"probability of failure in this mixture of modes, {percent} confidence",
            ("failure", "events", "seen", "at most", "interval"),
            [
                (
                    row["failure"],
                    row["events"],
                    row["failures"],
                    f"{row['upper']:.3g}",
                    f"{row['low']:.3g} to {row['high']:.3g}",
                )
                for row in found["bounds"]
                if row["mode"] == "all"
            ],
        ),
    ]
    if found["failures"]:
        most = sorted(found["failures"], key=lambda row: -int(row["events"]))
        title = "what stood behind failures" + (f", the {SHOWN} most frequent" if len(most) > SHOWN else "")
        rows = [(row["events"], row["mode"], row["why"]) for row in most[:SHOWN]]
        parts.append(table(title, ("events", "mode", "why"), rows))
    return "\n\n".join(parts)


SHOWN = 20


def proofs_table(found: dict[str, Any]) -> str:
    """Verdicts on all requirements, from the payload ``found`` of a campaign of proofs."""
    rows = [(row["id"], row["verdict"], row["text"], row["detail"]) for row in found["requirements"]]
    title = f"{found['proved']} of {found['total']} requirements proved"
    return table(title, ("id", "verdict", "requirement", "detail"), rows)


def firemap_table(found: dict[str, Any]) -> str:
    """Cells by verdict, from the payload ``found`` of a campaign over a fire map."""
    header = ("map", "proved to fire by RTTF", "proved never to fire", "undecided", "proofs")
    rows = [
        (name, *(found[name]["cells"][verdict] for verdict in ("fires", "never", "undecided")), found[name]["proofs"])
        for name in ("pulses", "bursts")
    ]
    return table("cells", header, rows)


TABLES = {"monte_carlo": monte_carlo_table, "proofs": proofs_table, "firemap": firemap_table}
"""How each kind's payload is shown."""
