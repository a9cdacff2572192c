"""Sequences: sums, and the contact that the required time counts from."""

from __future__ import annotations

import numpy as np
import pytest

from crumple.signals.batch import DT_S, MUST_FIRE, PRETRIGGER_S
from crumple.signals.criteria import RttfRule, required_ttf_s
from crumple.signals.events import MODES
from crumple.signals.generate import CorpusPlan, generate

RULE = RttfRule()


@pytest.mark.parametrize("mode", ["misuse_then_crash", "double_impact"])
def test_a_crash_after_something_else_must_fire_from_its_own_contact(mode: str) -> None:
    batch = MODES[mode](60, np.random.default_rng(0), RULE)
    assert set(batch.labels) == {MUST_FIRE}
    gaps = batch.contact_s - PRETRIGGER_S
    assert gaps.min() >= 0 and gaps.max() <= 0.5 and gaps.std() > 0.1
    late = np.flatnonzero(gaps > 0.45)
    for row in late:
        start = round(batch.contact_s[row] / DT_S)
        required = required_ttf_s(batch.decel_g[row, start:], DT_S, RULE)
        assert batch.rttf_s[row] == pytest.approx(float(required), abs=0.004)


def test_braking_is_there_before_the_pothole() -> None:
    batch = MODES["braking_pothole"](30, np.random.default_rng(0), RULE)
    assert np.abs(batch.decel_g[:, :100]).max() > 0.5


def test_first_sample_is_told_from_the_crash() -> None:
    events = list(generate(CorpusPlan(counts={"double_impact": 20})))
    first = np.array([event.first_sample_s for event in events])
    assert first.min() < -0.2 and first.max() < -0.019
    assert all(event.main_lsb.size * 0.0005 + event.first_sample_s > 0.15 for event in events)
