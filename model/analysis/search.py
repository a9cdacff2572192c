"""Branch and bound that refutes goals over a polytope: floats suggest, integers decide.

A quick look at each node needs no solver: the negative nodes' multipliers that interval bounds suggest often
suffice. Otherwise a linear programme gives multipliers and a worst point. Either way they are rounded to
integers, and the bound that counts is the one the standalone checker evaluates. A sloppy solver makes weak
multipliers, never wrong bounds.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checker

Float = NDArray[np.float64]

WEIGHT = 2**24
"""The weight 1 of a goal in a leaf; multipliers are whole numbers of 1 / WEIGHT."""


@dataclass(slots=True)
class Node:
    """A partial choice; ``bound`` is exact, in units of y times the polytope's common denominator."""

    box: list[tuple[int, int]]
    chosen: dict[checker.Key, bool]
    bound: Fraction = Fraction(0)
    leaf: dict[str, Any] = field(default_factory=dict)
    point: Float | None = None
    children: tuple[dict[str, Any], str, Node, str, Node] | None = None

    def tree(self) -> dict[str, Any]:
        """The certificate's tree from here on."""
        if self.children is None:
            return self.leaf
        head, first, left, second, right = self.children
        return {**head, first: left.tree(), second: right.tree()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found.

    Attributes
    ----------
    refuted : bool
        The goals never hold together; ``tree`` proves it.
    bound : Fraction
        Largest weighted sum of goals that the tree cannot exclude.
    reached : float
        Largest least goal value seen at a real point, in floats.
    point : ndarray or None
        That point's latents.
    found : object
        What the caller's ``witness`` returned, if it accepted a point.
    """

    refuted: bool
    bound: Fraction
    tree: dict[str, Any]
    reached: float
    point: Float | None
    found: Any


class Problem:
    """Goals over a polytope, with what all nodes of the search share."""

    def __init__(self, poly: checker.Polytope, goals: Sequence[checker.Goal]) -> None:
        self.poly, self.goals = poly, list(goals)
        self.v = np.array([[float(v) for v, _, _ in goal.nodes] for goal in goals])
        self.gain = np.array([[[float(g) for g in gains] for _, gains, _ in goal.nodes] for goal in goals])
        self.bias = np.array([[float(bias) for _, _, bias in goal.nodes] for goal in goals])
        self.constant = np.array([float(goal.constant) for goal in goals])
        self.positive, self.negative = self.v > 0, self.v < 0
        # The scale of y: linear programmes are solved in numbers around 1.
        self.scale = float(np.abs(self.constant).max(initial=1.0) + np.abs(self.v * self.bias).max(initial=0.0))
        self.solver: _Solver | None = None

    def values(self, point: Float) -> Float:
        """Every goal at a real point, in floats; shape (n_goals,)."""
        z = self.gain @ point + self.bias
        result: Float = (np.maximum(z, 0.0) * self.v).sum(axis=1) + self.constant
        return result

    def intervals(self, box: list[tuple[int, int]]) -> tuple[Float, Float, Float, Float]:
        """Middle and radius of the box; lowest and highest z over it, shape (n_goals, n_nodes)."""
        ends = np.array(box, dtype=np.float64).reshape(-1, 2)
        middle, radius = (ends[:, 1] + ends[:, 0]) / 2, (ends[:, 1] - ends[:, 0]) / 2
        at, spread = self.gain @ middle + self.bias, np.abs(self.gain) @ radius
        return middle, radius, at - spread, at + spread

    def slopes(self, chosen: dict[checker.Key, bool], low: Float, high: Float) -> tuple[Float, Float]:
        """Scale and shift that bound max(0, z) of positive nodes from above; zero for the others.

        Parameters
        ----------
        chosen : dict
            Nodes already in or out.
        low, high : ndarray, shape (n_goals, n_hidden)
            Interval bounds of z.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            chord = np.where((low < 0) & (high > 0), high / (high - low), (high > 0).astype(np.float64))
        scale = np.where(self.positive, chord, 0.0)
        shift = np.where(self.positive & (low < 0) & (high > 0), -chord * low, 0.0)
        for key, inside in chosen.items():
            scale[key], shift[key] = float(inside), 0.0
        return scale, shift

    def settle(self, node: Node, weights: Float, factors: Float, prices: Float) -> None:
        """Round multipliers, and give the node the leaf and the exact bound that they make.

        Parameters
        ----------
        node : Node
        weights : ndarray, shape (n_goals,)
            Of the windows of a joint problem.
        factors : ndarray, shape (n_goals, n_hidden)
            Of negative nodes.
        prices : ndarray, shape (n_rows,)
            Of the set's rows.
        """
        whole = [max(0, round(float(w) * WEIGHT)) for w in weights]
        if not any(whole):
            whole = [WEIGHT] * len(whole)
        lam: dict[checker.Key, int] = {}
        for g, j in zip(*np.nonzero(self.negative & (factors > 0)), strict=True):
            value = min(whole[g], round(float(factors[g, j]) * WEIGHT))
            if value:
                lam[int(g), int(j)] = value
        mu = {int(i): round(float(prices[i]) * WEIGHT) for i in np.flatnonzero(prices > 0.5 / WEIGHT)}
        total = checker.leaf_bound(self.poly, self.goals, node.box, node.chosen, whole, lam, mu)
        bound = Fraction(total, sum(whole))
        if not node.leaf or bound < node.bound:
            node.bound = bound
            node.leaf = {
                "weights": whole,
                "lambda": [[g, j, value] for (g, j), value in sorted(lam.items())],
                "mu": [[i, value] for i, value in sorted(mu.items())],
            }

    def look(self, node: Node) -> None:
        """Bound a node without a solver, and remember the corner where the relaxation is worst."""
        middle, radius, low, high = self.intervals(node.box)
        scale, shift = self.slopes(node.chosen, low, high)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / (high - low)))
        factor = np.where(self.negative, share, scale)
        slope = np.einsum("gj,gji->gi", self.v * factor, self.gain)
        level = ((self.v * (factor * self.bias + shift)).sum(axis=1) + self.constant) + slope @ middle
        bounds = level + np.abs(slope) @ radius
        best = int(np.argmin(bounds))
        node.point = middle + np.sign(slope[best]) * radius
        weights = np.zeros(len(self.goals))
        weights[best] = 1.0
        self.settle(node, weights, factor * weights[:, None], np.zeros(len(self.poly.rows)))

    def relax(self, node: Node) -> None:
        """Solve the node's linear programme; take its multipliers and its worst point."""
        _, _, low, high = self.intervals(node.box)
        scale, shift = self.slopes(node.chosen, low, high)
        if self.solver is None:
            self.solver = _Solver(self)
        slope = np.einsum("gj,gji->gi", self.v * scale, self.gain)
        level = (self.v * (scale * self.bias + shift)).sum(axis=1) + self.constant
        found = self.solver.solve(slope, level, node.box)
        if found is not None:
            node.point, weights, factors, prices = found
            self.settle(node, weights, factors, prices)

    def undecided(self, node: Node) -> tuple[list[checker.Key], Float]:
        """Positive nodes that may still be split, and by how much each one's chord overestimates at the point."""
        _, _, low, high = self.intervals(node.box)
        open_ = self.positive & (low < 0) & (high > 0)
        for key in node.chosen:
            open_[key] = False
        scale, shift = self.slopes(node.chosen, low, high)
        assert node.point is not None
        z = self.gain @ node.point + self.bias
        gap = np.where(open_, self.v * (scale * z + shift - np.maximum(z, 0.0)), -1.0)
        return [(int(g), int(j)) for g, j in zip(*np.nonzero(open_), strict=True)], gap


