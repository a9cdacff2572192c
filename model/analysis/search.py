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

WEIGHT_BITS = 24
"""While searching, the weight 1 of a goal in a leaf is 2**24; multipliers are whole numbers of its reciprocal."""

COARSE_BITS = (4, 7, 10, 13, 16, 20)
"""Coarser weights tried on the leaves of a finished proof: shorter certificates that prove the same."""

ELASTIC = 64.0
"""Price, in units of the scale of y, at which a linear programme may break a split: keeps every one solvable."""


@dataclass(slots=True)
class Node:
    """A partial choice; ``bound`` is exact, in units of y times the polytope's common denominator."""

    splits: tuple[checker.Row, ...] = ()
    chosen: checker.Chosen = field(default_factory=dict)
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
        self.v = np.array([[float(v) for v, _, _ in nodes] for nodes, _ in goals])
        self.gain = np.zeros((*self.v.shape, len(poly.box)))
        for g, (nodes, _) in enumerate(goals):
            for j, (_, gains, _) in enumerate(nodes):
                self.gain[g, j, list(gains)] = [float(a) for a in gains.values()]
        self.bias = np.array([[float(bias) for _, _, bias in nodes] for nodes, _ in goals])
        self.constant = np.array([float(constant) for _, constant in goals])
        self.positive, self.negative = self.v > 0, self.v < 0
        # The scale of y: linear programmes are solved in numbers around 1.
        self.scale = float(np.abs(self.constant).max(initial=1.0) + np.abs(self.v * self.bias).max(initial=0.0))
        self.solver: _Solver | None = None
        ends = np.array(poly.box, dtype=np.float64).reshape(-1, 2)
        self.middle, self.radius = (ends[:, 1] + ends[:, 0]) / 2, (ends[:, 1] - ends[:, 0]) / 2
        at, spread = self.gain @ self.middle + self.bias, np.abs(self.gain) @ self.radius
        self.low, self.high = at - spread, at + spread

    def values(self, point: Float) -> Float:
        """Every goal at a real point, in floats; shape (n_goals,)."""
        z = self.gain @ point + self.bias
        result: Float = (np.maximum(z, 0.0) * self.v).sum(axis=1) + self.constant
        return result

    def slopes(self, chosen: checker.Chosen) -> tuple[Float, Float]:
        """Scale and shift that bound max(0, z) of positive nodes from above; zero for the others.

        Parameters
        ----------
        chosen : dict
            Nodes already in or out.
        """
        low, high = self.low, self.high
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
            Of all nodes, times their goal's weight.
        prices : ndarray, shape (n_rows + n_splits,)
            Of the set's rows and of the splits so far.
        """
        one = 1 << WEIGHT_BITS
        whole = [max(0, round(float(w) * one)) for w in weights]
        if not any(whole):
            whole = [one] * len(whole)
        lists = [
            [weight, *(max(0, min(weight, round(float(t) * one))) for t in row)]
            for weight, row in zip(whole, factors, strict=True)
        ]
        for g, j in node.chosen:
            lists[g][1 + j] = 0
        leaf = {
            "goals": lists,
            "prices": [[int(i), round(float(prices[i]) * one)] for i in np.flatnonzero(prices > 0.5 / one)],
        }
        bound = Fraction(self.exact(node, leaf), sum(whole))
        if not node.leaf or bound < node.bound:
            node.bound, node.leaf = bound, leaf

    def exact(self, node: Node, leaf: dict[str, Any]) -> Any:
        """The checker's bound by a ``leaf`` at a ``node``."""
        return checker.leaf_bound(self.poly, [*self.poly.rows, *node.splits], self.goals, node.chosen, leaf)

    def look(self, node: Node, *, exactly: bool) -> tuple[Float, Float]:
        """Bound a node without a solver, and remember the corner where the relaxation is worst.

        Parameters
        ----------
        node : Node
        exactly : bool
            Settle even what floats show not to be refuted, since its bound is wanted.

        Returns
        -------
        tuple of ndarray
            Weights of goals and factors of nodes.
        """
        scale, shift = self.slopes(node.chosen)
        low, high = self.low, self.high
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / (high - low)))
        factor = np.where(self.negative, share, scale)
        slope = np.einsum("gj,gji->gi", self.v * factor, self.gain)
        level = ((self.v * (factor * self.bias + shift)).sum(axis=1) + self.constant) + slope @ self.middle
        bounds = level + np.abs(slope) @ self.radius
        best = int(np.argmin(bounds))
        node.point = self.middle + np.sign(slope[best]) * self.radius
        weights = np.zeros(len(self.goals))
        weights[best] = 1.0
        factors: Float = factor * weights[:, None]
        if exactly or self.is_low(float(bounds[best])):
            self.settle(node, weights, factors, np.zeros(len(self.poly.rows) + len(node.splits)))
        else:
            node.bound = Fraction(float(bounds[best]))
        return weights, factors

    def is_low(self, bound: float) -> bool:
        """Whether a ``bound`` in floats is so low that exact numbers may refute the goals."""
        return bound < 1e-7 * self.scale

    def bound(self, node: Node, *, exactly: bool) -> None:
        """Bound a node: by a look, and unless that refutes its goals by its linear programme.

        Parameters
        ----------
        node : Node
        exactly : bool
            The bound is wanted, not only whether the goals are refuted.
        """
        weights, factors = self.look(node, exactly=exactly)
        if exactly or node.bound >= 0:
            self.relax(node, exactly=exactly)
        if not node.leaf and (node.point is None or self.is_low(float(node.bound))):
            self.settle(node, weights, factors, np.zeros(len(self.poly.rows) + len(node.splits)))

    def relax(self, node: Node, *, exactly: bool) -> None:
        """Solve the linear programme of a ``node``; take its worst point, and (if low, or ``exactly``) multipliers."""
        scale, shift = self.slopes(node.chosen)
        if node.splits:
            solver = _Solver(self, node.splits)
        else:
            solver = self.solver = self.solver or _Solver(self, ())
        slope = np.einsum("gj,gji->gi", self.v * scale, self.gain)
        level = (self.v * (scale * self.bias + shift)).sum(axis=1) + self.constant
        found = solver.solve(slope, level)
        if found is not None:
            best, node.point, weights, factors, prices = found
            if not exactly and not self.is_low(best):
                node.bound = min(node.bound, Fraction(best)) if node.bound >= 0 else Fraction(best)
                return
            self.settle(node, weights, np.where(self.negative, factors, scale * weights[:, None]), prices)

    def undecided(self, node: Node) -> tuple[list[tuple[int, int]], Float]:
        """Positive nodes that may still be split, and by how much each one's chord overestimates at the point."""
        open_ = self.positive & (self.low < 0) & (self.high > 0)
        for key in node.chosen:
            open_[key] = False
        scale, shift = self.slopes(node.chosen)
        assert node.point is not None
        z = self.gain @ node.point + self.bias
        gap = np.where(open_, self.v * (scale * z + shift - np.maximum(z, 0.0)), -1.0)
        return [(int(g), int(j)) for g, j in zip(*np.nonzero(open_), strict=True)], gap

    def shorten(self, node: Node) -> None:
        """Give every leaf below a node the coarsest multipliers that still refute its goals."""
        if node.children is not None:
            self.shorten(node.children[2])
            self.shorten(node.children[4])
            return
        for bits in COARSE_BITS:
            drop, half = WEIGHT_BITS - bits, 1 << (WEIGHT_BITS - bits - 1)
            lists = [[(number + half) >> drop for number in numbers] for numbers in node.leaf["goals"]]
            prices = [[i, (price + half) >> drop] for i, price in node.leaf["prices"]]
            leaf = {"goals": lists, "prices": [pair for pair in prices if pair[1]]}
            if self.exact(node, leaf) < 0:
                node.leaf = leaf
                return


