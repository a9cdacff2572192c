"""Decides requirements on the deployed integers: proofs with certificates, or sequences that show the opposite.

A claim is turned into goals that must never hold together (see the checker's docstring), each refuted by
``search``. One window at a time comes first, since it is the cheapest lemma; where it does not suffice, the
joint problem over the windows that K-of-M confirmation needs. What the checker does not accept is not returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker
from .properties import Requirement
from .search import Outcome, Problem, search

Float = NDArray[np.float64]

MAX_NODES = 1_500
"""Nodes of one search tree before the answer is unknown."""

MAX_CASES = 64
"""Joint cases of one claim before the answer is unknown."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The claim holds; ``certificate`` is the evidence, ``bound`` the proved upper bound of y (single windows only)."""

    certificate: dict[str, Any]
    bound: Fraction | None


@dataclass(frozen=True, slots=True)
class Violated:
    """The claim is false; the certificate carries a counterexample or is decided in closed form."""

    certificate: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Undecided, which is never good news: ``bound`` is what y may reach, where that is what is missing."""

    reason: str
    bound: Fraction | None


Verdict = Proved | Violated | Unknown


@dataclass(frozen=True, slots=True)
class Worst:
    """Largest y over a set: at least ``reached`` (by a real point), at most ``bound`` (proved)."""

    bound: Fraction
    reached: float
    tree: dict[str, Any]
    window: Float


class _Subject:
    """One model and one requirement, as the checker sees them."""

    def __init__(self, model: DeployedModel, requirement: Requirement) -> None:
        self.deployed = model
        self.model = checker.Model(model.payload())
        self.payload = requirement.payload()
        self.claim, self.set = requirement.claim, self.payload["set"]
        self.by_ms = requirement.by_ms
        self.endless = self.set["kind"] == "signals"

    def polytope(self, length: int) -> checker.Polytope:
        return checker.polytope(self.model.main, self.set, length)

    def accepted(self, certificate: dict[str, Any]) -> bool:
        """Whether the standalone checker takes a certificate."""
        try:
            checker.check(self.model, self.payload, certificate)
        except checker.Rejected:
            return False
        return True

    def refute(
        self,
        poly: checker.Polytope,
        ends: Sequence[int],
        signs: Sequence[int],
        witness: Callable[[Float], Any] | None = None,
    ) -> Outcome:
        goals = [checker.goal(self.model, poly, end, sign) for end, sign in zip(ends, signs, strict=True)]
        return search(Problem(poly, goals), max_nodes=MAX_NODES, witness=witness)


def signal_counts(model: DeployedModel, requirement: Requirement) -> tuple[int, int] | None:
    """Amplitude and velocity range (0 where unbounded) of a requirement's set in counts of the model, else None.

    None where the set has any other part.
    """
    described = requirement.payload()["set"]
    if described["kind"] != "signals" or not set(described) <= {"kind", "amplitude_g", "velocity_range_kmh"}:
        return None
    sensor = checker.Model(model.payload()).main
    alone = checker.signals(sensor, {"amplitude_g": described["amplitude_g"]}, 1)
    velocity = checker.signals(sensor, described, 1).box[0][1] if "velocity_range_kmh" in described else 0
    return alone.box[0][1], velocity


def worst_case(model: DeployedModel, requirement: Requirement, *, below: int | None = None, gap: float = 1.0) -> Worst:
    """Bound the largest y of one window over a requirement's set from both sides.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
        ``never_requests_fire`` over a set of kind ``signals``.
    below : int, optional
        Stop as soon as y < ``below`` is proved: enough for a proof, and quicker.
    gap : float
        Otherwise stop when bound and reached differ by no more than this, relative to 1 + |bound| / 10,000.

    Returns
    -------
    Worst
        ``bound`` is a theorem; ``reached`` is a float evaluation that only steers.
    """
    subject = _Subject(model, requirement)
    end = subject.model.window - 1
    poly = subject.polytope(subject.model.window)
    problem = Problem(poly, [checker.goal(subject.model, poly, end, 1)])
    outcome = search(problem, below=None if below is None else Fraction(below - 1), gap=gap, max_nodes=MAX_NODES)
    point = outcome.point if outcome.point is not None else np.zeros(len(poly.box))
    window = np.array([sum(float(a) * point[i] for i, a in sample.items()) for _, sample in poly.samples])
    return Worst(outcome.bound + 1, outcome.reached + 1, outcome.tree, window)


def prove(model: DeployedModel, requirement: Requirement) -> Verdict:
    """Decide one requirement on the deployed integers of a model.

    Returns
    -------
    Proved, Violated or Unknown
        ``Proved`` carries a certificate that the standalone checker accepts (it was run on it);
        ``Violated`` one whose counterexample the checker replayed.
    """
    subject = _Subject(model, requirement)
    try:
        if subject.claim == "monotone":
            return _monotone(subject)
        if subject.claim == "never_requests_fire":
            return _never_endless(subject) if subject.endless else _never_finite(subject)
        if subject.claim == "fires_by":
            return _fires_by(subject)
        return _closed_form(subject)
    except checker.Rejected as refused:
        return Unknown(str(refused), None)


def _certificate(verdict: str, cases: list[dict[str, Any]] | None = None, witness: Any = None) -> dict[str, Any]:
    return {"verdict": verdict, "cases": cases or [], "witness": witness}


def _case(ends: Sequence[int], outcome: Outcome) -> dict[str, Any]:
    return {"windows": [int(end) for end in ends], "tree": outcome.tree}


def _proved(subject: _Subject, cases: list[dict[str, Any]], bound: Fraction | None) -> Verdict:
    """Proved if the checker agrees; it must, so disagreement is told with its reason."""
    certificate = _certificate("proved", cases)
    checker.check(subject.model, subject.payload, certificate)
    return Proved(certificate, bound)


def _closed_form(subject: _Subject) -> Verdict:
    """Claims that need no search: the checker's own formula decides."""
    for verdict in ("proved", "violated"):
        certificate = _certificate(verdict)
        if subject.accepted(certificate):
            return Proved(certificate, None) if verdict == "proved" else Violated(certificate)
    holds, decides = checker.closed_form(subject.model, subject.claim, subject.set, subject.by_ms)
    return Unknown(f"{subject.claim} could not be shown in closed form ({holds=}, {decides=})", None)