class _Solver:
    """The linear programmes of one problem, kept in the solver so that each node changes only what differs.

    maximise s  subject to  s <= slope_g . q + level_g - sum_j |v_gj| t_gj  for every goal g,
    t_gj >= z_gj(q), t_gj >= 0 for negative nodes, rows and box of q. Variables: q, t, s; in units of scale.
    """

    def __init__(self, problem: Problem) -> None:
        from scipy.optimize._highspy import _core

        self.problem = problem
        self.n = len(problem.poly.box)
        self.pairs = list(zip(*np.nonzero(problem.negative), strict=True))
        m, n_goals, n = len(self.pairs), len(problem.goals), self.n
        self.unit = np.array([max(1.0, float(np.abs(problem.gain[key]).max(initial=1.0))) for key in self.pairs])
        lp = _core.HighsLp()
        rows = np.zeros((n_goals + m + len(problem.poly.rows), n + m + 1))
        limit = np.zeros(len(rows))
        rows[:n_goals, -1] = 1.0
        for i, (g, j) in enumerate(self.pairs):
            rows[g, n + i] = -problem.v[g, j] * self.unit[i] / problem.scale
            rows[n_goals + i, :n] = problem.gain[g, j] / self.unit[i]
            rows[n_goals + i, n + i] = -1.0
            limit[n_goals + i] = -problem.bias[g, j] / self.unit[i]
        for number, (row, most) in enumerate(problem.poly.rows):
            for latent, a in row.items():
                rows[n_goals + m + number, latent] = float(a)
            limit[n_goals + m + number] = float(most)
        self.row_unit = np.maximum(1.0, np.abs(rows[n_goals + m :]).max(axis=1, initial=1.0))
        rows[n_goals + m :] /= self.row_unit[:, None]
        limit[n_goals + m :] /= self.row_unit
        # Goal rows hold a full slope from the start: the pattern of the matrix stays as it is.
        rows[:n_goals, :n] = 1.0
        pattern = rows != 0
        infinity = _core.kHighsInf
        lp.num_col_, lp.num_row_ = rows.shape[1], rows.shape[0]
        cost = np.zeros(rows.shape[1])
        cost[-1] = -1.0
        lp.col_cost_ = cost
        lower, upper = np.zeros(rows.shape[1]), np.full(rows.shape[1], infinity)
        lower[-1] = -infinity
        ends = np.array(problem.poly.box, dtype=np.float64)
        lower[:n], upper[:n] = ends[:, 0], ends[:, 1]
        lp.col_lower_, lp.col_upper_ = lower, upper
        lp.row_lower_, lp.row_upper_ = np.full(len(rows), -infinity), limit
        lp.a_matrix_.format_ = _core.MatrixFormat.kRowwise
        lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = rows.shape[1], rows.shape[0]
        lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(pattern.sum(axis=1))]).astype(np.int32)
        lp.a_matrix_.index_ = np.nonzero(pattern)[1].astype(np.int32)
        lp.a_matrix_.value_ = rows[pattern]
        self.infinity, self.optimal = infinity, _core.HighsModelStatus.kOptimal
        self.highs = _core._Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex")):
            self.highs.setOptionValue(name, value)
        self.highs.passModel(lp)
        self.slope = np.ones((n_goals, n))
        self.ends = ends

    def solve(self, slope: Float, level: Float, box: list[tuple[int, int]]) -> tuple[Float, Float, Float, Float] | None:
        """Worst point, weights of goals, factors of negative nodes (times weight), prices of rows; None if it fails."""
        problem, n, m = self.problem, self.n, len(self.pairs)
        n_goals = len(problem.goals)
        scaled = -slope / problem.scale
        for g, i in zip(*np.nonzero(scaled != self.slope), strict=True):
            self.highs.changeCoeff(int(g), int(i), float(scaled[g, i]))
        self.slope = scaled
        for g in range(n_goals):
            self.highs.changeRowBounds(g, -self.infinity, float(level[g]) / problem.scale)
        ends = np.array(box, dtype=np.float64)
        for i in np.flatnonzero((ends != self.ends).any(axis=1)):
            self.highs.changeColBounds(int(i), float(ends[i, 0]), float(ends[i, 1]))
        self.ends = ends
        self.highs.run()
        if self.highs.getModelStatus() != self.optimal:
            return None
        solution = self.highs.getSolution()
        point = np.array(solution.col_value)[:n]
        dual = np.maximum(0.0, -np.array(solution.row_dual))
        total = max(float(dual[:n_goals].sum()), 1e-12)
        weights = dual[:n_goals] / total
        factors = np.zeros(problem.v.shape)
        for i, (g, j) in enumerate(self.pairs):
            # The dual of t >= z, back in units of z; |v| t is what it is a price of.
            factors[g, j] = dual[n_goals + i] / total / self.unit[i] * problem.scale / -problem.v[g, j]
        prices = dual[n_goals + m :] / total / self.row_unit * problem.scale
        return point, weights, factors, prices


