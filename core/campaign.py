"""Campaigns: long work from a plan, in shards, on this machine or on a cluster, to be stopped and gone on with.

A plan names its ``kind``, which says what a shard is and how shards become the result. Whoever does the shards, the
result is the same, byte for byte. Finished shards wait in a journal beside the folder to be written.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .artefact import Artefact, Json, Stage
from .config import build, plain, read_toml
from .errors import ConfigError
from .journal import open_journal
from .progress import Advance, quietly
from .shards import ThisProcess, Work, Workers, finish

SCHEMA = "crumple.campaign/1"
FILE = "campaign.json"

Results = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a plan asks for.

    Attributes
    ----------
    parents : dict of str to str
        Hashes of the artefacts it works on.
    config : JSON value
        The resolved plan, without the places of files.
    work : Work
    merge : callable
        Results of all shards in their order, and the folder to write to; returns the artefact's payload.
    """

    parents: dict[str, str]
    config: Json
    work: Work
    merge: Callable[[Results, Path], Json]


def read_campaign(path: Path) -> Campaign:
    """Read a plan and everything that it works on.

    Parameters
    ----------
    path : Path
        TOML; places in it are seen from its own folder.

    Raises
    ------
    ConfigError
        The plan is impossible, or has keys that nobody knows.
    ArtefactError, CorpusError
        What it works on cannot be believed or does not fit together.
    """
    values = read_toml(path)
    kind = values.get("kind")
    if kind is None:
        raise ConfigError(f"{path}: key 'kind' is missing; expected one of {', '.join(KINDS)}")
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(KINDS)}"
        raise ConfigError(f"{path}: kind = {kind!r}: no such campaign; {hint}")
    return KINDS[kind](values, path)


