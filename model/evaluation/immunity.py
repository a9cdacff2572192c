"""How far an event is from changing its verdict when its signal is scaled, as an assessor states it.

The counts are scaled, and with them offset and noise, rounded to the nearest whole count and clamped as the model
does. Factors are tried on a ladder of fixed ratio, and the rung where the verdict changes first is refined by
bisection: a change that reverts between two rungs is not seen. A fire request decides, arming is left out, so
immunity is that of the path that the proofs speak of. Counts ``main_lsb`` have shape (n_events, n_samples).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel

from .exact import NEVER, first_true, levels, outputs

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Counts = NDArray[Any]

LADDER_RATIO = 1.05
N_BISECTIONS = 7
"""Refines a rung of 5 % to better than 0.05 %."""


def first_request(model: DeployedModel, main_lsb: Counts) -> NDArray[np.int64]:
    """Index of each event's first fire request by ``model`` in ``main_lsb``, ``NEVER`` without one."""
    return first_true(levels(model, outputs(model, main_lsb)) > 0)


def scaled(main_lsb: Counts, factor: Float) -> NDArray[np.int64]:
    """Counts ``main_lsb`` times each event's ``factor``, shape (n_events,), to the nearest whole count."""
    return np.rint(np.asarray(main_lsb, dtype=np.float64) * factor[:, None]).astype(np.int64)


def immunity(model: DeployedModel, main_lsb: Counts, most: float = 10.0) -> Float:
    """Largest factor lambda >= 1 up to which each scaled event stays silent.

    Parameters
    ----------
    model : DeployedModel
    main_lsb : integer ndarray, shape (n_events, n_samples)
    most : float
        Largest factor tried.

    Returns
    -------
    ndarray, shape (n_events,)
        ``most`` where the event stays silent throughout; NaN where it fires unscaled.
    """
    if not (np.isfinite(most) and most > 1.0):
        raise ConfigError(f"largest factor {most}: expected a number above 1")

    def is_silent(rows: NDArray[np.int64], factor: Float) -> Bool:
        silent: Bool = first_request(model, scaled(main_lsb[rows], factor)) == NEVER
        return silent

    return _last_held(is_silent, len(main_lsb), LADDER_RATIO, most)


def severity_margin(model: DeployedModel, main_lsb: Counts, due: NDArray[np.int64], least: float = 0.2) -> Float:
    """Smallest factor lambda <= 1 down to which each scaled event still requests fire in time.

    Its required time is kept, although a milder crash has a later one: a conservative measure.

    Parameters
    ----------
    model : DeployedModel
    main_lsb : integer ndarray, shape (n_events, n_samples)
    due : integer ndarray, shape (n_events,)
        Last sample that is in time.
    least : float
        Smallest factor tried.

    Returns
    -------
    ndarray, shape (n_events,)
        NaN where the event is late or missed unscaled.
    """
    if not 0.0 < least < 1.0:
        raise ConfigError(f"smallest factor {least}: expected a number between 0 and 1")

    def is_in_time(rows: NDArray[np.int64], factor: Float) -> Bool:
        at = first_request(model, scaled(main_lsb[rows], factor))
        in_time: Bool = (at != NEVER) & (at <= due[rows])
        return in_time

    return _last_held(is_in_time, len(main_lsb), 1.0 / LADDER_RATIO, least)


def _last_held(holds: Callable[[NDArray[np.int64], Float], Bool], n_events: int, ratio: float, end: float) -> Float:
    """Last factor from 1 towards ``end`` up to which ``holds(rows, factor)`` was true for each event; NaN if never."""
    everyone = np.arange(n_events)
    at_one = holds(everyone, np.ones(n_events))
    held = np.where(at_one, 1.0, np.nan)
    failed = np.full(n_events, np.nan)
    rows = everyone[at_one]
    factor = 1.0
    while rows.size and factor != end:
        factor = min(factor * ratio, end) if ratio > 1 else max(factor * ratio, end)
        good = holds(rows, np.full(rows.size, factor))
        held[rows[good]] = factor
        failed[rows[~good]] = factor
        rows = rows[good]
    between = np.flatnonzero(~np.isnan(failed))
    for _ in range(N_BISECTIONS if between.size else 0):
        middle = np.sqrt(held[between] * failed[between])
        good = holds(between, middle)
        held[between[good]] = middle[good]
        failed[between[~good]] = middle[~good]
    return held
