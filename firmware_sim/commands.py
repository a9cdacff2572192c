"""The controller's command: simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import emit, force_option, json_option, log, out_option, progress, table


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
