"""How far the exported integers can be from the float net they were rounded from: a bound over all inputs, exactly.

With a scale ``s`` the exported net is ``g(x) = y(x) / s``. Node ``j`` adds ``sign_j max(0, a_j(x))`` to the float net
and ``sign_j max(0, b_j(x))`` to ``g``, with the magnitude of its output weight taken inside. Since
``max(0, a) - max(0, b) = t (a - b)`` for some ``t`` in [0, 1],

    |f(x) - g(x)| <= max over t in [0, 1]^n and x in the box of |sum_j t_j sign_j (a_j - b_j)(x) + c_f - c_g|,

which is convex in ``t`` and so reached at a subset of the nodes; for each subset the box gives the maximum in closed
form. Everything is rational: no rounding in the bound of a rounding. The float net is taken in real arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from crumple.model.deployed import DeployedModel

MOST_SUBSETS = 2**16
"""Above this many subsets the nodes' own maxima are added instead: sound as well, only larger."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What is proved of the difference between the float net and the exported one.

    Attributes
    ----------
    scale : Fraction
        Integer output units for 1.0 of the float net.
    bound : Fraction
        No input makes the two differ by more, in units of the float net's output.
    over_subsets : bool
        Whether all subsets of the nodes were looked at; else the bound is the looser sum.
    """

    scale: Fraction
    bound: Fraction
    over_subsets: bool

    def payload(self) -> dict[str, Any]:
        """The statement as JSON values, with what follows from it in words."""
        return {
            "claim": "for every window in the clamp range, |float net - y / scale| <= bound",
            "consequence": "wherever |float net| > bound, float net and exported net decide alike",
            "scale": str(self.scale),
            "bound": str(self.bound),
            "bound_float": float(self.bound),
            "method": "all subsets of nodes" if self.over_subsets else "sum of the nodes' maxima",
        }


def fidelity(net: Mapping[str, Any], model: DeployedModel) -> Fidelity:
    """Bound the difference between a float net and the integers that ship.

    Parameters
    ----------
    net : mapping
        As training writes it: ``hidden_weight``, ``hidden_bias``, ``output_weight``, ``output_bias`` and ``unit_lsb``,
        the block sum that its input 1.0 stands for. Floats are taken as the rationals they are.
    model : DeployedModel
    """
    unit = Fraction(net["unit_lsb"])
    box = model.block_samples * model.clamp_lsb
    float_nodes = [
        [Fraction(v) * Fraction(w) / unit for w in row] + [Fraction(v) * Fraction(b)]
        for row, b, v in zip(net["hidden_weight"], net["hidden_bias"], net["output_weight"], strict=True)
    ]
    whole_nodes = [
        [Fraction(v * w) for w in row] + [Fraction(v * b)]
        for row, b, v in zip(model.hidden_weight, model.hidden_bias, model.output_weight, strict=True)
    ]
    scale = _scale(float_nodes, whole_nodes)
    differences: list[list[Fraction]] = []
    alone = Fraction(0)
    for f, g, v_float, v_whole in zip(float_nodes, whole_nodes, net["output_weight"], model.output_weight, strict=True):
        if v_float * v_whole > 0:
            differences.append([a - b / scale for a, b in zip(f, g, strict=True)])
        else:  # a weight that was rounded away, or is zero: the nodes do not cancel
            alone += _largest(f, box) + _largest([b / scale for b in g], box)
    offset = Fraction(net["output_bias"][0]) - model.output_bias / scale
    over_subsets = 2 ** len(differences) <= MOST_SUBSETS
    if over_subsets:
        bound = alone + _over_subsets(differences, offset, box)
    else:
        bound = alone + abs(offset) + sum((_largest(row, box) for row in differences), Fraction(0))
    return Fidelity(scale, bound, over_subsets)


def _scale(float_nodes: Sequence[Sequence[Fraction]], whole_nodes: Sequence[Sequence[Fraction]]) -> Fraction:
    """The scale that fits best in least squares, to 60 bits; any positive scale gives a sound bound."""
    pairs = [(a, b) for f, g in zip(float_nodes, whole_nodes, strict=True) for a, b in zip(f, g, strict=True)]
    fitted = sum((a * b for a, b in pairs), Fraction(0)) / sum((a * a for a, _ in pairs), Fraction(0))
    return fitted.limit_denominator(2**30)


def _largest(row: Sequence[Fraction], box: int) -> Fraction:
    """Largest magnitude of an affine function, weights then constant, over inputs of magnitude at most ``box``."""
    return box * sum((abs(w) for w in row[:-1]), Fraction(0)) + abs(row[-1])


def _over_subsets(rows: Sequence[Sequence[Fraction]], offset: Fraction, box: int) -> Fraction:
    """Largest magnitude, over all subsets of the rows and the box, of the sum of the rows and the offset."""
    import numpy as np

    denominator = lcm(offset.denominator, *(value.denominator for row in rows for value in row))
    n_columns = len(rows[0]) if rows else 1
    start = [0] * (n_columns - 1) + [int(offset * denominator)]
    sums = np.array([start], dtype=object)  # Python's integers: exact at any size
    for row in rows:
        whole = np.array([int(value * denominator) for value in row], dtype=object)
        sums = np.concatenate([sums, sums + whole])
    magnitudes = np.abs(sums)
    largest = (magnitudes[:, :-1].sum(axis=1) * box + magnitudes[:, -1]).max()
    return Fraction(int(largest), denominator)
