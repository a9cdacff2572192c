"""The command ``crumple ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crumple.cli import config_option, emit, force_option, json_option, log, progress, table
from crumple.config import build, read_toml

from .analysis.properties import read_requirements
from .commands import requirements_option


@click.command("ablate", epilog="Example: crumple ablate --train corpus --test test-corpus --out ablation")
@click.option("--train", required=True, type=click.Path(path_type=Path), help="Corpus that every trial trains on.")
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Corpus of another seed.")
@config_option
@requirements_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="ablation",
    show_default=True,
    help="Folder that holds a folder a trial, and the table; trials that are there and current are kept.",
)
@force_option
@json_option
def ablate_command(
    train: Path,
    test: Path,
    config_path: Path | None,
    requirements_path: Path | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Change one choice of the net at a time, and measure what it buys.

    Hidden nodes, inputs, weight bits, K of M, penalties on and off: each is trained to the requirements, proved, and
    judged on the test corpus.
    """
    from .ablation import PLOT_FILE, TABLE_FOLDER, AblationPlan, ablate_stage, trials

    plan = build(AblationPlan, read_toml(config_path), where=str(config_path)) if config_path else AblationPlan()
    requirements = read_requirements(requirements_path)
    with progress("ablate", len(trials(plan))) as advance:
        artefact = ablate_stage(train, test, out, plan, requirements, replace=True, force=force, advance=advance)
    emit({"ablation": artefact.payload}, ablation_text(artefact.payload), as_json=as_json)
    log.info("plot: %s", out / TABLE_FOLDER / PLOT_FILE)


def ablation_text(found: dict[str, Any]) -> str:
    """The payload ``found`` of an ablation as plain-text tables, one a source of evidence.

    *Wrong at none*: late or missed at the threshold that no no-fire test event exceeds, arming left out.
    """
    sources = dict.fromkeys(source for row in found["trials"] for source in row.get("sources", ()))
    header = ("choice", "value", "integers", "proved", "late", "missed", "false fires", "wrong at none", "TTF-RTTF ms")
    parts = []
    for source in sources:
        rows: list[tuple[object, ...]] = []
        for row in found["trials"]:
            if "refused" in row:
                rows.append((row["choice"], row["value"], "refused", *[""] * 6))
                continue
            total = row["sources"][source]
            delta = total["delta_ttf_ms"]
            rows.append(
                (
                    row["choice"],
                    row["value"],
                    row["n_parameters"],
                    f"{row['proved']} of {row['requirements']}",
                    *(total[word] for word in ("late", "missed", "false fire")),
                    total.get("late_or_missed_at_no_false_request", ""),
                    "" if delta is None else f"{delta['median']:+.1f}",
                )
            )
        parts.append(table(f"{source} test events", header, rows))
    refused = [f"{r['choice']} {r['value']}: {r['refused']}" for r in found["trials"] if "refused" in r]
    return "\n\n".join([*parts, *refused])
