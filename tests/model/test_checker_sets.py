"""Nothing that a set's description allows is left out of the polytope that proofs are about, whatever parts it has.

Members are made from the description alone: a signal, an offset that comes and goes, samples that say anything. Each
must be found inside box and rows, in whole numbers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, prove
from crumple.model.deployed import Arming, DeployedModel

RATE_HZ, LSB_G, CLAMP = 2000, Fraction(1, 16), 90


def spike_net(threshold: int) -> DeployedModel:
    """Fires at once if the middle one of three samples lies so far below its neighbours."""
    return DeployedModel(
        sample_rate_hz=RATE_HZ, lsb_g=LSB_G, clamp_lsb=CLAMP, block_samples=1, hidden_weight=((1, -1, 1),),
        hidden_bias=(0,), output_weight=(1,), output_bias=-threshold, confirm_votes=1, confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


VOTER = checker.Model(spike_net(1).payload()).main
KMH = float(checker.GRAVITY) * 3.6 / RATE_HZ / 16
"""A count for one sample."""


def wandering(rng: np.random.Generator, size: int, high: int, low: int, slew: int | None, band: int | None) -> Any:
    """Whole counts within amplitude, slew and velocity band, by rejection sample by sample."""
    counts = np.zeros(size, dtype=np.int64)
    for k in range(size):
        start, before = max(0, k - VOTER.window + 1), counts[k - 1] if k else 0
        allowed = []
        for value in range(low, high + 1):
            counts[k] = value
            running = np.concatenate([[0], np.cumsum(counts[start : k + 1])])
            if (slew is None or abs(value - before) <= slew) and (band is None or np.ptp(running) <= band):
                allowed.append(value)
        ends = [allowed[0], allowed[-1]] if allowed else []
        if not allowed:
            return None
        counts[k] = rng.choice(ends) if rng.random() < 0.7 else rng.choice(allowed)
    return counts


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    below=st.sampled_from([None, 3, 60, 200]),
    slew=st.sampled_from([None, 4]),
    band=st.sampled_from([None, 5, 40]),
    step=st.sampled_from([0, 1, 25]),
    corrupted=st.sampled_from([0, 1, 3]),
)
def test_every_sequence_described_lies_in_the_polytope(
    seed: int, below: int | None, slew: int | None, band: int | None, step: int, corrupted: int
) -> None:
    rng, size, high = np.random.default_rng(seed), 7, 20
    described: dict[str, Any] = {"kind": "signals", "amplitude_g": str(Fraction(high) * LSB_G)}
    described |= {} if below is None else {"below_g": str(Fraction(below) * LSB_G)}
    described |= {} if slew is None else {"slew_g_per_ms": str(Fraction(slew) * LSB_G * RATE_HZ / 1000)}
    described |= {} if band is None else {"velocity_range_kmh": f"{(band + 0.5) * KMH:.12f}"}
    described |= {"step_g": str(Fraction(step) * LSB_G)} if step else {}
    described |= {"corrupted_samples": str(corrupted)} if corrupted else {}
    poly = checker.polytope(VOTER, "never_requests_fire", described, size)
    s = wandering(rng, size, high, -min(high if below is None else below, CLAMP), slew, band)
    if s is None:
        return
    values = np.concatenate([[0], np.cumsum(s)]).tolist() if band is not None else s.tolist()
    values, offset = within(poly, values), np.zeros(size, dtype=np.int64)
    if step:
        rises, falls = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for _ in range(step):
            (rises, falls)[int(rng.integers(2))][int(rng.integers(size))] += 1
        offset = np.cumsum(rises - falls)
        values += [*rises.tolist(), *falls.tolist()]
    u = s + offset
    if corrupted:
        hit = rng.choice(size, corrupted, replace=False)
        wrong = u.copy()
        wrong[hit] = rng.choice([-CLAMP, CLAMP, 0], corrupted)
        if np.abs(wrong).max() > CLAMP:
            return  # a sensor that clips says no more than its range
        values += [*(wrong - u).tolist(), *(int(k in hit) for k in range(size))]
        u = wrong
    assert len(values) == len(poly.box)
    assert all(low <= value <= top for value, (low, top) in zip(values, poly.box, strict=True))
    for row, most in poly.rows:
        assert sum(factor * values[i] for i, factor in row.items()) <= most
    told = [constant + sum(factor * values[i] for i, factor in form.items()) for constant, form in poly.samples]
    assert told == u.tolist()


def within(poly: checker.Polytope, values: list[int]) -> list[int]:
    """Velocities moved together into their boxes: only their differences mean something."""
    low = max(bottom - value for value, (bottom, _) in zip(values, poly.box, strict=False))
    top = min(most - value for value, (_, most) in zip(values, poly.box, strict=False))
    assert low <= top
    return [value + min(max(low, 0), top) for value in values]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6), step=st.sampled_from([0, 1, 25]), corrupted=st.sampled_from([0, 1, 3]),
    loud=st.booleans(),
)  # fmt: skip
def test_every_disturbance_of_a_recording_lies_in_the_polytope(
    seed: int, step: int, corrupted: int, loud: bool
) -> None:
    rng, size = np.random.default_rng(seed), 6
    counts = rng.integers(-CLAMP, CLAMP + 1, size) if loud else rng.integers(-20, 21, size)
    described: dict[str, Any] = {"kind": "corridor", "lower": counts.tolist(), "upper": counts.tolist()}
    described |= {"step_g": str(Fraction(step) * LSB_G)} if step else {}
    described |= {"corrupted_samples": str(corrupted)} if corrupted else {}
    poly = checker.polytope(VOTER, "never_requests_fire", described, 0)
    values: list[int] = [0] * (2 + size)  # no gain, no offset, no noise
    offset = np.zeros(size, dtype=np.int64)
    if step:
        turn = np.zeros((2, size), dtype=np.int64)
        turn[int(rng.integers(2)), int(rng.integers(size))] = step
        offset = np.cumsum(turn[0] - turn[1])
        values += turn.ravel().tolist()
    u = counts + offset
    if corrupted:
        hit = rng.choice(size, corrupted, replace=False)
        wrong = u.copy()
        wrong[hit] = rng.choice([-CLAMP, CLAMP], corrupted)
        if np.abs(wrong).max() > CLAMP:
            return
        values += [*(wrong - u).tolist(), *(int(k in hit) for k in range(size))]
        u = wrong
    assert all(low <= value <= top for value, (low, top) in zip(values, poly.box, strict=True))
    for row, most in poly.rows:
        assert sum(factor * values[i] for i, factor in row.items()) <= most
    assert [c + sum(f * values[i] for i, f in form.items()) for c, form in poly.samples] == u.tolist()


@pytest.mark.parametrize(("threshold", "holds"), [(185, False), (186, True)])
def test_a_step_and_a_corrupted_sample_add_up(threshold: int, holds: bool) -> None:
    """Two samples at 32 + 16 counts about one that says -90 make 186; an enclosure without the step stopped at 170."""
    wanted = Requirement(
        "F", "P7", "text", "never_requests_fire", "why", "whence",
        {
            "kind": "signals", "amplitude_g": "2", "slew_g_per_ms": "1/8", "step_g": "1", "corrupted_samples": "1",
        },
    )  # fmt: skip
    verdict = prove(spike_net(threshold), wanted)
    assert isinstance(verdict, Proved) is holds
    rising = [*range(33), *range(33, 49), 48, -90, 48]  # at rest, up by a slew of one count, then the step
    model = spike_net(threshold)
    assert bool(model.fire_requests(model.outputs(np.array(rising))).any()) is not holds
