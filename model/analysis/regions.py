"""Reachable activation patterns, counted exactly: floats suggest a point or a reason, integers decide.

A pattern says of each hidden node whether it is active (z >= 1) or not (z <= 0), over sums of blocks of whole counts in
the clamp range. It is *reached* if a window of whole counts has it, which is shown by that window; *empty* if no real
input has it, which is shown by weights on its nodes: a weighted sum of what they ask is more than any input gives
(Farkas). Where real inputs have it but no whole one was found near them, it stays open, and is counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]

WEIGHT_BITS = 30
"""Farkas weights are whole numbers of 2**-30."""

MOST_TRIED = 16
"""Nodes of which all combinations of signs are tried at once."""

SHARES = (1e-2, 1e-3, 1e-1, 1e-4)
"""How large, of its largest value, a node is made for that."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """Patterns of one model.

    Attributes
    ----------
    patterns : dict of str to tuple of int
        Each reached pattern, as ``1`` and ``0`` by node, and sums of blocks that reach it.
    open_ : tuple of str
        Neither reached nor shown to be empty.
    is_complete : bool
        Every pattern is one of these or shown to be empty; else the count stopped early.
    """

    patterns: dict[str, tuple[int, ...]]
    open_: tuple[str, ...]
    is_complete: bool


class _Net:
    """Hidden nodes over sums of blocks, in integers and in floats scaled to a box of one."""

    def __init__(self, voter: checker.Voter) -> None:
        self.weight, self.bias = voter.weight, voter.bias
        self.reach = voter.clamp * voter.block
        rows = np.array(voter.weight, dtype=np.float64)
        self.unit = np.maximum(1.0, np.abs(rows).max(axis=1) * self.reach)
        self.rows, self.level = rows * self.reach / self.unit[:, None], np.array(voter.bias) / self.unit

    def signs(self, x: Int64) -> tuple[int, ...]:
        """Which nodes are active (1) or not (0), exactly, at sums of blocks ``x``."""
        values = [sum(w * int(u) for w, u in zip(row, x, strict=True)) + b
                  for row, b in zip(self.weight, self.bias, strict=True)]  # fmt: skip
        return tuple(int(z > 0) for z in values)

    def is_empty(self, signs: tuple[int, ...], weights: Float) -> bool:
        """Whether weights show in integers that no real input has the ``signs`` of the first nodes.

        With s = 1 or -1 each node asks for s z >= 1 or s z >= 0; the weighted sum of s z is at most its constant plus
        the reach times the magnitudes of its slope.
        """
        whole = [max(0, round(float(w) * 2**WEIGHT_BITS)) for w in weights]
        slope, constant, asked = [0] * len(self.weight[0]), 0, 0
        for row, bias, sign, w in zip(self.weight, self.bias, signs, whole, strict=False):
            s = w if sign else -w
            slope = [a + s * b for a, b in zip(slope, row, strict=True)]
            constant, asked = constant + s * bias, asked + w * sign
        return constant + self.reach * sum(map(abs, slope)) < asked


def reachable_patterns(model: DeployedModel, *, most: int = 40_000) -> Reachable:
    """Every activation pattern that windows of whole counts in the clamp range can have.

    Most are found at once, near where all nodes are nearly zero. Of the rest nodes are decided one after another: a
    linear programme in floats looks for the input furthest inside; whole sums near it are tried, and where it finds
    none its dual is the weights of the reason.

    Parameters
    ----------
    model : DeployedModel
    most : int
        Stop after as many patterns.
    """
    from scipy.optimize import linprog

    voter = checker.Model(model.payload()).main
    net = _Net(voter)
    n = len(net.bias)
    found: dict[str, tuple[int, ...]] = {}
    open_ = list[str]()
    shown = _tried(net)
    stack: list[tuple[int, ...]] = [()]
    while stack and len(found) + len(open_) < most:
        signs = stack.pop()
        m = len(signs)
        point = shown.get(signs)
        if m and point is None:
            s = np.where(np.array(signs) == 1, 1.0, -1.0)
            margin = 1 / net.unit[:m]  # of one unit of z
            wall = np.array([[1.0]]).repeat(m, axis=0) * margin[:, None]
            asked = -np.where(np.array(signs) == 1, 1.0, 0.0) / net.unit[:m] + s * net.level[:m]
            cost = np.zeros(net.rows.shape[1] + 1)
            cost[-1] = -1.0
            bounds = [(-1.0, 1.0)] * net.rows.shape[1] + [(-1e12, 1e9)]
            answer: Any = linprog(
                cost, A_ub=np.hstack([-s[:, None] * net.rows[:m], wall]), b_ub=asked, bounds=bounds, method="highs"
            )
            if answer.status != 0:
                open_.append("".join(map(str, signs)) + "?" * (n - m))
                continue
            slack = float(answer.x[-1])
            if slack < 0.5 and net.is_empty(signs, -answer.ineqlin.marginals / net.unit[:m]):
                continue
            point = _whole(net, signs, answer.x[:-1])
        if m == n:
            name = "".join(map(str, signs))
            if point is None:
                open_.append(name)
            else:
                found[name] = tuple(int(u) for u in point)
            continue
        for sign in (0, 1):
            child = (*signs, sign)
            if child not in shown and point is not None and net.signs(point)[: m + 1] == child:
                shown[child] = point
            stack.append(child)
    return Reachable(found, tuple(open_), not stack)


def _tried(net: _Net) -> dict[tuple[int, ...], Int64]:
    """Whole sums of blocks for patterns and all their beginnings: where each node is small and of the sign wanted."""
    n = len(net.bias)
    if n > MOST_TRIED:
        return {}
    wanted = 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
    weight, bias = np.array(net.weight, dtype=np.int64), np.array(net.bias, dtype=np.int64)
    inverse = np.linalg.pinv(weight.astype(np.float64))
    shown: dict[tuple[int, ...], Int64] = {}
    left = wanted
    for share in SHARES:
        size = share * net.unit
        points = np.clip(np.rint((left * size - bias) @ inverse.T), -net.reach, net.reach).astype(np.int64)
        signs = (points @ weight.T + bias > 0).astype(np.int64)
        hit = (2 * signs - 1 == left).all(axis=1)
        for row, point in zip(signs[hit].tolist(), points[hit], strict=True):
            for m in range(1, n + 1):
                shown.setdefault(tuple(row[:m]), point)
        left = left[~hit]
    return shown


def _whole(net: _Net, signs: tuple[int, ...], x: Float) -> Int64 | None:
    """Whole sums of blocks with the signs, by rounding a point in several ways; None if none has them."""
    for rounding in (np.rint, np.trunc, np.floor, np.ceil):
        point = np.clip(rounding(x * net.reach), -net.reach, net.reach).astype(np.int64)
        if net.signs(point)[: len(signs)] == signs:
            return point
    return None
