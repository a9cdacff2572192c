"""What the losses ask for, and their gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.loss import FireWindows, fire_loss, quiet_loss

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def windows(in_time: list[int], later: list[int], votes: int = 3) -> FireWindows:
    n_windows = sum(in_time) + sum(later)
    weight = np.linspace(0.5, 1.0, len(in_time))
    return FireWindows(
        np.zeros((n_windows, 1)), np.array(in_time, dtype=np.int64), np.array(later, dtype=np.int64), weight, votes
    )


def slopes(loss: Loss, at: np.ndarray) -> np.ndarray:
    steps = np.eye(at.size) * 1e-6
    return np.array([(loss(at + step)[0] - loss(at - step)[0]) / 2e-6 for step in steps])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_gradient_of_a_miss_equals_finite_differences(seed: int) -> None:
    asked = windows([2, 0], [3, 4])  # too few windows in time for a run of three: what is left is the miss
    at = np.random.default_rng(seed).normal(size=9)
    loss: Loss = lambda outputs: fire_loss(asked, outputs, 0.5, 0.3)  # noqa: E731
    assert np.allclose(loss(at)[1], slopes(loss, at), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_gradient_of_one_run_equals_finite_differences(seed: int) -> None:
    asked = windows([3, 3], [0, 0])
    at = np.random.default_rng(seed).normal(size=6)
    loss: Loss = lambda outputs: fire_loss(asked, outputs, 0.5, 0.0)  # noqa: E731
    assert np.allclose(loss(at)[1], slopes(loss, at), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_gradient_of_silence_points_at_the_loudest_windows_and_adds_up_to_the_slope(seed: int) -> None:
    at, starts = np.random.default_rng(seed).normal(size=7), np.array([0, 3])
    loss: Loss = lambda outputs: quiet_loss(outputs, starts, 0.5, np.array([2.0, 0.5]))  # noqa: E731
    gradient = loss(at)[1]
    for rows in (slice(0, 3), slice(3, 7)):
        assert int(np.argmax(gradient[rows])) == int(np.argmax(at[rows]))
    shifted = (loss(at + 1e-6)[0] - loss(at - 1e-6)[0]) / 2e-6
    assert gradient.sum() == pytest.approx(shifted, abs=1e-5)


def test_a_run_of_votes_in_time_makes_an_event_right_and_scattered_votes_do_not() -> None:
    asked = windows([6], [0])
    row = fire_loss(asked, np.array([-9.0, 9.0, 9.0, 9.0, -9.0, -9.0]), 0.5, 0.0)[0]
    scattered = fire_loss(asked, np.array([9.0, 9.0, -9.0, 9.0, 9.0, -9.0]), 0.5, 0.0)[0]
    assert row < 0.001 < 4 < scattered


def test_a_late_event_costs_less_than_a_missed_one() -> None:
    asked = windows([3], [2])
    late = fire_loss(asked, np.array([-1.0, -1.0, -1.0, 5.0, 5.0]), 0.5, 0.3)[0]
    missed = fire_loss(asked, np.full(5, -1.0), 0.5, 0.3)[0]
    assert late < missed


def test_nothing_to_ask_costs_nothing() -> None:
    assert fire_loss(windows([], []), np.zeros(0), 0.5, 0.3)[0] == 0.0
    assert quiet_loss(np.zeros(0), np.zeros(0, dtype=np.int64), 0.5, np.zeros(0))[0] == 0.0


def test_events_are_scored_by_their_best_run() -> None:
    scores = windows([4, 2], [0, 1]).scores(np.array([1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0]))
    assert scores.tolist() == [2.0, -np.inf]
