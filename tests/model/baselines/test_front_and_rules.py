"""The rules' front end against a scalar state machine, and each rule against its formula at one sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.baselines.front import Front, FrontPlan, front_of
from crumple.model.baselines.rules import RULES, Span, roughness, velocity_energy
from crumple.signals.sensor import SensorSpec
from crumple.units import G0_MPS2

SPEC = SensorSpec()
PLAN = FrontPlan(bias_ms=0.0, quiet_ms=3.0)


def scalar_front(decel_g: list[float], plan: FrontPlan) -> list[tuple[bool, int]]:
    """Wake-up and reset as one would write them for a single event."""
    awake, age, quiet, result = False, 0, 0, []
    n_quiet = round(plan.quiet_ms * 2)
    for k, value in enumerate(decel_g):
        quiet = 0 if abs(value) > plan.wake_g else quiet + 1
        woken = k > 0 and value > plan.wake_g and decel_g[k - 1] > plan.wake_g
        if awake and quiet < n_quiet:
            age += 1
        else:
            awake, age = woken, 0
        result.append((awake, age))
    return result


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 3.0, -3.0, 1.0, 40.0]), min_size=2, max_size=60))
def test_wake_up_and_reset_are_those_of_a_scalar_state_machine(decel: list[float]) -> None:
    front = front_of(np.array([decel]) * 16, SPEC, PLAN)
    assert list(zip(front.awake[0].tolist(), front.since[0].tolist(), strict=True)) == scalar_front(decel, PLAN)


@settings(max_examples=40)
@given(st.lists(st.integers(-300, 300), min_size=2, max_size=50), st.floats(0.0, 4.0))
def test_velocity_and_sums_are_those_of_a_loop(counts: list[int], leak_g: float) -> None:
    front = front_of(np.array([counts]), SPEC, PLAN)
    velocity = front.velocity_mps(leak_g)[0]
    summed = front.summed(front.decel_g)[0]
    v = s = 0.0
    for k, value in enumerate(front.decel_g[0]):
        fresh = front.awake[0, k] and front.since[0, k] == 0
        v = max(0.0, (0.0 if fresh else v) + (value - leak_g) * G0_MPS2 * front.dt_s) if front.awake[0, k] else 0.0
        s = ((0.0 if fresh else s) + value) if front.awake[0, k] else 0.0
        assert velocity[k] == pytest.approx(v, abs=1e-9)
        assert summed[k] == pytest.approx(s, abs=1e-9)


def test_a_bias_is_removed_without_looking_ahead() -> None:
    counts = np.full((1, 60), 8)  # half a g
    counts[0, 30:] = 328  # 20.5 g
    front = front_of(counts, SPEC, FrontPlan())
    assert np.abs(front.decel_g[0, :30]).max() < 1e-12 and front.decel_g[0, 40] == pytest.approx(20.0)
    early = counts.copy()
    early[0, 31:] = 0
    again = front_of(early, SPEC, FrontPlan())
    assert np.array_equal(front.decel_g[:, :31], again.decel_g[:, :31])


def test_a_crash_at_once_is_not_mistaken_for_bias() -> None:
    front = front_of(np.full((1, 40), 320), SPEC, FrontPlan(bias_most_g=1.0))
    assert front.decel_g.min() == pytest.approx(19.0)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_causal_and_finite(rule: object) -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(-600, 900, (5, 120))
    changed = counts.copy()
    changed[:, 60:] = rng.integers(-1920, 1920, (5, 60))
    setting = {name: span.usual for name, span in rule.spans.items()}  # type: ignore[attr-defined]
    one, other = (
        rule.score(front_of(c, SPEC, PLAN), setting)  # type: ignore[attr-defined]
        for c in (counts, changed)
    )
    assert one.shape == counts.shape and np.isfinite(one).all()
    np.testing.assert_allclose(one[:, :60], other[:, :60], rtol=1e-9, atol=1e-9)


def constant(level_g: float, n_samples: int) -> Front:
    """Awake from the first sample on."""
    shape = (1, n_samples)
    return Front(np.full(shape, level_g), np.ones(shape, dtype=np.bool_), np.arange(n_samples)[None, :], 0.5e-3)


def test_scores_of_a_constant_deceleration_are_those_of_their_formulae() -> None:
    front, at = constant(10.0, 41), {}
    score = {}
    for rule in RULES:
        at = {name: span.usual for name, span in rule.spans.items()}
        score[rule.name.split()[0]] = rule.score(front, {**at, "leak_g": 2.0})[0, -1]
    v = 41 * 8.0 * G0_MPS2 * 0.5e-3
    s = sum(range(1, 42)) * 8.0 * G0_MPS2 * 0.5e-3 * 0.5e-3
    assert score["1"] == pytest.approx(v)
    assert score["2"] == pytest.approx(32 * 10.0 * G0_MPS2 * 0.5e-3)
    assert score["3"] == pytest.approx(v / (1 + 20.0 / 20.0))
    assert score["4"] == pytest.approx(s + 0.030 * v)
    assert score["8"] == pytest.approx(100.0 * v)
    assert score["9"] == 0.0  # nothing changes
    assert score["13"] == pytest.approx(s + 0.030 * v + 10.0 * G0_MPS2 * 0.030**2 / 2)


def test_impact_energy_fires_alone_and_roughness_needs_velocity() -> None:
    ringing = constant(0.0, 80)
    ringing.decel_g[0] = 30.0 * np.where(np.arange(80) // 2 % 2, 1.0, -1.0)
    at = {
        "leak_g": 4.0,
        "short_ms": 0.5,
        "long_ms": 8.0,
        "window_ms": 20.0,
        "weight": 1.0,
        "sum_ratio": 3.0,
        "energy_ratio": 0.5,
    }
    assert velocity_energy(ringing, at)[0, -1] == pytest.approx(30.0**2 * 40 * 0.5 / 0.5, rel=0.1)
    assert roughness(ringing, {"leak_g": 40.0, "power": 1.0})[0, -1] == 0.0


def test_spans_lead_from_low_to_high() -> None:
    assert Span(1.0, 100.0, 5.0, is_log=True).at(0.5) == pytest.approx(10.0)
    assert Span(0.0, 4.0, 1.0).at(0.25) == 1.0
    assert Span(1.0, 4.0, 3.0, is_whole=True).at(0.6) == 3.0
    for rule in RULES:
        for span in rule.spans.values():
            assert span.low <= span.usual <= span.high