def _monotone(subject: _Subject) -> Verdict:
    poly = checker.more_severe(subject.model.main, subject.set)
    n = subject.model.window

    def witness(point: Float) -> Any:
        whole = np.rint(point).astype(int)
        return _accepted_witness(subject, poly, [Fraction(int(q)) for q in whole])

    outcome = subject.refute(poly, [n - 1, 2 * n - 1], [1, -1], witness)
    if outcome.found is not None:
        return Violated(outcome.found)
    if outcome.refuted:
        return _proved(subject, [_case([n - 1, 2 * n - 1], outcome)], None)
    return Unknown("a more severe window may lose its vote, but no whole counts that do were found", None)


def _accepted_witness(subject: _Subject, poly: checker.Polytope, latents: list[Fraction]) -> Any:
    """A certificate of the opposite from latents, if the checker replays it as one; else None."""
    counts = [constant + sum(a * latents[i] for i, a in sample.items()) for constant, sample in poly.samples]
    if any(Fraction(u).denominator != 1 for u in counts):
        return None
    witness = {"counts": [int(u) for u in counts], "latents": [str(q) for q in latents]}
    certificate = _certificate("violated", witness=witness)
    return certificate if subject.accepted(certificate) else None


def _never_endless(subject: _Subject) -> Verdict:
    """No fire for unbounded time: no window votes, or no K of the M windows that count do."""
    model = subject.model
    n, last = model.window, model.window + model.votes_window - 2
    poly = subject.polytope(n)
    single = subject.refute(poly, [n - 1], [1], lambda point: _from_windows(subject, poly, point))
    if single.refuted:
        return _proved(subject, [_case([n - 1], single)], single.bound + 1)
    if single.found is not None:
        return Violated(single.found)
    unknown = Unknown(f"one window's y may reach {float(single.bound + 1):.6g}, and no sequence was found", None)
    choices = [
        (*chosen, last) for chosen in combinations(range(n - 1, last), model.votes - 1)
    ]  # windows shifted so that the newest vote is the last
    if model.votes == 1 or len(choices) > MAX_CASES:
        return unknown
    longer, cases = subject.polytope(last + 1), []
    for ends in choices:
        joint = subject.refute(longer, ends, [1] * len(ends), lambda point: _from_windows(subject, longer, point))
        if joint.found is not None:
            return Violated(joint.found)
        if not joint.refuted:
            return Unknown(
                f"windows {ends} may vote together, and no sequence of whole counts that does was found", None
            )
        cases.append(_case(ends, joint))
    return _proved(subject, cases, None)


