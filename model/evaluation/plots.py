"""Plots of an evaluation as SVG; the same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crumple.signals.events import MUST_FIRE

from .judge import Judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float = NDArray[np.float64]

MOST_POINTS = 1500
"""Events drawn of one mode, evenly picked: more would only fill the plot."""


def figure_svg(figure: Figure) -> bytes:
    """The ``figure`` as SVG without date or random names."""
    import matplotlib as mpl

    image = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    return image.getvalue().encode("utf-8")


def evaluation_svg(judged: Judged, grey: Mapping[str, Sequence[dict[str, Any]]]) -> bytes:
    """Lateness by mode, time to fire against required time, and the grey zone by speed.

    Parameters
    ----------
    judged : Judged
    grey : mapping
        Source to the rows of ``judge.grey_zone``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    lateness, times, zone = figure.subplots(1, 3)
    table = judged.table
    must = np.isin(judged.verdict, ("in time", "late"))
    for source in dict.fromkeys(table.source[must].tolist()):
        for mode in dict.fromkeys(table.mode[must & (table.source == source)].tolist()):
            rows = np.flatnonzero(must & (table.source == source) & (table.mode == mode))
            delta = np.sort(1e3 * judged.delta_ttf_s[rows])
            delta = delta[~np.isnan(delta)]
            if delta.size:
                # Share of all must-fire events of the mode, so that missed ones keep the curve below one.
                n_all = int(((table.label == MUST_FIRE) & (table.source == source) & (table.mode == mode)).sum())
                lateness.plot(delta, np.arange(1, delta.size + 1) / n_all, label=f"{mode} ({source})")
            rows = rows[:: -(-rows.size // MOST_POINTS)]
            times.plot(1e3 * table.rttf_s[rows], 1e3 * judged.fire_s[rows], ".", markersize=3)
    lateness.axvline(0.0, color="black", linewidth=0.8)
    lateness.set(xlabel="TTF - RTTF, ms", ylabel="share of must-fire events", ylim=(0, 1.02), title="fired by")
    times.axline((0.0, 0.0), slope=1.0, color="black", linewidth=0.8)
    times.set(xlabel="required time to fire, ms", ylabel="time to fire, ms", title="on or below the line is in time")
    for source, rows_of_source in grey.items():
        for row in rows_of_source:
            middle = [(step["from_kmh"] + step["to_kmh"]) / 2 for step in row["bins"]]
            zone.plot(middle, [s["fired"] / s["events"] for s in row["bins"]], ".-", label=f"{row['mode']} ({source})")
    zone.set(xlabel="speed, km/h", ylabel="share that fires", ylim=(-0.02, 1.02), title="modes with a grey zone")
    if not any(grey.values()):
        zone.text(0.5, 0.5, "no grey events here", ha="center", transform=zone.transAxes)
    _legends(lateness, zone)
    return figure_svg(figure)


def maps_svg(maps: Mapping[str, dict[str, Any]]) -> bytes:
    """Threshold maps side by side.

    Parameters
    ----------
    maps : mapping
        Family to ``{"peak_g": list, "across": list, "ttf_ms": rows with None, "unit": str}``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(maps), 3.8), layout="constrained")
    for axes, (family, found) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        ttf = np.array([[np.nan if value is None else value for value in row] for row in found["ttf_ms"]])
        drawn = axes.pcolormesh(found["across"], found["peak_g"], ttf, shading="nearest", cmap="viridis_r")
        figure.colorbar(drawn, ax=axes, label="time to fire, ms")
        axes.set(xlabel=found["unit"], ylabel="peak, g", title=f"{family}: blank is no fire")
    return figure_svg(figure)


def _legends(*axes: Axes) -> None:
    for each in axes:
        if each.get_legend_handles_labels()[1]:
            each.legend(fontsize=7)
