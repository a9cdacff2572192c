"""Second opinions: verdicts of our search against HiGHS's MILP on the exported ONNX and VNN-LIB files.

The other side reads the two files and nothing else: another parser, another formulation (big-M, one binary a node),
another algorithm. It works in floats, so a query whose optimum is within its tolerance of zero is asked again,
a little easier and a little harder, and must lie between.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from crumple.errors import ModelError
from crumple.export.questions import render_questions
from crumple.export.vnnlib import fits, render_query
from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, prove
from crumple.model.analysis.search import Problem, search
from crumple.model.deployed import Arming, DeployedModel

N_SECOND_OPINIONS = 520


def random_question(seed: int) -> tuple[checker.Polytope, list[checker.Goal]]:
    """A random model, a random set of every kind that fits, and one or two windows that vote or do not."""
    rng = np.random.default_rng(seed)
    n_hidden, n_blocks, block = int(rng.integers(2, 9)), int(rng.integers(2, 7)), int(rng.integers(1, 3))
    model = DeployedModel(
        sample_rate_hz=2000, lsb_g=Fraction(1, 16), clamp_lsb=1920, block_samples=block,
        hidden_weight=tuple(tuple(int(w) for w in row) for row in rng.integers(-40, 41, (n_hidden, n_blocks))),
        hidden_bias=tuple(int(b) for b in rng.integers(-900, 900, n_hidden)),
        output_weight=tuple(int(v) for v in rng.integers(-20, 21, n_hidden)),
        output_bias=int(rng.integers(-60_000, 2_000)), confirm_votes=1, confirm_window=2,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip
    voter = checker.Model(model.payload()).main
    described: dict[str, Any] = {"kind": "signals", "amplitude_g": str(Fraction(int(rng.integers(4, 60)), 16))}
    kind = seed % 5
    if kind == 1:
        described["velocity_range_kmh"] = str(Fraction(int(rng.integers(1, 30)), 100))
    if kind == 2:
        described["slew_g_per_ms"] = str(Fraction(int(rng.integers(1, 20)), 8))
    if kind == 3:
        described["step_g"] = "1"
    if kind == 4:
        described["corrupted_samples"] = "1"
    joint = bool(rng.integers(0, 2))
    poly = checker.polytope(voter, "never_requests_fire", described, voter.window + joint)
    ends = [voter.window - 1 + i for i in range(1 + joint)]
    return poly, [checker.goal_of(voter, poly, end, bool(rng.random() < 0.8)) for end in ends]


def read_vnnlib(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[list[int]]]:
    """Lower and upper bounds, matrix and limits of rows, cases of outputs that are >= 0, from the text alone."""
    number = r"(\(- [\d.]+\)|[\d.]+)"

    def value(word: str) -> float:
        return -float(word[3:-1]) if word.startswith("(") else float(word)

    n = len(re.findall(r"declare-const X_", text))
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    for i, word in re.findall(rf"\(assert \(>= X_(\d+) {number}\)\)", text):
        low[int(i)] = value(word)
    for i, word in re.findall(rf"\(assert \(<= X_(\d+) {number}\)\)", text):
        high[int(i)] = value(word)
    rows, limits = [], []
    for body, word in re.findall(rf"\(assert \(<= \(\+ (.*) 0\.0\) {number}\)\)", text):
        row = np.zeros(n)
        for a, i in re.findall(rf"\(\* {number} X_(\d+)\)", body):
            row[int(i)] = value(a)
        rows.append(row)
        limits.append(value(word))
    assert not np.isnan(low).any() and not np.isnan(high).any()
    cases = [[int(g) for g in re.findall(r"\(assert \(>= Y_(\d+) 0\.0\)\)", text)]]
    if choice := re.search(r"\(assert \(or (.*)\)\)", text):
        assert cases == [[]]
        cases = [[int(g) for g in re.findall(r"Y_(\d+)", case)] for case in re.findall(r"\(and (.*?\))\)", choice[1])]
    return low, high, np.array(rows).reshape(-1, n), np.array(limits), cases


def milp_optimum(files: dict[str, bytes], name: str = "query") -> float:
    """Largest least output of any case over the set, by big-M and HiGHS, relative to the scale of the outputs."""
    *_, cases = read_vnnlib(files[f"{name}.vnnlib"].decode())
    return max(case_optimum(files, name, case) for case in cases)


def case_optimum(files: dict[str, bytes], name: str, case: list[int]) -> float:
    from scipy.optimize import Bounds, LinearConstraint, milp

    low, high, rows, limits, _ = read_vnnlib(files[f"{name}.vnnlib"].decode())
    held = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(files[f"{name}.onnx"]).graph.initializer}
    w, b, v, c = (held[name] for name in ("hidden_weight", "hidden_bias", "output_weight", "output_bias"))
    n, m = w.shape
    middle, radius = (low + high) / 2, (high - low) / 2
    top = np.maximum(middle @ w + radius @ np.abs(w) + b, 0.0)
    bottom = np.minimum(middle @ w - radius @ np.abs(w) + b, 0.0)
    unit = np.maximum(1.0, np.maximum(top, -bottom))  # z in units of its own reach
    w, b, top, bottom, v = w / unit, b / unit, top / unit, bottom / unit, v * unit[:, None]
    scale = float(np.abs(v).sum() + np.abs(c).max())
    total = n + 2 * m + 1  # X, h, active, the least output
    matrix, least, most = [], [], []
    for j in range(m):
        for sign, extra, floor, ceiling in ((0, 0.0, b[j], np.inf), (1, -bottom[j], -np.inf, b[j] - bottom[j])):
            row = np.zeros(total)
            row[:n], row[n + j] = -w[:, j], 1.0
            row[n + m + j] = sign * extra
            matrix.append(row)
            least.append(floor)
            most.append(ceiling)
        row = np.zeros(total)
        row[n + j], row[n + m + j] = 1.0, -top[j]
        matrix.append(row)
        least.append(-np.inf)
        most.append(0.0)
    for g in case:
        row = np.zeros(total)
        row[n : n + m], row[-1] = -v[:, g] / scale, 1.0
        matrix.append(row)
        least.append(-np.inf)
        most.append(c[g] / scale)
    for row_, limit in zip(rows, limits, strict=True):
        matrix.append(np.concatenate([row_, np.zeros(2 * m + 1)]))
        least.append(-np.inf)
        most.append(limit)
    cost = np.zeros(total)
    cost[-1] = -1.0
    solved = milp(
        cost,
        constraints=LinearConstraint(np.array(matrix), np.array(least), np.array(most)),
        integrality=np.concatenate([np.zeros(n + m), np.ones(m), [0]]),
        bounds=Bounds(
            np.concatenate([low, np.zeros(2 * m), [-np.inf]]), np.concatenate([high, top, np.ones(m), [np.inf]])
        ),
        options={"mip_rel_gap": 0.0},
    )
    assert solved.status == 0, solved.message
    return float(-solved.fun)


def is_refuted(poly: checker.Polytope, goals: list[checker.Goal]) -> bool:
    """Our verdict over the reals: refuted, or held at a real point."""
    outcome = search(Problem(poly, goals), whole=False)
    assert outcome.refuted or outcome.reached >= 0, "undecided"
    return outcome.refuted


def opinions(seeds: range) -> tuple[int, int]:
    """Compare every seed's verdict; how many were unsat, how many sat."""
    count = [0, 0]
    for seed in seeds:
        poly, goals = random_question(seed)
        optimum = milp_optimum(render_query(poly, goals))
        refuted = is_refuted(poly, goals)
        if abs(optimum) > 1e-6:
            assert refuted == (optimum < 0), (seed, optimum)
        count[0 if refuted else 1] += 1
    return count[0], count[1]