def _from_windows(subject: _Subject, poly: checker.Polytope, point: Float) -> Any:
    """A counterexample made of a window: rounded, then held, repeated and begun in several ways; or None."""
    parts = _parts(subject, poly, point)
    length = len(poly.samples)
    tail = subject.model.votes_window
    for before, after, how in (
        (1, 0, "hold"), (1, tail, "hold"), (1, tail, "zero"), (1, tail, "repeat"), (1, length, "repeat"),
        (tail, 0, "hold"), (1 + tail, 0, "first"), (1 + length, 0, "first"),
    ):  # fmt: skip
        longer = tuple(_extended(part, before, after, how) for part in parts)
        counts = np.sum(longer, axis=0)
        if not subject.deployed.fire_requests(subject.deployed.outputs(counts)).any():
            continue
        latents = _latents(subject, *longer)
        if latents is not None:
            made = subject.polytope(longer[0].size)
            found = _accepted_witness(subject, made, [Fraction(int(q)) for q in latents])
            if found is not None:
                return found
    return None


def _extended(part: NDArray[np.int64], before: int, after: int, how: str) -> NDArray[np.int64]:
    """A sequence with a zero, then more of it before and after."""
    head = np.full(before - 1, part[0]) if how == "first" else np.zeros(before - 1, dtype=np.int64)
    ends = {"hold": part[-1:].repeat(after), "zero": np.zeros(after, dtype=np.int64), "repeat": np.resize(part, after)}
    return np.concatenate([[0], head, part, ends.get(how, part[:0])])


def _parts(subject: _Subject, poly: checker.Polytope, point: Float) -> tuple[NDArray[np.int64], ...]:
    """Whole counts of the signal, the step and the corruption that a point of a signals set is made of."""
    length = len(poly.samples)
    if "velocity_range_kmh" in subject.set:
        signal, first = np.diff(np.rint(point[: length + 1])), length + 1
    else:
        signal, first = np.rint(point[:length]), length
    step, errors = np.zeros(length), np.zeros(length)
    if "step_g" in subject.set:
        rises = point[first : first + length] - point[first + length : first + 2 * length]
        step, first = np.rint(np.cumsum(rises)), first + 2 * length
    if "corrupted_samples" in subject.set:
        raw, flags = point[first : first + length], point[first + length : first + 2 * length]
        most = int(subject.set["corrupted_samples"])
        worst = np.argsort(-flags, kind="stable")[:most]
        reach = subject.model.clamp
        errors[worst] = np.clip(np.rint(raw[worst]), -reach - signal[worst], reach - signal[worst])
    return signal.astype(np.int64), step.astype(np.int64), errors.astype(np.int64)


