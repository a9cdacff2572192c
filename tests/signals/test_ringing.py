"""Ringing carries no momentum and sounds as it should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.signals.ringing import carried_mps, ringing_g

DT_S = 1 / 8000
N = 1762


def direct_mps(amplitude: float, hz: float, zeta: float, start_s: float, n: int) -> np.ndarray:
    """The velocity of one struck mode from its formula, sample by sample, in units of g s."""
    t = np.arange(n + 1) * DT_S - start_s
    t = np.where(t > 0, t, 0.0)
    w = 2 * np.pi * hz
    return amplitude / w * np.exp(-zeta * w * t) * (1 - np.exp(-4 * hz * t)) * np.sin(w * t)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_it_leaves_no_velocity_behind(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = ringing_g(
        rng.normal(0, 50, (4, 9, 5)),
        rng.uniform(20, 1000, (4, 5)),
        rng.uniform(0.01, 0.2, (4, 5)),
        rng.uniform(0, 0.21, (4, 9)),
        n_samples=N,
        dt_s=DT_S,
    )
    assert np.abs(signal).max() > 1.0
    assert np.abs(carried_mps(signal, DT_S)).max() < 2e-4


@settings(max_examples=30, deadline=None)
@given(hz=st.floats(20, 1000), zeta=st.floats(0.03, 0.2), start_s=st.floats(0, 0.1), amplitude=st.floats(-80, 80))
def test_it_agrees_with_its_formula(hz: float, zeta: float, start_s: float, amplitude: float) -> None:
    made = ringing_g(
        np.full((1, 1, 1), amplitude),
        np.full((1, 1), hz),
        np.full((1, 1), zeta),
        np.full((1, 1), start_s),
        n_samples=N,
        dt_s=DT_S,
    )[0]
    expected = np.diff(direct_mps(amplitude, hz, zeta, start_s, N)) / DT_S
    np.testing.assert_allclose(made[:1500], expected[:1500], atol=1e-3 * max(1.0, abs(amplitude)))


def test_two_blows_add() -> None:
    hz, zeta = np.array([[120.0, 300.0]]), np.array([[0.05, 0.08]])
    one = np.array([[[10.0, 4.0]]])
    both = np.concatenate([one, one], axis=1)

    def at(amplitude: np.ndarray, start: np.ndarray) -> np.ndarray:
        return ringing_g(amplitude, hz, zeta, start, n_samples=N, dt_s=DT_S)

    sum_of = at(one, np.array([[0.003]])) + at(one, np.array([[0.0417]]))
    np.testing.assert_allclose(at(both, np.array([[0.003, 0.0417]])), sum_of, atol=2e-2)


@pytest.mark.parametrize("late_s", [0.3, 1.0, 30.0])
def test_a_blow_long_after_the_end_is_not_heard(late_s: float) -> None:
    amplitude, frequency, damping = np.full((1, 2, 1), 80.0), np.full((1, 1), 900.0), np.full((1, 1), 0.1)
    start_s = np.array([[0.02, late_s]])
    both = ringing_g(amplitude, frequency, damping, start_s, n_samples=1920, dt_s=1 / 8000)
    first = ringing_g(amplitude[:, :1], frequency, damping, start_s[:, :1], n_samples=1920, dt_s=1 / 8000)
    assert np.isfinite(both).all()
    assert np.abs(first).max() > 10
    assert (both == first).all()
