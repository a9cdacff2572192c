"""The vectorised integers are those of the deployed model, whatever the input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.deployed import DeployedModel
from crumple.model.evaluation.exact import EXACT_FLOAT, NEVER, armed, first_true, levels, outputs
from crumple.model.training import confirmed_level


def extremes(model: DeployedModel, rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    clamp = model.clamp_lsb
    return np.concatenate(
        [
            rng.choice([-clamp, clamp], (4, 37)),
            rng.integers(-3 * clamp, 3 * clamp, (4, 37)),  # beyond the clamp
            np.zeros((1, 37), dtype=np.int64),
        ]
    )


def test_outputs_levels_and_arming_are_those_of_the_deployed_model(small_model: DeployedModel) -> None:
    counts = extremes(small_model, np.random.default_rng(1))
    y = outputs(small_model, counts)
    level = levels(small_model, y)
    flags = armed(small_model, counts)
    for k, row in enumerate(counts):
        assert np.array_equal(y[k], small_model.outputs(row))
        assert np.array_equal(level[k], confirmed_level(small_model, y[k]))
        assert np.array_equal(level[k] > 0, small_model.fire_requests(y[k]))
        assert np.array_equal(flags[k], small_model.armed(row))


def test_a_model_too_large_for_float64_is_computed_in_integers_and_still_exact(small_model: DeployedModel) -> None:
    top = 32767
    big = replace(
        small_model,
        clamp_lsb=8000,
        hidden_weight=((top, top, top, top), (-top, top, -top, top), (top, -top, 1, 1)),
        hidden_bias=(top, -top, 7),
        output_weight=(top, -top, top - 1),
        output_bias=2**54 + 1,
    )
    assert big.output_magnitude > EXACT_FLOAT
    counts = extremes(big, np.random.default_rng(2))
    y = outputs(big, counts)
    assert np.array_equal(y[0], big.outputs(counts[0]))
    n = big.window_samples
    assert int(y[2, n - 1]) == big.output_of_window(counts[2, :n].tolist())
    assert any(int(value) % 2 for value in y.ravel())  # float64 could not hold these


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_number_of_events_and_samples_at_a_time_changes_nothing(n_samples: int, seed: int) -> None:
    from fractions import Fraction

    from crumple.model.deployed import Arming

    rng = np.random.default_rng(seed)
    model = DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=int(rng.integers(1, 5)),
        hidden_weight=tuple(tuple(map(int, row)) for row in rng.integers(-2000, 2000, (4, 6))),
        hidden_bias=tuple(map(int, rng.integers(-9000, 9000, 4))),
        output_weight=tuple(map(int, rng.integers(-2000, 2000, 4))),
        output_bias=int(rng.integers(-9000, 9000)),
        confirm_votes=2,
        confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )
    counts = rng.integers(-1920, 1921, (3, n_samples))
    together = outputs(model, counts)
    for k in range(3):
        assert np.array_equal(outputs(model, counts[k : k + 1])[0], together[k])
        assert int(together[k, -1]) == model.outputs(counts[k])[-1]


@pytest.mark.parametrize(("flags", "at"), [([0, 0, 0], NEVER), ([0, 1, 1], 1), ([1, 0, 0], 0), ([0, 0, 1], 2)])
def test_the_first_true_sample_is_found(flags: list[int], at: int) -> None:
    assert first_true(np.array([flags], dtype=np.bool_)).tolist() == [at]
