"""The command ``crumple evaluate``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Any

import click

from crumple.cli import config_option, emit, force_option, json_option, log, out_option, progress, table
from crumple.config import build, read_toml


@click.command("evaluate", epilog="Example: crumple evaluate model --corpus test-corpus --out evaluation")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="Corpus folder, best never trained on.")
@config_option
@click.option("--allow-one-class", is_flag=True, help="Also evaluate a corpus without must-fire or no-fire events.")
@click.option("--claim", type=float, help="False-fire probability an event to support; refused if events are too few.")
@out_option("evaluation")
@force_option
@json_option
def evaluate_command(
    model: Path,
    corpus: Path,
    config_path: Path | None,
    allow_one_class: bool,
    claim: float | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Evaluate the deployed integers of MODEL on every event of a corpus.

    Per event: time to fire, misses, lateness, false fires with exact bounds; then immunity to scaling, corners of the
    sensor's tolerances, superposition, threshold maps. Synthetic and measured events are never pooled.
    """
    from .stages import MAPS_FILE, OUTCOMES_FILE, PLOT_FILE, EvaluationPlan, evaluate_stage

    values = read_toml(config_path) if config_path else {}
    if claim is not None:
        values["claimed_false_fire"] = claim
    plan = build(EvaluationPlan, values, where=str(config_path) if config_path else "options")
    if allow_one_class:
        plan = with_changes(plan, allow_one_class=True)
    with progress("evaluate", 1) as advance:
        artefact = evaluate_stage(model, corpus, out, plan, force=force, advance=advance)
    found = artefact.payload
    emit({"evaluation": found}, evaluation_text(found), as_json=as_json)
    log.info("every event: %s; plots: %s, %s", out / OUTCOMES_FILE, out / PLOT_FILE, out / MAPS_FILE)


def evaluation_text(found: dict[str, Any]) -> str:
    """The payload ``found`` of an evaluation as plain-text tables, one set a source of evidence."""
    parts = []
    for source, tables in found["sources"].items():
        rows = [*tables["modes"], {"mode": "all", **tables["total"]}]
        parts.append(
            table(
                f"{source} events" + (", SEEN IN TRAINING" if found["seen_in_training"] else ""),
                (
                    "mode",
                    "events",
                    "in time",
                    "late",
                    "missed",
                    "premature",
                    "silent",
                    "false fires",
                    "p(false) <",
                    "TTF-RTTF ms",
                ),
                [
                    (
                        row["mode"],
                        row["events"],
                        *(row[word] for word in ("in time", "late", "missed", "premature", "silent", "false fire")),
                        "" if row["false_fire_upper"] is None else f"{row['false_fire_upper']:.2g}",
                        _span(row["delta_ttf_ms"]),
                    )
                    for row in rows
                ],
            )
        )
    for source, tables in found["sources"].items():
        if "second_stage" in tables:
            parts.append(
                table(
                    f"Second stage, {source} events, once the first has fired",
                    ("severity", "events", "asked for", "by RTTF + 10 ms", "first asked, ms (least, median, most)"),
                    [
                        (row["severity"], row["events"], row["asked"], row["in time"], _span(row["time_ms"]))
                        for row in tables["second_stage"]
                    ],
                )
            )
    scaling = [
        (
            row["mode"],
            row["what"],
            row["events"],
            *(f"{row['factor'][point]:.3f}" for point in ("min", "median", "max")),
        )
        for row in found["scaling"]
    ]
    if scaling:
        parts.append(
            table(
                "Factors by which events that are right may be scaled (the closest of each mode)",
                ("mode", "what", "events", "min", "median", "max"),
                scaling,
            )
        )
    corners: dict[tuple[str, str], Counter[str]] = {}
    for row in found["tolerance_corners"]:
        corners.setdefault((row["source"], row["mode"]), Counter()).update(row["corners"])
    for title, rows_of in (
        ("Corners of the sensor's tolerances", [(*key, _words(words)) for key, words in corners.items()]),
        (
            "Superposition",
            [
                (r["source"], f"{r['mode']} + {r['added']}", f"{_words(r['together'])}  (alone: {_words(r['alone'])})")
                for r in found["superposition"]
            ],
        ),
    ):
        if rows_of:
            parts.append(table(title, ("source", "mode", "verdicts"), rows_of))
    if found["claim"]:
        for source, supported in found["claim"]["supported"].items():
            parts.append(
                f"{source}: a false-fire probability below {found['claim']['false_fire_below']:g} at"
                f" {100 * found['claim']['confidence']:g} % confidence is {'' if supported else 'NOT '}supported"
            )
    return "\n\n".join(parts)


def _words(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{n} {word}" for word, n in sorted(counts.items()))


def _span(delta: dict[str, float] | None) -> str:
    return "" if delta is None else f"{delta['min']:+.1f} / {delta['median']:+.1f} / {delta['max']:+.1f}"
