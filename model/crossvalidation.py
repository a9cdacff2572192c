"""How much a result depends on which events were trained on, and on the random start.

Each *split* trains a net with one plan and judges it on events that it never saw: those of a mode, of a vehicle (a
corpus of its own), of a fold; or, for the spread of seeds, on a test corpus. Rows of synthetic and measured events stay
apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from crumple.artefact import Artefact, Json, Stage
from crumple.config import STRICT, plain
from crumple.errors import ConfigError, CorpusError
from crumple.progress import Advance, quietly
from crumple.signals.batches import CorpusInMemory
from crumple.signals.corpus import Corpus, Event, read_corpus
from crumple.signals.events import MUST_FIRE, NO_FIRE

from .analysis.properties import RequirementSet
from .evaluation.judge import by_source, judge
from .training import TrainingPlan, train

SCHEMA = "crumple.crossvalidation/1"
FILE = "crossvalidation.json"

By = Literal["mode", "vehicle", "fold", "seed"]


@dataclass(frozen=True, slots=True)
class CrossPlan:
    """What to leave out, and how to train on the rest; the TOML file of ``crumple crossvalidate --config``."""

    __pydantic_config__ = STRICT
    by: Annotated[By, Field(description="what a split leaves out; seed leaves out nothing and needs a test corpus")] = (
        "fold"
    )
    n_folds: Annotated[int, Field(ge=2, le=100, description="usual 5")] = 5
    n_seeds: Annotated[int, Field(ge=2, le=1000, description="training seeds, from the plan's on; assumed")] = 5
    seed: Annotated[int, Field(ge=0, description="of the folds")] = 0
    confidence: Annotated[float, Field(gt=0, lt=1, description="of every interval; usual in the field")] = 0.95
    training: TrainingPlan = field(default_factory=TrainingPlan)


@dataclass(frozen=True, slots=True)
class Split:
    """One training and the events that it is judged on.

    Attributes
    ----------
    name : str
        What is left out.
    training, held : Corpus
    plan : TrainingPlan
    """

    name: str
    training: Corpus
    held: Corpus
    plan: TrainingPlan


def joined(corpora: Mapping[str, Corpus]) -> tuple[Corpus, dict[str, str]]:
    """One corpus of several, events renamed ``corpus/event``, and which corpus each event came from.

    Parameters
    ----------
    corpora : mapping
        Name to corpus.

    Raises
    ------
    CorpusError
        They were sensed by different sensors or at different rates.
    """
    first_name, first = next(iter(corpora.items()))
    events: list[Event] = []
    origin: dict[str, str] = {}
    for name, corpus in corpora.items():
        for which in ("main", "safing"):
            for key in ("sample_rate_hz", "lsb_g", "clamp_lsb"):
                ours, theirs = (getattr(getattr(c.sensors, which), key) for c in (first, corpus))
                if ours != theirs:
                    raise CorpusError(
                        f"corpus {name!r}: {which} {key} is {theirs}, that of {first_name!r} is {ours};"
                        " events of different sensors or rates cannot be trained on together"
                    )
        for event in corpus:
            events.append(replace(event, name=f"{name}/{event.name}"))
            origin[events[-1].name] = name
    return Corpus(first.sensors, tuple(events)), origin


def splits(corpora: Mapping[str, Corpus], plan: CrossPlan, test: Corpus | None = None) -> Iterator[Split]:
    """Every split of a plan.

    Parameters
    ----------
    corpora : mapping
        Name to corpus; by vehicle each is one.
    plan : CrossPlan
    test : Corpus or None
        What the nets of different seeds are judged on; None otherwise.

    Raises
    ------
    ConfigError
        Too few corpora or folds, or a test corpus that is missing or not asked for.
    CorpusError
        What is left to train on lacks a class, or corpora do not fit together.
    """
    whole, origin = joined(corpora)
    if (plan.by == "seed") != (test is not None):
        raise ConfigError("a test corpus is needed by seed, and only there: other splits judge what they leave out")
    if test is not None:
        joined({"training": whole, "test": test})  # same sensors, or refused
        for k in range(plan.n_seeds):
            seed = plan.training.seed + k
            yield _split(f"seed {seed}", whole, test, replace(plan.training, seed=seed))
        return
    group = _groups(whole, origin, plan)
    in_order = sorted(set(group)) if plan.by == "fold" else dict.fromkeys(group)
    for name in in_order:
        kept = tuple(event for event, own in zip(whole, group, strict=True) if own != name)
        held = tuple(event for event, own in zip(whole, group, strict=True) if own == name)
        if not kept:
            raise ConfigError(f"by {plan.by}: there is only {name!r}, nothing is left to train on")
        yield _split(name, Corpus(whole.sensors, kept), Corpus(whole.sensors, held), plan.training)


def _split(name: str, training: Corpus, held: Corpus, plan: TrainingPlan) -> Split:
    counts = {label: sum(event.label == label for event in training) for label in (MUST_FIRE, NO_FIRE)}
    if not all(counts.values()):
        raise CorpusError(
            f"without {name!r} there are {counts[MUST_FIRE]} must-fire and {counts[NO_FIRE]} no-fire events left;"
            " training needs both: add modes, or leave out something else"
        )
    return Split(name, training, held, plan)


def _groups(whole: Corpus, origin: Mapping[str, str], plan: CrossPlan) -> list[str]:
    """The group that each event is left out with."""
    if plan.by == "mode":
        return [event.mode for event in whole]
    if plan.by == "vehicle":
        return [origin[event.name] for event in whole]
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(2,)))
    fold = np.empty(len(whole), dtype=np.int64)
    modes = np.array([f"{event.mode}/{event.label}" for event in whole])
    for mode in np.unique(modes):  # every fold gets its share of every mode
        rows = np.flatnonzero(modes == mode)
        fold[rng.permutation(rows)] = (np.arange(rows.size) + rng.integers(plan.n_folds)) % plan.n_folds
    digits = len(str(plan.n_folds))
    names = [f"fold {k + 1:0{digits}} of {plan.n_folds}" for k in range(plan.n_folds)]
    if np.unique(fold).size < plan.n_folds:
        raise ConfigError(f"n_folds = {plan.n_folds}: some fold would have none of the {len(whole)} events")
    return [names[k] for k in fold]


def crossvalidate(
    all_splits: Sequence[Split], requirements: RequirementSet, confidence: float, advance: Advance = quietly
) -> dict[str, list[dict[str, Any]]]:
    """Train and judge every split.

    Parameters
    ----------
    all_splits : sequence of Split
    requirements : RequirementSet
        Of every training.
    confidence : float
        Of every interval.
    advance : callable
        Told splits done and a status.

    Returns
    -------
    dict
        Source to one row a split, as ``judge.by_source`` totals them.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for done, split in enumerate(all_splits):

        def tell(_: int, status: str, done: int = done, name: str = split.name) -> None:
            advance(done, f"{name}: {status}")

        model = train(split.training, requirements, split.plan, tell).model
        for source, tables in by_source(judge(model, CorpusInMemory.of(split.held)), confidence).items():
            rows.setdefault(source, []).append(
                {"split": split.name, "trained_on": len(split.training), **tables["total"]}
            )
        advance(done + 1, split.name)
    return rows


