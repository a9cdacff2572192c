"""Refutes many windows of one set at once, in arrays: what a search finds one window after another, at its price.

For sets whose samples share a few latents and deviate each on its own (corridors, recorded events, pulses).
A window is refuted by a tree as in ``certificates.md``: multipliers in its leaves, splits on nodes that raise the goal.
Multipliers are improved by a subgradient method whose steps aim at "just refuted" (Polyak), all windows in step.
All numbers are floats here; what is suggested counts only once the checker has accepted it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checker

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

Tree = dict[str, Any]

STEPS = 40
"""Steps of the subgradient method before a node of the tree is split."""

MOST_ROWS = 1024
"""Open leaves of all windows together at which splitting ends."""

WEIGHT_BITS = (4, 7, 10, 16)
"""Weights of a goal that are tried, coarsest first: a leaf's multipliers are whole numbers of 1 / 2**bits."""

MARGIN = 1e-9
"""How clearly a float must be negative, relative to the terms it is summed from, before a leaf is suggested."""


@dataclass(frozen=True, slots=True)
class Band:
    """Sequences ``middle_k + sum_i shared_ik q_i + half_k r_k``, all q and r in [-1, 1]; zeros before the first.

    Attributes
    ----------
    middle, half : ndarray, shape (n_samples,)
        In counts.
    shared : ndarray, shape (n_shared, n_samples)
        What a gain, an offset, a phase or a duration that all samples share adds to each.
    """

    middle: Float
    shared: Float
    half: Float

    def windows(self, size: int, ends: Sequence[int]) -> tuple[Float, tuple[Float, ...], Float]:
        """Each part as windows of ``size`` samples that end at ``ends``; arrays of shape (n_ends, size)."""
        at = np.asarray(ends, dtype=np.int64)

        def cut(part: Float) -> Float:
            padded = np.concatenate([np.zeros(size - 1), part])
            return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, size)[at])

        return cut(self.middle), tuple(cut(part) for part in self.shared if part.any()), cut(self.half)


def band_of(poly: checker.Polytope) -> Band | None:
    """The band that a polytope is, or None if it is none: it has rows, or latents of steps or corrupted samples.

    Parameters
    ----------
    poly : checker.Polytope
    """
    n = len(poly.samples)
    if poly.rows or poly.zero is None or set(poly.box) != {(-1, 1)}:
        return None
    half = np.array([float(form.get(2 + k, 0)) for k, (_, form) in enumerate(poly.samples)])
    together = [i for i in range(len(poly.box)) if not 2 <= i < 2 + n]
    shared = np.array([[float(form.get(i, 0)) for _, form in poly.samples] for i in together])
    return Band(np.array([float(constant) for constant, _ in poly.samples]), shared, half)


@dataclass(slots=True)
class _Rows:
    """Open leaves: the window each belongs to, nodes decided in (1), out (0) or not (-1), and its tree so far."""

    window: NDArray[np.int64]
    chosen: NDArray[np.int8]
    holes: list[tuple[Tree, str]]


