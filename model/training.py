"""Train a net on a corpus so that it separates the events *and* its requirements can be proved.

Per event, never per window: a must-fire event asks for K votes in a row at some time not long before its required
time to fire, and which time is left to the net; its earlier windows and grey events are "don't care"; every window of
a no-fire event asks for silence, of which the loudest ones are looked up again and again. Requirements on sets with an
end add members of these as events. Soon the prover looks up the exact worst cases of every no-fire set, and penalties
(see ``penalty``) pull them below zero. The threshold is set last, on the integers, capped by the proved worst cases.
Requirements on sets with an end are then tried on the integers: what the prover finds against them is learned in
another round, in which must-fire sets are pressed by their own closed form too.

A second stage of the bag is an output on the hidden layer that the first stage has left: only its weights and its
threshold are trained, in the same way, on the events and requirements of that stage. So nothing of the first stage
changes, and all that is proved of it stays proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError, CorpusError
from crumple.progress import Advance
from crumple.signals.corpus import Corpus, Event
from crumple.signals.events import MUST_FIRE, NO_FIRE
from crumple.units import G0_MPS2, ceil_fraction

from .aims import Aim, first_aim, second_aim
from .analysis.properties import RequirementSet
from .analysis.prover import Proved, Violated, prove, worst_case
from .bounds import Member, drawn_members
from .checkpoint import Checkpoint, Saved
from .deployed import Arming, DeployedModel, SecondStage
from .loss import FireWindows, fire_loss, quiet_loss
from .net import Float, Net
from .penalty import Gradients
from .quantise import INPUT_UNIT_G, quantise
from .windows import LoudestWindows, Windows, starts_of
from .worst_cases import WorstCases

CLIMB_EVERY_STEPS = 20
PROVER_EVERY_STEPS = 400
PROVER_OFTEN_STEPS = 100
"""Near the end, so that no worst case is left that climbing had not found: it would cap the threshold."""

NEAR_END = 0.8
LOOK_EVERY_STEPS = 200
LOOK_OFTEN_STEPS = 50
"""All no-fire windows are scored, and the loudest join the pool; near the end often, as with the prover."""

INSIST_FROM = 0.5
INSIST_FACTOR = 1.25
INSIST_MOST = 30.0
"""From this share of the steps on, a no-fire event that is still loud at a look weighs more by the factor, up to the
most; one that is not, less, down to 1. The threshold spares none of them, so one loud event delays every fire."""

SIFT_EVERY_STEPS = 25
"""Events that are right by far are left out until the next sifting."""

FAR = 4.0
"""An event that is right by this much more than the margin has next to no gradient."""

LATER_STEP = 4
"""Of the windows after the required time every fourth is used."""


@dataclass(frozen=True, slots=True)
class ArmingPlan:
    """The safing rule in physical units."""

    __pydantic_config__ = STRICT
    window_ms: Annotated[
        float, Field(gt=0, le=64, description="sliding delta-V window; short ones arm sooner; assumed")
    ] = 10.0
    delta_v_mps: Annotated[
        float,
        Field(gt=0, le=5, description="above 3 g for the whole window, so that quiet driving never arms; assumed"),
    ] = 0.42
    clamp_g: Annotated[
        float, Field(gt=0, le=500, description="a sample counts as this at most: two that lie cannot arm; assumed")
    ] = 20.0
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
    n_steps: Annotated[int, Field(ge=10, le=100_000)] = 8000
    n_rounds: Annotated[
        int, Field(ge=1, le=20, description="at most, of a second stage twice; further ones learn from counterexamples")
    ] = 3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    no_fire_weight: Annotated[float, Field(gt=0, description="cost of a false fire in late must-fire events")] = 3.0
    miss_weight: Annotated[float, Field(ge=0, description="cost of a missed event beside that of a late one")] = 0.5
    family_weight: Annotated[
        float, Field(ge=0, description="of the members of a must-fire set together, all must-fire events being 1")
    ] = 0.1
    penalty_weight: Annotated[float, Field(ge=0)] = 0.1
    margin: Annotated[float, Field(gt=0, description="y asked for on both sides of the threshold, in float units")] = (
        0.5
    )
    reach_ms: Annotated[
        float, Field(ge=2, le=40, description="votes in time are looked for from this long before RTTF")
    ] = 10.0
    later_ms: Annotated[float, Field(ge=0, le=200, description="a late event may still fire for this long")] = 120.0
    second_stage: Annotated[bool, Field(description="train an output for the bag's second stage too")] = False
    second_stage_delay_ms: Annotated[
        float, Field(ge=0, le=40, description="it is due so long after RTTF; 5 to 40 ms is common, assumed")
    ] = 10.0
    arming: ArmingPlan = field(default_factory=ArmingPlan)

    def __post_init__(self) -> None:
        if self.confirm_votes > self.confirm_window:
            raise ConfigError(
                f"confirm_votes = {self.confirm_votes} of confirm_window = {self.confirm_window}: K exceeds M"
            )


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained float net and the integers made of it; ``second_net`` has the weights of a second stage's output."""

    net: Net
    model: DeployedModel
    history: tuple[dict[str, float], ...]
    second_net: Net | None = None