def crossvalidate_stage(
    folders: Sequence[Path],
    test_folder: Path | None,
    out: Path,
    plan: CrossPlan,
    requirements: RequirementSet,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Cross-validate over corpus folders and write every split's figures.

    Parameters
    ----------
    folders : sequence of Path
        Corpora; by vehicle, one a vehicle.
    test_folder : Path or None
        What the nets of different seeds are judged on.
    out : Path
        Folder to write.
    plan : CrossPlan
    requirements : RequirementSet
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told splits done and a status.
    """
    names = [folder.name or str(folder) for folder in folders]
    if len(set(names)) != len(names):
        raise ConfigError(f"two of the corpora are called {next(n for n in names if names.count(n) > 1)!r}; rename one")
    read = {name: read_corpus(folder) for name, folder in zip(names, folders, strict=True)}
    parents = {f"corpus {name}": artefact.sha256 for name, (_, artefact) in read.items()}
    test: Corpus | None = None
    if test_folder is not None:
        test, test_artefact = read_corpus(test_folder)
        if test_artefact.sha256 in parents.values():
            raise CorpusError(f"{test_artefact.path}: is trained on; generate a test corpus with another --seed")
        parents["test"] = test_artefact.sha256
    all_splits = list(splits({name: corpus for name, (corpus, _) in read.items()}, plan, test))
    config = {"cross": plain(plan), "requirements": [requirement.payload() for requirement in requirements]}
    stage = Stage(out, FILE, SCHEMA, parents, config)

    def work(_: Path) -> Json:
        return {"by": plan.by, "sources": crossvalidate(all_splits, requirements, plan.confidence, advance)}

    return stage.run(work, replace=replace, force=force)
