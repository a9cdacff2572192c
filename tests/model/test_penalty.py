"""Certified penalties are sound, tight for one kernel, and differentiated right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from crumple.model.net import Net
from crumple.model.penalty import SignalBound, output_bound, reach

BOUNDS = [SignalBound(0.5, np.inf), SignalBound(10.0, 1.0), SignalBound(0.4, 1.0)]


def signals(bound: SignalBound, n_blocks: int, rng: np.random.Generator, n_signals: int) -> np.ndarray:
    """Random signals of a set: differences of velocities in the band, cut down where too high."""
    if np.isinf(bound.velocity_range):
        return rng.uniform(-bound.amplitude, bound.amplitude, (n_signals, n_blocks))
    level = rng.uniform(0, bound.velocity_range, (n_signals, n_blocks + 1))
    level = np.where(rng.random(level.shape) < 0.5, np.rint(level), level)
    step = np.diff(level, axis=1)
    return step * np.minimum(1.0, bound.amplitude / np.abs(step).max(axis=1, keepdims=True))


@pytest.mark.parametrize("bound", BOUNDS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_signal_of_the_set_exceeds_the_bound(bound: SignalBound, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net.drawn(6, 8, rng)
    value, _ = output_bound(net, bound)
    assert net.forward(signals(bound, 8, rng, 500))[0].max() <= value + 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_the_reach_of_one_kernel_over_a_velocity_range_is_attained(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(1, 7))
    claimed = reach(weight, SignalBound(100.0, 1.5))[0][0]
    # Latent velocities p in [0, V]; w . diff(p) is linear in p: a linear programme gives the truth.
    cost = -(np.concatenate([[0.0], weight[0]]) - np.concatenate([weight[0], [0.0]]))
    truth = -linprog(cost, bounds=[(0.0, 1.5)] * 8).fun
    assert abs(claimed - truth) < 1e-9


@pytest.mark.parametrize("bound", BOUNDS)
def test_gradient_of_the_bound_equals_finite_differences(bound: SignalBound) -> None:
    net = Net.drawn(5, 8, np.random.default_rng(3))
    _, gradients = output_bound(net, bound)
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        flat, flat_gradient = parameter.reshape(-1), np.broadcast_to(gradient, parameter.shape).reshape(-1)
        for k in range(flat.size):
            kept = flat[k]
            flat[k] = kept + 1e-6
            up = output_bound(net, bound)[0]
            flat[k] = kept - 1e-6
            down = output_bound(net, bound)[0]
            flat[k] = kept
            assert abs((up - down) / 2e-6 - flat_gradient[k]) < 1e-6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(1.0, 3.0))
def test_a_wider_set_never_has_a_smaller_bound(seed: int, factor: float) -> None:
    net = Net.drawn(5, 8, np.random.default_rng(seed))
    narrow = output_bound(net, SignalBound(2.0, 1.0))[0]
    assert output_bound(net, SignalBound(2.0 * factor, 1.0 * factor))[0] >= narrow - 1e-12
