"""Cuts inputs of the net out of events, on demand: all windows of a corpus would not fit in memory.

Inputs are block sums in float32; a unit of input is a block that averages ``INPUT_UNIT_G``. Floats here only steer
training; what ships is rounded afterwards and analysed in integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .net import Float

Samples = NDArray[np.int64]
Score = Callable[[Float], Float]

SCAN_EVENTS = 64
"""Events whose windows are looked at together; bounds memory."""

SCAN_STEP = 2
"""Of the windows of an event every second is looked at: neighbours differ little."""


class Windows:
    """The windows of a list of count sequences.

    Parameters
    ----------
    sequences : sequence of integer ndarray, each of shape (n_samples,)
        Counts of the main sensor; zeros are taken before the first.
    n_blocks, block_samples : int
        Inputs of the net, and samples in each.
    unit_lsb : float
        Block sum that is input 1.0.
    """

    def __init__(
        self, sequences: Sequence[NDArray[np.signedinteger[Any]]], n_blocks: int, block_samples: int, unit_lsb: float
    ) -> None:
        self.n_blocks, self.block_samples = n_blocks, block_samples
        self.span = n_blocks * block_samples
        self.lengths = [int(counts.size) for counts in sequences]
        self._sums: list[Float] = []
        for counts in sequences:
            running = np.concatenate([np.zeros(self.span, dtype=np.int64), np.cumsum(counts)])
            self._sums.append(((running[block_samples:] - running[:-block_samples]) / unit_lsb).astype(np.float32))

    def __len__(self) -> int:
        return len(self.lengths)

    def at(self, k: int, samples: Samples) -> Float:
        """Windows of sequence ``k`` that end at the given samples; shape (n, n_blocks), oldest block first.

        Parameters
        ----------
        k : int
        samples : integer ndarray, shape (n,)
        """
        # Sum number j holds samples j - span + 1 .. j - span + block_samples.
        first = np.asarray(samples)[:, None] + np.arange(self.n_blocks)[None, :] * self.block_samples
        picked: Float = self._sums[k][first]
        return picked


class LoudestWindows:
    """A growing pool of the windows that were loudest at some time during training.

    Windows stay once they are in, or the net would forget one mistake while it mends another.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self._chosen: list[Samples] = [np.zeros(0, dtype=np.int64) for _ in windows.lengths]
        self._inputs: list[Float] = [np.zeros((0, windows.n_blocks), dtype=np.float32) for _ in windows.lengths]

    def chosen(self) -> tuple[Samples, Samples]:
        """Which windows are in the pool: numbers of all sequences one after the other, and how many of each."""
        return np.concatenate(self._chosen), np.array([len(numbers) for numbers in self._chosen], dtype=np.int64)

    def restore(self, numbers: Samples, counts: Samples) -> None:
        """Make the pool what it was when ``chosen`` was called.

        Parameters
        ----------
        numbers, counts : integer ndarray
            As ``chosen`` returned them.
        """
        self._chosen = np.split(numbers, np.cumsum(counts)[:-1])
        self._inputs = [self.windows.at(k, SCAN_STEP * chosen) for k, chosen in enumerate(self._chosen)]

    def grow(self, score: Score, n_windows: int) -> None:
        """Add the windows of every sequence that score highest.

        Parameters
        ----------
        score : callable
            Windows, shape (n, n_blocks), to scores, shape (n,).
        n_windows : int
            How many of each sequence.
        """
        for first in range(0, len(self.windows), SCAN_EVENTS):
            group = range(first, min(first + SCAN_EVENTS, len(self.windows)))
            cut = [self.windows.at(k, np.arange(0, self.windows.lengths[k], SCAN_STEP)) for k in group]
            scores = np.split(score(np.concatenate(cut)), np.cumsum([len(rows) for rows in cut])[:-1])
            for k, rows, values in zip(group, cut, scores, strict=True):
                loudest = np.argsort(values, kind="stable")[-n_windows:]
                fresh = loudest[~np.isin(loudest, self._chosen[k])]
                self._chosen[k] = np.concatenate([self._chosen[k], fresh])
                self._inputs[k] = np.concatenate([self._inputs[k], rows[fresh]])

    def pool(self) -> tuple[Float, Samples]:
        """All windows in the pool, and where each sequence's begin."""
        lengths = [len(inputs) for inputs in self._inputs]
        return np.concatenate(self._inputs), starts_of(lengths)


def starts_of(lengths: Sequence[int] | Samples) -> Samples:
    """Where each part begins when parts of these lengths are put one after the other."""
    lengths = np.asarray(lengths, dtype=np.int64)
    begins: Samples = np.cumsum(lengths) - lengths
    return begins