class _Solver:
    """The linear programmes of one problem, kept in the solver so that each node changes only what differs.

    maximise s  subject to  s <= slope_g . q + level_g - sum_j |v_gj| t_gj  for every goal g,
    t_gj >= z_gj(q), t_gj >= 0 for negative nodes, rows and box of q, splits. Variables: q, t, s, and one slack that
    lets splits be broken at a high price; y in units of scale.
    """

    def __init__(self, problem: Problem, splits: Sequence[checker.Row]) -> None:
        from scipy.optimize._highspy import _core

        self.problem = problem
        self.n = len(problem.poly.box)
        self.pairs = list(zip(*np.nonzero(problem.negative), strict=True))
        m, n_goals, n = len(self.pairs), len(problem.goals), self.n
        self.unit = np.array([max(1.0, float(np.abs(problem.gain[key]).max(initial=1.0))) for key in self.pairs])
        lp = _core.HighsLp()
        bounds = [*problem.poly.rows, *splits]
        # Goal rows hold a full slope from the start: the pattern of the matrix stays as it is.
        start, index, value = [0], list[int](), list[float]()
        limit = np.zeros(n_goals + m + len(bounds))
        for g in range(n_goals):
            mine = [i for i, (owner, _) in enumerate(self.pairs) if owner == g]
            index += [*range(n), *(n + i for i in mine), n + m]
            value += [1.0] * n
            value += [-problem.v[self.pairs[i]] * self.unit[i] / problem.scale for i in mine]
            value.append(1.0)
            start.append(len(index))
        for i, key in enumerate(self.pairs):
            used = np.flatnonzero(problem.gain[key])
            index += [*used.tolist(), n + i]
            value += [*(problem.gain[key][used] / self.unit[i]).tolist(), -1.0]
            limit[n_goals + i] = -problem.bias[key] / self.unit[i]
            start.append(len(index))
        self.row_unit = np.ones(len(bounds))
        for number, (row, most) in enumerate(bounds):
            unit = self.row_unit[number] = max(1.0, *(abs(float(a)) for a in row.values()))
            index += row.keys()
            value += [float(a) / unit for a in row.values()]
            if number >= len(bounds) - len(splits):
                index.append(n + m + 1)
                value.append(-1.0)
            limit[n_goals + m + number] = float(most) / unit
            start.append(len(index))
        infinity = _core.kHighsInf
        n_columns, n_rows = n + m + 2, len(limit)
        lp.num_col_, lp.num_row_ = n_columns, n_rows
        cost = np.zeros(n_columns)
        cost[-2:] = -1.0, ELASTIC
        lp.col_cost_ = cost
        lower, upper = np.zeros(n_columns), np.full(n_columns, infinity)
        lower[-2] = -infinity
        upper[-1] = infinity if splits else 0.0
        ends = np.array(problem.poly.box, dtype=np.float64).reshape(-1, 2)
        lower[:n], upper[:n] = ends[:, 0], ends[:, 1]
        lp.col_lower_, lp.col_upper_ = lower, upper
        lp.row_lower_, lp.row_upper_ = np.full(n_rows, -infinity), limit
        lp.a_matrix_.format_ = _core.MatrixFormat.kRowwise
        lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = n_columns, n_rows
        lp.a_matrix_.start_ = np.array(start, dtype=np.int32)
        lp.a_matrix_.index_ = np.array(index, dtype=np.int32)
        lp.a_matrix_.value_ = np.array(value)
        self.infinity, self.optimal = infinity, _core.HighsModelStatus.kOptimal
        self.highs = _core._Highs()
        for option, setting in (("output_flag", False), ("threads", 1), ("presolve", "off"), ("solver", "simplex")):
            self.highs.setOptionValue(option, setting)
        self.highs.passModel(lp)
        self.slope = np.ones((n_goals, n))

    def solve(self, slope: Float, level: Float) -> tuple[float, Float, Float, Float, Float] | None:
        """Optimum, worst point, weights of goals, factors of negative nodes (times weight), prices of rows.

        ``slope`` and ``level`` are those of the goals; None if the solver fails.
        """
        problem, n, m = self.problem, self.n, len(self.pairs)
        n_goals = len(problem.goals)
        scaled = -slope / problem.scale
        for g, i in zip(*np.nonzero(scaled != self.slope), strict=True):
            self.highs.changeCoeff(int(g), int(i), float(scaled[g, i]))
        self.slope = scaled
        for g in range(n_goals):
            self.highs.changeRowBounds(g, -self.infinity, float(level[g]) / problem.scale)
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
        optimum = float(self.highs.getInfo().objective_function_value) * -problem.scale
        return optimum, point, weights, factors, prices


