"""Sets as training sees them: closed forms no smaller than what the prover's set allows, members inside it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement, read_requirements
from crumple.model.bounds import band_bound, band_of, drawn_members, last_in_time, signal_bound
from crumple.model.deployed import DeployedModel
from crumple.model.penalty import loudest_signal
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


def test_a_slew_limit_is_stated_from_block_to_block() -> None:
    bound = signal_bound(no_fire(amplitude_g="3", slew_g_per_ms="1"), SensorSpec(), 3, 1.0)
    assert bound is not None
    assert bound.slew == 8.0 * 3 * 3  # 8 counts a sample; each of 3 samples against the one 3 earlier


def recorded(claim: str = "never_requests_fire", by_ms: str = "", **more: str) -> Requirement:
    counts = tuple(int(40 * np.sin(k / 3)) for k in range(30))
    described: dict[str, Any] = {"kind": "recorded", "counts": counts, "gain": "0.1", "noise_g": "0.25", **more}
    return Requirement("X", "P6", "x", claim, "x", "x", described, by_ms)  # type: ignore[arg-type]


def test_the_windows_of_a_recording_within_tolerances_hold_every_member(small_model: DeployedModel) -> None:
    requirement = recorded()
    band = band_of(small_model, requirement)
    assert band is not None
    bound = band_bound(small_model, band, 2.0)
    kernel = np.random.default_rng(0).normal(size=(1, small_model.n_blocks))
    largest = float((kernel * loudest_signal(kernel, bound)).sum())
    for member in drawn_members(small_model, requirement, np.random.default_rng(1)):
        assert member.due == -1
        inputs = np.array([small_model.block_sums(member.counts_lsb)]).reshape(-1, small_model.n_blocks) / 2.0
        rounding = 0.5 * small_model.block_samples / 2.0 * float(np.abs(kernel).sum())
        assert float((inputs @ kernel[0]).max()) <= largest + rounding


def test_what_comes_on_top_of_a_recording_is_left_out_of_what_steers(small_model: DeployedModel) -> None:
    plain, more = (band_of(small_model, recorded(**keys)) for keys in ({}, {"step_g": "1", "corrupted_samples": "2"}))
    assert plain is not None and more is not None
    assert (plain.middle == more.middle).all() and (plain.half == more.half).all()


def test_only_a_time_limit_makes_a_sample_the_last_in_time(small_model: DeployedModel) -> None:
    assert last_in_time(small_model, recorded()) == -1
    assert last_in_time(small_model, recorded("fires_by", "5")) == 10


def test_signals_without_an_end_are_no_band(small_model: DeployedModel) -> None:
    assert band_of(small_model, no_fire(amplitude_g="3")) is None
    assert drawn_members(small_model, no_fire(amplitude_g="3"), np.random.default_rng(0)) == []


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
