"""Train a net on a corpus so that it separates the events *and* its requirements can be proved.

Per event, never per window: a must-fire event asks for votes from shortly before its required time to
fire; its earlier windows and grey events are "don't care"; every window of a no-fire event asks for
silence, of which the loudest ones are looked up again and again. From a quarter of the way on, the prover looks
up the exact worst cases of every no-fire set, and penalties (see ``penalty``) pull them below zero. The threshold
is set last, on the integers, capped by the proved worst cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError, CorpusError
from crumple.progress import Advance
from crumple.signals.corpus import Corpus, Event
from crumple.signals.events import MUST_FIRE, NO_FIRE
from crumple.units import G0_MPS2, ceil_fraction

from .analysis.properties import RequirementSet
from .analysis.prover import signal_counts, worst_case
from .deployed import Arming, DeployedModel
from .net import Float, Net
from .penalty import Gradients, SignalBound, WorstChoices
from .quantise import INPUT_UNIT_G, quantise

CLIMB_EVERY_STEPS = 20
PROVER_EVERY_STEPS = 100


@dataclass(frozen=True, slots=True)
class ArmingPlan:
    """The safing rule in physical units."""

    __pydantic_config__ = STRICT
    window_ms: Annotated[
        float, Field(gt=0, le=64, description="sliding delta-V window; long windows are safer for completeness")
    ] = 16.0
    delta_v_mps: Annotated[
        float,
        Field(gt=0, le=5, description="above 3 g for the whole window, so that quiet driving never arms; assumed"),
    ] = 0.6
    hold_ms: Annotated[float, Field(ge=0, le=500, description="usual 50 to 200 ms; assumed")] = 100.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train; every value is recorded with the model."""

    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0)] = 0
    n_hidden: Annotated[int, Field(ge=1, le=64)] = 15
    n_blocks: Annotated[int, Field(ge=4, le=128, description="inputs; with block_samples they span 48 ms")] = 32
    block_samples: Annotated[int, Field(ge=1, le=16)] = 3
    weight_bits: Annotated[int, Field(ge=4, le=16)] = 12
    confirm_votes: Annotated[int, Field(ge=1, le=32, description="K; 3 of 4 samples is 1.5 to 2 ms")] = 3
    confirm_window: Annotated[int, Field(ge=1, le=32, description="M")] = 4
    n_steps: Annotated[int, Field(ge=10, le=100_000)] = 3000
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.03
    no_fire_weight: Annotated[float, Field(gt=0, description="cost of noise against cost of lateness")] = 1.0
    penalty_weight: Annotated[float, Field(ge=0)] = 0.1
    margin: Annotated[float, Field(gt=0, description="y asked for on both sides of the threshold, in float units")] = (
        0.5
    )
    lead_ms: Annotated[float, Field(ge=0, le=20, description="votes are asked for this long before RTTF")] = 2.5
    arming: ArmingPlan = field(default_factory=ArmingPlan)

    def __post_init__(self) -> None:
        if self.confirm_votes > self.confirm_window:
            raise ConfigError(
                f"confirm_votes = {self.confirm_votes} of confirm_window = {self.confirm_window}: K exceeds M"
            )


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained float net and the integers made of it."""

    net: Net
    model: DeployedModel
    history: tuple[dict[str, float], ...]


def train(corpus: Corpus, requirements: RequirementSet, plan: TrainingPlan, advance: Advance) -> Trained:
    """Train, quantise and set the threshold.

    Parameters
    ----------
    corpus : Corpus
        Needs must-fire and no-fire events, all from the same sensors.
    requirements : RequirementSet
        Those about ``never_requests_fire`` are penalised, and bound the threshold exactly.
    plan : TrainingPlan
    advance : callable
        Told steps done and a status text.

    Raises
    ------
    CorpusError
        Without events of both classes.
    """
    from threadpoolctl import threadpool_limits

    must = [event for event in corpus if event.label == MUST_FIRE]
    quiet = [event for event in corpus if event.label == NO_FIRE]
    if not must or not quiet:
        raise CorpusError(
            f"training needs must-fire and no-fire events, the corpus has {len(must)} and {len(quiet)};"
            " add the missing class (crumple generate) or label your recordings"
        )
    arming = deployed_arming(corpus, plan.arming)
    windows = _Windows(corpus, plan)
    # One thread: the order of float additions, and so every byte, must not depend on the machine's load.
    with threadpool_limits(limits=1):
        worst_cases = _WorstCases(corpus, requirements, plan)
        net, history = _fit(windows, must, quiet, worst_cases, plan, advance)
        draft = quantise(net, corpus, plan, arming, output_bias=0)
        bias = _threshold(draft, must, quiet, requirements, corpus)
    return Trained(net, quantise(net, corpus, plan, arming, output_bias=bias), history)


def deployed_arming(corpus: Corpus, plan: ArmingPlan) -> Arming:
    """The safing rule of a plan in counts of the corpus's safing sensor."""
    spec = corpus.sensors.safing
    count_mps = float(spec.lsb) * G0_MPS2 * float(spec.sample_period_s)
    return Arming(
        lsb_g=spec.lsb,
        clamp_lsb=spec.clamp_lsb,
        window_samples=max(1, round(plan.window_ms * 1e-3 * spec.sample_rate_hz)),
        threshold_lsb=round(plan.delta_v_mps / count_mps),
        hold_samples=round(plan.hold_ms * 1e-3 * spec.sample_rate_hz),
    )


