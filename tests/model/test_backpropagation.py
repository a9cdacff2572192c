"""The explanation's two gradients agree with each other and with the net's own; its table is what the code counts."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from crumple.model.net import Net

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "explanation"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    name = "explained_backpropagation"
    spec = importlib.util.spec_from_file_location(name, FOLDER / "backpropagation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def signed(script: ModuleType, widths: list[int], seed: int) -> tuple[list[list[list[float]]], list[float]]:
    """A net some of whose nodes are switched off, and inputs."""
    draw = random.Random(seed)
    weights = [[[draw.gauss(0, 1) for _ in row] for row in matrix] for matrix in script.net_of(widths)]
    return weights, [draw.gauss(0, 1) for _ in range(widths[0])]


@pytest.mark.parametrize("widths", [[4, 3, 1], [3, 4, 2, 1], [2, 3, 3, 3, 1], [5, 1]])
@pytest.mark.parametrize("seed", range(3))
def test_both_ways_give_the_same_gradient_and_do_as_many_products_as_their_formulae_say(
    script: ModuleType, widths: list[int], seed: int
) -> None:
    weights, inputs = signed(script, widths, seed)
    reuse, paths = script.Tally(), script.Tally()
    one, other = script.with_reuse(weights, inputs, reuse), script.path_by_path(weights, inputs, paths)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert reuse.products == script.counted_with_reuse(widths)
    assert paths.products == script.counted_path_by_path(widths)


def test_the_gradient_is_that_of_the_net_that_crumple_trains(script: ModuleType) -> None:
    weights, inputs = signed(script, [6, 5, 1], 4)
    net = Net(np.array(weights[0]), np.zeros(5), np.array(weights[1][0]), np.zeros(1))
    window = np.array([inputs])
    gradients = net.backward(window, net.forward(window)[1], np.ones(1))
    ours = script.with_reuse(weights, inputs, script.Tally())
    np.testing.assert_allclose(ours[0], gradients[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours[1][0], gradients[2], rtol=1e-12, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences(script: ModuleType) -> None:
    weights, inputs = signed(script, [3, 4, 4, 1], 2)
    gradient = script.with_reuse(weights, inputs, script.Tally())
    for depth, matrix in enumerate(weights):
        for row in range(len(matrix)):
            for column in range(len(matrix[row])):
                outputs = []
                for step in (1e-6, -2e-6):
                    matrix[row][column] += step
                    outputs.append(script.activations(weights, inputs, script.Tally())[-1][0])
                matrix[row][column] += 1e-6
                assert gradient[depth][row][column] == pytest.approx((outputs[0] - outputs[1]) / 2e-6, abs=1e-6)


def test_the_page_shows_the_table_that_the_code_counts(script: ModuleType) -> None:
    assert script.table() in (FOLDER / "backpropagation.md").read_text(encoding="utf-8")


def test_the_picture_is_drawn(script: ModuleType) -> None:
    assert script.IMAGE.is_file()
    assert len(script.figure().axes[0].lines) == 2
