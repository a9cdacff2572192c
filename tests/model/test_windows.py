"""Windows are the net's inputs at the samples asked for, and the pool keeps the loudest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.deployed import DeployedModel
from crumple.model.windows import LoudestWindows, Windows, starts_of


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n_samples=st.integers(1, 40))
def test_windows_are_the_block_sums_of_the_deployed_model(seed: int, n_samples: int) -> None:
    model = _model()
    rng = np.random.default_rng(seed)
    first, second = (rng.integers(-300, 301, n_samples) for _ in range(2))
    windows = Windows([first, second], model.n_blocks, model.block_samples, unit_lsb=1.0)
    samples = rng.integers(0, n_samples, 5)
    assert (windows.at(1, samples) == model.block_sums(second)[samples]).all()


def test_the_pool_keeps_what_was_loud_once_and_holds_no_window_twice() -> None:
    counts = [np.arange(12), np.zeros(12, dtype=np.int64)]
    pool = LoudestWindows(Windows(counts, 2, 1, unit_lsb=1.0))
    pool.grow(lambda inputs: inputs[:, 1], 1)
    pool.grow(lambda inputs: inputs[:, 1], 1)
    pool.grow(lambda inputs: -inputs[:, 1], 1)
    inputs, begins = pool.pool()
    assert inputs[: begins[1]].tolist() == [[9.0, 10.0], [0.0, 0.0]]


@pytest.mark.parametrize(("lengths", "begins"), [([], []), ([3], [0]), ([2, 0, 4], [0, 2, 2])])
def test_parts_begin_where_those_before_them_end(lengths: list[int], begins: list[int]) -> None:
    assert starts_of(lengths).tolist() == begins


def _model() -> DeployedModel:
    from fractions import Fraction

    from crumple.model.deployed import Arming

    return DeployedModel(
        2000, Fraction(1, 16), 1920, 3, ((1, 2, 3, 4),), (0,), (1,), 0, 1, 1, Arming(Fraction(1, 4), 480, 4, 100, 6)
    )