def _latents(
    subject: _Subject, signal: NDArray[np.int64], step: NDArray[np.int64], errors: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Latents of a signals set for given parts, or None if the signal's velocity range is too wide."""
    pieces = [signal]
    if "velocity_range_kmh" in subject.set:
        velocity = np.concatenate([[0], np.cumsum(signal)])
        velocity -= velocity[-subject.model.window - 1 :].min()
        pieces = [velocity]
    if "step_g" in subject.set:
        rises = np.diff(np.concatenate([[0], step]))
        pieces += [np.maximum(rises, 0), np.maximum(-rises, 0)]
    if "corrupted_samples" in subject.set:
        pieces += [errors, (errors != 0).astype(np.int64)]
    return np.concatenate(pieces)


def _finite_witness(subject: _Subject, poly: checker.Polytope, point: Float, slope: Float) -> Any:
    """A counterexample near a point of a set with an end: shared latents kept, each sample made whole.

    ``slope`` says which way a sample should go when both whole numbers next to it are in the set.
    """
    shared = [Fraction(round(float(q) * 2**16), 2**16) for q in point[:2]]
    latents = [*shared, *([Fraction(0)] * (len(poly.box) - 2))]
    for k, (constant, sample) in enumerate(poly.samples):
        base = constant + sum((a * latents[i] for i, a in sample.items() if i < 2), Fraction(0))
        reach = abs(sample[2 + k])
        wanted = base + sample[2 + k] * Fraction(float(point[2 + k]))
        low, high = -((reach - base) // 1), (base + reach) // 1
        if low > high:
            return None
        rounded = int(wanted // 1) + (1 if slope[k] > 0 and wanted % 1 else 0)
        latents[2 + k] = (max(low, min(high, rounded)) - base) / sample[2 + k] if sample[2 + k] else Fraction(0)
    return _accepted_witness(subject, poly, latents)


def _finite_refute(subject: _Subject, poly: checker.Polytope, ends: Sequence[int], sign: int) -> Outcome:
    """Refute that windows of a finite set all vote (sign 1) or all keep silent (sign -1)."""

    def witness(point: Float) -> Any:
        for slope in (np.zeros(len(poly.samples)), np.ones(len(poly.samples))):
            found = _finite_witness(subject, poly, point, slope)
            if found is not None:
                return found
        return None

    return subject.refute(poly, ends, [sign] * len(ends), witness)


def _never_finite(subject: _Subject) -> Verdict:
    """No fire at any sample of a sequence with an end."""
    model, poly = subject.model, subject.polytope(0)
    cases, loose = [], []
    for end in range(len(poly.samples)):
        outcome = _finite_refute(subject, poly, [end], 1)
        if outcome.found is not None:
            return Violated(outcome.found)
        if outcome.refuted:
            cases.append(_case([end], outcome))
        else:
            loose.append(end)
    groups = {
        chosen
        for end in loose
        for chosen in combinations([k for k in loose if end - model.votes_window < k <= end], model.votes)
        if chosen[-1] == end
    }
    return _joint(subject, poly, cases, sorted(groups), 1)


def _joint(
    subject: _Subject, poly: checker.Polytope, cases: list[dict[str, Any]], groups: list[tuple[int, ...]], sign: int
) -> Verdict:
    """Refute every group of windows together, and so finish a proof whose single windows did not suffice."""
    if len(groups) > MAX_CASES:
        return Unknown(f"{len(groups)} groups of windows are left to go through, more than {MAX_CASES}", None)
    for ends in groups:
        outcome = _finite_refute(subject, poly, ends, sign)
        if outcome.found is not None:
            return Violated(outcome.found)
        if not outcome.refuted:
            return Unknown(f"windows {ends}: together they may break the claim; no sequence that does was found", None)
        cases.append(_case(ends, outcome))
    return _proved(subject, sorted(cases, key=lambda case: case["windows"]), None)


def _fires_by(subject: _Subject) -> Verdict:
    """Fire is requested in time: at some sample no later than stated, enough of the last M windows must vote."""
    model, poly = subject.model, subject.polytope(0)
    last = checker.last_in_time(model.main, subject.set, subject.by_ms)
    if not model.votes_window - 1 <= last < len(poly.samples):
        return Unknown(f"the time stated is sample {last}, outside the set's {len(poly.samples)} samples", None)
    verdict: Verdict = Unknown("no time was tried", None)
    for fit in _likely_times(subject, poly, last):
        verdict = _fires_at(subject, poly, fit)
        if not isinstance(verdict, Unknown):
            break
    return verdict


def _likely_times(subject: _Subject, poly: checker.Polytope, last: int) -> list[int]:
    """Samples at which all sequences are likeliest to have enough votes, likeliest first, and the last one in time.

    Judged by three sequences: all deviations at their lowest, in the middle and at their highest.
    """
    model, deployed = subject.model, subject.deployed
    votes = np.full(last + 1, np.iinfo(np.int64).max)
    for side in (-1, 0, 1):
        counts = [round(constant + side * sum(abs(a) for a in sample.values())) for constant, sample in poly.samples]
        votes = np.minimum(votes, deployed.outputs(np.array(counts[: last + 1])))
    recent = np.lib.stride_tricks.sliding_window_view(votes, model.votes_window)
    level = np.sort(recent, axis=1)[:, -model.votes]
    best = np.argsort(-level, kind="stable")[:2] + model.votes_window - 1
    return list(dict.fromkeys([*(int(fit) for fit in best), last]))


def _fires_at(subject: _Subject, poly: checker.Polytope, fit: int) -> Verdict:
    """Fire is requested at the sample ``fit`` at the latest."""
    model = subject.model
    group, silent = range(fit - model.votes_window + 1, fit + 1), model.votes_window - model.votes + 1
    cases, loose = [], []
    for end in reversed(group):
        outcome = _finite_refute(subject, poly, [end], -1)
        if outcome.found is not None:
            return Violated(outcome.found)
        if outcome.refuted:
            cases.append(_case([end], outcome))
        else:
            loose.append(end)
        if len(cases) >= model.votes:
            return _proved(subject, sorted(cases, key=lambda case: case["windows"]), None)
    choices = list(combinations(sorted(loose), silent)) if comb(len(loose), silent) <= MAX_CASES else []
    if not choices and len(loose) >= silent:
        return Unknown("too many groups of windows to go through", None)
    return _joint(subject, poly, cases, choices, -1)
