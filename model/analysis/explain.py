"""Why an event fires or not: its activation pattern, what each sample contributed, how far it is from flipping.

Within one activation pattern the classifier is one linear matched filter, ``y = sum_k kernel_k u_k + constant``, so the
contribution of each sample is exact. The distance to flipping is the largest noise, in whole counts on every sample,
for which the verdict is proved to stay, and one count more, for which a sequence that flips it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker, many, witness
from .properties import Requirement
from .prover import Proved, Verdict, Violated, prove

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One event.

    Attributes
    ----------
    fired_at : int or None
        Sample at which fire is first requested.
    decisive : int
        Sample at which the window was explained: of the request, or else of the largest y.
    y : ndarray of int64, shape (n_samples,)
        The output at every sample.
    pattern : str
        ``1`` for each hidden node that is active in the decisive window, ``0`` for each that is not.
    kernel : ndarray of int64, shape (window,)
        The matched filter of that pattern, oldest sample first.
    constant : int
    contributions : ndarray of int64, shape (window,)
        ``kernel`` times the window's counts; with ``constant`` they add up to y exactly.
    """

    fired_at: int | None
    decisive: int
    y: Counts
    pattern: str
    kernel: Counts
    constant: int
    contributions: Counts


@dataclass(frozen=True, slots=True)
class Distance:
    """How much noise an event's verdict survives.

    Attributes
    ----------
    holds_lsb : int
        Proved: no noise of so many counts on any samples changes whether fire is requested. -1 if none is.
    flips_lsb : int or None
        Shown by ``counts``: so many counts suffice. None if undecided, or more than was tried.
    lsb_g : float
    counts : tuple of int
        The nearest sequence found that flips the verdict.
    requirement : Requirement or None
        What is proved at ``holds_lsb``; None if nothing is.
    proof : dict or None
        Its certificate.
    """

    holds_lsb: int
    flips_lsb: int | None
    lsb_g: float
    counts: tuple[int, ...]
    requirement: Requirement | None
    proof: dict[str, Any] | None


def pattern_of(voter: checker.Voter, window: NDArray[Any]) -> NDArray[np.bool_]:
    """Which hidden nodes are active.

    Parameters
    ----------
    voter : checker.Voter
    window : ndarray of int, shape (..., n)
        Clamped counts, oldest first.

    Returns
    -------
    ndarray of bool, shape (..., n_hidden)
    """
    x = window.reshape(*window.shape[:-1], -1, voter.block).sum(axis=-1)
    z = x @ np.array(voter.weight, dtype=np.int64).T + np.array(voter.bias, dtype=np.int64)
    active: NDArray[np.bool_] = z > 0
    return active


def kernel_of(voter: checker.Voter, active: NDArray[np.bool_]) -> tuple[Counts, int]:
    """The matched filter of an activation pattern, over samples (oldest first), and its constant.

    Parameters
    ----------
    voter : checker.Voter
    active : ndarray of bool, shape (n_hidden,)
    """
    out = np.where(active, np.array(voter.out, dtype=np.int64), 0)
    blocks = out @ np.array(voter.weight, dtype=np.int64)
    return np.repeat(blocks, voter.block), int(out @ np.array(voter.bias, dtype=np.int64)) + voter.out_bias


def windows_of(voter: checker.Voter, counts: NDArray[Any]) -> Counts:
    """Every window of a sequence that starts from rest, clamped; shape (n_samples, window).

    Parameters
    ----------
    voter : checker.Voter
    counts : ndarray of int, shape (n_samples,)
    """
    u = np.clip(np.asarray(counts, dtype=np.int64), -voter.clamp, voter.clamp)
    padded = np.concatenate([np.zeros(voter.window - 1, dtype=np.int64), u])
    result: Counts = np.lib.stride_tricks.sliding_window_view(padded, voter.window)
    return result


