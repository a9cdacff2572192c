"""What each choice of the net buys: one thing is changed at a time, everything else stays, and all is measured again.

Each trial trains with the requirements, is proved on its own integers and judged on a test corpus that no trial saw.
Trials are stages of their own below the output folder, so an interrupted ablation goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from crumple.artefact import Artefact, Json, Stage, write_bytes
from crumple.config import STRICT, plain
from crumple.errors import ConfigError, CorpusError, ModelError
from crumple.progress import Advance, quietly
from crumple.signals.batches import CorpusFile, open_corpus
from crumple.signals.corpus import SOURCES
from crumple.signals.events import MUST_FIRE, NO_FIRE

from .analysis.properties import RequirementSet
from .baselines.compare import ComparePlan, net_detector, run
from .deployed import DeployedModel, read_model
from .evaluation.judge import by_source, judge, refuse_one_class
from .evaluation.plots import figure_svg
from .stages import prove_stage, train_stage
from .training import TrainingPlan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "crumple.ablation/1"
FILE = "ablation.json"
PLOT_FILE = "ablation.svg"
TABLE_FOLDER = "table"

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """What to change; the TOML file of ``crumple ablate --config``. An empty row leaves that choice alone."""

    __pydantic_config__ = STRICT
    n_hidden: Annotated[tuple[int, ...], Field(description="hidden nodes; 3 to 64")] = (3, 5, 8, 15, 24, 32, 64)
    inputs: Annotated[tuple[Pair, ...], Field(description="blocks and samples a block")] = (
        (8, 12),
        (16, 6),
        (32, 3),
        (48, 2),
        (16, 3),
        (24, 3),
        (40, 3),
    )
    weight_bits: Annotated[tuple[int, ...], Field(description="of a hidden weight, sign included; 4 to 16")] = (
        4,
        6,
        8,
        10,
        12,
        16,
    )
    confirmation: Annotated[tuple[Pair, ...], Field(description="K of M")] = ((1, 1), (2, 3), (3, 4), (4, 4), (4, 6))
    penalty: Annotated[bool, Field(description="also without the penalties on certified bounds")] = True
    confidence: Annotated[float, Field(gt=0, lt=1, description="of every interval; usual in the field")] = 0.95
    training: Annotated[TrainingPlan, Field(description="what everything else stays at")] = field(
        default_factory=TrainingPlan
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """One training.

    Attributes
    ----------
    choice : str
        What is changed.
    value : str
        To what, for a table.
    size : float
        The same as a number, for a plot.
    plan : TrainingPlan
    """

    choice: str
    value: str
    size: float
    plan: TrainingPlan

    @property
    def folder(self) -> str:
        """Name of the trial's folder."""
        return f"{self.choice}-{self.value}".replace(" ", "-")


def trials(plan: AblationPlan) -> list[Trial]:
    """Every trial of a plan, in the order of its table.

    Raises
    ------
    ConfigError
        A value that no training plan takes, or nothing to change.
    """
    from crumple.config import build

    base = plan.training
    made = [Trial("hidden nodes", str(n), n, replace(base, n_hidden=n)) for n in plan.n_hidden]
    made += [
        Trial(
            "inputs", f"{blocks} x {samples}", blocks * samples, replace(base, n_blocks=blocks, block_samples=samples)
        )
        for blocks, samples in plan.inputs
    ]
    made += [Trial("weight bits", str(bits), bits, replace(base, weight_bits=bits)) for bits in plan.weight_bits]
    made += [
        Trial("confirmation", f"{k} of {m}", k, replace(base, confirm_votes=k, confirm_window=m))
        for k, m in plan.confirmation
    ]
    if plan.penalty:
        made += [
            Trial("penalty", "on", 1.0, base),
            Trial("penalty", "off", 0.0, replace(base, penalty_weight=0.0)),
        ]
    if not made:
        raise ConfigError("the ablation changes nothing; give at least one of its rows")
    for trial in made:  # replace() does not look at ranges
        build(TrainingPlan, plain(trial.plan), where=f"{trial.choice} {trial.value}")
    return made


