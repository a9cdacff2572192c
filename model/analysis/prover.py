"""Branch and bound over the nodes that can branch, with float linear programmes and exact bounds.

Floats only *suggest*: a linear programme's dual gives multipliers, which are rounded to integers over a
power of two, and the bound is then evaluated in exact rationals by the very function that the checker
uses. A sloppy solver makes weak multipliers, never wrong bounds. The method and why only nodes with
positive output weight branch are told in the checker's docstring.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker
from .properties import Requirement

DENOMINATOR_BITS = 24
DENOMINATOR = 2**DENOMINATOR_BITS
MAX_NODES = 200_000


@dataclass(frozen=True, slots=True)
class Proved:
    """The claim holds; ``certificate`` is the evidence, ``bound`` the proved upper bound of y (claims on y only)."""

    certificate: dict[str, Any]
    bound: Fraction | None


@dataclass(frozen=True, slots=True)
class Violated:
    """The claim is false; the certificate carries a counterexample or is decided in closed form."""

    certificate: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Undecided, which is never good news: y may reach ``bound``, and no counterexample was found."""

    reason: str
    bound: Fraction | None


Verdict = Proved | Violated | Unknown


@dataclass(frozen=True, slots=True)
class Worst:
    """Largest y over a set: at least ``reached`` (by a real point), at most ``bound`` (proved)."""

    bound: Fraction
    reached: float
    tree: dict[str, Any]
    window: NDArray[np.float64]


@dataclass(slots=True)
class _Node:
    """A partial choice: which positive nodes are in or out; its bound and where its relaxation is worst."""

    choice: dict[int, bool]
    bound: Fraction = Fraction(0)
    leaf: dict[str, Any] = field(default_factory=dict)
    latent: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    children: tuple[int, _Node, _Node] | None = None

    def tree(self) -> dict[str, Any]:
        if self.children is None:
            return self.leaf
        split, inside, outside = self.children
        return {"split": split, "in": inside.tree(), "out": outside.tree()}


