"""Decides requirements on the deployed integers: proofs with certificates, or sequences that show the opposite.

A claim becomes questions (see the checker): votes that a broken claim needs, to be refuted on the whole set. One
window at a time comes first, since it is the cheapest lemma; where real sequences remain, the proof splits on
whether another window votes, and where no window is left, on whole counts. So the answer is complete: what is not
proved has a counterexample, unless the search is given up. What the checker does not accept is not returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker, falsify, many, witness
from .properties import Requirement
from .search import Outcome, Problem, search

Float = NDArray[np.float64]
Counts = NDArray[np.int64]

CLOSED_CLAIMS = ("accumulators_fit", "resets", "image_protected")
"""Claims that the checker decides by itself: there is nothing to search for."""

MAX_NODES = 1_500
"""Nodes of one search tree before it is given up."""

MAX_WHOLE_NODES = 150
"""Nodes of a search tree that splits on whole numbers too: each needs a linear programme of its own."""

MAX_SEARCHES = 160
"""Searches of one requirement before its answer is unknown."""

MOST_MENDED = 6
"""Points of one requirement whose rounding is mended count by count, which takes as long as a search."""


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


@dataclass(frozen=True, slots=True)
class Vacuous:
    """The set is empty, contradicts itself or is mere silence, so that claims about it say nothing: never proved."""

    reason: str


Verdict = Proved | Violated | Unknown | Vacuous


@dataclass(frozen=True, slots=True)
class Worst:
    """Largest y over a set: at least ``reached`` (by a real point), at most ``bound`` (proved)."""

    bound: Fraction
    reached: float
    tree: dict[str, Any]
    window: Float


class _Found(Exception):
    """A counterexample; carries its certificate."""

    def __init__(self, certificate: dict[str, Any]) -> None:
        super().__init__("found")
        self.certificate = certificate


class _GivenUp(Exception):
    """The search is given up; says what is open."""


class _Subject:
    """One model and one requirement, as the checker sees them."""

    def __init__(self, model: DeployedModel, requirement: Requirement, effort: float = 1.0) -> None:
        self.model = checker.Model(model.payload())
        self.payload = requirement.payload()
        self.claim, self.set, self.by_ms = requirement.claim, self.payload["set"], requirement.by_ms
        model.of_stage(requirement.stage)  # refuses a stage that is not there
        self.voter = witness.voter_of(self.model, self.claim, requirement.stage)
        self.searches, self.effort, self.mended = 0, effort, 0
        self.last_try, self.began = True, False
        self.goals: dict[tuple[int, int, bool], checker.Goal] = {}

    def polytope(self, length: int) -> checker.Polytope:
        return checker.polytope(self.voter, self.claim, self.set, length)

    def goal(self, poly: checker.Polytope, end: int, votes: bool) -> checker.Goal:
        key = (len(poly.samples), end, votes)
        if key not in self.goals:
            self.goals[key] = checker.goal_of(self.voter, poly, end, votes)
        return self.goals[key]

    def last_in_time(self, poly: checker.Polytope) -> int:
        """The last sample by which a timed claim asks for a request."""
        return next(checker.questions(self.voter, self.claim, poly, self.by_ms))[1].stop - 1

    def counterexample(self, poly: checker.Polytope, latents: Sequence[Fraction]) -> dict[str, Any] | None:
        """A certificate of the opposite from latents, if it is one when replayed."""
        try:
            counts = witness.member(poly, latents)
        except checker.Rejected:
            return None
        if max(map(abs, counts)) > self.voter.clamp:
            return None
        if not witness.breaks(self.voter, self.claim, poly, self.by_ms, np.array(counts)):
            return None
        told = {"counts": counts, "latents": [str(q) for q in latents]}
        length = 0 if poly.zero is not None else len(counts)
        certificate = {"verdict": "violated", "length": length, "trees": [], "witness": told}
        witness.check(self.model, self.payload, certificate)
        return certificate


def signal_counts(model: DeployedModel, requirement: Requirement) -> tuple[int, int] | None:
    """Amplitude and velocity range (0 where unbounded) of a requirement's set in counts of the model, else None.

    None where the set has any other part.
    """
    described = requirement.payload()["set"]
    if described["kind"] != "signals" or not set(described) <= {"kind", "amplitude_g", "velocity_range_kmh"}:
        return None
    voter = checker.Model(model.payload()).main
    alone = checker.polytope(voter, "", {"kind": "signals", "amplitude_g": described["amplitude_g"]}, 1)
    velocity = checker.polytope(voter, "", described, 1).box[0][1] if "velocity_range_kmh" in described else 0
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
    end = subject.voter.window - 1
    poly = subject.polytope(subject.voter.window)
    problem = Problem(poly, [subject.goal(poly, end, True)])
    # Real sequences suffice for a bound; whole ones would close the last count at the price of a tree a node a count.
    limit = None if below is None else Fraction(below - 1)
    outcome = search(problem, below=limit, gap=gap, max_nodes=MAX_NODES, whole=False)
    point = outcome.point if outcome.point is not None else np.zeros(len(poly.box))
    return Worst(outcome.bound + 1, outcome.reached + 1, outcome.tree, _samples(poly, point))


def prove(model: DeployedModel, requirement: Requirement, *, effort: float = 1.0) -> Verdict:
    """Decide one requirement on the deployed integers of a model.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
    effort : float
        Share of the usual searches and nodes before the answer is unknown: little where many cells are tried.

    Returns
    -------
    Proved, Violated, Unknown or Vacuous
        ``Proved`` carries a certificate that the standalone checker accepts (it was run on it);
        ``Violated`` one whose counterexample was replayed.
    """
    subject = _Subject(model, requirement, effort)
    if (silent := _only_silence(subject)) is not None:
        return Vacuous(silent)
    try:
        if subject.claim in CLOSED_CLAIMS:
            certificate = {"verdict": "proved", "length": 0, "trees": [], "witness": None}
            checker.check(subject.model, subject.payload, certificate)
            return Proved(certificate, None)
        return _decide(subject)
    except _Found as found:
        return Violated(found.certificate)
    except _GivenUp as open_:
        return Unknown(str(open_), None)
    except checker.Rejected as refused:
        reason = str(refused)
        return Vacuous(reason) if "is empty" in reason else Unknown(reason, None)


def _only_silence(subject: _Subject) -> str | None:
    """Why a set of signals holds nothing but zeros, if it does: a number of it is less than a count."""
    described, voter = subject.set, subject.voter
    if described["kind"] != "signals" or {"step_g", "corrupted_samples"} & set(described):
        return None
    g, per_count = described["amplitude_g"], voter.lsb_g
    count_kmh = per_count * checker.GRAVITY * Fraction(18, 5) / voter.rate
    finest = {
        "slew_g_per_ms": per_count * voter.rate / 1000,
        "velocity_range_kmh": count_kmh,
        **({"amplitude_g": per_count} if Fraction(described.get("below_g", g)) < per_count else {}),
    }
    for key, one in finest.items():
        if key in described and checker.rational(described[key], key) < one:
            return f"holds nothing but silence: {key} = {described[key]} is less than a count, {float(one):.6g}"
    return None


def suggest(model: DeployedModel, requirement: Requirement, band: many.Band) -> Proved | None:
    """Prove a requirement over a set with an end by all its windows at once, or give up: quick where many are tried.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
    band : Band
        The set, as floats tell it: only what is tried rests on it.
    """
    subject = _Subject(model, requirement)
    voter, size = subject.voter, band.middle.size
    zero = voter.window + voter.m - 2 if subject.set["kind"] == "pulse" else 0
    try:
        asked = list(
            checker.questions(
                voter, subject.claim, checker.Polytope([], [], [(0, {})] * size, [], zero, (1, [])), subject.by_ms
            )
        )
        trees = many.suggested(voter, asked, band)
        return None if None in trees else Proved(_checked(subject, 0, trees), None)
    except checker.Rejected:
        return None


def prove_window(model: DeployedModel, requirement: Requirement, *, max_nodes: int = MAX_NODES) -> Proved | None:
    """Prove that no window of a set without end votes, or give up as soon as a real one does.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
        ``never_requests_fire`` over a set of kind ``signals``.
    max_nodes : int
        Of the search tree.
    """
    subject = _Subject(model, requirement)
    try:
        poly = subject.polytope(subject.voter.window)
        goal = subject.goal(poly, subject.voter.window - 1, True)
        outcome = search(Problem(poly, [goal]), max_nodes=max_nodes, whole=False)
        if not outcome.refuted:
            return None
        return Proved(_checked(subject, len(poly.samples), [outcome.tree]), outcome.bound + 1)
    except checker.Rejected:
        return None


def _decide(subject: _Subject) -> Verdict:
    voter = subject.voter
    lengths = [0]
    if subject.claim == "monotone":
        lengths = [2 * voter.window]
    elif subject.set["kind"] == "signals":
        # A window alone; all windows that confirmation looks at; and what went before them.
        joint = voter.window + voter.m - 1
        lengths = [voter.window, joint]
        if {"slew_g_per_ms", "velocity_range_kmh"} <= set(subject.set):
            lengths.append(joint + voter.window // 2)
        lengths = list(dict.fromkeys(lengths))
    reason = ""
    for length in lengths:
        subject.last_try = length == lengths[-1]
        poly = subject.polytope(length)
        asked = list(checker.questions(voter, subject.claim, poly, subject.by_ms))
        band = many.band_of(poly)
        try:
            if band is not None:
                return _decide_band(subject, poly, asked, band)
            proofs = [_Answer(subject, poly, question) for question in asked]
        except _GivenUp as open_:
            reason = str(open_)
            continue
        alone = length == voter.window and len(proofs) == 1 and subject.claim != "monotone"
        certificate = _checked(subject, length, [proof.tree for proof in proofs])
        return Proved(certificate, proofs[0].bound + 1 if alone else None)
    raise _GivenUp(reason)


def _checked(subject: _Subject, length: int, trees: list[Any]) -> dict[str, Any]:
    """A certificate that the checker has accepted. Raises Rejected."""
    certificate = {"verdict": "proved", "length": length, "trees": trees, "witness": None}
    checker.check(subject.model, subject.payload, certificate)
    return certificate


def _decide_band(
    subject: _Subject, poly: checker.Polytope, asked: Sequence[checker.Question], band: many.Band
) -> Verdict:
    """Decide a set with an end: most questions for all windows at once, and what that leaves one by one.

    In between, descent in floats looks for a counterexample: it is a thousand times as quick as finding that one is
    needed.
    """
    trees = many.suggested(subject.voter, asked, band)
    if None in trees:
        _descend(subject, poly, band)
    left = [_Answer(subject, poly, question).tree if tree is None else tree
            for question, tree in zip(asked, trees, strict=True)]  # fmt: skip
    try:
        return Proved(_checked(subject, 0, left), None)
    except checker.Rejected:  # floats refuted what numbers do not: then all of it one by one
        return Proved(_checked(subject, 0, [_Answer(subject, poly, question).tree for question in asked]), None)


def _descend(subject: _Subject, poly: checker.Polytope, band: many.Band) -> None:
    """Raise _Found if descent finds whole counts of a band that break the claim."""
    broken = falsify.broken_by(subject.voter, band, last=subject.last_in_time(poly) if subject.by_ms else None)
    if broken is None:
        return
    latents = [Fraction(0)] * len(poly.box)
    together = [i for i in range(len(poly.box)) if not 2 <= i < 2 + len(poly.samples)]
    for i, value in zip(together, broken.shared, strict=True):
        latents[i] = Fraction(float(value))
    found = _of_counts(subject, poly, latents, broken.counts.tolist())
    if found is not None:
        raise _Found(found)


class _Answer:
    """The proof tree of one question; raises _Found or _GivenUp if there is none."""

    def __init__(self, subject: _Subject, poly: checker.Polytope, question: checker.Question) -> None:
        self.subject, self.poly = subject, poly
        asked, self.windows, self.groups, self.wanted, self.number = question
        self.bound = Fraction(0)
        self.tree = self._visit(dict(asked))

    def _visit(self, votes: dict[int, bool]) -> Any:
        if self._decided(votes):
            return None
        point = self._likeliest() if not votes else None
        if votes:
            outcome = self._search(votes, whole=False)
            if outcome.refuted:
                self.bound = outcome.bound
                return outcome.tree
            point = outcome.point
        end = self._split_at(votes, point)
        if end is None:  # a real sequence breaks the claim: does a whole one?
            if self.poly.zero is None and self.subject.claim != "monotone":
                self._begin_at_rest(votes)
            if not self.subject.last_try:
                raise _GivenUp("a longer sequence is needed")
            outcome = self._search(votes, whole=True)
            if outcome.refuted:
                return outcome.tree
            end = self._split_at(votes, outcome.point)
        if end is None:
            ends = ", ".join(f"{w} {'votes' if vote else 'does not'}" for w, vote in sorted(votes.items()))
            raise _GivenUp(f"windows may do this together, and no whole sequence from rest was found: {ends}")
        first = not self.wanted  # the branch that is likelier to be refuted comes first
        branches = {vote: self._visit({**votes, end: vote}) for vote in (first, not first)}
        return {"window": end, "votes": branches[True], "silent": branches[False]}

    def _decided(self, votes: dict[int, bool]) -> bool:
        return any(sum(votes.get(w) is self.wanted for w in group) >= self.number for group in self.groups)

    def _search(self, votes: dict[int, bool], whole: bool) -> Outcome:
        subject = self.subject
        subject.searches += 1
        free = 0 if self.wanted else len(self.poly.samples)  # a question for each sample takes a search at least
        if subject.searches > free + MAX_SEARCHES * subject.effort:
            raise _GivenUp(f"given up after {subject.searches - 1} searches")
        goals = [subject.goal(self.poly, end, vote) for end, vote in votes.items()]

        def look(point: Float) -> None:
            found = _near(subject, self.poly, point)
            if found is not None:
                raise _Found(found)

        most = max(1, int((MAX_WHOLE_NODES if whole else MAX_NODES) * subject.effort))
        return search(Problem(self.poly, goals), max_nodes=most, whole=whole, witness=look)

    def _begin_at_rest(self, votes: dict[int, bool]) -> None:
        """Look for a counterexample that rises from rest, well enough inside the set that it may be rounded.

        Of no use where samples may be corrupted: there a flag between 0 and 1 cannot be rounded.
        """
        subject, voter = self.subject, self.subject.voter
        joint = voter.window + voter.m - 1
        if "corrupted_samples" in subject.set or subject.began:
            return
        subject.began = True
        length = joint + (voter.window // 2 if {"slew_g_per_ms", "velocity_range_kmh"} & set(subject.set) else 1)
        poly = subject.polytope(length)
        slack = [sum(map(abs, row.values())) // 2 if len(row) <= 4 else 0 for row, _ in poly.rows]
        inside = [(row, limit - less) for (row, limit), less in zip(poly.rows, slack, strict=True)]
        _, first = poly.samples[0]
        at_rest: list[checker.Row] = [({i: sign * a for i, a in first.items()}, 0) for sign in (1, -1)]
        ends = range(length - voter.m, length)[-voter.k :]
        goals = [checker.goal_of(voter, poly, end, True) for end in ends]
        problem = Problem(poly._replace(rows=inside + at_rest), goals)

        def look(point: Float) -> None:
            found = _rounded(subject, poly, point)
            if found is not None:
                raise _Found(found)

        search(problem, max_nodes=MAX_NODES // 10, whole=False, witness=look)

    def _split_at(self, votes: dict[int, bool], point: Float | None) -> int | None:
        """A window to split on: one that keeps the claim at the point, most clearly; None if the point breaks it."""
        if point is None:
            raise _GivenUp("given up with windows open")
        open_ = [w for w in self.windows if w not in votes]
        y = dict(zip(open_, _outputs(self.subject.voter, self.poly, point, open_), strict=True))
        as_at_point = {**votes, **{w: bool(value > 0) for w, value in y.items()}}
        best = None
        for group in self.groups:
            keeping = [w for w in group if as_at_point.get(w) is self.wanted]
            free = [w for w in keeping if w in y]
            if len(keeping) >= self.number and free:
                level = sorted((abs(y[w]) for w in free), reverse=True)[: self.number][-1]
                choice = max(free, key=lambda w: abs(y[w]))
                best = max(best, (level, choice)) if best else (level, choice)
        if best is not None:
            return best[1]
        if self.wanted:
            return None if votes or not open_ else max(open_, key=lambda w: y[w])
        rest = [w for w in open_ if any(w in group for group in self.groups)]
        return max(rest, key=lambda w: y[w]) if rest else None

    def _likeliest(self) -> Float:
        """A sequence to begin with, where nothing is asked yet: of three, the one with the fewest votes."""
        poly = self.poly
        points = [np.array([float(low if side < 0 else high if side > 0 else 0) for low, high in poly.box])
                  for side in (-1, 0, 1)]  # fmt: skip
        ends = list(self.windows)
        return min(points, key=lambda point: sum(np.sort(_outputs(self.subject.voter, poly, point, ends))[-8:]))


def _samples(poly: checker.Polytope, point: Float) -> Float:
    """The samples at a point, in floats."""
    return np.array([float(c) + sum(float(a) * point[i] for i, a in form.items()) for c, form in poly.samples])


def _outputs(voter: checker.Voter, poly: checker.Polytope, point: Float, ends: Sequence[int]) -> list[float]:
    """The y of windows at a point, in floats."""
    samples = np.concatenate([np.zeros(voter.window), _samples(poly, point)])
    weight, bias, out = (np.array(part, dtype=np.float64) for part in (voter.weight, voter.bias, voter.out))
    found = []
    for end in ends:
        x = samples[end + 1 : end + 1 + voter.window].reshape(-1, voter.block).sum(axis=1)
        found.append(float(out @ np.maximum(weight @ x + bias, 0.0)) + voter.out_bias)
    return found


def _near(subject: _Subject, poly: checker.Polytope, point: Float) -> dict[str, Any] | None:
    """A counterexample near a point, or None."""
    if poly.zero is not None:
        return _whole_samples(subject, poly, point)
    if subject.claim == "monotone":
        return _rounded(subject, poly, point)
    return _from_rest(subject, poly, point)


def _rounded(subject: _Subject, poly: checker.Polytope, point: Float) -> dict[str, Any] | None:
    """A counterexample by rounding every latent, or None."""
    return subject.counterexample(poly, [Fraction(int(q)) for q in np.rint(point)])


def _whole_samples(subject: _Subject, poly: checker.Polytope, point: Float) -> dict[str, Any] | None:
    """A counterexample of a set with an end: shared latents kept, each sample made whole by its own deviation."""
    latents = [Fraction(round(float(q) * 2**16), 2**16) for q in point]
    for _, form in poly.whole[len(poly.samples) :]:  # latents of steps and corruption
        for i in form:
            latents[i] = Fraction(round(latents[i]))
    if "corrupted_samples" in subject.set:
        _corrupt_fewest(subject, poly, point, latents)
    base = _bases(poly, latents)
    reach = [abs(form[2 + k]) for k, (_, form) in enumerate(poly.samples)]
    low = [-((r - b) // 1) for b, r in zip(base, reach, strict=True)]
    high = [(b + r) // 1 for b, r in zip(base, reach, strict=True)]
    if any(bottom > top for bottom, top in zip(low, high, strict=True)):
        return None
    near = [b + form[2 + k] * Fraction(float(point[2 + k]))
            for k, (b, (_, form)) in enumerate(zip(base, poly.samples, strict=True))]  # fmt: skip
    roundings: list[Callable[[Fraction], int]] = [round, lambda value: -(-value // 1), lambda value: value // 1]
    for rounding in roundings:
        counts = [max(a, min(b, rounding(u))) for a, b, u in zip(low, high, near, strict=True)]
        found = _of_counts(subject, poly, latents, counts)
        if found is not None:
            return found
    if poly.rows or subject.mended >= MOST_MENDED:  # rows would be broken count by count
        return None
    subject.mended += 1
    first = [max(a, min(b, round(u))) for a, b, u in zip(low, high, near, strict=True)]
    curves = (np.array(part, dtype=np.int64) for part in (low, high, first))
    last = subject.last_in_time(poly) if subject.by_ms else None
    better = falsify.mended(subject.voter, *curves, last=last)
    return None if better is None else _of_counts(subject, poly, latents, better.tolist())


def _corrupt_fewest(subject: _Subject, poly: checker.Polytope, point: Float, latents: list[Fraction]) -> None:
    """Make the corruption in latents that of as many samples as may be: those that are most corrupted at the point."""
    n, clamp = len(poly.samples), subject.voter.clamp
    first = len(poly.box) - 2 * n  # e, then flags, come last
    latents[first:] = [Fraction(0)] * (2 * n)
    sound = _bases(poly, latents)
    budget = int(Fraction(subject.set["corrupted_samples"]))
    for k in np.argsort(-np.abs(point[first : first + n]), kind="stable")[:budget].tolist():
        said = max(-clamp, min(clamp, round(sound[k] + Fraction(float(point[first + k])))))
        latents[first + k], latents[first + n + k] = said - round(sound[k]) + Fraction(0), Fraction(1)


def _bases(poly: checker.Polytope, latents: Sequence[Fraction]) -> list[Fraction]:
    """Each sample of a set with an end but for its own deviation."""
    return [constant + sum((a * latents[i] for i, a in form.items() if i != 2 + k), Fraction(0))
            for k, (constant, form) in enumerate(poly.samples)]  # fmt: skip


def _of_counts(
    subject: _Subject, poly: checker.Polytope, latents: Sequence[Fraction], counts: Sequence[int]
) -> dict[str, Any] | None:
    """The counterexample that whole counts are, if their own deviations are made to fit and they are one."""
    fitted = list(latents)
    for k, (base, (_, form)) in enumerate(zip(_bases(poly, latents), poly.samples, strict=True)):
        fitted[2 + k] = (int(counts[k]) - base) / form[2 + k] if form[2 + k] else Fraction(0)
    return subject.counterexample(poly, fitted)


def _from_rest(subject: _Subject, poly: checker.Polytope, point: Float) -> dict[str, Any] | None:
    """A counterexample made of a window: rounded, then held, repeated and begun in several ways; or None."""
    parts = _parts(subject, poly, point)
    length, tail = len(poly.samples), subject.voter.m
    ramp = np.zeros(0, dtype=np.int64)
    if "slew_g_per_ms" in subject.set:  # rise from rest as quickly as allowed
        slew = int(Fraction(subject.set["slew_g_per_ms"]) * 1000 / subject.voter.rate / subject.voter.lsb_g)
        start = int(parts[0][0])
        steps = np.arange(slew, abs(start), slew) if slew else ramp
        ramp = np.sign(start) * steps
    for before, after, how in (
        (1, 0, "hold"), (1, tail, "hold"), (1, tail, "zero"), (1, tail, "repeat"), (1, length, "repeat"),
        (tail, 0, "hold"), (1 + tail, 0, "first"), (1 + length, 0, "first"),
    ):  # fmt: skip
        longer = [_extended(part, before, after, how, ramp if number == 0 else 0 * ramp)
                  for number, part in enumerate(parts)]  # fmt: skip
        counts = np.sum(longer, axis=0)
        if witness.first_request(subject.voter, counts) is None:
            continue
        latents = _latents(subject, *longer)
        found = subject.counterexample(subject.polytope(counts.size), [Fraction(int(q)) for q in latents])
        if found is not None:
            return found
    return None


def _extended(part: Counts, before: int, after: int, how: str, ramp: Counts) -> Counts:
    """A sequence with a zero and a ramp, then more of it before and after."""
    head = np.full(before - 1, part[0]) if how == "first" else np.zeros(before - 1, dtype=np.int64)
    lead = [ramp, head] if how == "first" else [head, ramp]
    ends = {"hold": part[-1:].repeat(after), "zero": np.zeros(after, dtype=np.int64), "repeat": np.resize(part, after)}
    return np.concatenate([np.zeros(1, dtype=np.int64), *lead, part, ends.get(how, part[:0])])


def _parts(subject: _Subject, poly: checker.Polytope, point: Float) -> tuple[Counts, ...]:
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
        worst = np.argsort(-flags, kind="stable")[: int(Fraction(subject.set["corrupted_samples"]))]
        reach = subject.voter.clamp
        errors[worst] = np.clip(np.rint(raw[worst]), -reach - signal[worst], reach - signal[worst])
    return signal.astype(np.int64), step.astype(np.int64), errors.astype(np.int64)


def _latents(subject: _Subject, signal: Counts, step: Counts, errors: Counts) -> Counts:
    """Latents of a signals set for given parts."""
    pieces = [signal]
    if "velocity_range_kmh" in subject.set:
        velocity = np.concatenate([[0], np.cumsum(signal)])
        velocity -= velocity[-subject.voter.window - 1 :].min()
        pieces = [velocity]
    if "step_g" in subject.set:
        rises = np.diff(np.concatenate([[0], step]))
        pieces += [np.maximum(rises, 0), np.maximum(-rises, 0)]
    if "corrupted_samples" in subject.set:
        pieces += [errors, (errors != 0).astype(np.int64)]
    return np.concatenate(pieces)