def due_sample(event: Event, sample_period_s: float) -> int:
    """Index of the last sample of an event, one every ``sample_period_s``, at which firing is in time."""
    return int(np.floor((event.rttf_s - event.first_sample_s) / sample_period_s + 1e-9))


class _Windows:
    """Cuts inputs of the net out of events, on demand: a corpus of windows would not fit in memory."""

    def __init__(self, corpus: Corpus, plan: TrainingPlan) -> None:
        self.sample_period_s = corpus.sample_period_s
        self.plan = plan
        self.span = plan.n_blocks * plan.block_samples
        self.unit_lsb = INPUT_UNIT_G / float(corpus.sensors.main.lsb) * plan.block_samples

    def at(self, event: Event, samples: NDArray[np.int64]) -> Float:
        """Inputs at the given samples of an event; shape (n, n_blocks)."""
        padded = np.concatenate([np.zeros(self.span - 1), event.main_lsb])
        rows = np.lib.stride_tricks.sliding_window_view(padded, self.span)[samples]
        blocks: Float = rows.reshape(len(samples), self.plan.n_blocks, self.plan.block_samples).sum(axis=2)
        return blocks / self.unit_lsb

    def positive(self, event: Event) -> Float:
        """Windows of a must-fire event that should vote, up to the last sample that is in time."""
        due = due_sample(event, self.sample_period_s)
        lead = round(self.plan.lead_ms * 1e-3 / self.sample_period_s)
        return self.at(event, np.arange(max(0, due - lead), min(event.main_lsb.size, due + 1)))


class _WorstCases:
    """The exact worst cases of every ``never_requests_fire`` requirement, looked up by the prover."""

    def __init__(self, corpus: Corpus, requirements: RequirementSet, plan: TrainingPlan) -> None:
        self.corpus, self.plan = corpus, plan
        spec = corpus.sensors.main
        self.unit_lsb = INPUT_UNIT_G / float(spec.lsb) * plan.block_samples
        draft = self._draft(Net.drawn(1, plan.n_blocks, np.random.default_rng(0)))
        self.choices = []
        self.requirements = []
        for requirement in requirements:
            counts = signal_counts(draft, requirement) if requirement.claim == "never_requests_fire" else None
            if counts is None:  # sets with further parts have no closed form; they only cap the threshold
                continue
            amplitude, velocity = counts
            self.requirements.append(requirement)
            block_amplitude = amplitude * plan.block_samples / self.unit_lsb
            self.choices.append(
                WorstChoices(SignalBound(block_amplitude, velocity / self.unit_lsb if velocity else np.inf))
            )

    def _draft(self, net: Net) -> DeployedModel:
        return quantise(net, self.corpus, self.plan, None, output_bias=0)

    def follow(self, net: Net, *, ask_prover: bool) -> None:
        """Follow the known worst cases as the net moves; now and then ask the prover for the exact ones."""
        draft = self._draft(net) if ask_prover else None
        for requirement, choices in zip(self.requirements, self.choices, strict=True):
            exact = None
            if draft is not None:
                # Within 5 %: enough to steer by, and a fraction of the work of the exact worst case.
                window = worst_case(draft, requirement, gap=500.0).window
                exact = window.reshape(self.plan.n_blocks, -1).sum(axis=1) / self.unit_lsb
            choices.learn(net, exact)

    def press(self, net: Net, gradients: Sequence[Float], pull: float, margin: float) -> float:
        """Add the penalties' gradients in place; returns the worst bound known, 0 before the first look."""
        known = [choices.worst(net) for choices in self.choices if len(choices.shares)]
        for value, parts in known:
            if value + margin > 0:
                for total, part in zip(gradients, parts, strict=True):
                    total += pull * part
        return max((value for value, _ in known), default=0.0)