def explain(model: DeployedModel, counts: NDArray[Any]) -> Explanation:
    """Explain one event.

    Parameters
    ----------
    model : DeployedModel
    counts : ndarray of int, shape (n_samples,)
        Of the main sensor, from rest.
    """
    voter = checker.Model(model.payload()).main
    y, fired = witness.outputs(voter, counts), witness.first_request(voter, counts)
    decisive = int(np.argmax(y)) if fired is None else fired
    window = windows_of(voter, counts)[decisive]
    active = pattern_of(voter, window)
    kernel, constant = kernel_of(voter, active)
    contributions = kernel * window
    assert int(contributions.sum()) + constant == int(y[decisive])
    text = "".join("1" if on else "0" for on in active)
    return Explanation(fired, decisive, y, text, kernel, constant, contributions)


def distance(model: DeployedModel, counts: NDArray[Any], *, most_lsb: int = 256, effort: float = 0.2) -> Distance:
    """The exact distance of an event's verdict to flipping, by bisection with evidence at both ends.

    Parameters
    ----------
    model : DeployedModel
    counts : ndarray of int, shape (n_samples,)
        From rest. The verdict is whether fire is requested at any sample of it.
    most_lsb : int
        No more is tried.
    effort : float
        See ``prove``; what stays undecided leaves a gap between ``holds_lsb`` and ``flips_lsb``.
    """
    voter = checker.Model(model.payload()).main
    fires = witness.first_request(voter, counts) is not None
    sequence = tuple(int(np.clip(u, -voter.clamp, voter.clamp)) for u in counts)
    by_ms = str(Fraction(1000 * (len(sequence) - 1), voter.rate)) if fires else ""

    def asked(noise: int) -> Requirement:
        described: dict[str, str | tuple[int, ...]] = {"kind": "recorded", "counts": sequence}
        if noise:
            described["noise_g"] = str(noise * voter.lsb_g)
        claim = "fires_by" if fires else "never_requests_fire"
        return Requirement("D", "P6 tolerance", "the verdict stays", claim, "", "", described, by_ms)  # type: ignore[arg-type]

    def ask(noise: int) -> Verdict:
        return prove(model, asked(noise), effort=effort)

    guess = _guess(voter, np.array(sequence), fires, most_lsb)
    held, broken = bisect(ask, guess, most_lsb)
    if held is None and guess > 0:  # floats promised too much
        held, broken = bisect(ask, 0, guess)
    flipped = tuple(broken[1].certificate["witness"]["counts"]) if broken else ()
    return Distance(
        held[0] if held else -1, broken[0] if broken else None, float(voter.lsb_g), flipped,
        asked(held[0]) if held else None, held[1].certificate if held else None,
    )  # fmt: skip


