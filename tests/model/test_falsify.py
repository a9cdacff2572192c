"""What descent finds is a sequence of the set that breaks the claim; what is proved it never finds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.analysis import checker, falsify, many, witness
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Violated, prove
from crumple.model.deployed import Arming, DeployedModel


def drawn_model(seed: int) -> DeployedModel:
    """A net of four nodes over three blocks of two samples, 2 of 3 votes."""
    rng = np.random.default_rng(seed)
    return DeployedModel(
        sample_rate_hz=2000, lsb_g=Fraction(1, 16), clamp_lsb=1920, block_samples=2,
        hidden_weight=tuple(tuple(int(w) for w in row) for row in rng.integers(-5, 9, (4, 3))),
        hidden_bias=tuple(int(b) for b in rng.integers(-200, 60, 4)),
        output_weight=tuple(int(v) for v in rng.integers(-7, 8, 4)),
        output_bias=int(rng.integers(-6000, 500)), confirm_votes=2, confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


def drawn_requirement(seed: int, claim: Any) -> Requirement:
    rng = np.random.default_rng(seed + 1)
    counts = tuple(int(u) for u in np.rint(60 * np.sin(np.linspace(0, 4, 14)) + rng.normal(0, 4, 14)))
    described: dict[str, Any] = {"kind": "recorded", "counts": counts, "noise_g": str(rng.choice(["0.1", "0.5", "2"]))}
    if rng.random() < 0.5:
        described |= {"gain": "0.1", "offset_g": "0.3"}
    by_ms = str(rng.choice(["1.5", "5.5"])) if claim == "fires_by" else ""
    return Requirement("D", "P6", "t", claim, "w", "o", described, by_ms)


def band_and_last(model: DeployedModel, asked: Requirement) -> tuple[checker.Voter, checker.Polytope, many.Band, Any]:
    voter = checker.Model(model.payload()).main
    poly = checker.polytope(voter, asked.claim, asked.payload()["set"], 0)
    band = many.band_of(poly)
    assert band is not None
    last = next(checker.questions(voter, asked.claim, poly, asked.by_ms))[1].stop - 1 if asked.by_ms else None
    return voter, poly, band, last


@pytest.mark.parametrize("claim", ["never_requests_fire", "fires_by"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_counts_that_are_found_lie_in_the_band_and_break_the_claim(claim: str, seed: int) -> None:
    model, asked = drawn_model(seed), drawn_requirement(seed, claim)
    voter, _, band, last = band_and_last(model, asked)
    found = falsify.broken_by(voter, band, last=last, steps=40)
    if found is None:
        return
    apart = np.abs(found.counts - band.middle - found.shared @ band.shared)
    assert (apart <= band.half + 1e-6).all()
    assert np.abs(found.shared).max() <= 1
    fired = witness.first_request(voter, found.counts)
    assert (fired is not None) if last is None else (fired is None or fired > last)
    assert not isinstance(prove(model, asked), Proved)


@pytest.mark.parametrize("claim", ["never_requests_fire", "fires_by"])
def test_almost_every_violation_is_found_without_a_search(claim: str) -> None:
    violated = found = 0
    for seed in range(60):
        model, asked = drawn_model(seed), drawn_requirement(seed, claim)
        if isinstance(prove(model, asked), Violated):
            voter, _, band, last = band_and_last(model, asked)
            violated += 1
            found += falsify.broken_by(voter, band, last=last) is not None
    assert violated >= 15
    assert found >= 0.9 * violated


def test_the_decisive_output_is_that_of_the_replay(small_model: DeployedModel) -> None:
    voter = checker.Model(small_model.payload()).main
    counts = np.random.default_rng(3).integers(-200, 500, 40)
    windows = falsify._Windows(voter, counts.size - 1)
    value, window, _ = windows.decisive(counts.astype(np.float64))
    y = witness.outputs(voter, counts)
    for end in range(voter.m - 1, counts.size):
        assert value[end] == sorted(y[end - voter.m + 1 : end + 1])[-voter.k]
        assert y[window[end]] == value[end]
    assert np.isneginf(value[: voter.k - 1]).all()


@pytest.mark.parametrize("last", [None, 30])
def test_mending_moves_a_sequence_over_the_edge_and_stays_between_the_curves(
    small_model: DeployedModel, last: int | None
) -> None:
    voter = checker.Model(small_model.payload()).main
    level = next(n for n in range(400) if witness.first_request(voter, np.full(40, n)) is not None)
    counts = np.full(40, level - 1 if last is None else level)
    low, high = counts - 1, counts + 1
    found = falsify.mended(voter, low, high, counts, last=last)
    assert found is not None
    assert (low <= found).all()
    assert (found <= high).all()
    assert (witness.first_request(voter, found[:31]) is None) == (last is not None)
    assert falsify.mended(voter, counts, counts, counts, last=last) is None


def test_a_sequence_too_short_for_a_request_has_nothing_to_find(small_model: DeployedModel) -> None:
    eager = replace(small_model, output_bias=10_000)
    voter = checker.Model(eager.payload()).main
    one = np.zeros(1, dtype=np.int64)
    band = many.Band(np.zeros(1), np.zeros((0, 1)), np.ones(1))
    assert falsify.broken_by(voter, band, last=None) is None
    assert falsify.mended(voter, one - 1, one + 1, one, last=None) is None
