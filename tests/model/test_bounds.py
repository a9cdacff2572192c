"""Sets as training sees them: closed forms no smaller than what the prover's set allows, members inside it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement, read_requirements
from crumple.model.bounds import drawn_members, signal_bound
from crumple.model.deployed import DeployedModel
from crumple.signals.sensor import SensorSpec


def no_fire(**described: Any) -> Requirement:
    return Requirement("X", "P1", "x", "never_requests_fire", "x", "x", {"kind": "signals", **described})


def test_a_closed_form_is_stated_in_block_sums() -> None:
    wanted = no_fire(amplitude_g="3", below_g="1", velocity_range_kmh="2", step_g="1", corrupted_samples="4")
    bound = signal_bound(wanted, SensorSpec(), 3, 1.0)
    assert bound is not None
    assert (bound.high, bound.low, bound.step) == (144.0, 48.0, 48.0)
    assert bound.velocity_range == pytest.approx(2 / 3.6 / (9.80665 / 16 / 2000))
    assert bound.corrupted_blocks == ((1920 - 16) * 3.0, (1920 - 16) * 1.0)


@pytest.mark.parametrize("claim", ["never_arms", "monotone"])
def test_other_claims_have_no_bound(claim: Any) -> None:
    requirement = Requirement("X", "P", "x", claim, "x", "x", {"kind": "signals", "amplitude_g": "3"})
    assert signal_bound(requirement, SensorSpec(), 3, 1.0) is None


def test_slew_limits_have_no_closed_form() -> None:
    assert signal_bound(no_fire(amplitude_g="3", slew_g_per_ms="1"), SensorSpec(), 3, 1.0) is None


def test_drawn_members_lie_in_the_set(small_model: DeployedModel) -> None:
    requirement = next(r for r in read_requirements(None) if r.claim == "fires_by")
    members = drawn_members(small_model, requirement, np.random.default_rng(0))
    voter = checker.Model(small_model.payload()).main
    poly = checker.polytope(voter, requirement.claim, requirement.payload()["set"], 0)
    widest = [
        (
            float(constant) - float(sum(abs(a) for a in sample.values())),
            float(constant) + float(sum(abs(a) for a in sample.values())),
        )
        for constant, sample in poly.samples
    ]
    assert len(members) >= 40
    for member in members:
        for count, (low, high) in zip(member.counts_lsb, widest, strict=True):
            assert low - 0.5 <= count <= high + 0.5
    ((_, windows, *_),) = checker.questions(voter, requirement.claim, poly, requirement.by_ms)
    assert {member.due for member in members} == {windows.stop - 1}


def test_the_sensor_states_what_a_count_is() -> None:
    coarse = signal_bound(no_fire(amplitude_g="3"), SensorSpec(lsb_g="1/4", clamp_lsb=480), 2, 1.0)
    assert coarse is not None
    assert coarse.high == 2 * float(Fraction(3) / Fraction(1, 4))
