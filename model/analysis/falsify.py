"""Sequences of a band that break a claim, by descent in floats: where one is found, no proof need be looked for.

What counts is the largest over time of the K-th largest y of the last M windows: fire is requested if it is positive.
Its slope says how each sample, and each gain, offset or phase that all share, should move. Nothing rests on floats:
whoever asks replays the whole counts that come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import checker
from .many import Band

Float = NDArray[np.float64]
Counts = NDArray[np.int64]

STEPS = 240
"""Steps of one descent."""

PACE = (0.25, 0.01)
"""Length of the first and the last step, in half widths of the band."""

SOFTNESS = ((0.3, 0.01), (0.05, 0.001))
"""How far below the largest, relative to its usual size, a group of windows counts at the first and the last step: of
each descent that is tried."""

MENDED = (1, 20)
"""At which real sequences that break the claim rounding is mended count by count."""

MOST_CHANGES = 120
"""Changes of a sample by one count before mending is given up."""

MOST_GROUPS = 12
"""Samples at which fire is nearest to being requested that mending looks at."""

SHARED_BITS = 16
"""What all samples share is rounded to so many bits, so that an exact number can be made of it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A sequence that breaks a claim, as far as floats tell.

    Attributes
    ----------
    shared : ndarray, shape (n_shared,)
        In [-1, 1].
    counts : ndarray of int64, shape (n_samples,)
    """

    shared: Float
    counts: Counts


class _Windows:
    """All windows of a sequence, and what decides: the K-th largest y of the last M, for each sample up to ``last``."""

    def __init__(self, voter: checker.Voter, last: int) -> None:
        self.weight = np.array(voter.weight, dtype=np.float64)
        self.bias, self.out = np.array(voter.bias, dtype=np.float64), np.array(voter.out, dtype=np.float64)
        self.constant, self.block, self.size = voter.out_bias, voter.block, voter.window
        self.k, self.m, self.n = voter.k, voter.m, last + 1

    def decisive(self, u: Float) -> tuple[Float, NDArray[np.int64], NDArray[np.bool_]]:
        """For each sample the K-th largest y, the window that has it, and which nodes are active in every window."""
        sums = np.concatenate([[0.0], np.cumsum(np.concatenate([np.zeros(self.size - 1), u[: self.n]]))])
        x = sums[self.block :] - sums[: -self.block]
        x = np.lib.stride_tricks.sliding_window_view(x, self.size - self.block + 1)[:, :: self.block]
        z = x @ self.weight.T + self.bias
        y = np.maximum(z, 0.0) @ self.out + self.constant
        groups = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.full(self.m - 1, -np.inf), y]), self.m)
        order = np.argsort(-groups, axis=1, kind="stable")[:, self.k - 1]
        at = np.arange(self.n)
        return groups[at, order], at - self.m + 1 + order, z > 0

    def slope(self, share: Float, window: NDArray[np.int64], active: NDArray[np.bool_], size: int) -> Float:
        """How the decisive y, each sample's counted with its ``share``, move with each of ``size`` samples."""
        used = np.flatnonzero((share > 1e-4) & (window >= 0))
        blocks = (share[used, None] * self.out * active[window[used]]) @ self.weight
        kernel = np.repeat(blocks, self.block, axis=1)
        slope = np.zeros(size + self.size - 1)
        for row, end in zip(kernel, window[used], strict=True):
            slope[end : end + self.size] += row
        return slope[self.size - 1 :]

    def is_broken(self, counts: Float, sign: float) -> bool:
        """Whether whole counts break the claim: fire is requested (``sign`` 1), or is not (-1)."""
        value, *_ = self.decisive(counts)
        return bool(value.max() >= 1 if sign > 0 else value.max() <= 0)

    def nodes(self, u: Float, ends: NDArray[np.int64]) -> tuple[Float, Float]:
        """z of the windows that end at ``ends``, and what one count more of each sample adds to it."""
        kernel = np.repeat(self.weight, self.block, axis=1)
        padded = np.concatenate([np.zeros(self.size - 1), u])
        z = np.array([kernel @ padded[end : end + self.size] for end in ends]) + self.bias
        move = np.zeros((len(ends), u.size + self.size - 1, len(self.bias)))
        for row, end in zip(move, ends, strict=True):
            row[end : end + self.size] = kernel.T
        return z, move[:, self.size - 1 :]

    def judged(self, y: Float, ends: NDArray[np.int64], groups: NDArray[np.int64]) -> Float:
        """The K-th largest y of the last M windows at some samples, for each column of ``y`` of windows ``ends``."""
        place = {int(end): row for row, end in enumerate(ends)}
        found = []
        for group in groups:
            rows = [place[end] for end in range(int(group) - self.m + 1, int(group) + 1) if end >= 0]
            short = len(rows) < self.k
            found.append(np.full(y.shape[1], -np.inf) if short else np.sort(y[rows], axis=0)[-self.k])
        return np.array(found)


def broken_by(voter: checker.Voter, band: Band, *, last: int | None, steps: int = STEPS) -> Broken | None:
    """Look for whole counts of a band that break a claim.

    Parameters
    ----------
    voter : checker.Voter
    band : Band
    last : int or None
        The claim is that fire is requested up to this sample; None: that it never is.
    steps : int
        See ``STEPS``.

    Returns
    -------
    Broken or None
        None proves nothing.
    """
    size = band.middle.size
    sign = 1.0 if last is None else -1.0  # of the direction that breaks the claim
    windows = _Windows(voter, size - 1 if last is None else min(last, size - 1))
    if windows.n < windows.k:
        return None
    for softness in SOFTNESS:
        found = _descent(windows, band, sign, softness, steps)
        if found is not None:
            return found
    return None