def test_forty_verdicts_agree_with_a_milp_on_the_exported_files() -> None:
    unsat, sat = opinions(range(40))
    assert unsat >= 8 and sat >= 8


@pytest.mark.slow
def test_five_hundred_verdicts_agree_with_a_milp_on_the_exported_files() -> None:
    unsat, sat = opinions(range(1000, 1000 + N_SECOND_OPINIONS))
    assert unsat + sat == N_SECOND_OPINIONS and min(unsat, sat) >= 100


@pytest.mark.parametrize("seed", range(5))
def test_the_onnx_file_computes_the_goals_exactly(seed: int) -> None:
    poly, goals = random_question(seed)
    files = render_query(poly, goals)
    session = onnxruntime.InferenceSession(files["query.onnx"], providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    for _ in range(20):
        q = np.array([rng.integers(low, high + 1) for low, high in poly.box])
        (y,) = session.run(None, {"X": q[None].astype(np.float64)})
        for value, (nodes, constant) in zip(y[0], goals, strict=True):
            exact = constant + sum(
                v * max(0, bias + sum(a * int(q[i]) for i, a in gains.items())) for v, gains, bias in nodes
            )
            assert int(value) == exact == value


def test_the_files_are_the_same_every_time_and_state_their_version() -> None:
    poly, goals = random_question(3)
    assert render_query(poly, goals) == render_query(poly, goals)
    assert render_query(poly, goals)["query.vnnlib"].startswith(b"; VNN-LIB 1.0.")


@pytest.mark.parametrize("inexact", ["a row's factor", "a row's limit", "a sum on the way to a goal"])
def test_a_question_that_is_not_exact_in_doubles_is_refused(inexact: str) -> None:
    poly, goals = random_question(0)
    assert fits(poly, goals)
    if inexact == "a sum on the way to a goal":
        nodes, constant = goals[0]
        goals = [(nodes, constant + 2**53)]
    else:
        third = Fraction(1, 3)
        row = ({0: Fraction(1)}, third) if inexact == "a row's limit" else ({0: third}, Fraction(1))
        poly = poly._replace(rows=[*poly.rows, row])
    assert not fits(poly, goals)
    with pytest.raises(ModelError, match="not exact"):
        render_query(poly, goals)


def requirement(claim: Any, described: dict[str, Any], by_ms: str = "") -> Requirement:
    return Requirement("Q1", "P", "words", claim, "why", "assumed", described, by_ms)


PULSE = tuple(round(60 * (1 - abs(k - 8) / 8)) for k in range(17))


@pytest.mark.parametrize(
    ("asked", "exact"),
    [
        *((requirement("never_requests_fire", {"kind": "signals", "amplitude_g": str(g)}), True) for g in (1, 3, 4, 9)),
        (requirement("never_requests_fire", {"kind": "signals", "amplitude_g": "4", "slew_g_per_ms": "1"}), True),
        (requirement("never_requests_fire", {"kind": "recorded", "counts": (20, 90, 200, 90, 20, 0, 0, 0)}), True),
        (requirement("never_requests_fire", {"kind": "recorded", "counts": (900, 900, 900, 900, 0, 0, 0, 0)}), True),
        (requirement("monotone", {"kind": "signals", "amplitude_g": "20"}), True),
        (requirement("never_arms", {"kind": "signals", "amplitude_g": "3"}), True),
        (requirement("fires_by", {"kind": "recorded", "counts": PULSE * 2}, "16"), False),
        (requirement("fires_by", {"kind": "corridor", "lower": (900,) * 30, "upper": (1900,) * 30}, "14"), False),
    ],
    ids=lambda value: (
        value.claim + "".join(f" {v}"[:12] for v in value.set.values()) if value not in (True, False) else ""
    ),
)
def test_a_requirement_in_the_export_has_the_verdict_of_the_prover(
    small_model: DeployedModel, asked: Requirement, exact: bool
) -> None:
    files, (told,) = render_questions(small_model, [asked], {})
    assert told["files"] == ["question_Q1.onnx", "question_Q1.vnnlib"], told["meaning"]
    unsat = milp_optimum(files, "question_Q1") < 0
    proved = isinstance(prove(small_model, asked), Proved)
    assert unsat == proved if exact else proved or not unsat


def test_a_requirement_that_is_no_query_says_why(small_model: DeployedModel) -> None:
    far = requirement("never_requests_fire", {"kind": "recorded", "counts": (5,) * 40})
    rest = requirement("resets", {"kind": "quiet", "samples": "500"})
    files, (long, quiet) = render_questions(small_model, [far, rest], {})
    assert not files and long["files"] == quiet["files"] == []
    assert long["meaning"] == "no files: it speaks of 40 windows, at most 16 go into one network"
    assert "not about the output of a network" in quiet["meaning"]


def test_both_files_of_a_requirement_name_its_property(small_model: DeployedModel) -> None:
    asked = requirement("never_arms", {"kind": "signals", "amplitude_g": "3"})
    files, (told,) = render_questions(small_model, [asked], {"crumple_model_sha256": "ab" * 32})
    held = onnx.load_from_string(files["question_Q1.onnx"]).metadata_props
    assert {p.key: p.value for p in held} == {
        "crumple_model_sha256": "ab" * 32,
        "crumple_property": "Q1",
        "crumple_property_sha256": told["property_sha256"],
    }
    assert f"; crumple_property_sha256 {told['property_sha256']}\n" in files["question_Q1.vnnlib"].decode()
