"""Ringing carries no momentum and sounds as it should."""

from __future__ import annotations

import numpy as np
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
