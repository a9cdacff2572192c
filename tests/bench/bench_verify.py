"""The 330 common verification queries: every verdict exact, every proof certified, against a MILP in the same run.

Three nets of 32-15-1 with dyadic weights; the queries and the peers' recorded times live beside the project's
checkout, not in it: without them only the scaling over hidden nodes is measured. Weights, boxes and rows are
scaled to integers, so that a query becomes the problem the prover solves anyway. ``sat`` carries a rational
point at which the output is wrong, in exact arithmetic; ``unsat`` a tree that the standalone checker accepts.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from crumple.model.analysis import checker
from crumple.model.analysis.search import Problem, search

VERIFY = Path(__file__).resolve().parents[3] / "shared" / "bench" / "verify"
KINDS = {"a": "balls", "b": "no-fire polytopes", "c": "must-fire corridors"}
RECORDED = ("highs_milp", "marabou", "marabou_proofs")

HARD_NODES = 5_000
"""Nodes of a search tree before a query of the hard setting counts as undecided."""

Task = tuple[int, "WholeNet", dict[str, Any]]
Net = tuple[list[list[float]], list[float], list[float], float]


@dataclass(frozen=True)
class Answer:
    """One query: verdict, seconds to decide and to check, bytes of certificate, whether the evidence is exact."""

    kind: str
    seed: int
    name: str
    verdict: str
    solve_s: float
    check_s: float
    size: int
    exact: bool


def denominator(values: Sequence[float]) -> int:
    """Smallest power of two that makes all dyadic values whole."""
    return max((Fraction(value).denominator for value in values), default=1)


@dataclass(frozen=True)
class WholeNet:
    """A net's numbers as integers: weights times ``w_unit``, output weights times ``v_unit``."""

    floats: Net
    weight: list[list[int]]
    bias: list[Fraction]
    out: list[int]
    out_bias: Fraction
    w_unit: int
    v_unit: int


def whole_net(net: Net) -> WholeNet:
    """Scale a net of dyadic numbers to integers, once for all its queries."""
    weight, bias, out, out_bias = net
    w_unit, v_unit = denominator([w for row in weight for w in row] + bias), denominator([*out, out_bias])
    scaled = [[int(Fraction(w) * w_unit) for w in row] for row in weight]
    return WholeNet(
        net, scaled, [Fraction(b) * w_unit for b in bias], [int(Fraction(v) * v_unit) for v in out],
        Fraction(out_bias) * v_unit * w_unit, w_unit, v_unit,
    )  # fmt: skip


def problem_of(net: WholeNet, query: dict[str, Any]) -> tuple[checker.Polytope, checker.Goal]:
    """A query in integers; the goal is that the output is wrong."""
    sign = 1 if query["unsafe"] == ">=" else -1
    limits = [limit for *_, limit in query["rows"]]
    grid = denominator([*query["lo"], *query["hi"], *limits])
    box = [(int(lo * grid), int(hi * grid)) for lo, hi in zip(query["lo"], query["hi"], strict=True)]
    rows = [
        ({i: int(a) for i, a in zip(index, factors, strict=True)}, int(limit * grid))
        for index, factors, limit in query["rows"]
    ]
    nodes = [
        (sign * v, dict(enumerate(row)), int(bias * grid))
        for row, bias, v in zip(net.weight, net.bias, net.out, strict=True)
    ]
    return checker.Polytope(box, rows, [], [], None, (1, [])), (nodes, int(sign * net.out_bias * grid))


def exact_point(poly: checker.Polytope, goal: checker.Goal, point: Sequence[float]) -> list[Fraction] | None:
    """The point, moved a little inwards if need be, where the goal holds in exact arithmetic; or None."""
    middle = [Fraction(lo + hi, 2) for lo, hi in poly.box]
    for shrink in (Fraction(0), Fraction(1, 2**40), Fraction(1, 2**30), Fraction(1, 2**24)):
        q = [
            m + (1 - shrink) * (min(max(Fraction(float(x)), Fraction(lo)), Fraction(hi)) - m)
            for x, m, (lo, hi) in zip(point, middle, poly.box, strict=True)
        ]
        inside = all(sum(a * q[i] for i, a in row.items()) <= limit for row, limit in poly.rows)
        nodes, constant = goal
        z = (v * max(Fraction(0), sum((g * q[i] for i, g in gains.items()), Fraction(b))) for v, gains, b in nodes)
        if inside and sum(z, Fraction(constant)) >= 0:
            return q
    return None