class Refuter:
    """Goals of one voter over windows of one band: that a window votes, or that it does not.

    Parameters
    ----------
    voter : checker.Voter
    band : Band
    ends : sequence of int
        Windows, named by their last sample.
    votes : bool
        Refute that they vote, or that they do not.
    """

    def __init__(self, voter: checker.Voter, band: Band, ends: Sequence[int], votes: bool) -> None:
        self.ends = list(ends)
        self.weight = np.repeat(np.array(voter.weight, dtype=np.float64), voter.block, axis=1)
        self.bias = np.array(voter.bias, dtype=np.float64)
        sign = 1.0 if votes else -1.0
        self.v = sign * np.array(voter.out, dtype=np.float64)
        self.constant = sign * voter.out_bias - votes
        self.parts = band.windows(voter.window, self.ends)
        middle, shared, half = self.parts
        at = middle @ self.weight.T + self.bias
        reach = half @ np.abs(self.weight).T + sum(np.abs(part @ self.weight.T) for part in shared)
        self.low, self.high = at - reach, at + reach
        self.open = (self.low < 0) & (self.high > 0) & (self.v != 0)
        largest = np.maximum(np.abs(self.low), np.abs(self.high)) @ np.abs(self.v)
        self.least = -MARGIN * (abs(self.constant) + largest + 1.0)

    def refute(self, *, steps: int = STEPS, most_rows: int = MOST_ROWS) -> list[Tree | None]:
        """A tree for each window that refutes its goal alone, or None.

        Parameters
        ----------
        steps : int
            Of improvement between splits; 0 takes the multipliers that interval bounds suggest, and splits nothing.
        most_rows : int
            See ``MOST_ROWS``.
        """
        n = len(self.ends)
        roots: list[Tree] = [{} for _ in range(n)]
        failed = np.zeros(n, dtype=np.bool_)
        rows = _Rows(np.arange(n), np.full((n, self.v.size), -1, dtype=np.int8), [(root, "root") for root in roots])
        while rows.window.size:
            factors, value, worst, is_real = self._improve(rows, steps)
            done = value < self.least[rows.window]
            low = np.flatnonzero(done)
            for row, leaf in zip(low, self._leaves(rows.window[low], rows.chosen[low], factors[low]), strict=True):
                tree, key = rows.holes[row]
                tree[key] = leaf
                done[row] = leaf is not None
            failed[rows.window[~done & is_real]] = True
            keep = np.flatnonzero(~done & ~failed[rows.window])
            if not steps or 2 * keep.size > most_rows:
                failed[rows.window[keep]] = True
                break
            rows = self._split(rows, keep, factors, worst, failed)
        return [None if bad else root["root"] for root, bad in zip(roots, failed, strict=True)]

    def _shifts(self, window: NDArray[np.int64], chosen: NDArray[np.int8], factors: Float) -> tuple[Float, Float]:
        """What replaces max(0, z) of positive nodes lies so far above ``factor z``; and its slope in the factor."""
        undecided = self.open[window] & (self.v > 0) & (chosen < 0)
        low, high = self.low[window], self.high[window]
        at_low, at_high = -factors * low, (1 - factors) * high
        shift = np.where(undecided, np.maximum(at_low, at_high), 0.0)
        slope = np.where(undecided, np.where(at_low > at_high, -low, -high), 0.0)
        return shift, slope

    def _start(self, rows: _Rows) -> tuple[Float, Bool]:
        """Factors that interval bounds suggest, and which of them may be changed."""
        low, high = self.low[rows.window], self.high[rows.window]
        with np.errstate(invalid="ignore", divide="ignore"):
            factors = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / (high - low)))
        factors = np.where(rows.chosen >= 0, rows.chosen.astype(np.float64), factors)
        return factors, self.open[rows.window] & (rows.chosen < 0)

    def _improve(self, rows: _Rows, steps: int) -> tuple[Float, Float, Float, Bool]:
        """Factors, the bound they give, z at their worst point; and whether a real point of the band meets the goal."""
        factors, free = self._start(rows)
        value, z, true, gradient = self._evaluate(rows.window, rows.chosen, factors)
        best, best_value, best_z = factors.copy(), value.copy(), z.copy()
        is_real = true >= 0
        aim = 4 * self.least[rows.window]
        active = np.flatnonzero((best_value >= self.least[rows.window]) & ~is_real)
        current, g, level = factors[active], np.where(free[active], gradient[active], 0.0), value[active]
        for step in range(steps):
            if not active.size:
                break
            length = (g * g).sum(axis=1)
            pace = (1.0 if step < steps // 2 else 0.5) * (level - aim[active]) / np.maximum(length, 1e-300)
            moved = np.clip(current - pace[:, None] * g, 0.0, 1.0)
            value, z, true, gradient = self._evaluate(rows.window[active], rows.chosen[active], moved)
            better = value < best_value[active]
            at = active[better]
            best[at], best_value[at], best_z[at] = moved[better], value[better], z[better]
            is_real[active] |= true >= 0
            stay = (best_value[active] >= self.least[rows.window[active]]) & ~is_real[active] & (length > 0)
            active = active[stay]
            current, level = moved[stay], value[stay]
            g = np.where(free[active], gradient[stay], 0.0)
        return best, best_value, best_z, is_real

    def _evaluate(
        self, window: NDArray[np.int64], chosen: NDArray[np.int8], factors: Float
    ) -> tuple[Float, Float, Float, Float]:
        """The bound that factors give; z and the goal itself at the point where the bound is reached; its slopes."""
        middle, shared, half = self.parts
        kernel = (self.v * factors) @ self.weight
        point = middle[window] + np.sign(kernel) * half[window]
        for part in shared:
            each = part[window]
            point += np.sign(np.einsum("rk,rk->r", kernel, each))[:, None] * each
        z = point @ self.weight.T + self.bias
        shift, slope = self._shifts(window, chosen, factors)
        value = (self.v * (factors * z + shift)).sum(axis=1) + self.constant
        true = (self.v * np.maximum(z, 0.0)).sum(axis=1) + self.constant
        return value, z, true, self.v * (z + slope)

    def _leaves(self, window: NDArray[np.int64], chosen: NDArray[np.int8], factors: Float) -> list[Tree | None]:
        """Leaves with the coarsest multipliers that still refute; None where rounding undoes what floats show."""
        leaves: list[Tree | None] = [None] * len(window)
        left = np.arange(len(window))
        for bits in WEIGHT_BITS:
            weight = 1 << bits
            whole = np.rint(factors[left] * weight)
            value, *_ = self._evaluate(window[left], chosen[left], whole / weight)
            good = value < self.least[window[left]]
            whole[chosen[left] >= 0] = 0
            for i, numbers in zip(left[good], whole[good].astype(np.int64).tolist(), strict=True):
                leaves[i] = {"goals": [[weight, *numbers]], "prices": []}
            left = left[~good]
        return leaves

    def _split(self, rows: _Rows, keep: NDArray[np.int64], factors: Float, worst: Float, failed: Bool) -> _Rows:
        """Two leaves for each open one, by the positive node that is overestimated most; without one it has failed."""
        shift, _ = self._shifts(rows.window[keep], rows.chosen[keep], factors[keep])
        undecided = self.open[rows.window[keep]] & (self.v > 0) & (rows.chosen[keep] < 0)
        z = worst[keep]
        gap = np.where(undecided, self.v * (factors[keep] * z + shift - np.maximum(z, 0.0)), -1.0)
        window, chosen, holes = list[int](), list[NDArray[np.int8]](), list[tuple[Tree, str]]()
        for i, row in enumerate(keep):
            if not undecided[i].any():
                failed[rows.window[row]] = True
                continue
            node = int(np.argmax(gap[i]))
            parent, key = rows.holes[row]
            parent[key] = tree = {"goal": 0, "node": node}
            for name, inside in (("in", 1), ("out", 0)):
                decided = rows.chosen[row].copy()
                decided[node] = inside
                window.append(int(rows.window[row]))
                chosen.append(decided)
                holes.append((tree, name))
        made = np.array(window, dtype=np.int64)
        alive = np.flatnonzero(~failed[made])
        n_nodes = self.v.size
        return _Rows(
            made[alive],
            np.array([chosen[i] for i in alive], dtype=np.int8).reshape(-1, n_nodes),
            [holes[i] for i in alive],
        )


def placed(tree: Tree, goal: int, n_goals: int) -> Tree:
    """A tree that refutes one goal alone, where that goal is one of several; the others get no weight.

    Parameters
    ----------
    tree : dict
    goal : int
        Its number on the branch.
    n_goals : int
        Goals on the branch.
    """
    if "node" in tree:
        return {**tree, "goal": goal, **{key: placed(tree[key], goal, n_goals) for key in ("in", "out")}}
    (factors,) = tree["goals"]
    idle = [0] * len(factors)
    return {**tree, "goals": [factors if g == goal else idle for g in range(n_goals)]}


def suggested(
    voter: checker.Voter, questions: Sequence[checker.Question], band: Band, *, steps: int = STEPS
) -> list[Tree | None]:
    """A tree for each question of a claim over a set with an end; None where windows refuted alone leave it open.

    Parameters
    ----------
    voter : checker.Voter
    questions : sequence
        From ``checker.questions``.
    band : Band
        The set.
    steps : int
        See ``Refuter.refute``.
    """
    if len(questions) == 1 and not questions[0][0]:  # is fire requested in time, whatever else?
        windows = questions[0][1]
        found = Refuter(voter, band, windows, votes=False).refute(steps=steps)
        return [fires_tree(voter, windows.stop - 1, _named(windows, found))]
    ends = [end for asked, *_ in questions for end in asked]
    return never_trees(questions, _named(ends, Refuter(voter, band, ends, votes=True).refute(steps=steps)))


def _named(ends: Sequence[int], trees: Sequence[Tree | None]) -> dict[int, Tree]:
    return {end: tree for end, tree in zip(ends, trees, strict=True) if tree is not None}


def never_trees(questions: Sequence[checker.Question], refuted: dict[int, Tree]) -> list[Tree | None]:
    """A tree for each question of a claim that nothing fires, from windows refuted alone; None where they leave it.

    A window that may vote is no fire request yet: it needs others beside it.

    Parameters
    ----------
    questions : sequence
    refuted : dict
        End of a window to the tree that refutes that it votes.
    """
    return [_counted(question, refuted) for question in questions]


def _counted(question: checker.Question, refuted: dict[int, Tree]) -> Tree | None:
    asked, windows, groups, _, number = question
    (end,) = asked
    if end in refuted:
        return refuted[end]
    (group,) = groups
    silent = [w for w in group if w in windows and w in refuted][-number:]
    if len(silent) < number:
        return None
    tree: Tree | None = None
    for depth in reversed(range(number)):
        window = silent[depth]
        tree = {"window": window, "votes": placed(refuted[window], depth + 1, depth + 2), "silent": tree}
    return tree


def fires_tree(voter: checker.Voter, last: int, voting: dict[int, Tree]) -> Tree | None:
    """A tree for the claim that fire is requested by sample ``last``, from windows that cannot but vote; None if few.

    Parameters
    ----------
    voter : checker.Voter
    last : int
    voting : dict
        End of a window to the tree that refutes that it does not vote.
    """
    for end in range(voter.m - 1, last + 1):
        chosen = [w for w in range(end - voter.m + 1, end + 1) if w in voting][: voter.k]
        if len(chosen) == voter.k:
            tree: Tree | None = None
            for depth in reversed(range(voter.k)):
                window = chosen[depth]
                tree = {"window": window, "votes": tree, "silent": placed(voting[window], depth, depth + 1)}
            return tree
    return None
