"""``crumple cover``: which proved set each measured event lies in, and what lies outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import emit, force_option, json_option, out_option, progress, table


@click.command("cover", epilog="Example: crumple cover model proof recording --out coverage")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("proof", type=click.Path(path_type=Path))
@click.argument("corpora", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("coverage")
@force_option
@json_option
def cover_command(model: Path, proof: Path, corpora: tuple[Path, ...], out: Path, force: bool, as_json: bool) -> None:
    """Say of each measured event of CORPORA which proved set it lies in, and how far outside it lies of the others.

    A factor of a set of signals says how many times larger the event is than the set allows; a deviation from a set of
    pulses is the least noise on every sample that would put the event into the set.
    """
    from .coverage_stage import cover_stage

    with progress("coverage", 1000) as advance:
        artefact = cover_stage(model, proof, corpora, out, force=force, advance=advance)
    payload = artefact.payload
    rows = [
        (
            event["name"],
            event["label"].replace("_", "-"),
            ", ".join(event["covered_by"]) or "none",
            "; ".join(f"{one['id']} {_said(one)}" for one in event["distances"]),
        )
        for event in payload["events"]
    ]
    title = f"{payload['covered']} of {payload['events_with_label']} labelled measured events lie in a proved set"
    header = ("event", "class", "inside", "factor of signals, deviation from pulses")
    emit({"coverage": payload, "out": str(out)}, table(title, header, rows), as_json=as_json)


def _said(one: dict[str, Any]) -> str:
    low, high = one["at_least"], one["at_most"]
    unit = " g" if one["measure"].endswith(" g") else "x"
    return f"{low:.3g}{unit}" if low == high else f"{low:.3g} to {high:.3g}{unit}"
