"""Penalties on exact worst cases: what pulls a net towards requirements that can be proved.

Over a no-fire set the largest y is ``max over choices S of min over factors t of`` a closed form: choose for
each node with positive output weight whether it is in, take for each node with negative output weight a
factor t in [0, 1] of its sum, and what is left is one linear kernel, whose loudest signal in the set is known in
closed form. During training the prover itself looks up the worst choices of the rounded net every few
steps; in between, their closed forms are penalised. At the true worst case this is the exact gradient of the
exact bound (Danskin), which is why it closes what adding counterexamples to the data does not.

For one kernel the loudest signal with |u| <= A is A times its signs; with velocity inside a band V, the velocity
jumps to V wherever the kernel falls, so the bound is V times its falling variation. Smooth kernels make it small:
smoothness *is* immunity to hammer blows. With slew D, summation by parts turns samples into their differences, each
at most D. A corridor, a recording within tolerances or a cell of pulses is a middle, what all samples share, and what
each has of its own: all linear, each at an end.

For a must-fire set everything is turned round: the *least* y of the windows that shall vote is the largest of -y.
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
    slew : float
        What a block may differ from the one before; infinity where nothing is said.
    """

    high: float
    low: float
    velocity_range: float = float("inf")
    step: float = 0.0
    corrupted_blocks: tuple[float, ...] = ()
    slew: float = float("inf")


@dataclass(frozen=True, slots=True)
class BandBound:
    """Some windows of a set with an end: ``middle + sum_s shared_s q_s + half r``, all q and r in [-1, 1].

    Attributes
    ----------
    middle, half : ndarray, shape (n_windows, n_blocks)
        In the net's input units.
    shared : ndarray, shape (n_shared, n_windows, n_blocks)
        What a gain, an offset, a phase or a duration adds.
    """

    middle: Float
    shared: Float
    half: Float


Bound = SignalBound | BandBound


def loudest_signal(kernel: Float, bound: Bound) -> Float:
    """For each linear kernel, the signal of the set that it answers most.

    Where amplitude, velocity range and slew are bounded the one that allows least is used, which may leave out signals
    limited by several: the result never underestimates.

    Parameters
    ----------
    kernel : ndarray, shape (n_kernels, n_blocks)
    bound : SignalBound or BandBound

    Returns
    -------
    ndarray, shape (n_kernels, n_blocks)
        ``(kernel * result).sum(axis=1)`` is the largest answer over the set.
    """
    if isinstance(bound, BandBound):
        return _loudest_of_band(kernel, bound)
    signal: Float = np.where(kernel > 0, bound.high, -bound.low)
    if np.isfinite(bound.velocity_range):
        # In terms of velocities p_0..p_n in [0, V], u_k = p_k - p_(k-1), so p_k has the coefficient w_k - w_(k+1).
        padded = np.pad(kernel, ((0, 0), (1, 1)))
        velocity = np.where(padded[:, :-1] > padded[:, 1:], bound.velocity_range, 0.0)
        by_velocity: Float = np.diff(velocity, axis=1)
        tighter = (kernel * by_velocity).sum(axis=1) <= (kernel * signal).sum(axis=1)
        signal = np.where(tighter[:, None], by_velocity, signal)
    rows = np.arange(len(kernel))
    if np.isfinite(bound.slew):
        by_slew = _loudest_by_slew(kernel, bound)
        tighter = (kernel * by_slew).sum(axis=1) <= (kernel * signal).sum(axis=1)
        signal = np.where(tighter[:, None], by_slew, signal)
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


def _loudest_by_slew(kernel: Float, bound: SignalBound) -> Float:
    """The signal that each kernel answers most if one block stays within the amplitude and slew alone bounds the rest.

    Of all blocks the one from which that allows least.
    """
    ends = np.cumsum(kernel, axis=1)
    before, after = ends[:, :-1], ends[:, -1:] - ends[:, :-1]  # weights on either side of each difference
    # With block m held, differences up to m move what lies before them, later ones what lies after.
    reach = np.pad(np.cumsum(np.abs(before), axis=1), ((0, 0), (1, 0)))
    reach += np.pad(np.cumsum(np.abs(after[:, ::-1]), axis=1)[:, ::-1], ((0, 0), (0, 1)))
    held = np.argmin(reach, axis=1)
    earlier = np.arange(before.shape[1]) < held[:, None]
    rise = bound.slew * np.where(earlier, -np.sign(before), np.sign(after))
    signal = np.pad(np.cumsum(rise, axis=1), ((0, 0), (1, 0)))
    level = np.where(ends[:, -1] > 0, bound.high, -bound.low)
    shifted: Float = signal + (level - signal[np.arange(len(kernel)), held])[:, None]
    return shifted


def _loudest_of_band(kernel: Float, bound: BandBound) -> Float:
    """The window of a band, at its worst corner, that each kernel answers most."""
    gains = np.einsum("kb,swb->skw", kernel, bound.shared)
    answers = kernel @ bound.middle.T + np.abs(kernel) @ bound.half.T + np.abs(gains).sum(axis=0)
    window = np.argmax(answers, axis=1)
    signal: Float = bound.middle[window] + np.sign(kernel) * bound.half[window]
    for gain, part in zip(gains, bound.shared, strict=True):
        signal = signal + np.sign(gain[np.arange(len(kernel)), window])[:, None] * part[window]
    return signal


def choice_bounds(net: Net, shares: Float, bound: Bound) -> tuple[Float, Float, Float]:
    """Closed-form bound of y over the set for each choice.

    Parameters
    ----------
    net : Net
    shares : ndarray, shape (n_choices, n_hidden)
        1 or 0 for a node with positive output weight (in or out), a factor in [0, 1] for a negative one.
    bound : SignalBound or BandBound

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
    """The choices that are worst for one set, with factors that fit the net as it is now.

    Parameters
    ----------
    bound : SignalBound or BandBound
    must_vote : bool
        The set must vote: what is bounded from above is -y.
    """

    def __init__(self, bound: Bound, must_vote: bool = False) -> None:
        self.bound, self.must_vote = bound, must_vote
        self.windows: Float = np.zeros((0, 0))
        self.shares: Float = np.zeros((0, 0))

    def scout(self, net: Net, rng: np.random.Generator) -> None:
        """Add the windows that random choices of nodes answer most: where else the net may have become loud.

        Parameters
        ----------
        net : Net
        rng : Generator
        """
        net = self._seen(net)
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
        net = self._seen(net)
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
        seen, sign = self._seen(net), -1.0 if self.must_vote else 1.0
        values, sums, signals = choice_bounds(seen, self.shares, self.bound)
        k = int(np.argmax(values))
        weighted = self.shares[k] * seen.output_weight
        return float(values[k]), (
            np.outer(weighted, signals[k]), weighted, sign * self.shares[k] * sums[k], np.full(1, sign),
        )  # fmt: skip

    def _seen(self, net: Net) -> Net:
        """The net whose output is bounded."""
        if not self.must_vote:
            return net
        return Net(net.hidden_weight, net.hidden_bias, -net.output_weight, -net.output_bias)


def _climb(net: Net, windows: Float, bound: Bound) -> tuple[Float, NDArray[np.bool_]]:
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
