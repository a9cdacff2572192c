"""The fidelity bound holds for every input tried, is zero where nothing was rounded, and is not idle."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from crumple.export import fidelity as module
from crumple.export.fidelity import fidelity
from crumple.model.deployed import DeployedModel


def as_float_net(model: DeployedModel, scale: float, rng: np.random.Generator | None = None) -> dict[str, Any]:
    """The float net that rounds to a model: the model itself over ``scale``, each number off by up to half a unit."""

    def off(values: Any) -> Any:
        array = np.array(values, dtype=float)
        return array if rng is None else array + rng.uniform(-0.5, 0.5, array.shape)

    return {
        "hidden_weight": off(model.hidden_weight).tolist(),
        "hidden_bias": off(model.hidden_bias).tolist(),
        "output_weight": (off(model.output_weight) / scale).tolist(),
        "output_bias": [model.output_bias / scale],
        "unit_lsb": 1.0,
    }


def float_output(net: dict[str, Any], blocks: list[int]) -> Fraction:
    total = Fraction(net["output_bias"][0])
    for row, b, v in zip(net["hidden_weight"], net["hidden_bias"], net["output_weight"], strict=True):
        z = Fraction(b) + sum(Fraction(w) * x for w, x in zip(row, blocks, strict=True)) / Fraction(net["unit_lsb"])
        total += Fraction(v) * max(z, Fraction(0))
    return total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("subsets", [2**16, 0], ids=["all subsets", "sum of maxima"])
def test_no_corner_or_random_input_exceeds_the_bound(
    small_model: DeployedModel, seed: int, subsets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SUBSETS", subsets)
    rng = np.random.default_rng(seed)
    net = as_float_net(small_model, 1000.0, rng)
    found = fidelity(net, small_model)
    assert found.over_subsets is bool(subsets)
    box = small_model.block_samples * small_model.clamp_lsb
    corners = [[box if k >> i & 1 else -box for i in range(4)] for k in range(16)]
    largest = Fraction(0)
    for blocks in corners + rng.integers(-box, box, (60, 4), endpoint=True).tolist():
        window = [x for block in blocks for x in (block // 2, block - block // 2)]
        difference = abs(float_output(net, blocks) - small_model.output_of_window(window) / found.scale)
        largest = max(largest, difference)
    assert largest <= found.bound
    assert largest > found.bound / 4


def test_all_subsets_are_never_looser_than_the_sum(small_model: DeployedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    net = as_float_net(small_model, 1000.0, np.random.default_rng(0))
    tight = fidelity(net, small_model).bound
    monkeypatch.setattr(module, "MOST_SUBSETS", 0)
    assert tight <= fidelity(net, small_model).bound


def test_a_net_that_rounding_did_not_change_has_bound_zero(small_model: DeployedModel) -> None:
    found = fidelity(as_float_net(small_model, 1024.0), small_model)
    assert (found.scale, found.bound) == (1024, 0)


def test_a_weight_rounded_to_zero_is_counted_in_full(small_model: DeployedModel) -> None:
    net = as_float_net(small_model, 1024.0)
    without = replace(small_model, output_weight=(3, 0, -4))
    lost = Fraction(2, 1024) * without.hidden_magnitude[1]
    assert fidelity(net, without).bound >= lost
