"""The chain of stages, once: which there are, in which order, from what; and whether each is up to date.

``crumple demo``, ``crumple run`` and ``crumple status`` all speak of this list. What a stage depends on in
detail (settings, parents) is written in its stage function alone, and asked of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crumple.model.analysis.properties import RequirementSet
from crumple.model.evaluation.stages import EvaluationPlan
from crumple.model.training import TrainingPlan
from crumple.signals.formats.mapping import RecordingMap
from crumple.signals.generate import CorpusPlan
from crumple.signals.stages import ImportSettings

from .artefact import Artefact, stage_of
from .errors import ArtefactError, CrumpleError
from .progress import Advance, quietly

RECORDING = "recording"
"""Folder of a corpus of recordings; a named group of them is ``recording-NAME``."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """Recordings that one map describes, imported into one corpus.

    Attributes
    ----------
    folder : str
        ``recording`` or ``recording-NAME``, below the project's root.
    paths : tuple of Path
        Files or test folders; none keeps the corpus imported earlier.
    mapping : RecordingMap or None
    """

    folder: str
    paths: tuple[Path, ...]
    mapping: RecordingMap | None = None


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """Everything that the stages of one project need to know.

    ``test`` is a corpus never trained on, which ``evaluation`` is about; without it neither is made. Export options
    are those of ``export_stage``.
    """

    corpus: CorpusPlan
    training: TrainingPlan
    requirements: RequirementSet
    recordings: tuple[Recordings, ...] = ()
    import_settings: ImportSettings = field(default_factory=ImportSettings)
    test: CorpusPlan | None = None
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    export: dict[str, Any] = field(default_factory=dict)


Run = Callable[[bool, Advance], Artefact]


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a chain.

    Attributes
    ----------
    name : str
        Its folder below the root.
    title : str
        What it does, for a progress bar.
    needs : tuple of str
        Steps that it reads.
    work : int
        Amount of work, in whatever it counts.
    run : callable
        Takes whether to make it again in any case, and a progress callback; returns the artefact.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    work: int
    run: Run


class Condition(enum.Enum):
    """How a step stands."""

    CURRENT = "current"
    STALE = "stale"
    ABSENT = "absent"
    DAMAGED = "damaged"
    """Changed after it was written; only ``--force`` replaces it."""

    BLOCKED = "blocked"
    """An input that no stage makes cannot be used."""


@dataclass(frozen=True, slots=True)
class State:
    """How a step stands, why, and the command that mends it (empty if it is current)."""

    step: str
    condition: Condition
    why: str
    mend: str


def chain(root: Path, plan: ChainPlan) -> tuple[Step, ...]:
    """The steps of a project, each after those that it needs.

    Parameters
    ----------
    root : Path
        Folder of the project; every step owns one folder in it.
    plan : ChainPlan
    """
    from crumple.export.stages import export_stage, validate_stage
    from crumple.firmware_sim.stages import simulate_stage
    from crumple.model.evaluation.coverage_stage import cover_stage
    from crumple.model.evaluation.stages import evaluate_stage
    from crumple.model.stages import prove_stage, train_stage
    from crumple.signals.stages import generate_stage

    def generated(name: str, title: str, corpus: CorpusPlan) -> Step:
        return Step(
            name,
            title,
            (),
            sum(corpus.counts.values()),
            lambda force, advance: generate_stage(corpus, root / name, replace=True, force=force, advance=advance),
        )

    def simulated(name: str, corpus: str, work: int) -> Step:
        return Step(
            name,
            f"simulate controller: {corpus}",
            ("export", corpus),
            work,
            lambda force, advance: simulate_stage(
                root / "export", root / corpus, root / name, replace=True, force=force, advance=advance
            ),
        )

    n_events = sum(plan.corpus.counts.values())
    recorded = [group.folder for group in plan.recordings]
    steps = [_imported(root, group, plan.import_settings) for group in plan.recordings]
    steps += [
        generated("corpus", "generate events", plan.corpus),
        Step(
            "model",
            "train to proof",
            ("corpus",),
            plan.training.n_steps,
            lambda force, advance: train_stage(
                root / "corpus",
                root / "model",
                plan.training,
                plan.requirements,
                replace=True,
                force=force,
                advance=advance,
            ),
        ),
        Step(
            "proof",
            "prove requirements",
            ("model",),
            len(plan.requirements),
            lambda force, advance: prove_stage(
                root / "model", root / "proof", plan.requirements, replace=True, force=force, advance=advance
            ),
        ),
        Step(
            "export",
            "export",
            ("model",),
            1,
            lambda force, advance: export_stage(
                root / "model", root / "export", replace=True, force=force, **plan.export
            ),
        ),
        Step(
            "validation",
            "compare C, ONNX, Python",
            ("model", "export", "corpus", *recorded),
            n_events,
            lambda force, advance: validate_stage(
                root / "model",
                root / "export",
                [root / name for name in ("corpus", *recorded)],
                root / "validation",
                replace=True,
                force=force,
                advance=advance,
            ),
        ),
        simulated("simulation", "corpus", n_events),
    ]
    steps += [simulated(f"{folder}-simulation", folder, 1) for folder in recorded]
    if recorded:
        steps.append(
            Step(
                "coverage",
                "data coverage of the proofs",
                ("model", "proof", *recorded),
                1000,
                lambda force, advance: cover_stage(
                    root / "model",
                    root / "proof",
                    [root / name for name in recorded],
                    root / "coverage",
                    replace=True,
                    force=force,
                    advance=advance,
                ),
            )
        )
    if plan.test is not None:
        steps += [
            generated("test-corpus", "generate test events", plan.test),
            Step(
                "evaluation",
                "evaluate on test events",
                ("model", "test-corpus"),
                sum(plan.test.counts.values()),
                lambda force, advance: evaluate_stage(
                    root / "model",
                    root / "test-corpus",
                    root / "evaluation",
                    plan.evaluation,
                    replace=True,
                    force=force,
                    advance=advance,
                ),
            ),
        ]
    return tuple(steps)


def _imported(root: Path, group: Recordings, settings: ImportSettings) -> Step:
    """The step that imports a group of recordings, or keeps those imported earlier."""
    from crumple.signals.corpus import read_corpus
    from crumple.signals.stages import import_stage

    def run(force: bool, advance: Advance) -> Artefact:
        if not group.paths:
            return read_corpus(root / group.folder)[1]
        return import_stage(
            group.paths,
            root / group.folder,
            mapping=group.mapping,
            replace=True,
            force=force,
            sensors=settings.sensors,
            rttf=settings.rttf,
        )

    return Step(group.folder, "import recordings", (), 1, run)


def look(root: Path, step: Step, before: dict[str, State]) -> State:
    """How a step stands, nothing run.

    Parameters
    ----------
    root : Path
    step : Step
    before : dict
        States of the steps that come earlier, by name.
    """
    mend = f"crumple run {step.name}"
    there = (root / step.name).is_dir()
    condition = Condition.STALE if there else Condition.ABSENT
    for need in step.needs:
        if before[need].condition is not Condition.CURRENT:
            return State(step.name, condition, f"{need} is {before[need].condition.value}", mend)
    try:
        stage = stage_of(lambda: step.run(False, quietly))
        if stage is None:
            return State(step.name, Condition.CURRENT, "", "")
    except CrumpleError as error:
        return State(step.name, Condition.BLOCKED, str(error), "put the input right")
    if not there:
        return State(step.name, condition, "not made yet", mend)
    try:
        reasons = stage.why_stale()
    except ArtefactError as error:
        return State(step.name, Condition.DAMAGED, str(error), f"crumple run --force {step.name}")
    if not reasons:
        return State(step.name, Condition.CURRENT, "", "")
    return State(step.name, condition, "; ".join(reasons), mend)


def look_at_all(root: Path, steps: tuple[Step, ...]) -> tuple[State, ...]:
    """How every one of ``steps`` below ``root`` stands, nothing run."""
    states: dict[str, State] = {}
    for step in steps:
        states[step.name] = look(root, step, states)
    return tuple(states.values())


def with_needs(steps: tuple[Step, ...], names: tuple[str, ...]) -> Iterator[Step]:
    """Of ``steps``, in their order, those called ``names`` and all that they need."""
    wanted = set(names)
    for step in reversed(steps):
        if step.name in wanted:
            wanted |= set(step.needs)
    return (step for step in steps if step.name in wanted)
