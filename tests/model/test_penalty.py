"""Closed forms of the penalties: attained for one kernel, sound for a net, differentiated right."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from crumple.model.net import Net
from crumple.model.penalty import BandBound, Bound, SignalBound, WorstChoices, choice_bounds, loudest_signal

BOUNDS = [
    SignalBound(0.5, 0.5),
    SignalBound(10.0, 10.0, 1.0),
    SignalBound(0.4, 0.4, 1.0),
    SignalBound(0.1, 5.0),
    SignalBound(0.5, 0.5, step=0.3),
    SignalBound(2.0, 2.0, 1.0, step=0.3),
    SignalBound(0.2, 0.2, corrupted_blocks=(3.0, 1.0)),
    SignalBound(3.0, 2.0, slew=0.2),
    SignalBound(2.0, 2.0, 1.0, slew=0.1),
    BandBound(
        np.random.default_rng(1).normal(size=(6, 8)),
        np.random.default_rng(2).normal(0, 0.3, size=(2, 6, 8)),
        np.random.default_rng(3).random((6, 8)),
    ),
]  # type: list[Bound]


def signals(bound: Bound, n_blocks: int, rng: np.random.Generator, n_signals: int) -> np.ndarray:
    """Random signals of a set: differences of velocities in the band, cut down where too high or too steep."""
    if isinstance(bound, BandBound):
        window = rng.integers(0, len(bound.middle), n_signals)
        q = rng.choice([-1.0, 1.0, 0.3], (len(bound.shared), n_signals))
        own = bound.half[window] * rng.choice([-1.0, 1.0, 0.5], (n_signals, n_blocks))
        return np.asarray(bound.middle[window] + np.einsum("sn,snb->nb", q, bound.shared[:, window]) + own)
    if np.isinf(bound.velocity_range):
        made = rng.uniform(-bound.low, bound.high, (n_signals, n_blocks))
    else:
        level = rng.uniform(0, bound.velocity_range, (n_signals, n_blocks + 1))
        level = np.where(rng.random(level.shape) < 0.5, np.rint(level), level)
        step = np.diff(level, axis=1)
        made = step * np.minimum(1.0, bound.high / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-12))
    if np.isfinite(bound.slew):
        steepest = np.abs(np.diff(made, axis=1)).max(axis=1, keepdims=True)
        made *= np.minimum(1.0, bound.slew / np.maximum(steepest, 1e-12))
    if bound.step:  # up, and half of it down again
        when = np.sort(rng.integers(0, n_blocks + 1, (n_signals, 2)), axis=1)
        time = np.arange(n_blocks)
        made += bound.step * 2 / 3 * (time >= when[:, :1]) - bound.step / 3 * (time >= when[:, 1:])
    for gain in bound.corrupted_blocks:
        made[np.arange(n_signals), rng.integers(0, n_blocks, n_signals)] += gain * rng.uniform(-1, 1, n_signals)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_the_loudest_signal_of_a_velocity_range_is_a_linear_programmes_optimum(seed: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(1, 7))
    claimed = float((weight * loudest_signal(weight, SignalBound(100.0, 100.0, 1.5))).sum())
    # Latent velocities p in [0, V]; w . diff(p) is linear in p.
    cost = -(np.concatenate([[0.0], weight[0]]) - np.concatenate([weight[0], [0.0]]))
    assert abs(claimed + linprog(cost, bounds=[(0.0, 1.5)] * 8).fun) < 1e-9


def test_the_loudest_signal_of_an_amplitude_set_follows_the_kernels_signs() -> None:
    weight = np.array([[2.0, -3.0, 1.0]])
    assert loudest_signal(weight, SignalBound(0.5, 0.2)).tolist() == [[0.5, -0.2, 0.5]]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slew", [0.01, 0.3, 5.0])
def test_the_loudest_signal_of_a_slew_limit_is_no_less_than_a_linear_programmes_optimum(seed: int, slew: float) -> None:
    weight = np.random.default_rng(seed).normal(size=(1, 7))
    claimed = float((weight * loudest_signal(weight, SignalBound(2.0, 1.0, slew=slew))).sum())
    rise = np.diff(np.eye(7), axis=0)
    best = linprog(-weight[0], np.vstack([rise, -rise]), np.full(12, slew), bounds=[(-1.0, 2.0)] * 7)
    assert claimed >= -best.fun - 1e-9
    if slew == 5.0:  # no limit at all
        assert claimed == pytest.approx(-best.fun)
    if slew == 0.01:  # nearly constant signals: what is left to the slew is next to nothing
        assert claimed == pytest.approx(-best.fun, abs=0.01 * 21 * float(np.abs(weight).max()))


@pytest.mark.parametrize("seed", range(4))
def test_the_loudest_window_of_a_band_is_the_best_of_all_its_corners(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bound = BandBound(rng.normal(size=(3, 4)), rng.normal(size=(2, 3, 4)), rng.random((3, 4)))
    weight = rng.normal(size=(1, 4))
    corners = [
        bound.middle[w] + p * bound.shared[0, w] + q * bound.shared[1, w] + bound.half[w] * own
        for w in range(3)
        for p, q, *own in itertools.product((-1, 1), repeat=6)
    ]
    claimed = float((weight * loudest_signal(weight, bound)).sum())
    assert claimed == pytest.approx(max(float(weight[0] @ corner) for corner in corners))


@pytest.mark.parametrize("seed", range(4))
def test_for_a_set_that_must_vote_what_is_bounded_is_the_least_output(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net.drawn(5, 8, rng)
    bound = BOUNDS[-1]
    choices = WorstChoices(bound, must_vote=True)
    for window in signals(bound, 8, rng, 200):
        choices.learn(net, window)
    reached = net.forward(choices.windows)[0].min()
    assert choices.worst(net)[0] >= -reached - 1e-9


@pytest.mark.parametrize("bound", BOUNDS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_over_all_choices_and_any_factors_the_bound_covers_every_signal(bound: Bound, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net.drawn(6, 8, rng)
    positive = net.output_weight > 0
    factors = rng.random(6)
    shares = np.array([np.where(positive, choice, factors) for choice in itertools.product((0.0, 1.0), repeat=6)])
    values, _, _ = choice_bounds(net, shares, bound)
    assert net.forward(signals(bound, 8, rng, 500))[0].max() <= values.max() + 1e-9


@pytest.mark.parametrize("must_vote", [False, True])
@pytest.mark.parametrize("bound", BOUNDS)
def test_gradient_of_the_worst_choice_equals_finite_differences(bound: Bound, must_vote: bool) -> None:
    rng = np.random.default_rng(3)
    net = Net.drawn(5, 8, rng)
    choices = WorstChoices(bound, must_vote)
    choices.learn(net, signals(bound, 8, rng, 1)[0])
    choices.learn(net, signals(bound, 8, rng, 1)[0])
    _, gradients = choices.worst(net)
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        flat, flat_gradient = parameter.reshape(-1), np.broadcast_to(gradient, parameter.shape).reshape(-1)
        for k in range(flat.size):
            kept = flat[k]
            flat[k] = kept + 1e-7
            up = choices.worst(net)[0]
            flat[k] = kept - 1e-7
            down = choices.worst(net)[0]
            flat[k] = kept
            assert abs((up - down) / 2e-7 - flat_gradient[k]) < 1e-5


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_learning_brings_the_bound_down_to_the_value_at_the_loudest_known_signal(seed: int) -> None:
    """With the worst choice known and its factors fitted, the bound is tight within a few per cent of its span."""
    rng = np.random.default_rng(seed)
    net, bound = Net.drawn(5, 8, rng), SignalBound(0.5, 0.5)
    # Exact worst window: y is largest at a vertex of some activation region; a fine search is enough here.
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=8)))
    best = corners[int(np.argmax(net.forward(corners)[0]))]
    choices = WorstChoices(bound)
    choices.learn(net, best)
    reached = float(net.forward(best[None])[0][0])
    assert choices.worst(net)[0] >= reached - 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(1.0, 3.0))
def test_a_wider_set_never_has_a_smaller_bound(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    net = Net.drawn(5, 8, rng)
    shares = (rng.random((4, 5)) < 0.5).astype(float)
    narrow = choice_bounds(net, shares, SignalBound(2.0, 2.0, 1.0))[0]
    assert (choice_bounds(net, shares, SignalBound(2.0 * factor, 2.0 * factor, factor))[0] >= narrow - 1e-12).all()