def _descent(windows: _Windows, band: Band, sign: float, softness: tuple[float, float], steps: int) -> Broken | None:
    """One descent, from the middle of the band."""
    size = band.middle.size
    looks = 0
    shared, own = np.zeros(len(band.shared)), np.zeros(size)
    moment_shared, moment_own = np.zeros_like(shared), np.zeros_like(own)
    usual = None
    for step in range(steps):
        done = step / steps
        u = band.middle + shared @ band.shared + band.half * own
        value, window, active = windows.decisive(u)
        best = float(value.max())
        if usual is None:
            usual = float(np.median(np.abs(value[np.isfinite(value)]))) + 1.0
        share = np.exp((value - best) / (usual * softness[0] * (softness[1] / softness[0]) ** done))
        slope = sign * windows.slope(share / share.sum(), window, active, size)
        if sign * best >= 0 or step == steps - 1:
            looks += 1
            found = _whole(windows, band, shared, u, slope, sign, mended=looks in MENDED or step == steps - 1)
            if found is not None:
                return found
        pace = PACE[0] * (PACE[1] / PACE[0]) ** done
        moment_own, own = _moved(moment_own, own, slope * band.half, pace)
        moment_shared, shared = _moved(moment_shared, shared, band.shared @ slope, pace)
    return None


def _moved(moment: Float, at: Float, slope: Float, pace: float) -> tuple[Float, Float]:
    """A step within [-1, 1] along the slope, as long in each direction as slopes agree from step to step."""
    largest = float(np.abs(slope).max(initial=0.0))
    if largest == 0.0:
        return moment, at
    moment = 0.8 * moment + 0.2 * slope / largest
    length = float(np.abs(moment).mean()) + 1e-12
    return moment, np.clip(at + pace * np.clip(moment / length, -2.0, 2.0), -1.0, 1.0)


def _whole(
    windows: _Windows, band: Band, shared: Float, u: Float, slope: Float, sign: float, *, mended: bool
) -> Broken | None:
    """Whole counts near a point that break the claim too, or None; ``mended``: if rounding alone gives none."""
    shared = np.rint(shared * 2**SHARED_BITS) / 2**SHARED_BITS
    base = band.middle + shared @ band.shared
    low, high = np.ceil(base - band.half - 1e-9), np.floor(base + band.half + 1e-9)
    if (low > high).any():
        return None
    outwards = np.where(slope > 0, np.ceil(u), np.where(slope < 0, np.floor(u), np.rint(u)))
    for rounded in (outwards, np.rint(u)):
        counts = np.clip(rounded, low, high)
        if not windows.is_broken(counts, sign):
            continue
        return Broken(shared, counts.astype(np.int64))
    if not mended:
        return None
    better = _mended(windows, low, high, np.clip(np.rint(u), low, high), sign)
    return None if better is None else Broken(shared, better.astype(np.int64))


def mended(voter: checker.Voter, low: Counts, high: Counts, counts: Counts, *, last: int | None) -> Counts | None:
    """Whole counts between two curves that break a claim, by changing given ones count by count; None if none do.

    Parameters
    ----------
    voter : checker.Voter
    low, high : ndarray of int, shape (n_samples,)
    counts : ndarray of int, shape (n_samples,)
        Between them: what a real sequence that breaks the claim was rounded to.
    last : int or None
        See ``broken_by``.
    """
    windows = _Windows(voter, counts.size - 1 if last is None else min(last, counts.size - 1))
    if windows.n < windows.k:
        return None
    found = _mended(windows, low.astype(np.float64), high.astype(np.float64), counts.astype(np.float64),
                    1.0 if last is None else -1.0)  # fmt: skip
    return None if found is None else found.astype(np.int64)


def _mended(windows: _Windows, low: Float, high: Float, counts: Float, sign: float) -> Float | None:
    """One sample at a time by one count, whichever helps most, as ``mended`` tells."""
    u = counts.copy()
    for _ in range(MOST_CHANGES):
        if windows.is_broken(u, sign):
            return u
        value, *_ = windows.decisive(u)
        if sign > 0:
            groups = np.array([int(value.argmax())])
        else:
            groups = np.argsort(-value)[:MOST_GROUPS]
        used = np.unique(np.concatenate([np.arange(g - windows.m + 1, g + 1) for g in groups]))
        used = used[used >= 0]
        z, move = windows.nodes(u, used)
        samples = np.flatnonzero(move.any(axis=(0, 2)))
        best, chosen = -np.inf, None
        for way, room in ((1.0, u < high), (-1.0, u > low)):
            open_ = samples[room[samples]]
            if not open_.size:
                continue
            moved = z[:, None, :] + way * move[:, open_, :]
            y = np.maximum(moved, 0.0) @ windows.out + windows.constant
            found = windows.judged(y, used, groups)
            worst = found[0] if sign > 0 else -np.maximum(found, 0.0).sum(axis=0)
            at = int(worst.argmax())
            if worst[at] > best:
                best, chosen = float(worst[at]), (int(open_[at]), way)
        now = float(value[groups[0]]) if sign > 0 else -float(np.maximum(value[groups], 0.0).sum())
        if chosen is None or best <= now:
            return None
        u[chosen[0]] += chosen[1]
    return None