class _Loudest:
    """A growing pool of the no-fire windows that were loudest at some time during training.

    Windows stay once they are in, or the net would forget one mistake while it mends another.
    """

    def __init__(self, windows: _Windows, quiet: list[Event]) -> None:
        self.windows, self.quiet = windows, quiet
        self.looked_at = [np.arange(0, event.main_lsb.size, 2) for event in quiet]
        self.chosen = [np.zeros(samples.size, dtype=np.bool_) for samples in self.looked_at]
        self.inputs: list[Float] = [np.zeros((0, windows.plan.n_blocks)) for _ in quiet]

    def grow(self, net: Net, n_windows: int) -> None:
        """Add the windows of every event that the net now finds loudest."""
        for k, event in enumerate(self.quiet):
            inputs = self.windows.at(event, self.looked_at[k])
            loudest = np.argsort(net.forward(inputs)[0], kind="stable")[-n_windows:]
            fresh = loudest[~self.chosen[k][loudest]]
            self.chosen[k][fresh] = True
            self.inputs[k] = np.concatenate([self.inputs[k], inputs[fresh]])

    def pool(self) -> tuple[Float, NDArray[np.int64]]:
        """All windows in the pool, and where each event's begin."""
        lengths = [len(inputs) for inputs in self.inputs]
        return np.concatenate(self.inputs), np.concatenate([[0], np.cumsum(lengths)[:-1]])


def _fit(
    windows: _Windows,
    must: list[Event],
    quiet: list[Event],
    worst_cases: _WorstCases,
    plan: TrainingPlan,
    advance: Advance,
) -> tuple[Net, tuple[dict[str, float], ...]]:
    """Adam on the event loss plus penalties on exact worst cases."""
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(1,)))
    positives = [windows.positive(event) for event in must]
    wanted = np.concatenate(positives)
    wanted_starts = np.concatenate([[0], np.cumsum([len(p) for p in positives])[:-1]])
    loudest = _Loudest(windows, quiet)
    loudest.grow(Net.drawn(plan.n_hidden, plan.n_blocks, rng), 12)
    conditioning = _Conditioning(np.concatenate([wanted, loudest.pool()[0]]))
    shaped = Net.drawn(plan.n_hidden, plan.n_blocks, rng)
    moment = [np.zeros_like(p) for p in shaped.parameters()]
    square = [np.zeros_like(p) for p in shaped.parameters()]
    history: list[dict[str, float]] = []
    for step in range(plan.n_steps):
        net = conditioning.net(shaped)
        if step % 50 == 0:
            loudest.grow(net, 4)
            unwanted, unwanted_starts = loudest.pool()
            inputs = np.concatenate([wanted, unwanted])
        output, hidden = net.forward(inputs)
        late, d_late = _event_loss(-output[: len(wanted)], wanted_starts, plan.margin)
        loud, d_loud = _event_loss(output[len(wanted) :], unwanted_starts, plan.margin)
        loss = late + plan.no_fire_weight * loud
        gradients = net.backward(inputs, hidden, np.concatenate([-d_late, plan.no_fire_weight * d_loud]))
        # First learn to tell events apart, then press towards provability.
        progress = step / plan.n_steps
        pull = plan.penalty_weight * float(np.clip((progress - 0.25) / 0.45, 0.0, 1.0)) ** 2
        if pull and step % CLIMB_EVERY_STEPS == 0:
            worst_cases.follow(net, ask_prover=step % PROVER_EVERY_STEPS == 0)
        worst = worst_cases.press(net, gradients, pull, plan.margin)
        rate = plan.learning_rate * 0.5 * (1 + np.cos(np.pi * max(0.0, progress - 0.5) / 0.5)) + 1e-4
        shaped_gradients = conditioning.gradients(gradients)
        for p, g, m, s in zip(shaped.parameters(), shaped_gradients, moment, square, strict=True):
            m += 0.1 * (g - m)
            s += 0.001 * (g * g - s)
            p -= rate * (m / (1 - 0.9 ** (step + 1))) / (np.sqrt(s / (1 - 0.999 ** (step + 1))) + 1e-8)
        if step % 50 == 49:
            history.append({"step": step + 1, "loss": loss, "worst_case": worst})
            advance(step + 1, f"loss {loss:.3f}" + (f", worst case {worst:+.2f}" if worst else ""))
    return conditioning.net(shaped), tuple(history)