def train(
    corpus: Corpus,
    requirements: RequirementSet,
    plan: TrainingPlan,
    advance: Advance,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train, quantise and set the threshold, until the must-fire requirements hold or the rounds are used up.

    Parameters
    ----------
    corpus : Corpus
        Needs must-fire and no-fire events, all from the same sensors.
    requirements : RequirementSet
        Those about ``never_requests_fire`` are penalised, and bound the threshold exactly; sets with an end are
        learned from members, from counterexamples and, where they must fire, from penalties in later rounds.
    plan : TrainingPlan
    advance : callable
        Told steps done and a status text.
    checkpoint : Checkpoint, optional
        Where the state is kept while training lasts; one that was interrupted goes on from there, to the same result.

    Raises
    ------
    CorpusError
        Without events of both classes, or with one that must fire but has no required time.
    ConfigError
        A requirement is about a second stage, and the plan trains none.
    """
    from threadpoolctl import threadpool_limits

    if not plan.second_stage and (late := [r.id for r in requirements if r.stage == 2]):
        raise ConfigError(
            f"requirement {late[0]} is about stage 2, but no second stage is trained: set second_stage = true"
        )
    if not any(event.label == MUST_FIRE for event in corpus) or not any(event.label == NO_FIRE for event in corpus):
        counts = [sum(event.label == label for event in corpus) for label in (MUST_FIRE, NO_FIRE)]
        raise CorpusError(
            f"training needs must-fire and no-fire events, the corpus has {counts[0]} and {counts[1]};"
            " add the missing class (crumple generate) or label your recordings"
        )
    for event in corpus:
        if event.label == MUST_FIRE and np.isnan(event.rttf_s):
            raise CorpusError(
                f"event {event.name!r} must fire but has no required time to fire: its recording ends, or the crash is"
                " too soft, before the rule's free flight; import more of it, or label it grey"
            )
    # One thread: the order of float additions, and so every byte, must not depend on the machine's load.
    with threadpool_limits(limits=1):
        first = _Session(corpus, first_aim(corpus, requirements), plan, advance, checkpoint).run()
        if not plan.second_stage:
            trained = first
        else:
            aim = second_aim(corpus, requirements, first.net, plan.second_stage_delay_ms)
            later = checkpoint.beside("second") if checkpoint else None
            second = _Session(corpus, aim, plan, advance, later).run()
            output = SecondStage(second.model.output_weight, second.model.output_bias)
            model = replace(first.model, second_stage=output)
            trained = Trained(first.net, model, first.history + second.history, second.net)
            if later:
                later.clear()
    if checkpoint:
        checkpoint.clear()
    return trained


class _Session:
    """One training of one output: what stays the same over its rounds."""

    def __init__(
        self,
        corpus: Corpus,
        aim: Aim,
        plan: TrainingPlan,
        advance: Advance,
        checkpoint: Checkpoint | None,
    ) -> None:
        requirements = aim.requirements
        self.corpus, self.aim, self.requirements, self.plan, self.advance = corpus, aim, requirements, plan, advance
        self.checkpoint = checkpoint
        self.arming = deployed_arming(corpus, plan.arming)
        self.unit_lsb = INPUT_UNIT_G / float(corpus.sensors.main.lsb) * plan.block_samples
        self.rng, self.scouts = (
            np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(2 * aim.stage - 1 + k,))) for k in (0, 1)
        )
        self.quiet, self.must = aim.quiet, aim.must
        draft = self.quantised(Net.drawn(1, plan.n_blocks, np.random.default_rng(0)), None, 0)
        drawn = {requirement.id: drawn_members(draft, requirement, self.rng) for requirement in requirements}
        claims = {requirement.id: requirement.claim for requirement in requirements}
        self.members = {name: those for name, those in drawn.items() if those and claims[name] == "fires_by"}
        self.silent = {name: those for name, those in drawn.items() if those and claims[name] != "fires_by"}
        self.false_fires: list[NDArray[np.signedinteger[Any]]] = []
        self.worst_cases = WorstCases(requirements, plan, corpus.sensors.main, self.unit_lsb, draft, self.scouts)
        self.loudest = LoudestWindows(self._windows(self._unwanted()))
        self.counterexamples: dict[str, list[list[int]]] = {}
        self.history: list[dict[str, float]] = []
        self.n_steps_done = 0

    def quantised(self, net: Net, arming: Arming | None, output_bias: int) -> DeployedModel:
        """The integers of a net."""
        return quantise(net, self.corpus, self.plan, arming, output_bias=output_bias)

    def _windows(self, sequences: Sequence[NDArray[np.signedinteger[Any]]]) -> Windows:
        return Windows(sequences, self.plan.n_blocks, self.plan.block_samples, self.unit_lsb)

    def _unwanted(self) -> list[NDArray[np.signedinteger[Any]]]:
        """Every sequence that must not fire: events, members of no-fire sets, what was found against these."""
        members = [member.counts_lsb for drawn in self.silent.values() for member in drawn]
        return [*(event.main_lsb for event in self.quiet), *members, *self.false_fires]

    def _listen(self) -> None:
        """Take what has become unwanted into the pool of loudest windows, behind what is there."""
        numbers, counts = self.loudest.chosen()
        self.loudest = LoudestWindows(self._windows(self._unwanted()))
        self.loudest.restore(numbers, np.pad(counts, (0, len(self.loudest.windows) - len(counts))))

    def run(self) -> Trained:
        """Rounds of fitting, until nothing is found against the must-fire requirements."""
        saved = self.checkpoint.load() if self.checkpoint else None
        begin = self._restored(saved) if saved else 0 if self.aim.shared is None else 1
        net = self.fit(self.aim.shared, begin, saved)
        model = self._deployed(net)
        for n_round in range(begin + 1, self.plan.n_rounds * self.aim.stage):
            if not self._learn_counterexamples(model):
                break
            self._listen()
            net = self.fit(net, n_round, None)
            model = self._deployed(net)
        return Trained(net, model, tuple(self.history))

    def _restored(self, saved: Saved) -> int:
        """Make everything but the fit itself what it was; returns the round."""
        facts, arrays = saved.facts, saved.arrays
        self.rng.bit_generator.state, self.scouts.bit_generator.state = facts["rng"], facts["scouts"]
        self.history, self.n_steps_done = list(facts["history"]), int(facts["n_steps_done"])
        for name, found in facts["counterexamples"].items():
            for counts in found:
                self._learn(name, counts)
        self._listen()
        self.loudest.restore(arrays["loudest_numbers"], arrays["loudest_counts"])
        self.worst_cases.restore(facts["pressed"], arrays)
        return int(facts["n_round"])

    def _save(self, n_round: int, step: int, fit: dict[str, Float]) -> None:
        """Keep the state at the beginning of a step that looks up the loudest windows."""
        if self.checkpoint is None:
            return
        numbers, counts = self.loudest.chosen()
        facts = {
            "n_round": n_round,
            "step": step,
            "n_steps_done": self.n_steps_done,
            "history": self.history,
            "rng": self.rng.bit_generator.state,
            "scouts": self.scouts.bit_generator.state,
            "counterexamples": self.counterexamples,
            "pressed": self.worst_cases.pressed,
        }
        arrays = {"loudest_numbers": numbers, "loudest_counts": counts, **fit, **self.worst_cases.state()}
        self.checkpoint.save(facts, arrays)

    def _deployed(self, net: Net) -> DeployedModel:
        return self.quantised(net, self.arming, self._threshold(self.quantised(net, self.arming, 0)))

    def _learn_counterexamples(self, model: DeployedModel) -> bool:
        """Learn from what the prover finds against requirements on sets with an end; whether there was anything.

        A must-fire set that is not proved is pressed from now on, whether the prover found a member or gave up.
        """
        found = False
        for requirement in self.requirements:
            must_fire = requirement.id in self.members
            if not must_fire and requirement.id not in self.silent:
                continue
            self.advance(self.n_steps_done, f"proving {requirement.id}")
            verdict = prove(model, requirement)
            if isinstance(verdict, Violated):
                counts = [int(count) for count in verdict.certificate["witness"]["counts"]]
                self.counterexamples.setdefault(requirement.id, []).append(counts)
                self._learn(requirement.id, counts)
                found = True
            if must_fire and not isinstance(verdict, Proved):
                self.worst_cases.press_on(requirement.id)
                found = True
        return found

    def _learn(self, requirement_id: str, counts: Sequence[int]) -> None:
        """Make a counterexample count as much as eight drawn members; one that must not fire is an event of its own."""
        sequence = np.array(counts, dtype=np.int64)
        if requirement_id in self.members:
            due = self.members[requirement_id][0].due
            self.members[requirement_id] += [Member(sequence, due)] * 8
        else:
            self.false_fires.append(sequence)

    def _due(self, event: Event) -> int:
        """The last sample of an event at which a request of this stage is in time."""
        period = float(self.corpus.sample_period_s)
        return due_sample(event, period) + round(self.aim.delay_ms * 1e-3 / period)

    def _wanted(self) -> FireWindows:
        """Windows of every event and member that must fire."""
        plan, period = self.plan, float(self.corpus.sample_period_s)
        members = [member for drawn in self.members.values() for member in drawn]
        known = [Member(event.main_lsb, self._due(event)) for event in self.must] + members
        shares = [1.0 / len(self.must)] * len(self.must)
        shares += [plan.family_weight / len(drawn) for drawn in self.members.values() for _ in drawn]
        windows = self._windows([member.counts_lsb for member in known])
        reach, later = round(plan.reach_ms * 1e-3 / period), round(plan.later_ms * 1e-3 / period)
        inputs, lengths = [], []
        for k, member in enumerate(known):
            last = min(member.due, member.counts_lsb.size - 1)
            in_time = np.arange(max(0, last - reach + 1), last + 1)
            after = np.arange(max(0, last + LATER_STEP), min(last + later + 1, member.counts_lsb.size), LATER_STEP)
            if not in_time.size and not after.size:
                continue
            inputs.append(windows.at(k, np.concatenate([in_time, after])))
            lengths.append((in_time.size, after.size, shares[k]))
        in_time_lengths, later_lengths, weight = (np.array(column) for column in zip(*lengths, strict=True))
        return FireWindows(np.concatenate(inputs), in_time_lengths, later_lengths, weight, plan.confirm_votes)

    def fit(self, start: Net | None, n_round: int, saved: Saved | None) -> Net:
        """Adam on the event losses plus penalties on exact worst cases.

        Parameters
        ----------
        start : Net or None
            Where to go on; None draws a net.
        n_round : int
            0 is the long first round.
        saved : Saved or None
            The state within this round to go on from.
        """
        plan, loudest, wanted = self.plan, self.loudest, self._wanted()
        n_steps = plan.n_steps if n_round == 0 else max(10, plan.n_steps // 3)
        begin = 0
        if saved:
            state, begin = saved.arrays, int(saved.facts["step"])
            conditioning = _Conditioning(state["mean"], state["direction"], state["scale"])
            shaped = Net(*(state[f"shaped_{k}"] for k in range(4)))
            moment, square = ([state[f"{name}_{k}"] for k in range(4)] for name in ("moment", "square"))
            insistence = state["insistence"]
        else:
            if start is None:
                ramp = np.linspace(0.0, 1.0, plan.n_blocks, dtype=np.float32)
                loudest.grow(lambda inputs: inputs.sum(axis=1), 6)
                loudest.grow(lambda inputs: np.abs(inputs).max(axis=1), 4)
                loudest.grow(lambda inputs: inputs @ ramp, 4)
            conditioning = _Conditioning.of(np.concatenate([wanted.inputs, loudest.pool()[0]]))
            if start is None:
                shaped = Net.drawn(plan.n_hidden, plan.n_blocks, self.rng)
            else:
                shaped = conditioning.shaped(start)
            moment = [np.zeros_like(p) for p in shaped.parameters()]
            square = [np.zeros_like(p) for p in shaped.parameters()]
            insistence = np.ones(len(loudest.windows))
        late_first, cost = n_round == 0, plan.no_fire_weight / len(self.must)
        for step in range(begin, n_steps):
            net = conditioning.net(shaped)
            if step % (LOOK_OFTEN_STEPS if step >= NEAR_END * n_steps else LOOK_EVERY_STEPS) == 0:
                if step > begin:
                    fit = {"mean": conditioning.mean, "direction": conditioning.direction, "scale": conditioning.scale}
                    fit["insistence"] = insistence
                    for k, parts in enumerate(zip(shaped.parameters(), moment, square, strict=True)):
                        fit |= {f"{name}_{k}": a for name, a in zip(("shaped", "moment", "square"), parts, strict=True)}
                    self._save(n_round, step, fit)
                if step or not late_first:
                    loudest.grow(net.single().score, 4)
                unwanted, begins = loudest.pool()
                if step >= INSIST_FROM * n_steps or not late_first:
                    is_loud = np.maximum.reduceat(net.single().score(unwanted), begins) > -plan.margin
                    insistence = insisted(insistence, is_loud)
            if step % SIFT_EVERY_STEPS == 0:
                asked, silent, starts, kept = self._sifted(net, wanted, unwanted, begins)
                inputs = np.concatenate([asked.inputs, silent])
                n_asked = len(asked.inputs)
            single = net.single()
            output, hidden = single.forward(inputs)
            late, d_late = fire_loss(asked, output[:n_asked], plan.margin, plan.miss_weight)
            loud, d_loud = quiet_loss(output[n_asked:], starts, plan.margin, cost * insistence[kept])
            gradients = single.backward(inputs, hidden, np.concatenate([d_late, d_loud]).astype(np.float32))
            # First learn to tell events apart, then press towards provability; later rounds press all along.
            progress = step / n_steps
            ramp_up = float(np.clip((progress - 0.15) / 0.3, 0.0, 1.0)) ** 2 if late_first else 1.0
            pull = plan.penalty_weight * ramp_up
            if pull and step % CLIMB_EVERY_STEPS == 0:
                often = PROVER_OFTEN_STEPS if progress >= NEAR_END else PROVER_EVERY_STEPS
                rounded = self.quantised(net, None, 0) if step % often == 0 else None
                self.worst_cases.follow(net, rounded, self.members)
            worst = self.worst_cases.press(net, gradients, pull, plan.margin)
            if self.aim.shared is not None:  # the hidden layer stays as it is
                gradients = (np.zeros_like(gradients[0]), np.zeros_like(gradients[1]), *gradients[2:])
            rate = plan.learning_rate * 0.5 * (1 + np.cos(np.pi * max(0.0, progress - 0.3) / 0.7)) + 1e-4
            if not late_first:
                rate *= 0.3
            for p, g, m, s in zip(shaped.parameters(), conditioning.gradients(gradients), moment, square, strict=True):
                m += 0.1 * (g - m)
                s += 0.001 * (g * g - s)
                p -= rate * (m / (1 - 0.9 ** (step + 1))) / (np.sqrt(s / (1 - 0.999 ** (step + 1))) + 1e-8)
            self.n_steps_done += 1
            if step % 50 == 49:
                entry = {"step": self.n_steps_done, "late": late, "loud": loud, "worst_case": worst}
                self.history.append(entry if self.aim.stage == 1 else {"stage": self.aim.stage, **entry})
                status = "second stage: " if self.aim.stage == 2 else ""
                status += f"late {late:.3f}, loud {loud:.3f}" + (f", worst case {worst:+.2f}" if worst else "")
                self.advance(min(self.n_steps_done, plan.n_steps), status)
        if self.aim.shared is not None:  # to the last bit
            return replace(self.aim.shared, output_weight=shaped.output_weight, output_bias=shaped.output_bias)
        return conditioning.net(shaped)

    def _sifted(
        self, net: Net, wanted: FireWindows, unwanted: Float, begins: NDArray[np.int64]
    ) -> tuple[FireWindows, Float, NDArray[np.int64], NDArray[np.int64]]:
        """What still has a gradient: must-fire events; no-fire windows, where each event's begin, and which events."""
        single, far = net.single(), self.plan.margin + FAR
        asked = wanted.picked(wanted.scores(single.score(wanted.inputs)) < far)
        scores = single.score(unwanted)
        lengths = np.diff(np.append(begins, len(scores)))
        top = np.maximum.reduceat(scores, begins)
        rows = np.repeat(top > -far, lengths) & (scores > np.repeat(top, lengths) - FAR)
        kept = np.add.reduceat(rows.astype(np.int64), begins)
        return asked, unwanted[rows], starts_of(kept[kept > 0]), np.flatnonzero(kept)

    def _threshold(self, draft: DeployedModel) -> int:
        """The output bias: as sensitive as the no-fire events and the exact worst cases of the requirements allow.

        ``draft`` has output bias 0, so its outputs are levels: an event requests fire when its level plus the
        bias is positive. Between the loudest no-fire level and the levels that must-fire events reach in
        time the bias takes the point a quarter of the way up; the proved worst cases cap it.
        """
        loudest = max(confirmed_level(draft, draft.outputs(counts)).max() for counts in self._unwanted())
        in_time = []
        for event in self.must:
            due = self._due(event)
            levels = confirmed_level(draft, draft.outputs(event.main_lsb[: max(1, due + 1)]))
            in_time.append(int(levels.max()))
        room = max(0, int(np.quantile(in_time, 0.02)) - int(loudest))
        highest = -int(loudest) - room // 4
        for requirement in self.requirements:
            if requirement.claim == "never_requests_fire" and requirement.set["kind"] == "signals":
                highest = min(highest, -ceil_fraction(worst_case(draft, requirement).bound))
        return highest


def deployed_arming(corpus: Corpus, plan: ArmingPlan) -> Arming:
    """The safing rule of a plan in counts of the corpus's safing sensor."""
    spec = corpus.sensors.safing
    count_mps = float(spec.lsb) * G0_MPS2 * float(spec.sample_period_s)
    return Arming(
        lsb_g=spec.lsb,
        clamp_lsb=min(spec.clamp_lsb, max(1, int(plan.clamp_g / float(spec.lsb)))),
        window_samples=max(1, round(plan.window_ms * 1e-3 * spec.sample_rate_hz)),
        threshold_lsb=round(plan.delta_v_mps / count_mps),
        hold_samples=round(plan.hold_ms * 1e-3 * spec.sample_rate_hz),
    )


def due_sample(event: Event, sample_period_s: float) -> int:
    """Index of the last sample of an event, one every ``sample_period_s``, at which firing is in time."""
    return int(np.floor((event.rttf_s - event.first_sample_s) / sample_period_s + 1e-9))


def insisted(insistence: Float, is_loud: NDArray[np.bool_]) -> Float:
    """How much each no-fire event weighs from now on; both of shape (n_events,).

    Without this a few events are given up, since one costs no more than a few late ones; but the threshold is set by
    the loudest no-fire event, so each of them is a condition and not a cost.

    Parameters
    ----------
    insistence : ndarray
        What each weighed before, 1 and more.
    is_loud : ndarray of bool
        Whether it is within the margin of a fire request.
    """
    weight: Float = np.clip(insistence * np.where(is_loud, INSIST_FACTOR, 1 / INSIST_FACTOR), 1.0, INSIST_MOST)
    return weight


class _Conditioning:
    """Trains in coordinates in which neighbouring blocks, which are nearly equal, are not nearly redundant.

    Inputs are decorrelated up to a ridge, so that the path of training, and so its end, depends far less on
    the random start. The net itself reads the raw blocks all along.
    """

    RIDGE = 0.01

    def __init__(self, mean: Float, direction: Float, scale: Float) -> None:
        self.mean, self.direction, self.scale = mean, direction, scale
        self.rows = (direction / scale).T

    @classmethod
    def of(cls, inputs: Float) -> _Conditioning:
        """The coordinates that suit inputs of shape (n_windows, n_blocks)."""
        variance, direction = np.linalg.eigh(np.cov(inputs.T))
        scale = np.sqrt(variance + cls.RIDGE * variance.max())
        return cls(inputs.mean(axis=0, dtype=np.float64), direction, scale)

    def shaped(self, net: Net) -> Net:
        """The shaped parameters that stand for a net on raw blocks."""
        weight = (net.hidden_weight @ self.direction) * self.scale
        bias = net.hidden_bias + net.hidden_weight @ self.mean
        return Net(weight, bias, net.output_weight.copy(), net.output_bias.copy())

    def net(self, shaped: Net) -> Net:
        """The net on raw blocks that the shaped parameters stand for."""
        weight = shaped.hidden_weight @ self.rows
        bias = shaped.hidden_bias - weight @ self.mean
        return Net(weight, bias, shaped.output_weight, shaped.output_bias)

    def gradients(self, raw: Gradients) -> Gradients:
        """Gradients with respect to the shaped parameters."""
        return (raw[0] - np.outer(raw[1], self.mean)) @ self.rows.T, raw[1], raw[2], raw[3]


def confirmed_level(model: DeployedModel, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """At each sample, the K-th largest of the last M outputs: what decides a model to fire; shape (n_samples,)."""
    quiet = np.full(model.confirm_window - 1, np.iinfo(np.int64).min // 2)
    recent = np.lib.stride_tricks.sliding_window_view(np.concatenate([quiet, outputs]), model.confirm_window)
    ranked: NDArray[np.int64] = np.sort(recent, axis=1)[:, -model.confirm_votes]
    return ranked
