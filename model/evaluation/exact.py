"""What a deployed model does on many events at once, in the same integers as ``DeployedModel``.

Matrix products run in float64, which is exact here: every product and every partial sum, in any order, is an
integer below 2^53 by the model's own magnitudes. A model that could reach more is computed in int64 instead.
Arrays of counts have shape (n_events, n_samples), as do results.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

EXACT_FLOAT = 2**53
CHUNK_WINDOWS = 16_384
"""Windows multiplied at a time; bounds memory and stays in the processor's cache."""

NEVER = -1
"""Sample index of what does not happen."""


def outputs(model: DeployedModel, main_lsb: NDArray[Any]) -> Int64:
    """``y`` at every sample of many events.

    Parameters
    ----------
    model : DeployedModel
    main_lsb : integer ndarray, shape (n_events, n_samples)
        Counts of the main sensor; zeros are taken before the first.
    """
    clamped = np.clip(np.asarray(main_lsb, dtype=np.int64), -model.clamp_lsb, model.clamp_lsb)
    n_events, n_samples = clamped.shape
    running = np.cumsum(np.pad(clamped, ((0, 0), (model.window_samples, 0))), axis=1)
    sums = running[:, model.block_samples :] - running[:, : -model.block_samples]
    kind: Any = np.float64 if max(*model.hidden_magnitude, model.output_magnitude) < EXACT_FLOAT else np.int64
    hidden_weight = np.array(model.hidden_weight, dtype=kind).T
    hidden_bias = np.array(model.hidden_bias, dtype=kind)
    output_weight = np.array(model.output_weight, dtype=kind)
    # Every block_samples-th of the running sums that a window spans: its blocks, oldest first.
    blocks = np.lib.stride_tricks.sliding_window_view(
        sums.astype(kind), (model.n_blocks - 1) * model.block_samples + 1, axis=1
    )[:, :, :: model.block_samples]
    y = np.empty((n_events, n_samples), dtype=np.int64)
    step = max(1, CHUNK_WINDOWS // n_samples)
    for start in range(0, n_events, step):
        rows = slice(start, min(start + step, n_events))
        hidden = np.maximum(blocks[rows].reshape(-1, model.n_blocks) @ hidden_weight + hidden_bias, 0)
        y[rows] = (hidden @ output_weight).reshape(-1, n_samples)
    y += model.output_bias
    return y


def levels(model: DeployedModel, y: Int64) -> Int64:
    """At every sample the K-th largest of the last M outputs ``y``: a fire request where it is positive.

    Parameters
    ----------
    model : DeployedModel
    y : ndarray, shape (n_events, n_samples)
    """
    none = np.iinfo(np.int64).min // 2
    padded = np.pad(y, ((0, 0), (model.confirm_window - 1, 0)), constant_values=none)
    recent = np.lib.stride_tricks.sliding_window_view(padded, model.confirm_window, axis=1)
    ranked: Int64 = np.sort(recent, axis=2)[:, :, -model.confirm_votes]
    return ranked


def armed(model: DeployedModel, safing_lsb: NDArray[Any]) -> Bool:
    """Whether the arming path is true, hold included.

    Parameters
    ----------
    model : DeployedModel
    safing_lsb : integer ndarray, shape (n_events, n_samples)
        Counts of the safing sensor.
    """
    rule = model.arming
    clamped = np.clip(np.asarray(safing_lsb, dtype=np.int64), -rule.clamp_lsb, rule.clamp_lsb)
    running = np.cumsum(np.pad(clamped, ((0, 0), (rule.window_samples, 0))), axis=1)
    reached = running[:, rule.window_samples :] - running[:, : -rule.window_samples] >= rule.threshold_lsb
    sample = np.arange(reached.shape[1])
    last = np.maximum.accumulate(np.where(reached, sample, -(10**9)), axis=1)
    held: Bool = sample - last <= rule.hold_samples
    return held


AGREEMENT_SAMPLES, AGREEMENT_SHARE, AGREEMENT_OFFSET_G = 16, 6, 1
"""The simulated controller's check of its two sensors: sums over 8 ms differ by at most a sixth and 1 g."""


def agreeing(model: DeployedModel, main_lsb: NDArray[Any], safing_lsb: NDArray[Any]) -> Bool:
    """Whether both sensors tell of one motion, as the controller asks before it fires; it can only inhibit.

    Parameters
    ----------
    model : DeployedModel
    main_lsb, safing_lsb : integer ndarray, shape (n_events, n_samples)
        Counts of the two sensors; zeros are taken before the first.
    """
    rule = model.arming
    units_per_g = math.lcm(model.lsb_g.denominator, rule.lsb_g.denominator)
    limit = rule.clamp_lsb * int(rule.lsb_g * units_per_g)
    sums = []
    for counts, lsb_g in ((main_lsb, model.lsb_g), (safing_lsb, rule.lsb_g)):
        units = np.clip(np.asarray(counts, dtype=np.int64) * int(lsb_g * units_per_g), -limit, limit)
        running = np.cumsum(np.pad(units, ((0, 0), (AGREEMENT_SAMPLES, 0))), axis=1)
        sums.append(running[:, AGREEMENT_SAMPLES:] - running[:, :-AGREEMENT_SAMPLES])
    main, safing = sums
    offset = AGREEMENT_OFFSET_G * AGREEMENT_SAMPLES * units_per_g
    agree: Bool = AGREEMENT_SHARE * np.abs(main - safing) <= np.abs(safing) + AGREEMENT_SHARE * offset
    return agree


def first_true(flags: Bool) -> Int64:
    """Index of the first true sample of every event's ``flags``, ``NEVER`` where there is none; shape (n_events,)."""
    at = np.argmax(flags, axis=1)
    found: Int64 = np.where(flags[np.arange(len(flags)), at], at, NEVER).astype(np.int64)
    return found
