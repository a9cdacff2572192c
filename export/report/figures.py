"""Figures of the report, as SVG text that is the same on every run."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1c2733"
SIGNAL = "#3b6ea5"
DECISION = "#b4512d"
ARMED = "#d9a441"
QUIET = "#8a97a6"
GOOD = "#3d7f5f"
LEGEND: dict[str, Any] = {"framealpha": 0.85, "edgecolor": "none", "facecolor": "white"}


def decision_figure(timeline: Mapping[str, Any], outcome: Mapping[str, Any], *, span_ms: tuple[float, float]) -> str:
    """One event on one time axis: what the sensor saw, what the net said, what was armed; as a data URI.

    Parameters
    ----------
    timeline : mapping
        An entry of ``timelines.json``.
    outcome : mapping
        The event's entry in ``simulation.json``.
    span_ms : tuple of float
        Time shown, in ms from first contact.
    """
    figure = _figure(7.6, 4.2)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    n = len(timeline["y"])
    time_ms = (timeline["first_sample_s"] + np.arange(n) * timeline["sample_period_s"]) * 1e3
    y = np.array(timeline["y"], dtype=np.float64)
    unit = np.abs(y).max() or 1.0

    top.plot(time_ms, timeline["main_g"], color=SIGNAL, lw=1.2, label="main sensor")
    top.plot(time_ms, timeline["safing_g"], color=QUIET, lw=0.8, label="safing sensor")
    top.set_ylabel("deceleration (g)")
    running = y != 0
    bottom.plot(time_ms[running], y[running] / unit, color=DECISION, lw=1.4, label="net output (scaled)")
    bottom.axhline(0.0, color=INK, lw=0.8)
    armed = np.array(timeline["armed"], dtype=np.float64)
    bottom.fill_between(time_ms, -1, 1, where=armed > 0, color=ARMED, alpha=0.25, lw=0, step="post", label="armed")
    bottom.set_ylim(-1.05, 1.05)
    bottom.set_yticks([0.0], ["vote above"])
    bottom.set_xlabel("time from first contact (ms)")
    for axes in (top, bottom):
        _mark(axes, outcome["rttf_ms"], "required", GOOD, "--")
        _mark(axes, outcome["ttf_ms"], "fires", DECISION, "-")
        axes.axvline(0.0, color=QUIET, lw=0.8, ls=":")
        axes.set_xlim(*span_ms)
    top.legend(loc="upper left", fontsize=8, **LEGEND)
    handles, labels = bottom.get_legend_handles_labels()
    own = [(h, label) for h, label in zip(handles, labels, strict=True) if not label.startswith(("required", "fires"))]
    bottom.legend(*zip(*own, strict=True), loc="upper left", fontsize=8, **LEGEND)
    return _data_uri(figure)


def kernels_figure(model: Mapping[str, Any]) -> str:
    """Weights of the model's hidden nodes over the window, those that speak for firing apart from those against."""
    figure = _figure(7.6, 2.6)
    for axes, sign, title in zip(figure.subplots(1, 2, sharey=True), (1, -1), ("for firing", "against"), strict=True):
        rows = [
            np.array(row) for row, v in zip(model["hidden_weight"], model["output_weight"], strict=True) if v * sign > 0
        ]
        period_ms = 1e3 / model["sample_rate_hz"] * model["block_samples"]
        time_ms = (np.arange(len(model["hidden_weight"][0])) - len(model["hidden_weight"][0]) + 1) * period_ms
        for row in rows:
            axes.plot(time_ms, row, lw=1.1, color=DECISION if sign > 0 else SIGNAL, alpha=0.7)
        axes.set_title(f"{len(rows)} nodes {title}", fontsize=9, loc="left", color=INK)
        axes.set_xlabel("time before now (ms)")
        axes.set_ylabel("weight (integer)" if sign > 0 else "")
        axes.axhline(0.0, color=QUIET, lw=0.7)
    return _data_uri(figure)


def _figure(width_in: float, height_in: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")


def _mark(axes: Axes, at_ms: float | None, text: str, colour: str, style: str) -> None:
    """A labelled vertical line, where there is something to mark."""
    if at_ms is None:
        return
    axes.axvline(at_ms, color=colour, lw=1.4, ls=style, label=f"{text} {at_ms:.1f} ms")


def _data_uri(figure: Figure) -> str:
    """The figure as an SVG data URI: no date, no random identifiers, so the same data gives the same bytes."""
    import matplotlib as mpl

    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
        axes.xaxis.label.set(size=8, color=INK)
        axes.yaxis.label.set(size=8, color=INK)
    image = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(image.getvalue().encode("utf-8")).decode("ascii")
