"""The prover against independent answers: exhaustive enumeration and a MILP."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Violated, prove, worst_case
from crumple.model.deployed import Arming, DeployedModel


def random_model(seed: int, *, n_hidden: int = 4, n_blocks: int = 4, block: int = 1, scale: int = 9) -> DeployedModel:
    """A small random model; about half its nodes branch."""
    rng = np.random.default_rng(seed)
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=block,
        hidden_weight=tuple(
            tuple(int(w) for w in row) for row in rng.integers(-scale, scale + 1, (n_hidden, n_blocks))
        ),
        hidden_bias=tuple(int(b) for b in rng.integers(-6, 7, n_hidden)),
        output_weight=tuple(int(v) for v in rng.integers(-5, 6, n_hidden)),
        output_bias=int(rng.integers(-60, 5)),
        confirm_votes=1,
        confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


def amplitude(lsb: int) -> Requirement:
    return requirement({"kind": "amplitude", "amplitude_g": str(Fraction(lsb, 16))})


def velocity_range(amplitude_lsb: int, range_lsb: int) -> Requirement:
    # The set is stated in km/h: just above the wanted number of counts, so that rounding down gives it back.
    kmh = (range_lsb * Fraction(1, 16) * Fraction(980665, 100000) / 2000) * Fraction(18, 5)
    return requirement(
        {"kind": "velocity_range", "amplitude_g": str(Fraction(amplitude_lsb, 16)), "velocity_range_kmh": str(kmh)}
    )


def requirement(described: dict[str, str]) -> Requirement:
    return Requirement("R", "P", "text", "never_requests_fire", "why", "whence", described)


def enumerated_maximum(model: DeployedModel, amplitude_lsb: int, range_lsb: int | None) -> int:
    """Largest y over every integer window of the set, one by one."""
    best = -(10**18)
    for window in itertools.product(range(-amplitude_lsb, amplitude_lsb + 1), repeat=model.window_samples):
        if range_lsb is not None:
            sums = [0, *itertools.accumulate(window)]
            if max(sums) - min(sums) > range_lsb:
                continue
        best = max(best, model.output_of_window(window))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_proved_bound_covers_every_enumerated_window_of_an_amplitude_set(seed: int) -> None:
    model = random_model(seed)
    worst = worst_case(model, amplitude(2))
    enumerated = enumerated_maximum(model, 2, None)
    assert worst.bound >= enumerated
    # Amplitude sets are boxes with integer corners, where y's maximum need not lie; but the gap stays small.
    assert float(worst.bound) - worst.reached <= 1.01 * (1 + abs(float(worst.bound)) / 10_000)


@pytest.mark.parametrize("seed", range(12))
def test_the_proved_bound_covers_every_enumerated_window_of_a_velocity_range_set(seed: int) -> None:
    model = random_model(seed)
    assert worst_case(model, velocity_range(2, 3)).bound >= enumerated_maximum(model, 2, 3)


@pytest.mark.parametrize("seed", range(10))
def test_the_worst_case_equals_the_optimum_of_a_mixed_integer_programme(seed: int) -> None:
    model = random_model(100 + seed, n_hidden=8, n_blocks=6, block=2, scale=50)
    wanted = velocity_range(40, 60)
    worst = worst_case(model, wanted, gap=1e-6)
    optimum = milp_maximum(model, wanted)
    assert float(worst.bound) >= optimum - 1e-6 * (1 + abs(optimum))
    assert float(worst.bound) <= optimum + 1e-3 * (1 + abs(optimum))


@pytest.mark.parametrize("seed", range(20))
def test_verdicts_agree_with_enumeration_and_each_certificate_is_accepted(seed: int) -> None:
    model = random_model(200 + seed)
    verdict = prove(model, amplitude(2))
    enumerated = enumerated_maximum(model, 2, None)
    if isinstance(verdict, Proved):
        assert enumerated <= 0
    elif isinstance(verdict, Violated):
        assert enumerated > 0
        witness = verdict.certificate["witness_lsb"]
        assert max(abs(u) for u in witness) <= 2
        assert model.fire_requests(model.outputs(np.array(witness))).any()
    else:  # undecided is allowed only where the real relaxation is violated and no integer point is
        assert enumerated <= 0
    if not hasattr(verdict, "reason"):
        trusted = checker.Model(model.payload())
        checker.check(trusted, amplitude(2).payload(), verdict.certificate)


def test_a_bound_of_exactly_zero_is_a_proof_and_a_bound_of_one_is_not() -> None:
    model = replace(
        random_model(0, n_hidden=1, n_blocks=1),
        hidden_weight=((1,),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-2,
    )
    assert isinstance(prove(model, amplitude(2)), Proved)
    assert isinstance(prove(replace(model, output_bias=-1), amplitude(2)), Violated)


def test_confirmation_makes_a_witness_long_enough_to_request_fire(small_model: DeployedModel) -> None:
    verdict = prove(small_model, amplitude(800))
    assert isinstance(verdict, Violated)
    witness = np.array(verdict.certificate["witness_lsb"])
    assert small_model.fire_requests(small_model.outputs(witness)).any()


def test_closed_form_claims_are_decided_both_ways(small_model: DeployedModel) -> None:
    arms = Requirement("A", "P", "t", "never_arms", "w", "o", {"kind": "amplitude", "amplitude_g": "6"})
    assert isinstance(prove(small_model, arms), Proved)  # 4 samples of 24 counts stay below 100
    louder = replace(arms, set={"kind": "amplitude", "amplitude_g": "6.25"})
    assert isinstance(prove(small_model, louder), Violated)  # 4 samples of 25 counts reach it


def milp_maximum(model: DeployedModel, wanted: Requirement) -> float:
    """Largest y over the set by scipy's MILP with big-M ReLUs: another formulation, another algorithm."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    trusted = checker.Model(model.payload())
    _, top, band = checker.count_bounds(trusted, wanted.set)
    n, m = model.window_samples, model.n_hidden
    w = np.repeat(np.array(model.hidden_weight, dtype=float), model.block_samples, axis=1)
    b = np.array(model.hidden_bias, dtype=float)
    big = np.abs(w).sum(axis=1) * top + np.abs(b) + 1
    # variables: u (n), prefix minimum level (1), h (m), on (m, integer)
    total = n + 1 + 2 * m
    rows, low, high = [], [], []

    def row(coefficients: dict[int, float], lo: float, hi: float) -> None:
        line = np.zeros(total)
        for index, value in coefficients.items():
            line[index] = value
        rows.append(line)
        low.append(lo)
        high.append(hi)

    for k in range(n + 1):  # every prefix sum lies in [level, level + band]
        row({**dict.fromkeys(range(k), 1.0), n: -1.0}, 0.0, band)
    for j in range(m):
        z = {i: w[j, i] for i in range(n)}
        h, on = n + 1 + j, n + 1 + m + j
        row({**{i: -v for i, v in z.items()}, h: 1.0}, b[j], np.inf)  # h >= z
        row({**{i: -v for i, v in z.items()}, h: 1.0, on: big[j]}, -np.inf, b[j] + big[j])  # h <= z unless off
        row({h: 1.0, on: -big[j]}, -np.inf, 0.0)  # h <= 0 unless on
    cost = np.zeros(total)
    cost[n + 1 : n + 1 + m] = -np.array(model.output_weight, dtype=float)
    integrality = np.zeros(total)
    integrality[n + 1 + m :] = 1
    bounds = Bounds(
        np.concatenate([np.full(n, -top), [-band], np.zeros(2 * m)]),
        np.concatenate([np.full(n, top), [0.0], np.full(m, np.inf), np.ones(m)]),
    )
    solved = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), np.array(low), np.array(high)),
        bounds=bounds,
        integrality=integrality,
        options={"mip_rel_gap": 0.0},
    )
    assert solved.status == 0
    return float(-solved.fun) + model.output_bias