def _guess(voter: checker.Voter, counts: Counts, fires: bool, most_lsb: int) -> int:
    """The largest noise that all windows of an event survive together as far as floats tell: where to begin proving."""
    size, m = counts.size, voter.m

    def holds(noise: int) -> bool:
        low, high = (np.clip(counts + side * noise, -voter.clamp, voter.clamp).astype(np.float64) for side in (-1, 1))
        band = many.Band((low + high) / 2, np.zeros((0, size)), (high - low) / 2)
        ends = range(size)
        shown = many.Refuter(voter, band, ends, votes=not fires).refute()
        near = np.convolve([tree is not None for tree in shown], np.ones(m))[:size]
        if fires:
            return bool((near >= voter.k).any())
        asked = np.minimum(np.arange(size) + 1, m)  # a request needs K votes among so many windows
        return bool((asked - near < voter.k).all())

    low, high = 0, most_lsb + 1
    step = 1
    while high - low > 1:
        noise = min(low + step, high - 1)
        if holds(noise):
            low, step = noise, 2 * step if high > most_lsb else max(1, (high - noise) // 2)
        else:
            high, step = noise, max(1, (noise - low) // 2)
    return low


def bisect(
    ask: Callable[[int], Verdict], low: int, high: int
) -> tuple[tuple[int, Proved] | None, tuple[int, Violated] | None]:
    """Largest number for which a claim is proved and smallest for which it is violated, of what bisection asked.

    Parameters
    ----------
    ask : callable
        Verdict for a number; the set must grow with the number.
    low, high : int
        Ends of what is tried. Neighbours come back if nothing was undecided: then the optimum is exact. Else nothing
        but what was undecided lies between the two that come back, as far as verdicts keep their order.
    """
    held: tuple[int, Proved] | None = None
    broken: tuple[int, Violated] | None = None
    unbroken: set[int] = set()

    def note(number: int) -> bool:
        nonlocal held, broken
        verdict = ask(number)
        if not isinstance(verdict, Violated):
            unbroken.add(number)
        if isinstance(verdict, Proved):
            held = (number, verdict)
        elif isinstance(verdict, Violated):
            broken = (number, verdict)
        return isinstance(verdict, Proved)

    if not note(low):
        return held, broken
    step = 1
    while low + step < high and note(low + step):  # double first: most sets are far smaller than the largest
        low, step = low + step, 2 * step
    if low + step >= high:
        if note(high):
            return held, broken
        top = high
    else:
        top = low + step
    while top - low > 1:
        middle = (low + top) // 2
        low, top = (middle, top) if note(middle) else (low, middle)
    step = 1
    while broken is None and top + step <= high and step <= 64:  # undecided there: how wide is the gap?
        if top + step not in unbroken:
            note(top + step)
        step *= 2
    while broken is not None:  # what was undecided may have left easier counterexamples between it and this one
        below = max(number for number in unbroken if number < broken[0])
        if broken[0] - below <= 1:
            break
        note((below + broken[0]) // 2)
    return held, broken


@dataclass(frozen=True, slots=True)
class Pattern:
    """One activation pattern: events it decides, windows that visit it, and its matched filter."""

    bits: str
    events: tuple[str, ...]
    n_windows: int
    kernel: Counts
    constant: int


def patterns(model: DeployedModel, events: Iterable[tuple[str, NDArray[Any]]]) -> list[Pattern]:
    """The patterns that events visit, those that decide most events first.

    Parameters
    ----------
    model : DeployedModel
    events : iterable of (name, counts)
    """
    voter = checker.Model(model.payload()).main
    visits: Counter[str] = Counter()
    decided: dict[str, list[str]] = {}
    for name, counts in events:
        active = pattern_of(voter, windows_of(voter, counts))
        rows, number = np.unique(active, axis=0, return_counts=True)
        for row, n in zip(rows, number, strict=True):
            visits["".join("1" if on else "0" for on in row)] += int(n)
        decided.setdefault(explain(model, counts).pattern, []).append(name)
    found = []
    for bits, n in visits.items():
        kernel, constant = kernel_of(voter, np.array([bit == "1" for bit in bits]))
        found.append(Pattern(bits, tuple(decided.get(bits, ())), n, kernel, constant))
    return sorted(found, key=lambda p: (-len(p.events), -p.n_windows, p.bits))


def reachable(model: DeployedModel, *, most: int = 20_000) -> tuple[int, bool]:
    """Activation patterns that some real input in the clamp range has, and whether that is all of them.

    Counted by splitting on one node after another and asking a linear programme whether both signs still occur, with
    z >= 1 or z <= 0: every whole input has one of the two. The programme is in floats, so the count is as exact as
    its tolerance; no proof rests on it.

    Parameters
    ----------
    model : DeployedModel
    most : int
        Stop after as many.
    """
    from scipy.optimize import linprog

    voter = checker.Model(model.payload()).main
    weight, bias = np.array(voter.weight, dtype=np.float64), np.array(voter.bias, dtype=np.float64)
    reach = voter.clamp * voter.block
    unit = np.maximum(1.0, np.abs(weight).max(axis=1) * reach)
    rows, level = weight * reach / unit[:, None], bias / unit
    found = 0
    stack: list[tuple[int, ...]] = [()]
    while stack and found < most:
        signs = stack.pop()
        m = len(signs)
        if m:
            s = np.array(signs)  # s z >= 1 for active, s z >= 0 for not
            floor = (s > 0) / unit[:m]
            answer = linprog(
                np.zeros(rows.shape[1]), A_ub=-s[:, None] * rows[:m], b_ub=s * level[:m] - floor, bounds=(-1, 1),
                method="highs",
            )  # fmt: skip
            if answer.status == 2:
                continue
        if m == len(bias):
            found += 1
        else:
            stack += [(*signs, -1), (*signs, 1)]
    return found, not stack
