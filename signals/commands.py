"""``crumple generate`` and ``crumple import``: the two ways to a corpus."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import click

from crumple.artefact import Artefact
from crumple.cli import config_option, emit, force_option, json_option, out_option, progress, table
from crumple.config import build, read_toml

from .batches import EventTable, open_corpus
from .corpus import Corpus, read_corpus
from .events import LABELS
from .formats.mapping import read_map
from .generate import PLANS, CorpusPlan, n_cores, shipped_plan
from .recording import quality_of
from .stages import ImportSettings, generate_stage, import_stage


@click.command("generate")
@config_option
@click.option("--plan", "plan_name", type=click.Choice(PLANS), help="A plan that comes with crumple, for --config.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed; the same seed gives the same bytes. Overrides the file."
)
@click.option(
    "--workers",
    "n_workers",
    type=click.IntRange(min=1),
    help="Processes; more than there are cores counts as all.  [default: all, or 1 for a small plan]",
)
@out_option("corpus")
@force_option
@json_option
def generate_command(
    config_path: Path | None,
    plan_name: str | None,
    seed: int | None,
    n_workers: int | None,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Generate a labelled corpus of synthetic crash and misuse events.

    Every event is a physical signal seen through two sensors. The TOML file of --config holds a corpus plan:
    seed, counts (events by mode), sensors, rttf. The plan all_modes has 200 events of every mode there is. Events
    go to the file as they are drawn, so memory does not grow with their number; the same plan gives the same bytes
    with any number of workers.

    \b
    Example:
      crumple generate --seed 7 --out corpus
      crumple generate --plan all_modes --workers 2 --out all-modes
    """
    if config_path is not None and plan_name is not None:
        raise click.UsageError("--plan and --config both state the plan; give one of them")
    if config_path is not None:
        plan = build(CorpusPlan, read_toml(config_path), where=str(config_path))
    else:
        plan = CorpusPlan() if plan_name is None else shipped_plan(plan_name)
    if seed is not None:
        plan = replace(plan, seed=seed)
    n_workers = None if n_workers is None else min(n_workers, n_cores())
    with progress("generating events", sum(plan.counts.values())) as advance:
        artefact = generate_stage(plan, out, force=force, n_workers=n_workers, advance=advance)
    events = open_corpus(out).table
    document = {"corpus": _corpus(artefact), "events": [{"mode": m, **n} for m, n in _counts(events).items()]}
    emit(document, _by_mode(f"{len(events)} synthetic events in {out}", events), as_json=as_json)


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with what the recordings do not say: label, units, polarity, rate, time zero, place.",
)
@config_option
@out_option("recording")
@force_option
@json_option
def import_command(
    paths: tuple[Path, ...], map_path: Path | None, config_path: Path | None, out: Path, force: bool, as_json: bool
) -> None:
    """Read measured recordings into a corpus.

    PATH is a file, or the folder of a test that is kept in several files; its format is recognised by
    content. What a file does not say is never guessed: state it in --map, which holds for every PATH.

    \b
    Example:
      crumple import v10146/ --out recording
    """
    mapping = None if map_path is None else read_map(map_path)
    settings = ImportSettings()
    if config_path is not None:
        settings = build(ImportSettings, read_toml(config_path), where=str(config_path))
    artefact = import_stage(paths, out, mapping=mapping, force=force, sensors=settings.sensors, rttf=settings.rttf)
    corpus, _ = read_corpus(out)
    document = {"corpus": _corpus(artefact), "events": _events(corpus)}
    emit(document, _by_event(f"{len(corpus)} events in {out}", corpus), as_json=as_json)


def _corpus(artefact: Artefact) -> dict[str, object]:
    """Which corpus it is, for ``--json``."""
    return {"path": str(artefact.path), "sha256": artefact.sha256, "parents": dict(artefact.parents)}


def _events(corpus: Corpus) -> list[dict[str, object]]:
    """Every event without its samples, for ``--json``."""
    return [
        {
            "name": event.name,
            "mode": event.mode,
            "source": event.source,
            "label": event.label,
            "rttf_ms": None if math.isnan(event.rttf_s) else 1e3 * event.rttf_s,
            "speed_kmh": None if math.isnan(event.speed_kmh) else event.speed_kmh,
            "quality": quality_of(event),
            "provenance": event.provenance,
        }
        for event in corpus
    ]


def _counts(events: EventTable) -> dict[str, dict[str, int]]:
    """Events counted by mode, in order of appearance, and label."""
    counts: dict[str, dict[str, int]] = {}
    for mode, label in zip(events.mode.tolist(), events.label.tolist(), strict=True):
        counts.setdefault(mode, dict.fromkeys(LABELS, 0))[label] += 1
    return counts


def _by_mode(title: str, events: EventTable) -> str:
    """The counts as a table."""
    rows = [[mode, *(n or "" for n in row.values()), sum(row.values())] for mode, row in _counts(events).items()]
    return table(title, ["mode", *(label.replace("_", "-") for label in LABELS), "all"], rows)


def _by_event(title: str, corpus: Corpus) -> str:
    """One line an event, then the quality of its channels and where it comes from."""
    rows = [
        (
            event.name,
            event.mode,
            event.label.replace("_", "-"),
            "-" if math.isnan(event.speed_kmh) else f"{event.speed_kmh:.2f}",
            "-" if math.isnan(event.rttf_s) else f"{1e3 * event.rttf_s:.1f}",
            event.main_lsb.size,
            len(quality_of(event)),
        )
        for event in corpus
    ]
    parts = [table(title, ["event", "mode", "label", "km/h", "required ms", "samples", "on quality"], rows)]
    for event in corpus:
        parts.append("\n".join([f"{event.name}:", *(f"  {line}" for line in event.provenance.splitlines())]))
    return "\n\n".join(parts)