class _Conditioning:
    """Trains in coordinates in which neighbouring blocks, which are nearly equal, are not nearly redundant.

    Inputs are decorrelated up to a ridge, so that the path of training, and so its end, depends far less on
    the random start. The net itself reads the raw blocks all along.
    """

    RIDGE = 0.01

    def __init__(self, inputs: Float) -> None:
        self.mean = inputs.mean(axis=0)
        variance, direction = np.linalg.eigh(np.cov(inputs.T))
        self.rows = (direction / np.sqrt(variance + self.RIDGE * variance.max())).T

    def net(self, shaped: Net) -> Net:
        """The net on raw blocks that the shaped parameters stand for."""
        weight = shaped.hidden_weight @ self.rows
        bias = shaped.hidden_bias - weight @ self.mean
        return Net(weight, bias, shaped.output_weight, shaped.output_bias)

    def gradients(self, raw: Gradients) -> Gradients:
        """Gradients with respect to the shaped parameters."""
        return (raw[0] - np.outer(raw[1], self.mean)) @ self.rows.T, raw[1], raw[2], raw[3]


def _event_loss(wrongness: Float, starts: NDArray[np.int64], margin: float) -> tuple[float, Float]:
    """Mean over events of softplus(margin + smooth maximum of the event's wrongness), and its gradient.

    Parameters
    ----------
    wrongness : ndarray, shape (n_windows,)
        y of windows that should be silent, -y of windows that should vote.
    starts : ndarray, shape (n_events,)
        Where each event's windows begin.
    margin : float
    """
    lengths = np.diff(np.append(starts, wrongness.size))
    top = np.maximum.reduceat(wrongness, starts)
    soft = np.exp(wrongness - np.repeat(top, lengths))
    total = np.add.reduceat(soft, starts)
    short = margin + top + np.log(total / lengths)
    share = 1 / (1 + np.exp(-short)) / len(starts)
    return float(np.logaddexp(0.0, short).mean()), np.repeat(share / total, lengths) * soft


def _threshold(
    draft: DeployedModel, must: list[Event], quiet: list[Event], requirements: RequirementSet, corpus: Corpus
) -> int:
    """The output bias: as sensitive as the no-fire events and the exact worst cases of the requirements allow.

    ``draft`` has output bias 0, so its outputs are levels: an event requests fire when its level plus the
    bias is positive. Between the loudest no-fire level and the levels that must-fire events reach in
    time the bias takes the point a quarter of the way up; the proved worst cases cap it.
    """
    loudest = max(confirmed_level(draft, draft.outputs(event.main_lsb)).max() for event in quiet)
    in_time = []
    for event in must:
        due = due_sample(event, corpus.sample_period_s)
        levels = confirmed_level(draft, draft.outputs(event.main_lsb[: max(1, due + 1)]))
        in_time.append(int(levels.max()))
    room = max(0, int(np.quantile(in_time, 0.02)) - int(loudest))
    highest = -int(loudest) - room // 4
    for requirement in requirements:
        if requirement.claim == "never_requests_fire" and requirement.set["kind"] == "signals":
            worst = worst_case(draft, requirement)
            highest = min(highest, -ceil_fraction(worst.bound))
    return highest


def confirmed_level(model: DeployedModel, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """At each sample, the K-th largest of the last M outputs: what decides a model to fire; shape (n_samples,)."""
    quiet = np.full(model.confirm_window - 1, np.iinfo(np.int64).min // 2)
    recent = np.lib.stride_tricks.sliding_window_view(np.concatenate([quiet, outputs]), model.confirm_window)
    ranked: NDArray[np.int64] = np.sort(recent, axis=1)[:, -model.confirm_votes]
    return ranked
