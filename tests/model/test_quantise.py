"""Rounding to integers: every sum fits for every input, and no more of the weights' range is given up for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.integers import INT32_MAX
from crumple.model.net import Net
from crumple.model.quantise import quantise
from crumple.model.training import TrainingPlan
from crumple.signals.corpus import Corpus
from crumple.signals.generate import CorpusPlan, generate


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(counts={"hammer": 1}))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), bits=st.integers(4, 16), n_blocks=st.integers(4, 128),
    block_samples=st.integers(1, 16), bias=st.sampled_from([0.0, 1.0, 1e4]),
)  # fmt: skip
def test_every_width_of_weights_gives_sums_that_fit(
    corpus: Corpus, seed: int, bits: int, n_blocks: int, block_samples: int, bias: float
) -> None:
    rng = np.random.default_rng(seed)
    net = Net.drawn(4, n_blocks, rng)
    net = replace(net, hidden_bias=net.hidden_bias * bias)
    plan = TrainingPlan(weight_bits=bits, n_blocks=n_blocks, block_samples=block_samples)
    model = quantise(net, corpus, plan, None, output_bias=0)  # it does not exist if a sum could overflow
    top = 2 ** (bits - 1) - 1
    for row, magnitude in zip(model.hidden_weight, model.hidden_magnitude, strict=True):
        used = max(map(abs, row))
        lost = n_blocks * block_samples * corpus.sensors.main.clamp_lsb + 1  # by rounding, at most
        assert used == top or magnitude > INT32_MAX - 2 * lost


def test_the_function_stays_the_same_but_for_rounding(corpus: Corpus) -> None:
    net = Net.drawn(4, 32, np.random.default_rng(0))
    inputs = np.random.default_rng(1).integers(-60, 61, (50, 96))
    values = []
    for bits in (12, 16):
        model = quantise(net, corpus, TrainingPlan(weight_bits=bits), None, output_bias=0)
        values.append([model.output_of_window(window.tolist()) for window in inputs])
    unit = 10.0 * 16 * 3
    wanted = net.forward(inputs.reshape(50, 32, 3).sum(axis=2) / unit)[0] - net.output_bias[0]
    for found in values:
        assert np.corrcoef(wanted, np.array(found, dtype=np.float64))[0, 1] > 0.9999
