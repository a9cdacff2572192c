"""The must-fire family under tolerances: what is proved of a cell holds for every pulse drawn from it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from crumple.model.analysis import checker, family, witness
from crumple.model.analysis.family import FamilyMap, FamilyPlan, Part
from crumple.model.analysis.map_figures import family_figure, png, svg
from crumple.model.analysis.pulses import required_ms, sampled_pulse
from crumple.model.deployed import DeployedModel
from crumple.signals.criteria import RttfRule

PLAN = FamilyPlan(
    delta_v_from_kmh=20, delta_v_to_kmh=60, duration_from_ms=60, duration_to_ms=64, n_delta_v=3, n_duration=1,
    offset_g="0.5",
)  # fmt: skip


def proved(model: DeployedModel, plan: FamilyPlan = PLAN) -> list[Part]:
    return [part for t in range(plan.n_duration) for part in FamilyMap(model, plan).column(t)]


def test_the_checker_accepts_each_part_and_none_overlap(small_model: DeployedModel) -> None:
    trusted, covered = checker.Model(small_model.payload()), np.zeros((6, 2), dtype=np.int64)
    parts = proved(small_model)
    assert parts
    for part in parts:
        covered[part.v0 : part.v1, part.t0 : part.t1] += 1
        checker.check(trusted, part.requirement.payload(), part.certificate)
    assert covered.max() == 1


def test_every_pulse_of_a_cell_fires_by_its_proved_time(small_model: DeployedModel) -> None:
    rows = family.cells(small_model, PLAN, proved(small_model))
    assert any(row["proved_ms"] is not None for row in rows)
    voter, rng = checker.Model(small_model.payload()).main, np.random.default_rng(0)
    quiet = np.zeros(voter.window + voter.m - 1)
    for row in rows:
        if row["proved_ms"] is None:
            continue
        fired = []
        for _ in range(30):
            dv, ms = rng.uniform(*row["delta_v_kmh"]), rng.uniform(*row["duration_ms"])
            fine = sampled_pulse(PLAN.shape, dv, ms, 20_000, 0.2)
            pulse = np.concatenate([quiet, fine[int(rng.integers(1, 11)) :: 10]])  # impact within the period before
            noise = rng.uniform(-0.25 + 1 / 32, 0.25 - 1 / 32, pulse.size)  # rounding takes half a count of it
            sensed = pulse * (1 + rng.choice([-0.08, 0.08])) + rng.choice([-0.5, 0.5]) + noise
            first = witness.first_request(voter, np.rint(sensed * 16).astype(np.int64))
            assert first is not None
            fired.append((first - quiet.size + 1) / 2)
        assert max(fired) <= row["proved_ms"]
        assert row["simulated_ms"] is not None and row["simulated_ms"] <= row["proved_ms"]


def test_lateness_is_against_the_most_demanding_pulse(small_model: DeployedModel) -> None:
    plan = replace(PLAN, halvings=0)
    parts = proved(small_model, plan)
    rows = {tuple(row["delta_v_kmh"]): row for row in family.cells(small_model, plan, parts)}
    for part in parts:
        edges = plan.edges()[0]
        row = rows[float(edges[part.v0]), float(edges[part.v1])]
        due = required_ms(PLAN.shape, float(edges[part.v1]), 60.0, RttfRule())
        assert due is not None
        assert row["late_ms"] == pytest.approx(max(0.0, float(Fraction(part.requirement.by_ms)) - due), abs=1e-3)


def test_cutting_a_cell_makes_nothing_later(small_model: DeployedModel) -> None:
    coarse, fine = (
        family.cells(small_model, plan, proved(small_model, plan)) for plan in (replace(PLAN, halvings=0), PLAN)
    )
    for one, other in zip(coarse, fine, strict=True):
        if one["late_ms"] is not None:
            assert other["late_ms"] is not None and other["late_ms"] <= one["late_ms"]


def test_a_cell_of_which_a_part_is_open_is_not_proved(small_model: DeployedModel) -> None:
    rows = family.cells(small_model, PLAN, [])
    assert family.totals(rows) == {"in_time": 0, "late": 0, "unproved": len(rows)}
    part = next(part for part in proved(small_model) if part.v1 - part.v0 == 2)
    alone = family.cells(small_model, PLAN, [replace(part, v1=part.v0 + 1)])
    assert family.totals(alone)["unproved"] == len(rows)


def test_a_proof_known_before_is_not_sought_again(small_model: DeployedModel) -> None:
    parts = proved(small_model)
    known = {part.requirement.id: part.certificate for part in parts}
    told: list[Part] = []
    again = list(FamilyMap(small_model, PLAN, lambda asked: known.get(asked.id), told.append).column(0))
    assert again == parts and not told


def test_the_picture_is_the_same_every_time(small_model: DeployedModel) -> None:
    rows = family.cells(small_model, PLAN, proved(small_model))
    assert svg(family_figure(PLAN, rows)) == svg(family_figure(PLAN, rows))
    assert png(family_figure(PLAN, rows)) == png(family_figure(PLAN, rows))