def search(
    problem: Problem,
    *,
    below: Fraction | None = Fraction(0),
    gap: float = 0.0,
    max_nodes: int = 2_000,
    max_looks: int = 24,
    whole: bool = True,
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
    whole : bool
        Split on what is whole where real numbers do not suffice; else stop at a real point at which the goals hold.
    witness : callable, optional
        Told each point that looks like a counterexample; whatever it returns but None ends the search.
    """
    root = Node()
    best, best_point, looks = -np.inf, None, 0
    tie = itertools.count()

    def bounded(node: Node) -> Any:
        nonlocal best, best_point, looks
        problem.bound(node, exactly=below != 0 or witness is None)
        if node.point is not None and (node.bound >= 0 or below is None):
            value = float(problem.values(node.point).min())
            if value > best and _inside(problem, node):
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
            or (below is not None and not whole and best >= 0)
            or (below is None and float(bound) - best <= gap * (1 + abs(float(bound)) / 10_000))
        ):
            break
        children = _split(problem, node, whole)
        if children is None:
            break
        heapq.heappop(heap)
        node.children = children
        for child in (children[2], children[4]):
            found = bounded(child) if found is None else found
            heapq.heappush(heap, (-child.bound, next(tie), child))
    bound = -heap[0][0]
    refuted = found is None and below is not None and bound < below
    if refuted and below == 0:
        problem.shorten(root)
    return Outcome(refuted, bound, root.tree(), best, best_point, found)


def _inside(problem: Problem, node: Node) -> bool:
    """Whether a node's point keeps the rows, in floats: a corner of the box may not."""
    assert node.point is not None
    point = node.point
    return all(
        sum(float(a) * point[i] for i, a in row.items()) <= float(limit) + 1e-6 * (1 + abs(float(limit)))
        for row, limit in problem.poly.rows
    )


def _split(problem: Problem, node: Node, whole: bool) -> tuple[dict[str, Any], str, Node, str, Node] | None:
    """Two children of a node: on the positive node whose chord is worst, else on a whole form that is fractional."""
    if node.point is None:
        node.point = problem.middle
    keys, gap = problem.undecided(node)
    if keys:
        g, j = max(keys, key=lambda key: float(gap[key]))
        inside, outside = (Node(node.splits, {**node.chosen, (g, j): choice}) for choice in (True, False))
        return {"goal": g, "node": j}, "in", inside, "out", outside
    if not whole or not problem.poly.whole:
        return None
    values = [
        float(constant) + sum(float(a) * node.point[i] for i, a in form.items())
        for constant, form in problem.poly.whole
    ]
    apart = np.abs(np.array(values) - np.rint(values))
    i = int(np.argmax(apart))
    if apart[i] < 1e-6:
        return None
    at = int(np.floor(values[i]))
    constant, form = problem.poly.whole[i]
    left = Node((*node.splits, (form, at - constant)), dict(node.chosen))
    right = Node((*node.splits, ({k: -a for k, a in form.items()}, constant - at - 1)), dict(node.chosen))
    return {"whole": i, "at": at}, "low", left, "high", right
