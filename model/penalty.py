"""Certified penalties: closed-form upper bounds of y over a requirement's set, and their gradients.

For one kernel the worst case over |u| <= A is ``A`` times its l1 norm, and over all signals with velocity
within a band V it is V times its rising variation ``sum_i max(0, w_i - w_(i+1)) + max(0, -w_1)`` with
``w_(n+1) = 0`` (both attained). Interval arithmetic through the ReLU layer turns them into a sound bound of
y. Smooth kernels make it small: smoothness *is* immunity to hammer blows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .net import Float, Net


@dataclass(frozen=True, slots=True)
class SignalBound:
    """A set of signals in the net's input units.

    Attributes
    ----------
    amplitude : float
        Largest magnitude of one input (a block sum).
    velocity_range : float
        Band that running sums stay in; infinity for a set bounded by amplitude alone.
    """

    amplitude: float
    velocity_range: float


def reach(weight: Float, bound: SignalBound) -> tuple[Float, Float]:
    """Largest ``w . s`` over the set for each row, and its gradient with respect to the rows.

    Parameters
    ----------
    weight : ndarray, shape (n_rows, n_blocks)
    bound : SignalBound

    Returns
    -------
    reach : ndarray, shape (n_rows,)
    gradient : ndarray, shape (n_rows, n_blocks)
    """
    by_amplitude = bound.amplitude * np.abs(weight).sum(axis=1)
    gradient = bound.amplitude * np.sign(weight)
    if np.isinf(bound.velocity_range):
        return by_amplitude, gradient
    # Falls of the kernel padded with zero at both ends, last to first: w_i - w_(i+1), and -w_1 at the front.
    padded = np.concatenate([np.zeros((weight.shape[0], 1)), weight, np.zeros((weight.shape[0], 1))], axis=1)
    fall = padded[:, :-1] - padded[:, 1:]
    by_range = bound.velocity_range * np.maximum(fall, 0.0).sum(axis=1)
    down = (fall > 0).astype(np.float64)
    range_gradient = bound.velocity_range * (down[:, 1:] - down[:, :-1])
    tighter = by_range < by_amplitude
    return np.where(tighter, by_range, by_amplitude), np.where(tighter[:, None], range_gradient, gradient)


def output_bound(net: Net, bound: SignalBound) -> tuple[float, tuple[Float, Float, Float, Float]]:
    """Sound upper bound of y over the set, and its gradient with respect to the net's parameters.

    A positive node counts at most ``max(0, b + reach)``; a negative one at least ``max(0, b - reach(-w))``.
    """
    high, d_high = reach(net.hidden_weight, bound)
    low, d_low = reach(-net.hidden_weight, bound)
    positive = net.output_weight > 0
    # Largest activation of positive nodes, smallest of negative ones.
    z = net.hidden_bias + np.where(positive, high, -low)
    d_z = np.where(positive[:, None], d_high, d_low)
    active = z > 0
    value = float(net.output_bias[0] + net.output_weight @ np.maximum(z, 0.0))
    share = net.output_weight * active
    return value, (share[:, None] * d_z, share, np.maximum(z, 0.0), np.ones(1))