def search(
    problem: Problem,
    *,
    below: Fraction | None = Fraction(0),
    gap: float = 0.0,
    max_nodes: int = 2_000,
    max_looks: int = 24,
    witness: Callable[[Float], Any] | None = None,
) -> Outcome:
    """Refute a problem's goals, or find how far they can hold together.

    Parameters
    ----------
    problem : Problem
    below : Fraction or None
        Stop as soon as every leaf's bound is below it; None: go on until bound and reached differ by ``gap``.
    gap : float
        Relative to 1 + |bound| / 10,000, in units of the goals.
    max_nodes : int
        Give up after as many nodes: then ``refuted`` is false.
    max_looks : int
        Call ``witness`` no more often.
    witness : callable, optional
        Told each point that looks like a counterexample; whatever it returns but None ends the search.
    """
    root = Node(problem.poly.box, {})
    best, best_point, looks = -np.inf, None, 0
    tie = itertools.count()

    def bounded(node: Node) -> Any:
        nonlocal best, best_point, looks
        problem.look(node)
        if below is None or node.bound >= below:
            problem.relax(node)
        if node.point is not None:
            value = float(problem.values(node.point).min())
            if value > best:
                best, best_point = value, node.point
            if witness is not None and looks < max_looks and node.bound >= 0 and value >= -1e-6 * problem.scale:
                looks += 1
                return witness(node.point)
        return None

    found = bounded(root)
    heap = [(-root.bound, next(tie), root)]
    for _ in range(max_nodes):
        bound, node = -heap[0][0], heap[0][2]
        if (
            found is not None
            or (below is not None and bound < below)
            or (below is None and float(bound) - best <= gap * (1 + abs(float(bound)) / 10_000))
        ):
            break
        children = _split(problem, node)
        if children is None:
            break
        heapq.heappop(heap)
        node.children = children
        for child in (children[2], children[4]):
            found = bounded(child) if found is None else found
            heapq.heappush(heap, (-child.bound, next(tie), child))
    bound = -heap[0][0]
    refuted = found is None and below is not None and bound < below
    return Outcome(refuted, bound, root.tree(), best, best_point, found)


def _split(problem: Problem, node: Node) -> tuple[dict[str, Any], str, Node, str, Node] | None:
    """Two children of a node: on the positive node whose chord is worst, else on a latent that is not whole."""
    if node.point is None:
        node.point = np.array([(low + high) / 2 for low, high in node.box])
    keys, gap = problem.undecided(node)
    if keys:
        g, j = max(keys, key=lambda key: float(gap[key]))
        inside, outside = (Node(node.box, {**node.chosen, (g, j): choice}) for choice in (True, False))
        return {"goal": g, "node": j}, "in", inside, "out", outside
    if not problem.poly.whole:
        return None
    apart = np.abs(node.point - np.rint(node.point))
    width = np.array([high - low for low, high in node.box])
    apart[width == 0] = 0.0
    i = int(np.argmax(apart))
    if apart[i] < 1e-6:
        return None
    low, high = node.box[i]
    at = int(np.clip(np.floor(node.point[i]), low, high - 1))
    left = Node([*node.box[:i], (low, at), *node.box[i + 1 :]], dict(node.chosen))
    right = Node([*node.box[:i], (at + 1, high), *node.box[i + 1 :]], dict(node.chosen))
    return {"latent": i, "at": at}, "low", left, "high", right
