"""A corpus in numbers: by source, mode and label, from its counts, a few hundred events at a time.

Synthetic and measured events are never pooled. Everything is as the main sensor saw it, its offset and gain error
included: a velocity change of a synthetic event is off by up to 0.5 g times the event's length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crumple.units import KMH_PER_MPS

from .bands import BANDS_HZ, EARLY_S, Band, band_rms_g
from .batches import EventSource
from .criteria import delta_v_mps
from .trace import Float

QUANTILES = (5.0, 50.0, 95.0)

Spread = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Group:
    """Events of one source, mode and label.

    Attributes
    ----------
    source, mode, label : str
    n_events : int
    spreads : mapping of str to (float, float, float)
        5th, 50th and 95th percentile of ``peak_g`` (largest magnitude), ``delta_v_kmh`` (the largest velocity change
        since contact, positive for slowing down), ``rttf_ms`` and ``band LOW-HIGH`` (RMS in g, first 25 ms). A
        quantity that no event of the group has is missing.
    """

    source: str
    mode: str
    label: str
    n_events: int
    spreads: Mapping[str, Spread]


def bands_below(rate_hz: float) -> tuple[Band, ...]:
    """The bands that a signal of ``rate_hz`` can hold."""
    return tuple(band for band in BANDS_HZ if band[1] < rate_hz / 2)


def band_name(band: Band) -> str:
    """How a ``band`` is called among the spreads."""
    return f"band {band[0]:g}-{band[1]:g}"


def groups(source: EventSource) -> list[Group]:
    """Statistics of every source, mode and label of ``source``, in order of appearance."""
    values = _measured(source)
    events = source.table
    keys = list(zip(events.source.tolist(), events.mode.tolist(), events.label.tolist(), strict=True))
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [
        Group(*key, len(chosen), {name: spread for name, row in values.items() if (spread := _spread(row[chosen]))})
        for key, chosen in rows.items()
    ]


def _measured(source: EventSource) -> dict[str, Float]:
    """Each quantity of every event, shape (n_events,); NaN where an event does not have it."""
    events, spec = source.table, source.sensors.main
    rate_hz, lsb_g = float(spec.sample_rate_hz), float(spec.lsb)
    bands = bands_below(rate_hz)
    values = {name: np.full(len(events), np.nan) for name in ("peak_g", "delta_v_kmh", *map(band_name, bands))}
    for batch in source.batches():
        decel_g = batch.main_lsb.astype(np.float64) * lsb_g
        first_s = events.first_sample_s[batch.rows]
        values["peak_g"][batch.rows] = np.abs(decel_g).max(axis=1)
        time_s = first_s[:, None] + np.arange(decel_g.shape[1]) / rate_hz
        change = delta_v_mps(np.where(time_s >= 0.0, decel_g, 0.0), 1.0 / rate_hz)
        largest = np.argmax(np.abs(change), axis=1)[:, None]
        values["delta_v_kmh"][batch.rows] = np.take_along_axis(change, largest, axis=1)[:, 0] * KMH_PER_MPS
        rms_g = band_rms_g(decel_g, rate_hz, -first_s, EARLY_S, bands)
        for band, column in zip(bands, rms_g.T, strict=True):
            values[band_name(band)][batch.rows] = column
    return values | {"rttf_ms": events.rttf_s * 1e3}


def _spread(values: Float) -> Spread | None:
    """Quantiles of those that are there; None where none is."""
    there = values[np.isfinite(values)]
    if not there.size:
        return None
    low, middle, high = np.percentile(there, QUANTILES).tolist()
    return low, middle, high