def campaign_stage(
    plan_path: Path,
    out: Path,
    *,
    workers: Workers | None = None,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Do a whole campaign, or what an interrupted one left to do, and write its folder.

    Parameters
    ----------
    plan_path, out : Path
    workers : Workers or None
        None is this process alone. The result does not depend on it.
    force : bool
        See ``Stage.run``; also discards the unfinished work of another plan.
    advance : callable
        Told thousandths of the shards done, and their number.

    Raises
    ------
    ConfigError, WouldOverwriteError, OutputError
        Before any work: the plan, or the place to write to, cannot be used.
    WorkersError, ToolMissingError
        Workers cannot be reached, or die. Shards that are done are kept.
    """
    campaign = read_campaign(plan_path)
    stage = Stage(out, FILE, SCHEMA, campaign.parents, campaign.config)
    state = out.parent / f".{out.name}.campaign"  # beside the folder, which does not exist until all is done
    n_shards = campaign.work.n_shards

    def told(done: int, status: str) -> None:
        advance(1000 * done // n_shards, status)

    def work(folder: Path) -> Json:
        with open_journal(state, stage.key, n_shards, replace=force) as journal:
            finish(campaign.work, journal, workers or ThisProcess(), told)
            return campaign.merge((journal.read(shard) for shard in range(n_shards)), folder)

    artefact = stage.run(work, force=force)
    state.unlink(missing_ok=True)
    return artefact


def _monte_carlo(values: dict[str, Any], path: Path) -> Campaign:
    """Events drawn at random, through the compiled controller."""
    from crumple.export.exported import read_export
    from crumple.firmware_sim import monte_carlo as kind
    from crumple.firmware_sim.stages import require_sensors

    plan = build(kind.MonteCarloPlan, values, where=str(path))
    export = read_export(_beside(path, plan.export))
    require_sensors(export, plan.events.sensors, str(path))

    def merge(results: Results, folder: Path) -> Json:
        tallies, faults = kind.merged(results, folder)
        return {"kind": plan.kind, **summary(tallies, plan.confidence), "faults": faults}

    return Campaign({"export": export.sha256}, _settings(plan, "export"), kind.monte_carlo(plan, export), merge)


def _proofs(values: dict[str, Any], path: Path) -> Campaign:
    """A proof set, one requirement a shard."""
    from crumple.model.analysis import campaigns as kind
    from crumple.model.analysis.properties import read_requirements
    from crumple.model.deployed import read_model

    plan = build(kind.ProofsPlan, values, where=str(path))
    model, artefact = read_model(_beside(path, plan.model))
    requirements = read_requirements(_beside(path, plan.requirements) if plan.requirements else None)
    settings = {**_settings(plan, "model", "requirements"), "requirements": [r.payload() for r in requirements]}

    def merge(results: Results, folder: Path) -> Json:
        return {"kind": plan.kind, **kind.merged_proofs(results, artefact, folder)}

    return Campaign({"model": artefact.sha256}, settings, kind.proofs(model, requirements), merge)


def _firemap(values: dict[str, Any], path: Path) -> Campaign:
    """The cells of a fire map, one strip a shard."""
    from crumple.model.analysis import campaigns as kind
    from crumple.model.deployed import read_model

    plan = build(kind.FireMapCampaignPlan, values, where=str(path))
    model, artefact = read_model(_beside(path, plan.model))

    def merge(results: Results, folder: Path) -> Json:
        return {"kind": plan.kind, **kind.merged_maps(results, model, artefact, plan.maps, folder)}

    return Campaign({"model": artefact.sha256}, _settings(plan, "model"), kind.fire_map(model, plan.maps), merge)


FAILURES = {"must_fire": ("late", "missed", "premature"), "no_fire": ("false fire",)}
"""Verdicts that are failures, by the label of their events."""


def summary(tallies: dict[str, Any], confidence: float) -> dict[str, Any]:
    """What was counted, and what the counts of failures allow one to claim, for every mode and for all together.

    Of all modes together a bound speaks only for the mixture that the plan states, which is no frequency on roads.

    Parameters
    ----------
    tallies : dict
        Counts by mode, as ``monte_carlo.merged`` gives them.
    confidence : float

    Returns
    -------
    dict
        Lists of flat records. ``modes``: events, labels, verdicts, and the range of TTF - RTTF in ms. ``bounds``: of
        each failure and mode the events, how many failed, the two-sided exact interval of the probability and its
        one-sided upper bound after Clopper and Pearson, and three divided by the events where none failed.
        ``failures``: what stood behind them. ``delta_ms``: mode, TTF - RTTF in whole ms rounded down, and events.
    """
    modes: list[dict[str, Any]] = [
        {
            "mode": mode,
            "events": counts["events"],
            "ticks": counts["ticks"],
            **counts["verdicts"],
            **{f"labelled {label}": n for label, n in counts["labels"].items()},
            "least delta_ms": counts["delta_ms"]["least"],
            "most delta_ms": counts["delta_ms"]["most"],
        }
        for mode, counts in tallies.items()
    ]
    bounds = []
    for label, bad in FAILURES.items():
        seen = [
            (row["mode"], sum(row[name] for name in bad), row[f"labelled {label}"])
            for row in modes
            if row[f"labelled {label}"]
        ]
        if seen:
            every = ("all", sum(n for _, n, _ in seen), sum(n for _, _, n in seen))
            bounds += [_bounds(" or ".join(bad), *one, confidence) for one in (every, *seen)]
    return {
        "confidence": confidence,
        "modes": modes,
        "bounds": bounds,
        "failures": [
            {"mode": mode, "why": text, "events": n}
            for mode, counts in tallies.items()
            for text, n in sorted(counts["why"].items(), key=lambda one: (-one[1], one[0]))
        ],
        "delta_ms": [
            [mode, int(ms), n]
            for mode, counts in tallies.items()
            for ms, n in sorted(counts["delta_ms"]["histogram"].items(), key=lambda one: int(one[0]))
        ],
    }


def _bounds(failure: str, mode: str, failures: int, n_events: int, confidence: float) -> dict[str, Any]:
    from crumple.model.evaluation.intervals import clopper_pearson, upper_bound

    low, high = clopper_pearson(failures, n_events, confidence)
    return {
        "failure": failure,
        "mode": mode,
        "events": n_events,
        "failures": failures,
        "low": low,
        "high": high,
        "upper": upper_bound(failures, n_events, confidence),
        "rule_of_three": 3.0 / n_events if failures == 0 else None,
    }


def _beside(plan: Path, place: str) -> Path:
    """A place that a plan names, seen from the plan's folder."""
    return plan.parent / place


def _settings(plan: Any, *places: str) -> Json:
    """The resolved plan without the places of files, which do not change a result."""
    return {key: value for key, value in plain(plan).items() if key not in places}


KINDS: dict[str, Callable[[dict[str, Any], Path], Campaign]] = {
    "monte_carlo": _monte_carlo,
    "proofs": _proofs,
    "firemap": _firemap,
}
"""Kinds of campaign: from a plan's values and its path to the campaign."""
