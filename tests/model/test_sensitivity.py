"""Effects of single parameters against trying every change."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crumple.model.analysis.sensitivity import parameters
from crumple.model.deployed import DeployedModel


def changed(model: DeployedModel, name: str, by: int) -> DeployedModel:
    """The model with one parameter changed."""
    key, *at = re.findall(r"\w+", name)
    value: Any = getattr(model, key)
    if not at:
        return replace(model, **{key: value + by})
    j, *i = (int(n) for n in at)
    row: Any = value[j] + by if not i else (*value[j][: i[0]], value[j][i[0]] + by, *value[j][i[0] + 1 :])
    return replace(model, **{key: (*value[:j], row, *value[j + 1 :])})


@pytest.mark.parametrize("seed", range(25))
def test_the_least_change_of_each_parameter_flips_and_one_less_does_not(seed: int, small_model: DeployedModel) -> None:
    rng = np.random.default_rng(seed)
    window = rng.integers(-20, 60, small_model.window_samples)
    window[:2] = 0  # a block without any effect
    level = small_model.output_of_window(window)
    model = replace(small_model, output_bias=small_model.output_bias - level + int(rng.integers(-2000, 2000)))
    votes = model.output_of_window(window) > 0
    told = parameters(model, window)
    assert len(told) == 1 + 3 * (2 + 4)
    assert [p.share for p in told] == sorted(p.share for p in told)
    for p in told:
        one_more = changed(model, p.name, 1).output_of_window(window) - model.output_of_window(window)
        if "hidden" not in p.name:
            assert one_more == p.slope
        tries = (-20_000, -500, -1, 1, 500, 20_000) if p.flips_by is None else (p.flips_by,)
        for by in tries:
            if abs(p.value + by) <= 30_000:  # else no model holds such a weight
                flipped = (changed(model, p.name, by).output_of_window(window) > 0) != votes
                assert flipped == (p.flips_by is not None)
        if p.flips_by is not None and abs(p.value) + abs(p.flips_by) <= 30_000:
            less = abs(p.flips_by) - 1
            for by in (less, -less):
                assert (changed(model, p.name, by).output_of_window(window) > 0) == votes
