"""How one window's output depends on each parameter, exactly, and the least change of one that flips its vote.

Change one integer by d and leave all else: y changes by ``d`` for the output bias, ``d h_j`` for an output weight, and
through ``v_j max(0, z_j + d)`` for a hidden bias, ``v_j max(0, z_j + d x_i)`` for a hidden weight. Each is solved for
the smallest d in whole numbers, so that a parameter that one retune or one flipped bit may change is named with what
it takes. It says nothing of other windows: what holds for all of them is for proofs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

from . import checker


@dataclass(frozen=True, slots=True)
class Parameter:
    """One integer of a model and what it does to one window.

    Attributes
    ----------
    name : str
        Such as ``output_weight[3]``.
    value : int
    slope : int
        Change of y by one more, as long as no node changes between active and not.
    flips_by : int or None
        The change nearest to zero that flips the vote; None if no change does.
    """

    name: str
    value: int
    slope: int
    flips_by: int | None

    @property
    def share(self) -> float:
        """``flips_by`` relative to the parameter, infinite where nothing flips."""
        return float("inf") if self.flips_by is None else abs(self.flips_by) / max(1, abs(self.value))


def parameters(model: DeployedModel, window: NDArray[Any]) -> list[Parameter]:
    """Every parameter's effect on the vote of one window, the relatively smallest flips first.

    Parameters
    ----------
    model : DeployedModel
    window : ndarray of int, shape (window_samples,)
        Clamped counts, oldest first.
    """
    voter = checker.Model(model.payload()).main
    x = [int(u) for u in np.asarray(window, dtype=np.int64).reshape(-1, voter.block).sum(axis=1)]
    z = [sum(w * u for w, u in zip(row, x, strict=True)) + b for row, b in zip(voter.weight, voter.bias, strict=True)]
    y = sum(v * max(0, a) for v, a in zip(voter.out, z, strict=True)) + voter.out_bias
    goal = 0 if y > 0 else 1  # what y must come down to, or up to
    found = [Parameter("output_bias", voter.out_bias, 1, goal - y)]
    for j, (v, a) in enumerate(zip(voter.out, z, strict=True)):
        h = max(0, a)
        found.append(Parameter(f"output_weight[{j}]", v, h, _least(h, goal - y)))
        for name, value, factor in (
            (f"hidden_bias[{j}]", voter.bias[j], 1),
            *((f"hidden_weight[{j}][{i}]", voter.weight[j][i], u) for i, u in enumerate(x)),
        ):
            found.append(Parameter(name, value, v * factor * (a > 0), _through(v, a, factor, y, goal)))
    return sorted(found, key=lambda p: (p.share, p.name))


def _least(factor: int, missing: int) -> int | None:
    """The d nearest to zero for which ``factor d`` comes as far as ``missing``, or further; None if none does."""
    if factor == 0:
        return None
    d = -(-abs(missing) // abs(factor))
    return d if (factor > 0) == (missing > 0) else -d


def _through(v: int, z: int, factor: int, y: int, goal: int) -> int | None:
    """The d nearest to zero for which ``v max(0, z + factor d)`` in place of ``v max(0, z)`` flips a vote of y."""
    h = max(0, z)
    step = _least(v, goal - y)  # what h must change by
    if step is None or h + step < 0:
        return None
    return _least(factor, h + step - z)
