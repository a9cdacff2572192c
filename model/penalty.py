"""Penalties on exact worst cases: what pulls a net towards requirements that can be proved.

Over a no-fire set the largest y is ``max over choices S of min over factors t of`` a closed form: choose for
each node with positive output weight whether it is in, take for each node with negative output weight a
factor t in [0, 1] of its sum, and what is left is one linear kernel, whose loudest signal in the set is known in
closed form. During training the prover itself looks up the worst choices of the rounded net every few
steps; in between, their closed forms are penalised. At the true worst case this is the exact gradient of the
exact bound (Danskin), which is why it closes what adding counterexamples to the data does not.

For one kernel the loudest signal with |u| <= A is A times its signs; with velocity inside a band V, the velocity
jumps to V wherever the kernel falls, so the bound is V times its falling variation. Smooth kernels make it small:
smoothness *is* immunity to hammer blows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .net import Float, Net

Gradients = tuple[Float, Float, Float, Float]

POOL_SIZE = 12
N_SCOUTS = 24
N_FACTOR_STEPS = 80


@dataclass(frozen=True, slots=True)
class SignalBound:
    """A set of signals in the net's input units (block sums): the sum of three parts.

    Attributes
    ----------
    high, low : float
        A block lies in ``[-low, high]``.
    velocity_range : float
        Band that running sums stay in; infinity for a set bounded by amplitude alone.
    step : float
        A bias comes and goes: what a block gains when it changes by no more than this in total.
    corrupted_blocks : tuple of float
        What a block may gain by corrupted samples, as many entries as blocks that the samples can fill.
    """

    high: float
    low: float
    velocity_range: float = float("inf")
    step: float = 0.0
    corrupted_blocks: tuple[float, ...] = ()


def loudest_signal(kernel: Float, bound: SignalBound) -> Float:
    """For each linear kernel, the signal of the set that it answers most.

    Where amplitude and velocity range are both bounded the one that allows less is used, which may leave out signals
    limited by both: the result never underestimates.

    Parameters
    ----------
    kernel : ndarray, shape (n_kernels, n_blocks)
    bound : SignalBound

    Returns
    -------
    ndarray, shape (n_kernels, n_blocks)
        ``(kernel * result).sum(axis=1)`` is the largest answer over the set.
    """
    signal: Float = np.where(kernel > 0, bound.high, -bound.low)
    if np.isfinite(bound.velocity_range):
        # In terms of velocities p_0..p_n in [0, V], u_k = p_k - p_(k-1), so p_k has the coefficient w_k - w_(k+1).
        padded = np.pad(kernel, ((0, 0), (1, 1)))
        velocity = np.where(padded[:, :-1] > padded[:, 1:], bound.velocity_range, 0.0)
        by_velocity: Float = np.diff(velocity, axis=1)
        tighter = (kernel * by_velocity).sum(axis=1) <= (kernel * signal).sum(axis=1)
        signal = np.where(tighter[:, None], by_velocity, signal)
    rows = np.arange(len(kernel))
    if bound.step:  # one jump is the loudest: its answer is linear in when it comes
        since = np.cumsum(kernel[:, ::-1], axis=1)[:, ::-1]
        when = np.argmax(np.abs(since), axis=1)
        size = bound.step * np.sign(since[rows, when])
        signal = signal + np.where(np.arange(kernel.shape[1]) >= when[:, None], size[:, None], 0.0)
    if bound.corrupted_blocks:  # the blocks that weigh most
        heaviest = np.argsort(-np.abs(kernel), axis=1, kind="stable")
        for nth, gain in enumerate(bound.corrupted_blocks[: kernel.shape[1]]):
            column = heaviest[:, nth]
            signal[rows, column] += gain * np.sign(kernel[rows, column])
    return signal


def choice_bounds(net: Net, shares: Float, bound: SignalBound) -> tuple[Float, Float, Float]:
    """Closed-form bound of y over the set for each choice.

    Parameters
    ----------
    net : Net
    shares : ndarray, shape (n_choices, n_hidden)
        1 or 0 for a node with positive output weight (in or out), a factor in [0, 1] for a negative one.
    bound : SignalBound

    Returns
    -------
    values : ndarray, shape (n_choices,)
        Upper bounds of ``c + sum_j share_j v_j z_j``; the largest over all choices bounds y.
    sums : ndarray, shape (n_choices, n_hidden)
        Hidden sums z at each choice's loudest signal.
    signals : ndarray, shape (n_choices, n_blocks)
        Those signals.
    """
    weighted = shares * net.output_weight
    signals = loudest_signal(weighted @ net.hidden_weight, bound)
    sums = signals @ net.hidden_weight.T + net.hidden_bias
    return net.output_bias[0] + (weighted * sums).sum(axis=1), sums, signals


class WorstChoices:
    """The choices that are worst for one set, with factors that fit the net as it is now."""

    def __init__(self, bound: SignalBound) -> None:
        self.bound = bound
        self.windows: Float = np.zeros((0, 0))
        self.shares: Float = np.zeros((0, 0))

    def scout(self, net: Net, rng: np.random.Generator) -> None:
        """Add the windows that random choices of nodes answer most: where else the net may have become loud.

        Parameters
        ----------
        net : Net
        rng : Generator
        """
        chosen = rng.random((N_SCOUTS, net.output_weight.size)) < 0.5
        signals = loudest_signal((chosen * net.output_weight) @ net.hidden_weight, self.bound)
        self.windows = np.vstack([*self.windows, *signals])

    def learn(self, net: Net, exact: Float | None = None) -> None:
        """Find the choices that are worst now, from the windows that were worst before, and fit their factors.

        Parameters
        ----------
        net : Net
        exact : ndarray, shape (n_blocks,), optional
            Where the prover found y largest. Between its answers each known window climbs by itself, which
            follows the net as it moves; only scouts find another hill.
        """
        windows = self.windows if exact is None else np.vstack([*self.windows, exact])
        if not len(windows):
            return
        positive = net.output_weight > 0
        self.windows, active = _climb(net, windows, self.bound)
        choice = np.unique(active & positive, axis=0).astype(np.float64)
        factors = np.tile(active[:1] & ~positive, (len(choice), 1)).astype(np.float64)
        best = np.full(len(choice), np.inf)
        best_factors = factors.copy()
        for step in range(N_FACTOR_STEPS):  # each choice's bound is convex in the factors: subgradient descent
            values, sums, _ = choice_bounds(net, choice + factors, self.bound)
            better = values < best
            best = np.where(better, values, best)
            best_factors[better] = factors[better]
            slope = np.where(positive, 0.0, sums * net.output_weight)
            size = 0.5 / np.sqrt(step + 1) / (np.abs(slope).max(axis=1, keepdims=True) + 1e-12)
            factors = np.where(positive, 0.0, np.clip(factors - size * slope, 0.0, 1.0))
        self.shares = choice + best_factors

    def worst(self, net: Net) -> tuple[float, Gradients]:
        """Largest bound among the choices known, and its gradient with respect to the net's parameters."""
        values, sums, signals = choice_bounds(net, self.shares, self.bound)
        k = int(np.argmax(values))
        weighted = self.shares[k] * net.output_weight
        return float(values[k]), (np.outer(weighted, signals[k]), weighted, self.shares[k] * sums[k], np.ones(1))


def _climb(net: Net, windows: Float, bound: SignalBound) -> tuple[Float, NDArray[np.bool_]]:
    """Move each window to the signal that its own activation pattern answers most, while that is louder.

    Returns the loudest ``POOL_SIZE`` windows, loudest first, and which nodes are active at each.
    """
    value = net.forward(windows)[0]
    for _ in range(10):
        active = windows @ net.hidden_weight.T + net.hidden_bias > 0
        climbed = loudest_signal((active * net.output_weight) @ net.hidden_weight, bound)
        climbed_value = net.forward(climbed)[0]
        louder = climbed_value > value
        if not louder.any():
            break
        windows = np.where(louder[:, None], climbed, windows)
        value = np.where(louder, climbed_value, value)
    order = np.argsort(-value, kind="stable")[:POOL_SIZE]
    return windows[order], windows[order] @ net.hidden_weight.T + net.hidden_bias > 0
