"""``crumple augment``: recordings joined into one corpus, and varied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from crumple.cli import config_option, emit, force_option, json_option, out_option, progress, table
from crumple.config import build, read_toml

from .augmented import AugmentPlan, augment_stage
from .batches import open_corpus
from .corpus import SOURCES
from .events import LABELS


@click.command("augment", epilog="Example: crumple augment recording-crashes recording-misuse --copies 4 --out corpus")
@click.argument("corpora", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@click.option(
    "--copies",
    type=click.IntRange(0, 10_000),
    help="Of each measured event. Overrides the file.  [default: 4]",
)
@click.option("--corners", is_flag=True, help="Also see each one by sensors at every corner of their tolerances.")
@click.option(
    "--superposed",
    type=click.IntRange(0, 10_000),
    help="Also make so many copies of each with another measured no-fire event added.  [default: 0]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed; the same seed gives the same bytes. Overrides the file."
)
@out_option("corpus")
@force_option
@json_option
def augment_command(
    corpora: tuple[Path, ...],
    config_path: Path | None,
    copies: int | None,
    corners: bool,
    superposed: int | None,
    seed: int | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Join CORPORA into one to train on, and vary each measured event in level, length and sensor.

    Every event is kept as it is. Copies are synthetic and say what they are made of. By default a must-fire event
    becomes no softer or shorter and a no-fire event no harder or longer, so that labels hold; the TOML file of
    --config holds seed, copies, corners, superposed, added_after_s, and scale and stretch of [must_fire] and [no_fire].
    """
    plan = AugmentPlan() if config_path is None else build(AugmentPlan, read_toml(config_path), where=str(config_path))
    plan = plan if copies is None else replace(plan, copies=copies)
    plan = replace(plan, corners=True) if corners else plan
    plan = plan if superposed is None else replace(plan, superposed=superposed)
    plan = plan if seed is None else replace(plan, seed=seed)
    with progress("augmenting events", sum(len(open_corpus(folder).table) for folder in corpora)) as advance:
        artefact = augment_stage(corpora, out, plan, force=force, advance=advance)
    events = open_corpus(out).table
    pairs = list(zip(events.source.tolist(), events.label.tolist(), strict=True))
    counts = {source: {label: pairs.count((source, label)) for label in LABELS} for source in SOURCES}
    document = {
        "corpus": {"path": str(artefact.path), "sha256": artefact.sha256, "parents": dict(artefact.parents)},
        "counts": counts,
    }
    header = ["source", *(label.replace("_", "-") for label in LABELS), "all"]
    rows = [[source, *(n or "" for n in row.values()), sum(row.values())] for source, row in counts.items()]
    emit(document, table(f"{len(events)} events in {out}", header, [row for row in rows if row[-1]]), as_json=as_json)