class _Problem:
    """One model over one set, with everything the linear programmes share."""

    def __init__(self, model: checker.Model, described: dict[str, str]) -> None:
        self.model = model
        self.poly = checker.polytope(model, described)
        self.forms = checker.node_forms(model, self.poly)
        self.gain = np.array([form[0] for form in self.forms], dtype=np.float64)
        self.bias = np.array([form[1] for form in self.forms], dtype=np.float64)
        self.out = np.array(model.out, dtype=np.float64)
        self.low_high = [self._interval(form) for form in self.forms]
        self.n_latent = len(self.poly.box)
        self.negative = [j for j, v in enumerate(model.out) if v < 0 and self.low_high[j][1] > 0]
        self.branching = [j for j, v in enumerate(model.out) if v > 0 and self.low_high[j][0] < 0 < self.low_high[j][1]]

    def _interval(self, form: tuple[list[int], int]) -> tuple[int, int]:
        coefficients, bias = form
        high = checker.maximum(coefficients, bias, self.poly.box)
        low = -checker.maximum([-g for g in coefficients], -bias, self.poly.box)
        return low, high

    def slope(self, j: int, choice: dict[int, bool]) -> tuple[float, float]:
        """Scale and shift that replace v_j max(0, z_j) for a positive node under a choice."""
        v = self.out[j]
        low, high = self.low_high[j]
        if j in choice:
            return (v if choice[j] else 0.0), 0.0
        if high <= 0:
            return 0.0, 0.0
        if low >= 0:
            return v, 0.0
        scale = v * high / (high - low)
        return scale, -scale * low

    def relax(self, node: _Node) -> None:
        """Solve the node's linear programme, round its dual, and set the node's exact bound."""
        from scipy.optimize import linprog
        from scipy.sparse import csr_matrix, hstack, vstack

        n, m = self.n_latent, len(self.negative)
        objective = np.zeros(n)
        for j, v in enumerate(self.model.out):
            if v > 0:
                objective += self.slope(j, node.choice)[0] * self.gain[j]
        weights = np.abs(self.out[self.negative])
        scale = max(1.0, float(np.abs(objective).max(initial=0.0)), float(weights.max(initial=0.0)))
        # maximise objective.q - weights.t  subject to  t_j >= z_j(q), t_j >= 0, rows, box
        cost = np.concatenate([-objective, weights]) / scale
        blocks, limits = [], []
        if m:
            blocks.append(hstack([csr_matrix(self.gain[self.negative]), -csr_matrix(np.eye(m))]))
            limits.append(-self.bias[self.negative])
        if self.poly.rows:
            rows = np.zeros((len(self.poly.rows), n))
            for number, (row, _) in enumerate(self.poly.rows):
                for latent, a in row.items():
                    rows[number, latent] = a
            blocks.append(hstack([csr_matrix(rows), csr_matrix((len(self.poly.rows), m))]))
            limits.append(np.array([limit for _, limit in self.poly.rows], dtype=np.float64))
        bounds = [*self.poly.box, *[(0, None)] * m]
        solution = linprog(
            cost,
            A_ub=vstack(blocks) if blocks else None,
            b_ub=np.concatenate(limits) if limits else None,
            bounds=bounds,
            method="highs",
        )
        factors: dict[int, int] = {}
        prices: dict[int, int] = {}
        if solution.x is not None:
            node.latent = np.asarray(solution.x[:n])
            duals = -np.asarray(solution.ineqlin.marginals) * scale if blocks else np.zeros(0)
            for position, j in enumerate(self.negative):
                share = duals[position] / abs(self.out[j])
                factors[j] = int(np.clip(round(share * DENOMINATOR), 0, DENOMINATOR))
            for number, price in enumerate(duals[m:]):
                rounded = round(max(0.0, float(price)) * DENOMINATOR)
                if rounded:
                    prices[number] = rounded
        node.leaf = {
            "lambda": [[j, value] for j, value in sorted(factors.items()) if value],
            "mu": [[number, value] for number, value in sorted(prices.items())],
        }
        node.bound = checker.leaf_bound(
            self.model,
            self.poly,
            self.forms,
            node.choice,
            {j: Fraction(value, DENOMINATOR) for j, value in factors.items()},
            {number: Fraction(value, DENOMINATOR) for number, value in prices.items()},
        )

    def output_at(self, latent: NDArray[np.float64]) -> float:
        """y at a real point of the set, in floats: only to steer the search."""
        z = self.gain @ latent + self.bias
        return float(np.maximum(z, 0.0) @ self.out + self.model.out_bias)

    def window_at(self, latent: NDArray[np.float64]) -> NDArray[np.float64]:
        """The window of samples that latent values stand for."""
        return np.array([sum(latent[i] * f for i, f in sample.items()) for sample in self.poly.samples])

    def widest(self, node: _Node) -> int:
        """The undecided node whose chord overestimates most at the relaxation's worst point."""
        z = self.gain @ node.latent + self.bias if node.latent.size else np.zeros(len(self.forms))

        def gap(j: int) -> float:
            scale, shift = self.slope(j, node.choice)
            return float(scale * z[j] + shift - self.out[j] * max(0.0, z[j]))

        return max((j for j in self.branching if j not in node.choice), key=gap)


