"""Refuting many windows at once: what is suggested is checked exactly, and no member of the set contradicts it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.analysis import checker, many, witness
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Violated, prove
from crumple.model.deployed import Arming, DeployedModel


def drawn_model(seed: int) -> DeployedModel:
    """A net of five nodes over three blocks of two samples, 2 of 3 votes."""
    rng = np.random.default_rng(seed)
    return DeployedModel(
        sample_rate_hz=2000, lsb_g=Fraction(1, 16), clamp_lsb=1920, block_samples=2,
        hidden_weight=tuple(tuple(int(w) for w in row) for row in rng.integers(-5, 9, (5, 3))),
        hidden_bias=tuple(int(b) for b in rng.integers(-200, 60, 5)),
        output_weight=tuple(int(v) for v in rng.integers(-7, 8, 5)),
        output_bias=int(rng.integers(-6000, 500)), confirm_votes=2, confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


def drawn_set(seed: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    rng = np.random.default_rng(seed + 1000)
    counts = tuple(int(u) for u in np.rint(60 * np.sin(np.linspace(0, 4, 14)) + rng.normal(0, 4, 14)))
    tolerances = {"noise_g": "0.25", "gain": "0.1", "offset_g": "0.3"}
    chosen = {key: value for key, value in tolerances.items() if rng.random() < 0.7}
    return counts, {"kind": "recorded", "counts": counts, **chosen}


def asked(claim: Any, described: dict[str, Any], by_ms: str = "") -> Requirement:
    return Requirement("D", "P6", "t", claim, "w", "o", described, by_ms)


def members(poly: checker.Polytope, rng: np.random.Generator, number: int) -> list[np.ndarray[Any, Any]]:
    """Real sequences of a set, corners among them."""
    found = []
    for nth in range(number):
        q = rng.uniform(-1, 1, len(poly.box))
        q = np.sign(q) if nth % 2 else q
        found.append(np.array([float(c) + sum(float(a) * q[i] for i, a in form.items()) for c, form in poly.samples]))
    return found


def real_outputs(voter: checker.Voter, samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    padded = np.concatenate([np.zeros(voter.window - 1), samples])
    x = np.lib.stride_tricks.sliding_window_view(padded, voter.window).reshape(samples.size, -1, voter.block).sum(2)
    y: np.ndarray[Any, Any] = np.maximum(x @ np.array(voter.weight).T + voter.bias, 0) @ voter.out + voter.out_bias
    return y


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), steps=st.sampled_from([0, 3, 40]))
def test_no_member_contradicts_a_refuted_window_and_the_checker_accepts_every_tree(seed: int, steps: int) -> None:
    voter = checker.Model(drawn_model(seed).payload()).main
    _, described = drawn_set(seed)
    poly = checker.polytope(voter, "never_requests_fire", asked("never_requests_fire", described).payload()["set"], 0)
    band = many.band_of(poly)
    assert band is not None
    ends = range(len(poly.samples))
    sequences = [real_outputs(voter, member) for member in members(poly, np.random.default_rng(seed), 20)]
    for votes in (True, False):
        trees = many.Refuter(voter, band, ends, votes).refute(steps=steps)
        for end, tree in zip(ends, trees, strict=True):
            if tree is not None:
                question: checker.Question = ({end: votes}, range(0), [], True, 0)
                checker.check_tree(voter, poly, question, tree)
                assert all((y[end] < 1) if votes else (y[end] > 0) for y in sequences)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_the_prover_decides_as_it_does_window_by_window(seed: int) -> None:
    model, (_, described) = drawn_model(seed), drawn_set(seed)
    for claim, by_ms in (("never_requests_fire", ""), ("fires_by", "5")):
        requirement = asked(claim, described, by_ms)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(many, "band_of", lambda poly: None)
            before = prove(model, requirement)
        after = prove(model, requirement)
        assert {type(before), type(after)} != {Proved, Violated}
        assert isinstance(after, Proved) or not isinstance(before, Proved)


def test_a_set_with_rows_or_steps_is_no_band(small_model: DeployedModel) -> None:
    voter = checker.Model(small_model.payload()).main
    base = {"kind": "corridor", "lower": [0, 1, 2], "upper": [3, 3, 3]}
    assert many.band_of(checker.polytope(voter, "never_requests_fire", base, 0)) is not None
    for extra in ({"step_g": "1"}, {"corrupted_samples": "1"}):
        assert many.band_of(checker.polytope(voter, "never_requests_fire", {**base, **extra}, 0)) is None
    endless = checker.polytope(voter, "never_requests_fire", {"kind": "signals", "amplitude_g": "1"}, voter.window)
    assert many.band_of(endless) is None


def test_counting_proves_what_no_single_window_shows() -> None:
    """One node sums two samples, 2 of 3 votes: a spike makes two windows vote, its neighbours are silent."""
    model = replace(
        drawn_model(0), block_samples=1, hidden_weight=((1,),), hidden_bias=(0,), output_weight=(1,), output_bias=-50
    )
    described = {"kind": "recorded", "counts": (0, 0, 90, 0, 0), "noise_g": "0.25"}
    verdict = prove(model, asked("never_requests_fire", described))
    assert isinstance(verdict, Proved)
    assert any(tree is not None and "window" in tree for tree in verdict.certificate["trees"])
    twice = {"kind": "recorded", "counts": (0, 90, 90, 0, 0), "noise_g": "0.25"}
    assert isinstance(prove(model, asked("never_requests_fire", twice)), Violated)
    assert witness.first_request(checker.Model(model.payload()).main, np.array(twice["counts"])) == 2


def test_a_tree_of_one_goal_is_moved_to_where_that_goal_stands() -> None:
    leaf = {"goals": [[16, 3, 4]], "prices": []}
    tree = {"goal": 0, "node": 1, "in": leaf, "out": leaf}
    moved = many.placed(tree, 2, 3)
    assert moved["goal"] == 2
    assert moved["in"] == {"goals": [[0, 0, 0], [0, 0, 0], [16, 3, 4]], "prices": []} == moved["out"]
