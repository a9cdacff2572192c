"""The command ``crumple crossvalidate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from crumple.cli import config_option, emit, force_option, json_option, out_option, progress, table
from crumple.config import build, read_toml

from .analysis.properties import read_requirements
from .commands import requirements_option


@click.command("crossvalidate", epilog="Example: crumple crossvalidate corpus --by mode --out by-mode")
@click.argument("corpora", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--by",
    type=click.Choice(["mode", "vehicle", "fold", "seed"]),
    help="What is left out in turn: a mode, a vehicle (give a corpus for each), a fold; or nothing, but other seeds.",
)
@click.option("--test", type=click.Path(path_type=Path), help="Corpus to judge on, with --by seed.")
@config_option
@requirements_option
@out_option("crossvalidation")
@force_option
@json_option
def crossvalidate_command(
    corpora: tuple[Path, ...],
    by: str | None,
    test: Path | None,
    config_path: Path | None,
    requirements_path: Path | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Train again and again on part of the CORPORA, and judge each net on what it never saw."""
    from .crossvalidation import CrossPlan, crossvalidate_stage

    values = read_toml(config_path) if config_path else {}
    if by is not None:
        values["by"] = by
    plan = build(CrossPlan, values, where=str(config_path) if config_path else "options")
    requirements = read_requirements(requirements_path)
    with progress("cross-validate", plan.n_seeds if plan.by == "seed" else plan.n_folds) as advance:
        artefact = crossvalidate_stage(corpora, test, out, plan, requirements, force=force, advance=advance)
    emit({"crossvalidation": artefact.payload}, crossvalidation_text(artefact.payload), as_json=as_json)


def crossvalidation_text(found: dict[str, Any]) -> str:
    """The payload ``found`` of a cross-validation as plain-text tables, one a source, with the spread over splits."""
    parts = []
    for source, splits in found["sources"].items():
        rows: list[tuple[object, ...]] = [
            (
                row["split"],
                row["trained_on"],
                *(row[word] for word in ("in time", "late", "missed", "premature", "silent", "false fire")),
                "" if row["delta_ttf_ms"] is None else f"{row['delta_ttf_ms']['median']:+.1f}",
            )
            for row in splits
        ]
        words = ("in time", "late", "missed", "premature", "silent", "false fire")
        counts = np.array([[row[word] for word in words] for row in splits])
        rows.append(("min/med/max", "", *(_spread(column) for column in counts.T), ""))
        parts.append(
            table(
                f"{source} events never trained on, left out by {found['by']}",
                (
                    "left out",
                    "trained on",
                    "in time",
                    "late",
                    "missed",
                    "premature",
                    "silent",
                    "false fires",
                    "TTF-RTTF ms",
                ),
                rows,
            )
        )
    return "\n\n".join(parts)


def _spread(values: np.ndarray[Any, Any]) -> str:
    return f"{values.min()}/{int(np.median(values))}/{values.max()}"
