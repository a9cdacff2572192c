"""Counts the multiplications of a gradient, with partial results used again and path by path, by doing them.

Run it to draw ``docs/images/backpropagation.svg``. Nets have ReLU hidden layers and one output; ``weights`` holds a
matrix a layer, rows for the nodes it leads to, and every product of two numbers goes through a ``Tally``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Matrix = list[list[float]]

N_INPUTS, WIDTH, DEEPEST, DEEPEST_WALKED = 32, 15, 8, 3
"""The project's net (one hidden layer of 15 nodes on 32 inputs), and deeper ones of the same width."""

IMAGE = Path(__file__).resolve().parents[1] / "images" / "backpropagation.svg"


@dataclass
class Tally:
    """Multiplies, and counts how often it did."""

    products: int = 0

    def times(self, a: float, b: float) -> float:
        """The product of ``a`` and ``b``."""
        self.products += 1
        return a * b


def activations(weights: list[Matrix], inputs: list[float], tally: Tally) -> list[list[float]]:
    """What every layer hands to the next, the inputs first; the output comes last and is not cut off at 0."""
    layers = [inputs]
    for depth, matrix in enumerate(weights):
        sums = [sum(tally.times(w, x) for w, x in zip(row, layers[-1], strict=True)) for row in matrix]
        layers.append(sums if depth == len(weights) - 1 else [max(0.0, z) for z in sums])
    return layers


def with_reuse(weights: list[Matrix], inputs: list[float], tally: Tally) -> list[Matrix]:
    """Derivative of the output by every weight: each node's derivative is computed once and used by all before it."""
    layers = activations(weights, inputs, tally)
    gradient: list[Matrix] = []
    from_above: list[float] | None = None  # None: the output's derivative by itself, 1, needs no product
    for depth in range(len(weights) - 1, -1, -1):
        below = layers[depth]
        if from_above is None:
            gradient.insert(0, [list(below)])
            to_below = list(weights[depth][0])
        else:
            gradient.insert(0, [[tally.times(d, x) for x in below] for d in from_above])
            if depth == 0:
                break
            columns = zip(*weights[depth], strict=True)
            to_below = [sum(tally.times(w, d) for w, d in zip(c, from_above, strict=True)) for c in columns]
        from_above = [d if x > 0 else 0.0 for d, x in zip(to_below, below, strict=True)]
    return gradient


def path_by_path(weights: list[Matrix], inputs: list[float], tally: Tally) -> list[Matrix]:
    """The same derivatives, each as the sum over all paths from its weight to the output, nothing kept in between."""
    layers = activations(weights, inputs, tally)

    def paths(depth: int, node: int) -> list[list[float]]:
        """The weights along every path from a node of layer ``depth`` to the output; switched-off nodes give 0."""
        if depth == len(weights):
            return [[]]
        on = 1.0 if layers[depth][node] > 0 else 0.0
        return [
            [row[node] * on, *rest]  # a switch, not a product that hardware would do
            for above, row in enumerate(weights[depth])
            for rest in paths(depth + 1, above)
        ]

    def derivative(depth: int, to: int, x: float) -> float:
        total = 0.0
        for path in paths(depth + 1, to):
            value = x
            for weight in path:
                value = tally.times(value, weight)
            total += value
        return total

    return [
        [[derivative(depth, to, layers[depth][at]) for at in range(len(row))] for to, row in enumerate(matrix)]
        for depth, matrix in enumerate(weights)
    ]


def counted_with_reuse(widths: list[int]) -> int:
    """Products of ``with_reuse`` for layers of these ``widths``, inputs first, output last: closed form."""
    pairs = [a * b for a, b in pairwise(widths)]
    return sum(pairs) + sum(pairs[:-1]) + sum(pairs[1:-1])


def counted_path_by_path(widths: list[int]) -> int:
    """Products of ``path_by_path`` for layers of these ``widths``: closed form."""
    pairs = [a * b for a, b in pairwise(widths)]
    last = len(pairs) - 1
    return sum(pairs) + sum(pair * prod(widths[d + 2 :]) * (last - d) for d, pair in enumerate(pairs))


def net_of(widths: list[int]) -> list[Matrix]:
    """Weights between layers of these ``widths``, from a seed; all positive, so that no node switches off."""
    import random

    draw = random.Random(1)
    return [[[draw.uniform(0.1, 1.0) for _ in range(a)] for _ in range(b)] for a, b in pairwise(widths)]


def widths_of(n_hidden_layers: int) -> list[int]:
    """Layers of the net with that many hidden ones."""
    return [N_INPUTS, *[WIDTH] * n_hidden_layers, 1]


def table() -> str:
    """Products by depth as a Markdown table; the shallow nets are walked, and the closed form must agree."""
    lines = ["| hidden layers | with reuse | path by path | ratio |", "| --- | --- | --- | --- |"]
    for depth in range(1, DEEPEST + 1):
        widths = widths_of(depth)
        reuse, paths = counted_with_reuse(widths), counted_path_by_path(widths)
        if depth <= DEEPEST_WALKED:
            for count, gradient in ((reuse, with_reuse), (paths, path_by_path)):
                tally = Tally()
                gradient(net_of(widths), [1.0] * N_INPUTS, tally)
                if tally.products != count:
                    raise AssertionError(f"{gradient.__name__} did {tally.products} products, the formula says {count}")
        lines.append(f"| {depth} | {reuse:,} | {paths:,} | {paths / reuse:,.1f} |")
    return "\n".join(lines)


def figure() -> Figure:
    """Products by depth, on a logarithmic axis."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = drawn.subplots()
    depths = range(1, DEEPEST + 1)
    axes.plot(depths, [counted_path_by_path(widths_of(d)) for d in depths], "o-", label="path by path")
    axes.plot(depths, [counted_with_reuse(widths_of(d)) for d in depths], "s-", label="partial results used again")
    axes.set(
        yscale="log",
        xlabel=f"hidden layers of {WIDTH} nodes ({N_INPUTS} inputs, one output)",
        ylabel="multiplications for one gradient",
    )
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    return drawn


def main() -> None:
    """Draw the picture."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure().savefig(IMAGE, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