def ablate_stage(
    training_folder: Path,
    test_folder: Path,
    out: Path,
    plan: AblationPlan,
    requirements: RequirementSet,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Train, prove and judge every trial; write one table and one plot to ``out/table``.

    Parameters
    ----------
    training_folder, test_folder, out : Path
        The corpus to train on, another to judge on, and the folder that holds trials and table.
    plan : AblationPlan
    requirements : RequirementSet
    replace, force : bool
        See ``Stage.run``; they hold for every trial.
    advance : callable
        Told trials done and a status.

    Raises
    ------
    CorpusError
        The test corpus is the training corpus, or either lacks a class.
    """
    training, test = open_corpus(training_folder), open_corpus(test_folder)
    if training.artefact.sha256 == test.artefact.sha256:
        raise CorpusError(f"{test.where}: is trained on; generate a test corpus with another --seed")
    for corpus in (training, test):
        refuse_one_class(corpus, "an ablation")
    made = trials(plan)
    parents = {"training": training.artefact.sha256, "test": test.artefact.sha256}
    config = {"ablation": plain(plan), "requirements": [requirement.payload() for requirement in requirements]}
    stage = Stage(out / TABLE_FOLDER, FILE, SCHEMA, parents, config)

    def work(folder: Path) -> Json:
        rows = []
        for done, trial in enumerate(made):

            def tell(_: int, status: str, done: int = done, name: str = f"{trial.choice} {trial.value}") -> None:
                advance(done, f"{name}: {status}")

            place = out / trial.folder
            options: dict[str, Any] = {"replace": True, "force": force, "advance": tell}
            try:
                train_stage(training_folder, place / "model", trial.plan, requirements, **options)
                proof = prove_stage(place / "model", place / "proof", requirements, **options).payload
            except ModelError as error:  # integers that cannot ship are a result of a trial, not its failure
                rows.append(_row(trial) | {"refused": str(error)})
                continue
            model, _ = read_model(place / "model")
            rows.append(
                _row(trial)
                | {
                    "n_parameters": sum(len(row) + 2 for row in model.hidden_weight) + 1,
                    "proved": sum(row["verdict"] == "proved" for row in proof["requirements"]),
                    "requirements": len(proof["requirements"]),
                    "sources": _judged(model, test, plan.confidence),
                }
            )
        advance(len(made), "table")
        write_bytes(folder / PLOT_FILE, figure_svg(ablation_figure(rows)))
        return {"trials": rows}

    return stage.run(work, replace=replace, force=force)


def _row(trial: Trial) -> dict[str, Any]:
    return {"choice": trial.choice, "value": trial.value, "size": trial.size}


def _judged(model: DeployedModel, test: CorpusFile, confidence: float) -> dict[str, dict[str, Any]]:
    """Each source's totals, and what would be late or missed at the threshold that no no-fire test event exceeds."""
    table = test.table
    totals = {source: tables["total"] for source, tables in by_source(judge(model, test), confidence).items()}
    (found,) = run([net_detector(model)], test, ComparePlan(), quietly)
    for source, total in totals.items():
        quiet = (table.source == source) & (table.label == NO_FIRE)
        must = (table.source == source) & (table.label == MUST_FIRE)
        if quiet.any() and must.any():
            separating = found.overall[quiet].max()
            total["late_or_missed_at_no_false_request"] = int((found.in_time[must] <= separating).sum())
    return totals


def ablation_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Errors and proofs by choice.

    Parameters
    ----------
    rows : sequence of dict
        Of the table; trials whose integers were refused are left out.
    """
    from matplotlib.figure import Figure

    choices = list(dict.fromkeys(row["choice"] for row in rows))
    figure = Figure(figsize=(3.4 * len(choices), 6.0), layout="constrained")
    for column, choice in zip(figure.subplots(2, len(choices), squeeze=False).T, choices, strict=True):
        errors, proofs = column
        of_choice = [row for row in rows if row["choice"] == choice and "refused" not in row]
        at = np.arange(len(of_choice))
        for source in SOURCES:
            totals = [row["sources"].get(source) for row in of_choice]
            if not any(totals):
                continue
            late = [_share(t, ("late", "missed"), ("in time", "late", "missed", "premature")) for t in totals]
            false = [_share(t, ("false fire",), ("silent", "false fire")) for t in totals]
            errors.plot(at, late, "o-", label=f"late or missed ({source})")
            errors.plot(at, false, "s--", label=f"false fires ({source})")
        errors.set(title=choice)
        errors.set_ylim(bottom=0.0)
        proofs.bar(at, [row["proved"] / row["requirements"] for row in of_choice], color="grey")
        proofs.set(ylim=(0, 1.05))
        for axes in column:
            axes.set_xticks(at, [row["value"] for row in of_choice], rotation=60)
        if choice == choices[0]:
            errors.set_ylabel("share of test events")
            errors.legend(fontsize=7)
            proofs.set_ylabel("share of requirements proved")
    return figure


def _share(total: dict[str, Any] | None, some: Sequence[str], of: Sequence[str]) -> float:
    """How many of some verdicts there are among others; NaN where there is none of either."""
    n_of = 0 if total is None else sum(total[word] for word in of)
    return float("nan") if total is None or not n_of else sum(total[word] for word in some) / n_of