def refuted(poly: checker.Polytope, goal: checker.Goal, tree: Any) -> None:
    """Walk a tree with the checker's own bound at every leaf: these queries have no windows to split on."""

    def visit(node: Any, chosen: checker.Chosen) -> None:
        if "goals" in node:
            assert checker.leaf_bound(poly, poly.rows, [goal], chosen, node) < 0
            return
        key = (node["goal"], node["node"])
        assert goal[0][key[1]][0] > 0 and key not in chosen
        visit(node["in"], {**chosen, key: True})
        visit(node["out"], {**chosen, key: False})

    visit(tree, {})


def answer(task: Task) -> Answer:
    """Decide and check one query. Dyadic numbers times a power of two are exact in floats up to 2**53, as here."""
    seed, net, query = task
    started = time.perf_counter()
    poly, goal = problem_of(net, query)
    found = search(Problem(poly, [goal]), max_looks=200, witness=lambda point: exact_point(poly, goal, point))
    solved = time.perf_counter()
    exact, size = found.found is not None, 0
    if found.refuted:
        size = len(json.dumps(found.tree, separators=(",", ":")))
        refuted(poly, goal, found.tree)
        exact = True
    verdict = "unsat" if found.refuted else "sat" if found.found is not None else "unknown"
    ended = time.perf_counter()
    return Answer(query["kind"], seed, query["id"], verdict, solved - started, ended - solved, size, exact)


def milp_seconds(task: Task) -> tuple[str, float]:
    """Verdict and seconds of scipy's HiGHS on the usual big-M encoding, without proofs."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    _, net, query = task
    weight, bias, out, out_bias = net.floats
    started = time.perf_counter()
    w, b, v = np.array(weight), np.array(bias), np.array(out)
    lo, hi = np.array(query["lo"]), np.array(query["hi"])
    sign = 1 if query["unsafe"] == ">=" else -1
    (m, n), middle, radius = w.shape, (lo + hi) / 2, (hi - lo) / 2
    top = np.maximum(w @ middle + np.abs(w) @ radius + b, 0.0)
    bottom = np.minimum(w @ middle - np.abs(w) @ radius + b, 0.0)
    one, none = np.eye(m), np.zeros((m, m))
    matrix = [
        np.hstack([-w, one, none]),
        np.hstack([-w, one, np.diag(-bottom)]),
        np.hstack([0 * w, one, -np.diag(top)]),
    ]
    low, high = [b, np.full(2 * m, -np.inf)], [np.full(m, np.inf), b - bottom, np.zeros(m)]
    for index, factors, limit in query["rows"]:
        row = np.zeros((1, n + 2 * m))
        row[0, index] = factors
        matrix.append(row)
        low.append(np.array([-np.inf]))
        high.append(np.array([limit]))
    solved = milp(
        np.concatenate([np.zeros(n), -sign * v, np.zeros(m)]),
        constraints=LinearConstraint(np.vstack(matrix), np.concatenate(low), np.concatenate(high)),
        integrality=np.concatenate([np.zeros(n + m), np.ones(m)]),
        bounds=Bounds(np.concatenate([lo, np.zeros(2 * m)]), np.concatenate([hi, top, np.ones(m)])),
    )
    wrong = -solved.fun + sign * out_bias >= 0
    return ("sat" if wrong else "unsat"), time.perf_counter() - started


def tasks() -> list[Task]:
    """All queries with their nets."""
    found: list[Task] = []
    for seed in range(3):
        folder = VERIFY / "data" / f"seed{seed}"
        net = json.loads((folder / "net.json").read_text())
        values = whole_net((net["W1"], net["b1"], net["w2"], net["b2"]))
        found += [(seed, values, query) for query in json.loads((folder / "queries.json").read_text())]
    return found


def random_task(n_hidden: int, seed: int, radius: float = 0.1) -> Task:
    """A random net of a size and a ball of a radius around a random window, for how time grows."""
    rng = np.random.default_rng(seed)

    def dyadic(values: Any) -> Any:
        return (np.round(np.asarray(values) * 2**12) / 2**12).tolist()

    weight, bias = dyadic(rng.normal(size=(n_hidden, 32)) / 6), dyadic(rng.normal(size=n_hidden) / 4)
    out = dyadic(rng.normal(size=n_hidden) / np.sqrt(n_hidden))
    centre = rng.uniform(-0.5, 0.5, 32)
    query = {"kind": "s", "id": f"h{n_hidden}-{seed}", "unsafe": ">=", "rows": []}
    query |= {"lo": dyadic(centre - radius), "hi": dyadic(centre + radius)}
    level = float(np.maximum(np.array(weight) @ centre + bias, 0) @ np.array(out))
    return seed, whole_net((weight, bias, out, float(dyadic(-level - 0.6)))), query


def line(text: str) -> None:
    """Print a line of the table."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def growth(repeats: int = 20) -> None:
    """Time and tree size from 8 to 40 hidden nodes."""
    line("random nets, 32 inputs, ball of radius 0.1: hidden nodes, sat/unsat/unknown, median ms, max ms, median bytes")
    for n_hidden in (8, 12, 16, 24, 32, 40):
        answers = [answer(random_task(n_hidden, seed)) for seed in range(repeats)]
        times = [1e3 * (a.solve_s + a.check_s) for a in answers]
        counts = "/".join(str(sum(a.verdict == v for a in answers)) for v in ("sat", "unsat", "unknown"))
        sizes = statistics.median([a.size for a in answers if a.verdict == "unsat"] or [0])
        line(f"{n_hidden:4d} {counts:>9} {statistics.median(times):8.2f} {max(times):9.1f} {sizes:8.0f}")


