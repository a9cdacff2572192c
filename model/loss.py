"""What training wants of events: silence of every window of one kind, K votes in a row in time of the other.

Both are softplus losses of how far an event is from what it should be, so an event that is right by more than the
margin hardly counts. Gradients are with respect to the net's output at every window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .net import Float
from .windows import Samples, starts_of

SHARPNESS = 4.0
"""Of the smooth choice among the times at which an event may fire, per unit of y."""


def quiet_loss(outputs: Float, starts: Samples, margin: float, weight: Float) -> tuple[float, Float]:
    """Sum over events of softplus(margin + smooth maximum of y), and its gradient.

    Parameters
    ----------
    outputs : ndarray, shape (n_windows,)
        y of windows that should be silent.
    starts : ndarray, shape (n_events,)
        Where each event's windows begin.
    margin : float
    weight : ndarray, shape (n_events,)
    """
    if not len(starts):
        return 0.0, np.zeros(0)
    lengths = np.diff(np.append(starts, outputs.size))
    top = np.maximum.reduceat(outputs, starts)
    soft = np.exp(outputs - np.repeat(top, lengths))
    total = np.add.reduceat(soft, starts)
    short = margin + top
    return float(weight @ np.logaddexp(0.0, short)), np.repeat(weight * _sigmoid(short) / total, lengths) * soft


@dataclass(frozen=True, slots=True)
class FireWindows:
    """Windows of events that must fire: those in time, sample by sample, then some later ones.

    Attributes
    ----------
    inputs : ndarray, shape (n_windows, n_blocks)
    in_time, later : integer ndarray, shape (n_events,)
        Windows of each event of either kind; those in time come first.
    weight : ndarray, shape (n_events,)
    votes : int
        Votes in a row that make a fire request.
    """

    inputs: Float
    in_time: Samples
    later: Samples
    weight: Float
    votes: int

    def picked(self, keep: NDArray[np.bool_]) -> FireWindows:
        """The events where ``keep``, shape (n_events,), is true."""
        rows = np.repeat(keep, self.in_time + self.later)
        return FireWindows(self.inputs[rows], self.in_time[keep], self.later[keep], self.weight[keep], self.votes)

    def runs(self) -> tuple[Samples, Samples, Samples]:
        """Every run of ``votes`` windows in time: their indices, shape (n_runs, votes); starts and counts by event."""
        begins = starts_of(self.in_time + self.later)
        counts = np.maximum(self.in_time - self.votes + 1, 0)
        first = np.repeat(begins, counts) + np.arange(counts.sum()) - np.repeat(starts_of(counts), counts)
        return first[:, None] + np.arange(self.votes), starts_of(counts), counts

    def scores(self, outputs: Float) -> Float:
        """How clearly each event fires in time, from the ``outputs`` at all windows.

        That is the best run's lowest output; -infinity where no run is possible.
        """
        runs, starts, counts = self.runs()
        best = np.full(counts.size, -np.inf)
        some = counts > 0
        best[some] = np.maximum.reduceat(outputs[runs].min(axis=1), starts[some])
        return best


def fire_loss(windows: FireWindows, outputs: Float, margin: float, miss_weight: float) -> tuple[float, Float]:
    """Weighted sum over events of softplus(margin - score), in time and at all, and its gradient.

    An event is in time if some run of ``votes`` windows votes throughout: the score is the largest over runs of
    the lowest output in the run. It is not missed if a run or a later window votes. Which run is left to
    the net: it decides when an event is recognised.

    Parameters
    ----------
    windows : FireWindows
    outputs : ndarray, shape (n_windows,)
        y at the windows' inputs.
    margin : float
    miss_weight : float
        Of a missed event, beside 1 for a late one.
    """
    gradient = np.zeros(outputs.size)
    runs, starts, counts = windows.runs()
    values = outputs[runs]
    lowest = np.argmin(values, axis=1)
    level = values[np.arange(len(runs)), lowest].astype(np.float64)
    loss = 0.0
    some = counts > 0
    if some.any():
        top = np.maximum.reduceat(level, starts[some])
        soft = np.exp(SHARPNESS * (level - np.repeat(top, counts[some])))
        share = soft / np.repeat(np.add.reduceat(soft, starts[some]), counts[some])
        short = margin - top
        weight = windows.weight[some]
        loss += float((weight * np.logaddexp(0.0, short)).sum())
        pull = np.repeat(weight * _sigmoid(short), counts[some]) * share
        np.add.at(gradient, runs[np.arange(len(runs)), lowest], -pull)
    if miss_weight and len(windows.in_time):
        lengths = windows.in_time + windows.later
        begins = starts_of(lengths)
        top_any = np.maximum.reduceat(outputs, begins)
        loudest = np.flatnonzero(outputs == np.repeat(top_any, lengths))
        where = loudest[np.searchsorted(loudest, begins)]  # the first of equals
        short = margin - top_any
        loss += float(miss_weight * (windows.weight * np.logaddexp(0.0, short)).sum())
        np.add.at(gradient, where, -miss_weight * windows.weight * _sigmoid(short))
    return loss, gradient


def _sigmoid(x: Float) -> Float:
    """Logistic function, safe for large arguments of either sign."""
    return np.exp(-np.logaddexp(0.0, -x))
