"""The command ``crumple compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import config_option, emit, force_option, json_option, log, out_option, progress, table
from crumple.config import build, read_toml


@click.command("compare", epilog="Example: crumple compare model --train corpus --test test-corpus")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--train", required=True, type=click.Path(path_type=Path), help="Corpus that MODEL was trained on.")
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Corpus of another seed.")
@config_option
@click.option("--candidates", type=click.IntRange(min=1), help="Settings tried of each baseline.")
@out_option("comparison")
@force_option
@json_option
def compare_command(
    model: Path,
    train: Path,
    test: Path,
    config_path: Path | None,
    candidates: int | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Compare MODEL with classical rules, linear models and two ceilings, all on the same samples.

    Each baseline is tuned by the same search on the same training events, to no false fire among them. The main
    path alone decides, for all alike; arming is left out.
    """
    from .compare import ComparePlan
    from .stages import PLOT_FILE, compare_stage

    values = read_toml(config_path) if config_path else {}
    if candidates is not None:
        values["n_candidates"] = candidates
    plan = build(ComparePlan, values, where=str(config_path) if config_path else "options")
    with progress("compare", 1) as advance:
        artefact = compare_stage(model, train, test, out, plan, force=force, advance=advance)
    found = artefact.payload
    emit({"comparison": found}, comparison_text(found), as_json=as_json)
    log.info("plot: %s", out / PLOT_FILE)


def comparison_text(found: dict[str, Any]) -> str:
    """The payload ``found`` of a comparison as plain-text tables, one a source of evidence.

    *Early* is premature, *-RTTF* the median of time to fire less required time to fire in ms.
    """
    return "\n\n".join(
        table(
            f"{rows[0]['must_fire']} must-fire and {rows[0]['no_fire']} no-fire {source} test events;"
            " thresholds by training; last, late | missed where none fires falsely",
            ("detector", "tried", "late", "missed", "early", "false", "TTF ms", "-RTTF", "at none"),
            [
                (
                    row["name"],
                    row["n_candidates"] or "",
                    row["as_trained"]["late"],
                    row["as_trained"]["missed"],
                    row["as_trained"]["premature"],
                    row["as_trained"]["false_fires"],
                    _median(row["as_trained"]["ttf_ms"], ""),
                    _median(row["as_trained"]["delta_ttf_ms"], "+"),
                    f"{row['at_no_false_fire']['late']} | {row['at_no_false_fire']['missed']}",
                )
                for row in rows
            ],
        )
        for source, rows in found["sources"].items()
    )


def _median(spread: dict[str, float] | None, sign: str) -> str:
    return "" if spread is None else f"{spread['median']:{sign}.1f}"