def hard_growth(repeats: int = 5) -> None:
    """The same where it is hard: the exact largest output over so wide a box that every node has either sign."""
    line(
        "random nets, 32 inputs, exact maximum over a box of radius 1: hidden nodes, decided, median and most leaves, s"
    )
    for n_hidden in (8, 12, 16, 24, 32, 40):
        leaves, times, decided = list[int](), list[float](), 0
        for seed in range(repeats):
            _, net, query = random_task(n_hidden, seed, radius=1.0)
            started = time.perf_counter()
            found = search(Problem(*_single(problem_of(net, query))), below=None, gap=1.0, max_nodes=HARD_NODES)
            times.append(time.perf_counter() - started)
            leaves.append(json.dumps(found.tree).count('"goals"'))
            decided += float(found.bound) - found.reached <= 2e-4 * (1 + abs(float(found.bound)))
        line(
            f"{n_hidden:4d} {decided}/{repeats} {statistics.median(leaves):8.0f} {max(leaves):6d}"
            f" {statistics.median(times):8.2f} {max(times):8.2f}"
        )


def _single(asked: tuple[checker.Polytope, checker.Goal]) -> tuple[checker.Polytope, list[checker.Goal]]:
    return asked[0], [asked[1]]


def main() -> int:
    """Measure; the exit code says whether a verdict was wrong, undecided or inexact."""
    from scipy.optimize._highspy import _core  # noqa: F401 -- loading the solver is start-up, not solving

    failures = 0
    if VERIFY.is_dir():
        asked = tasks()
        truth = {
            (int(row["seed"]), row["id"]): row["verdict"]
            for row in csv.DictReader((VERIFY / "results" / "ground_truth.csv").open())
        }
        answers = [answer(task) for task in asked]
        wall = []
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(answer, asked[:4]))
            started = time.perf_counter()
            list(pool.map(answer, asked, chunksize=11))
            wall.append(time.perf_counter() - started)
        peer = [milp_seconds(task) for task in asked]
        line(
            "kind                 asked right unknown exact   solve s  check s  max ms  median B  HiGHS big-M s  ratio"
        )
        for kind, name in (*KINDS.items(), ("", "all")):
            rows = [(a, p) for a, p in zip(answers, peer, strict=True) if a.kind == kind or not kind]
            right = sum(a.verdict == truth[a.seed, a.name] for a, _ in rows)
            solve, check, theirs = (sum(x) for x in zip(*((a.solve_s, a.check_s, p[1]) for a, p in rows), strict=True))
            unknown, exact = sum(a.verdict == "unknown" for a, _ in rows), sum(a.exact for a, _ in rows)
            sizes = statistics.median([a.size for a, _ in rows if a.verdict == "unsat"])
            slowest = 1e3 * max(a.solve_s for a, _ in rows)
            line(
                f"{name:20s} {len(rows):5d} {right:5d} {unknown:7d} {exact:5d} {solve:9.2f} {check:8.2f} {slowest:7.1f}"
                f" {sizes:9.0f} {theirs:14.2f} {theirs / solve:6.1f}"
            )
            failures += len(rows) - min(right, exact)
        total = sum(a.solve_s for a in answers)
        line(f"two processes: {wall[0]:.2f} s wall for solving and checking all")
        for name in RECORDED:
            rows = list(csv.DictReader((VERIFY / "results" / f"{name}.csv").open()))
            theirs = sum(float(row["wall_s"]) for row in rows)
            line(f"recorded {name}: {theirs:.1f} s, {theirs / total:.0f} times ours (another run, same machine type)")
    growth()
    hard_growth()
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
