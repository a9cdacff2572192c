"""Explanations against the definition: contributions add up, distances hold and flip, limits are optima."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from crumple.errors import ConfigError
from crumple.model.analysis import checker, witness
from crumple.model.analysis.explain import bisect, distance, explain, patterns, reachable
from crumple.model.analysis.limits import compare, limit, limit_key
from crumple.model.analysis.properties import Requirement, read_requirements
from crumple.model.analysis.prover import Proved, Unknown, Violated
from crumple.model.deployed import Arming, DeployedModel

QUIET = Requirement("R", "P", "t", "never_requests_fire", "w", "o", {"kind": "signals", "amplitude_g": "3"})


def summing_model() -> DeployedModel:
    """One node: y = sum of four samples - 90, one vote suffices."""
    return DeployedModel(
        sample_rate_hz=2000, lsb_g=Fraction(1, 16), clamp_lsb=1920, block_samples=1, hidden_weight=((1, 1, 1, 1),),
        hidden_bias=(0,), output_weight=(1,), output_bias=-90, confirm_votes=1, confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_contributions_and_constant_add_up_to_the_output_exactly(seed: int, small_model: DeployedModel) -> None:
    counts = np.random.default_rng(seed).integers(-2500, 2500, 40)
    told = explain(small_model, counts)
    assert told.y.tolist() == small_model.outputs(counts).tolist()
    assert int(told.contributions.sum()) + told.constant == int(told.y[told.decisive])
    fired = np.flatnonzero(small_model.fire_requests(small_model.outputs(counts)))
    assert told.fired_at == (int(fired[0]) if fired.size else None)


def test_the_distance_to_flipping_is_the_exact_radius() -> None:
    # 4 x 30 counts: fires while 4 (30 - r) > 90, r = 7; at r = 8 the sum may be 88.
    far = distance(summing_model(), np.array([30, 30, 30, 30]))
    assert (far.holds_lsb, far.flips_lsb) == (7, 8)
    assert max(abs(u - 30) for u in far.counts) <= 8
    assert witness.first_request(checker.Model(summing_model().payload()).main, np.array(far.counts)) is None
    silent = distance(summing_model(), np.array([20, 20, 20, 20, 0]))
    assert (silent.holds_lsb, silent.flips_lsb) == (2, 3)


@pytest.mark.parametrize(("kind", "largest"), [("proved", 11), ("all", 200)])
def test_bisection_finds_neighbours(kind: str, largest: int) -> None:
    asked: list[int] = []

    def ask(number: int) -> Any:
        asked.append(number)
        return Proved({}, None) if number <= largest else Violated({})

    held, broken = bisect(ask, 0, 100)
    assert held is not None and held[0] == min(largest, 100)
    assert (broken is None) == (kind == "all") and (broken is None or broken[0] == largest + 1)
    assert len(asked) < 20


@pytest.mark.parametrize("proved", [0, 1, 4, 9])
@pytest.mark.parametrize("undecided", [0, 1, 3, 8, 30])
def test_bisection_finds_the_ends_of_what_is_undecided(proved: int, undecided: int) -> None:
    asked: list[int] = []

    def ask(number: int) -> Any:
        asked.append(number)
        if number <= proved:
            return Proved({}, None)
        return Unknown("", None) if number <= proved + undecided else Violated({"number": number})

    held, broken = bisect(ask, 0, 100)
    assert held is not None and held[0] == proved
    assert broken is not None and broken[0] == proved + undecided + 1 == broken[1].certificate["number"]
    assert len(asked) == len(set(asked)) < 20


def test_patterns_are_those_that_windows_visit_and_name_the_events_they_decide(small_model: DeployedModel) -> None:
    events = [("loud", np.full(20, 900)), ("quiet", np.zeros(20, dtype=np.int64)), ("ramp", np.arange(30) * 60)]
    found = patterns(small_model, events)
    assert sum(p.n_windows for p in found) == 70
    assert sorted(name for p in found for name in p.events) == ["loud", "quiet", "ramp"]


def test_reachable_patterns_are_counted_as_by_enumeration() -> None:
    weight = ((1, 2), (-1, 1), (2, -1))
    model = replace(summing_model(), hidden_weight=weight, hidden_bias=(1, 0, -2), output_weight=(1, 1, 1), clamp_lsb=6)
    seen = {
        tuple(
            sum(w * u for w, u in zip(row, x, strict=True)) + b > 0 for row, b in zip(weight, (1, 0, -2), strict=True)
        )
        for x in itertools.product(range(-6, 7), repeat=2)
    }
    assert reachable(model) == (len(seen), True)
    assert reachable(model, most=2) == (2, False)


def test_a_limit_is_an_optimum_with_evidence_on_both_sides() -> None:
    found = limit(summing_model(), QUIET, "amplitude_g")
    assert (found.proved, found.violated, found.is_exact) == (Fraction(22, 16), Fraction(23, 16), True)
    trusted = checker.Model(summing_model().payload())
    there = replace(QUIET, set={"kind": "signals", "amplitude_g": str(found.proved)})
    checker.check(trusted, there.payload(), found.proof)
    beyond = replace(QUIET, set={"kind": "signals", "amplitude_g": str(found.violated)})
    witness.check(trusted, beyond.payload(), found.counterexample)


def test_the_earliest_time_is_exact_with_evidence_on_both_sides(small_model: DeployedModel) -> None:
    corridor: dict[str, Any] = {"kind": "corridor", "lower": (200,) * 12, "upper": (400,) * 12}
    asked = replace(QUIET, claim="fires_by", set=corridor, by_ms="5")
    found = limit(small_model, asked, "by_ms")
    assert found.is_exact and found.proved is not None and found.violated is not None
    assert found.violated == found.proved - Fraction(1, 2) and found.required == "5"
    trusted = checker.Model(small_model.payload())
    checker.check(trusted, replace(asked, by_ms=str(found.proved)).payload(), found.proof)
    witness.check(trusted, replace(asked, by_ms=str(found.violated)).payload(), found.counterexample)
    for by_ms in (found.proved, found.violated):  # the weakest and the loudest member, replayed
        fired = [witness.first_request(trusted.main, np.full(12, level)) for level in (200, 400)]
        assert all(first is not None and first <= by_ms * 2 for first in fired) is (by_ms == found.proved)
    with pytest.raises(ConfigError, match="not kept by a time"):
        limit(small_model, QUIET, "by_ms")


def test_every_requirement_of_the_reference_set_names_a_key_that_has_a_limit() -> None:
    for requirement in read_requirements(None):
        key = limit_key(requirement)
        assert (key is None) == (requirement.claim in ("accumulators_fit", "resets", "image_protected"))
    with pytest.raises(ConfigError, match="no limit"):
        limit(summing_model(), QUIET, "phase_samples")


def test_comparing_models_tells_what_is_lost_and_which_proofs_serve_both(small_model: DeployedModel) -> None:
    tighter = replace(small_model, output_bias=small_model.output_bias - 1000)
    looser = replace(small_model, output_bias=5)
    (change,) = compare(small_model, tighter, [QUIET])
    assert (change.before, change.after, change.is_reusable) == ("proved", "proved", True)
    assert change.margin_before is not None and change.margin_after is not None
    assert change.margin_after > change.margin_before
    (change,) = compare(small_model, looser, [QUIET])
    assert (change.before, change.after, change.is_reusable) == ("proved", "violated", False)