def worst_case(model: DeployedModel, requirement: Requirement, *, below: int | None = None, gap: float = 1.0) -> Worst:
    """Bound the largest y over a requirement's set from both sides.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
        Its claim must be about y over windows (``never_requests_fire``).
    below : int, optional
        Stop as soon as y < ``below`` is proved: enough for a proof, and quicker.
    gap : float
        Otherwise stop when bound and reached differ by no more than this, relative to 1 + |bound| / 10,000.

    Returns
    -------
    Worst
        ``bound`` is a theorem; ``reached`` is a float evaluation that only steers.
    """
    problem = _Problem(checker.Model(model.payload()), requirement.set)
    root = _Node({})
    problem.relax(root)
    best, best_latent = -np.inf, np.zeros(problem.n_latent)
    tie = itertools.count()
    heap = [(-root.bound, next(tie), root)]
    for _ in range(MAX_NODES):
        bound, node = -heap[0][0], heap[0][2]
        if node.latent.size and (value := problem.output_at(node.latent)) > best:
            best, best_latent = value, node.latent
        if below is not None and bound < below:
            break
        if float(bound) - best <= gap * (1 + abs(float(bound)) / 10_000) or set(problem.branching) <= set(node.choice):
            break
        heapq.heappop(heap)
        split = problem.widest(node)
        children = (_Node({**node.choice, split: True}), _Node({**node.choice, split: False}))
        for child in children:
            problem.relax(child)
            heapq.heappush(heap, (-child.bound, next(tie), child))
        node.children = (split, *children)
    return Worst(-heap[0][0], best, root.tree(), problem.window_at(best_latent))


def prove(model: DeployedModel, requirement: Requirement) -> Verdict:
    """Decide one requirement on the deployed integers.

    Returns
    -------
    Proved, Violated or Unknown
        ``Proved`` carries a certificate that the standalone checker accepts (it was run on it);
        ``Violated`` one whose counterexample the checker replayed.
    """
    if requirement.claim != "never_requests_fire":
        return _closed_form(model, requirement)
    worst = worst_case(model, requirement, below=1)
    if worst.bound < 1:
        certificate = _certificate("proved", tree=worst.tree)
        checker.check(checker.Model(model.payload()), requirement.payload(), certificate)
        return Proved(certificate, worst.bound)
    witness = _counterexample(model, requirement, worst.window)
    if witness is not None:
        certificate = _certificate("violated", witness=witness)
        checker.check(checker.Model(model.payload()), requirement.payload(), certificate)
        return Violated(certificate)
    return Unknown(f"y may reach {float(worst.bound):.6g}, but no sequence that requests fire was found", worst.bound)


def _closed_form(model: DeployedModel, requirement: Requirement) -> Verdict:
    """Claims that need no search: the checker's own formula decides."""
    for verdict in ("proved", "violated"):
        certificate = _certificate(verdict)
        try:
            checker.check(checker.Model(model.payload()), requirement.payload(), certificate)
        except checker.Rejected:
            continue
        return Proved(certificate, None) if verdict == "proved" else Violated(certificate)
    return Unknown("the checker accepts neither verdict", None)


def _certificate(verdict: str, *, tree: Any = None, witness: list[int] | None = None) -> dict[str, Any]:
    return {"verdict": verdict, "denominator": DENOMINATOR, "tree": tree, "witness_lsb": witness or []}


def _counterexample(model: DeployedModel, requirement: Requirement, window: NDArray[np.float64]) -> list[int] | None:
    """An integer sequence of the set that requests fire, from the relaxation's worst window, or None.

    K votes are needed, so the window is tried as it is, held, repeated and slowed by a sample; each
    candidate is rounded through its running sum so that contiguous sums stay in their band.
    """
    trusted = checker.Model(model.payload())
    rounded = np.diff(np.rint(np.concatenate([[0.0], np.cumsum(window)]))).astype(int)
    nearest = np.rint(window).astype(int)
    for base in (rounded, nearest):
        for tail in (0, 8, model.window_samples):
            for repeated in (
                np.concatenate([base, np.zeros(tail, dtype=int)]),
                np.concatenate([base, base[:tail]]),
                np.concatenate([np.full(tail, base[0]), base]),
                np.concatenate([base, np.full(tail, base[-1])]),
            ):
                counts = [int(u) for u in repeated]
                if checker.contains(trusted, requirement.set, counts) and trusted.requests_fire(counts):
                    return counts
    return None
