"""The analysis commands: explain, firemap, diff, limits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from crumple.cli import config_option, emit, force_option, json_option, log, out_option, progress, table
from crumple.config import build, read_toml
from crumple.errors import CheckFailedError, ConfigError, InputDataError

from .properties import read_requirements

MOST_SENSITIVE = 4
"""Parameters that `crumple explain` lists as text; JSON has all."""

requirements_option = click.option(
    "--requirements",
    "requirements_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with requirements; the shipped reference set of a frontal sensor if left out.",
)


@click.command("explain", epilog="Example: crumple explain crumple-demo/model crumple-demo/corpus kerb_00003")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@click.argument("event", required=False)
@click.option("--distance/--no-distance", default=True, help="Also prove how much noise the verdict survives (slow).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write for the report: of EVENT, or else of every measured event and the first of each other mode.",
)
@force_option
@json_option
def explain_command(
    model: Path, corpus: Path, event: str | None, distance: bool, out: Path | None, force: bool, as_json: bool
) -> None:
    """Say why the integers of MODEL fire, or do not, on one EVENT of CORPUS.

    Shows the activation pattern, the exact contribution of every sample, the least change of one parameter that turns
    the vote, and how much noise the verdict is proved to survive, and shown not to. With --out, writes what the
    report shows of it to a folder, with proofs that `crumple check` re-checks.
    """
    if out is not None:
        _write_explanations(model, corpus, event, out, distance=distance, force=force, as_json=as_json)
    elif event is not None:
        _explain_one(model, corpus, event, distance=distance, as_json=as_json)
    else:
        raise ConfigError("name an EVENT to explain, or add --out FOLDER to write those that the report shows")


def _write_explanations(
    model: Path, corpus: Path, event: str | None, out: Path, *, distance: bool, force: bool, as_json: bool
) -> None:
    from .explanations import explanations_stage

    with progress("explain", 100) as advance:
        names = () if event is None else (event,)
        artefact = explanations_stage(model, corpus, out, names, distance=distance, force=force, advance=advance)
    told = artefact.payload["events"]
    rows = [
        (
            one["name"],
            one["source"],
            "never" if one["fired_at_ms"] is None else f"{one['fired_at_ms']:.1f} ms",
            f"{one['explained_at_ms']:.1f} ms",
            *_distance_cells(one["distance"]),
        )
        for one in told
    ]
    header = ("event", "source", "fires at", "explained at", "proved up to", "flips at")
    text = table(f"{len(told)} events explained; see {out}", header, rows)
    emit({"explanations": told, "out": str(out)}, text, as_json=as_json)


def _distance_cells(far: dict[str, Any] | None) -> tuple[str, str]:
    """The two ends of a distance in words."""
    if far is None:
        return "not asked", "not asked"
    holds, flips, lsb_g = far["holds_lsb"], far["flips_lsb"], far["lsb_g"]
    kept = "nothing proved" if holds < 0 else f"{holds} counts ({holds * lsb_g:g} g)"
    return kept, "not found" if flips is None else f"{flips} counts ({flips * lsb_g:g} g)"


def _explain_one(model: Path, corpus: Path, event: str, *, distance: bool, as_json: bool) -> None:
    from crumple.model.deployed import read_model
    from crumple.signals.corpus import read_corpus

    from . import checker
    from . import explain as module
    from .explanations import distance_json, explained, named
    from .sensitivity import parameters

    deployed, _ = read_model(model)
    found = named(read_corpus(corpus)[0], event, corpus)
    counts = found.main_lsb
    told = module.explain(deployed, counts)
    period_ms = 1e3 / deployed.sample_rate_hz
    start_ms = 1e3 * found.first_sample_s
    document: dict[str, Any] = {
        "event": event,
        **explained(deployed, found, told),
        "kernel": told.kernel.tolist(),
        "y_trace": told.y.tolist(),
    }
    order = sorted(range(told.kernel.size), key=lambda i: -abs(int(told.contributions[i])))[:8]
    at = told.decisive - told.kernel.size + 1
    rows: list[tuple[object, ...]] = [
        ("fire requested", "never" if told.fired_at is None else f"{document['fired_at_ms']:.1f} ms"),
        ("explained window ends at", f"{document['explained_at_ms']:.1f} ms, y = {document['y']}"),
        ("activation pattern", told.pattern),
        ("constant", told.constant),
        *(
            (f"sample at {start_ms + (at + i) * period_ms:.1f} ms", f"{int(told.contributions[i]):+d}")
            for i in sorted(order)
        ),
        ("all other samples", f"{int(told.contributions.sum() - told.contributions[order].sum()):+d}"),
    ]
    sensitive = parameters(deployed, module.windows_of(checker.Model(deployed.payload()).main, counts)[told.decisive])
    document["parameters"] = [asdict(parameter) for parameter in sensitive]
    rows += [
        (f"this vote turns if {p.name} goes", f"from {p.value} to {p.value + p.flips_by}")
        for p in sensitive[:MOST_SENSITIVE]
        if p.flips_by is not None
    ]
    if distance:
        document["distance"] = distance_json(module.distance(deployed, counts))
        holds, flips = _distance_cells(document["distance"])
        rows += [("verdict proved to stay up to", holds), ("and shown to flip at", flips)]
    emit(document, table(f"Why {event} ({found.source})", ("what", "value"), rows), as_json=as_json)


@click.command("firemap", epilog="Example: crumple firemap model --corpus corpus --out firemap")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="Corpus that MODEL was trained on: the best classical rule, tuned on it, is drawn beside MODEL.",
)
@config_option
@out_option("firemap")
@force_option
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes.")
@json_option
def firemap_command(
    model: Path, corpus: Path | None, config_path: Path | None, out: Path, force: bool, processes: int, as_json: bool
) -> None:
    """Map what MODEL is proved to fire on in time, and what never to: pulses, and sine bursts.

    Over delta-V and duration of pulses, over frequency and amplitude of bursts; and by when each cell of the must-fire
    family is proved to fire under the sensor's tolerances. Writes pictures (SVG, PNG, HTML),
    the model, and a property with its certificate for every block of cells, which `crumple check` re-checks. Proofs are
    kept as they are found: run the same command again to go on after an interruption.
    """
    from .maps import MapsPlan, firemap_stage

    plan = build(MapsPlan, read_toml(config_path), where=str(config_path)) if config_path else MapsPlan()
    with progress("fire map", 100) as advance:
        artefact = firemap_stage(model, out, plan, corpus=corpus, n_processes=processes, force=force, advance=advance)
    payload = artefact.payload
    document = {**payload, "config": artefact.config["firemap"], "out": str(out)}
    rows = [
        (name, *(payload[key]["cells"][verdict] for verdict in ("fires", "never", "undecided")), payload[key]["proofs"])
        for key, name in (("pulses", f"{plan.pulses.shape} pulses"), ("bursts", "sine bursts"))
    ]
    header = ("map", "proved to fire by RTTF", "proved never to fire", "undecided", "proofs")
    family = payload["family"]
    late = [row for row in family["rows"] if row["late_ms"]]
    told = table(f"Cells; see {out / 'firemap.html'}", header, rows) + "\n" + table(
        "Must-fire family under tolerances",
        ("cells", "proved in time", "proved late", "by at most", "not proved", "proofs"),
        [
            (
                sum(family["cells"].values()), family["cells"]["in_time"], len(late),
                f"{max((row['late_ms'] for row in late), default=0.0):.1f} ms", family["cells"]["unproved"],
                family["proofs"],
            )
        ],
    )  # fmt: skip
    emit(document, told, as_json=as_json)


@click.command("kernels", epilog="Example: crumple kernels model corpus --out kernels")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("corpus", type=click.Path(path_type=Path))
@config_option
@out_option("kernels")
@force_option
@json_option
def kernels_command(model: Path, corpus: Path, config_path: Path | None, out: Path, force: bool, as_json: bool) -> None:
    """Draw the matched filters of MODEL that decide most events of CORPUS, and count the patterns no event visits.

    Within one activation pattern of the hidden nodes MODEL is one matched filter. Which patterns are reachable is
    counted exactly: a window shows that one is, integers show that one is not.
    """
    from .kernels import PLOT_FILE, KernelsPlan, kernels_stage

    plan = build(KernelsPlan, read_toml(config_path), where=str(config_path)) if config_path else KernelsPlan()
    with progress("kernels", 2) as advance:
        artefact = kernels_stage(model, corpus, out, plan, force=force, advance=advance)
    told = artefact.payload
    rows = [
        (kernel["pattern"], len(kernel["events"]), ", ".join(f"{n} {label}" for label, n in kernel["labels"].items()),
         ", ".join(kernel["sources"]), kernel["windows"])
        for kernel in told["kernels"]
    ]  # fmt: skip
    count = f"{told['reachable']}{'' if told['is_complete'] else ' or more'} reachable patterns"
    undecided = f", {told['undecided']} undecided" if told["undecided"] else ""
    title = (
        f"{told['decided_by_drawn']} of {told['events']} events are decided by {len(rows)} kernels; "
        f"{count}{undecided}, {told['visited']} visited, {len(told['unvisited'])} by no event"
    )
    text = table(title, ("pattern", "events", "of which", "source", "windows"), rows)
    emit({"kernels": told, "out": str(out)}, text, as_json=as_json)
    log.info("picture: %s", out / PLOT_FILE)


@click.command("diff", epilog="Example: crumple diff old-model new-model")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@requirements_option
@json_option
def diff_command(before: Path, after: Path, requirements_path: Path | None, as_json: bool) -> None:
    """Say what changes for each property from model BEFORE to model AFTER.

    Exits 1 if a property is lost.
    """
    from crumple.model.deployed import read_model

    from .limits import compare

    old, new = read_model(before)[0], read_model(after)[0]
    changes = compare(old, new, list(read_requirements(requirements_path)))
    rows = [
        (c.id, c.before, c.after, _moved(c.margin_before, c.margin_after), "yes" if c.is_reusable else "no", c.text)
        for c in changes
    ]
    lost = [c.id for c in changes if c.before == "proved" != c.after]
    gained = [c.id for c in changes if c.before != "proved" == c.after]
    document = {"changes": [asdict(c) for c in changes], "lost": lost, "gained": gained, "is_same": old == new}
    header = ("id", "before", "after", "margin of y", "proof reusable", "requirement")
    emit(document, table(f"{len(gained)} gained, {len(lost)} lost", header, rows), as_json=as_json)
    if lost:
        raise CheckFailedError(f"{after}: no longer proved: {', '.join(lost)}")


def _moved(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    return f"{before:.4g} to {after:.4g} ({after / before - 1:+.1%})" if before else f"{before:.4g} to {after:.4g}"


@click.command("limits", epilog="Example: crumple limits model R1 amplitude_g")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("requirement", required=False)
@click.argument("key", required=False)
@requirements_option
@json_option
def limits_command(
    model: Path, requirement: str | None, key: str | None, requirements_path: Path | None, as_json: bool
) -> None:
    """Find how far each requirement of MODEL could be pushed: exact optima, with evidence on both sides.

    Of one REQUIREMENT (and one KEY of its set, or by_ms) if named, else of each one's most telling key.
    """
    from crumple.model.deployed import read_model

    from .limits import limit, limit_key

    deployed, _ = read_model(model)
    chosen = [r for r in read_requirements(requirements_path) if requirement in (None, r.id)]
    if not chosen:
        raise InputDataError(f"there is no requirement {requirement!r}")
    keyed = [(r, key or limit_key(r)) for r in chosen]
    found = []
    with progress("limits", len(keyed)) as advance:
        for done, (each, name) in enumerate(keyed, 1):
            if name is not None:
                found.append(limit(deployed, each, name))
            advance(done, each.id)
    numbers = [
        {
            "id": f.requirement,
            "key": f.key,
            "required": f.required,
            "proved": None if f.proved is None else str(f.proved),
            "violated": None if f.violated is None else str(f.violated),
            "is_exact": f.is_exact,
            "proof": f.proof,
            "counterexample": f.counterexample,
        }
        for f in found
    ]
    rows = [(f.requirement, f.key, f.required, _number(f.proved), _number(f.violated), f.is_exact) for f in found]
    header = ("id", "key", "required", "proved up to", "violated at", "exact")
    emit({"limits": numbers}, table("How far each could be pushed", header, rows), as_json=as_json)
    log.debug("%d limits", len(found))


def _number(value: Any) -> str:
    return "none" if value is None else f"{float(value):.6g}"
