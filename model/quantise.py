"""From float weights to the integers that ship.

ReLU is positively homogeneous, so each hidden row may be scaled on its own: to use the whole weight range, or as much
of it as leaves its sum within int32 for every input; the output weight takes the scale back. Rounding changes *which*
function ships; what ships is then analysed exactly, so nothing is lost in between.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np

from crumple.integers import INT32_MAX
from crumple.signals.corpus import Corpus

from .deployed import Arming, DeployedModel
from .net import Net

INPUT_UNIT_G = 10.0
"""The float net's input 1.0 is a block that averages this many g."""


class Shape(Protocol):
    """What quantisation needs to know of a training plan."""

    @property
    def block_samples(self) -> int:
        """Samples a block."""

    @property
    def weight_bits(self) -> int:
        """Bits of a hidden weight, sign included."""

    @property
    def confirm_votes(self) -> int:
        """K."""

    @property
    def confirm_window(self) -> int:
        """M."""


def quantise(net: Net, corpus: Corpus, plan: Shape, arming: Arming | None, *, output_bias: int) -> DeployedModel:
    """Round a float net to a DeployedModel.

    Parameters
    ----------
    net : Net
    corpus : Corpus
        Gives the sensors.
    plan : TrainingPlan or alike
    arming : Arming or None
        None only for drafts that never reach a file: an arming rule that the sensor can barely meet.
    output_bias : int
        ``c`` in integer output units.

    Raises
    ------
    ModelError
        If an accumulator could not hold every input in the clamp range, however small the weights.
    """
    spec = corpus.sensors.main
    unit_lsb = INPUT_UNIT_G / float(spec.lsb) * plan.block_samples
    top = 2 ** (plan.weight_bits - 1) - 1
    largest = plan.block_samples * spec.clamp_lsb
    reach = np.abs(net.hidden_weight).sum(axis=1) * largest + np.abs(net.hidden_bias) * unit_lsb
    rounding = 0.5 * (net.hidden_weight.shape[1] * largest + 1)
    most = (INT32_MAX - rounding) / np.maximum(reach, 1e-9)
    row_scale = np.minimum(top / np.maximum(np.abs(net.hidden_weight).max(axis=1), 1e-9), most)
    output = net.output_weight / row_scale
    output_scale = (2**14 - 1) / np.maximum(np.abs(output).max(), 1e-30)
    safing = corpus.sensors.safing
    return DeployedModel(
        sample_rate_hz=spec.sample_rate_hz,
        lsb_g=Fraction(spec.lsb_g),
        clamp_lsb=spec.clamp_lsb,
        block_samples=plan.block_samples,
        hidden_weight=_rows(net.hidden_weight * row_scale[:, None]),
        hidden_bias=_row(net.hidden_bias * row_scale * unit_lsb),
        output_weight=_row(output * output_scale),
        output_bias=output_bias,
        confirm_votes=plan.confirm_votes,
        confirm_window=plan.confirm_window,
        arming=arming or Arming(safing.lsb, safing.clamp_lsb, 1, safing.clamp_lsb, 0),
    )


def _row(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, ...]:
    return tuple(int(value) for value in np.rint(values))


def _rows(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(value) for value in row) for row in np.rint(values))
