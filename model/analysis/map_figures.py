"""Pictures of the certified maps: the same cells give the same bytes."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crumple.model.deployed import DeployedModel
from crumple.model.evaluation.plots import figure_svg as svg
from crumple.signals.criteria import RttfRule

from .bursts import BurstPlan, firing_amplitude_g
from .family import FamilyPlan
from .firemap import FIRES, NEVER, FireMapPlan
from .pulses import required_ms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .maps import MapsPlan

__all__ = ["bursts_figure", "family_figure", "html", "png", "pulses_figure", "svg"]

BLUE, GREY, ORANGE, SAND, INK = "#7fb3d5", "#e5e7e9", "#e59866", "#f5d7a1", "#212f3d"
MOST_WRITTEN = 600
"""Cells of the family into which numbers still fit."""


def pulses_figure(
    model: DeployedModel,
    plan: FireMapPlan,
    cells: NDArray[np.str_],
    rule_cells: NDArray[np.str_] | None,
    rule_name: str,
) -> Figure:
    """The map over duration and delta-V with the lines that the required time to fire draws; the rule beside it.

    Parameters
    ----------
    model : DeployedModel
        Named by its shape.
    plan : FireMapPlan
    cells, rule_cells : ndarray of str, shape (n_delta_v, n_duration)
    rule_name : str
    """
    from matplotlib.figure import Figure

    shape = plan.shape.replace("_", "-")
    delta_v, duration = (np.array([float(edge) for edge in edges[:: plan.parts]]) for edges in plan.edges())
    figure = Figure(figsize=(7.0 if rule_cells is None else 12.6, 4.9), layout="constrained", facecolor="white")
    both = figure.subplots(1, 1 if rule_cells is None else 2, sharey=True, squeeze=False)[0]
    names = ("proved never to fire", "undecided, or fires late", "proved to fire by RTTF")
    net = f"{model.n_blocks}-{model.n_hidden}-1 net"
    _panel(both[0], plan, duration, delta_v, cells, names, f"Certified: {net}, synthetic {shape} pulses")
    both[0].set_ylabel("delta-V (km/h)")
    if rule_cells is not None:
        names = ("does not fire", "fires late, or unrequired", "fires by RTTF")
        title = f"Simulated, not proved: best classical rule, {rule_name}"
        _panel(both[1], plan, duration, delta_v, rule_cells, names, title)
    return figure


def _panel(
    axes: Axes,
    plan: FireMapPlan,
    duration: NDArray[np.float64],
    delta_v: NDArray[np.float64],
    cells: NDArray[np.str_],
    names: tuple[str, str, str],
    title: str,
) -> None:
    _cells(axes, duration, delta_v, cells)
    rule, t = RttfRule(), np.linspace(duration[0], duration[-1], 21)
    for name, style, wanted in (
        ("an RTTF exists above", "-", None), ("RTTF 30 ms", ":", 30.0), ("RTTF 20 ms", "--", 20.0),
        ("RTTF 10 ms", "-.", 10.0),
    ):  # fmt: skip
        level = [_delta_v_for(plan.shape, float(ms), wanted, rule, float(delta_v[-1])) for ms in t]
        axes.plot(t, level, style, color=INK, lw=1.2, label=name)
    _legend(axes, names)
    axes.set_xlabel("pulse duration (ms)")
    axes.set_xlim(duration[0], duration[-1])
    axes.set_ylim(delta_v[0], delta_v[-1])
    axes.set_title(title, fontsize=10)


def _cells(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], cells: NDArray[np.str_]) -> None:
    from matplotlib.colors import ListedColormap

    codes = np.select([cells == NEVER, cells == FIRES], [0, 2], 1)
    axes.pcolormesh(x, y, codes, cmap=ListedColormap((BLUE, GREY, ORANGE)), vmin=0, vmax=2, rasterized=True)


def _legend(axes: Axes, names: tuple[str, ...]) -> None:
    from matplotlib.patches import Patch

    handles, _ = axes.get_legend_handles_labels()
    handles += [Patch(facecolor=c, label=name) for c, name in zip((BLUE, GREY, ORANGE), names, strict=False)]
    axes.legend(handles=handles, fontsize=7.5, loc="best", framealpha=0.9)


def _delta_v_for(shape: str, duration_ms: float, wanted_ms: float | None, rule: RttfRule, most: float) -> float:
    """The least delta-V whose RTTF is at most ``wanted_ms`` (None: that has one), by bisection; NaN above ``most``."""

    def enough(delta_v: float) -> bool:
        due = required_ms(shape, delta_v, duration_ms, rule)
        return due is not None and (wanted_ms is None or due <= wanted_ms)

    low, high = 0.5, most
    if not enough(high):
        return float("nan")
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def bursts_figure(model: DeployedModel, plan: BurstPlan, cells: NDArray[np.str_]) -> Figure:
    """The map over frequency and amplitude, and the least amplitude at which a simulated burst fires.

    Parameters
    ----------
    model : DeployedModel
    plan : BurstPlan
    cells : ndarray of str, shape (n_amplitude, n_frequency)
    """
    from matplotlib.figure import Figure

    frequency, amplitude = (np.array([float(edge) for edge in edges]) for edges in plan.edges())
    figure = Figure(figsize=(7.0, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    _cells(axes, frequency, amplitude, cells)
    f = np.linspace(frequency[0], frequency[-1], 41)
    level = [firing_amplitude_g(model, float(hz), float(amplitude[-1])) for hz in f]
    axes.plot(f, level, "-", color=INK, lw=1.2, label="a simulated burst fires above")
    axes.plot(f, np.minimum(f / 6, amplitude[-1]), "--", color=INK, lw=1.2, label="1/6 g per Hz (R2)")
    axes.axhline(3.0, ls=":", color=INK, lw=1.2, label="3 g (R1)")
    _legend(axes, ("proved never to fire, any length and phase", "undecided"))
    axes.set_xlim(frequency[0], frequency[-1])
    axes.set_ylim(amplitude[0], amplitude[-1])
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("amplitude (g)")
    axes.set_title("Certified: synthetic sine bursts", fontsize=10)
    return figure


def family_figure(plan: FamilyPlan, rows: list[dict[str, Any]]) -> Figure:
    """By when each cell of the must-fire family is proved to fire: lateness in ms, written into the cell.

    Parameters
    ----------
    plan : FamilyPlan
    rows : list of dict
        From ``family.cells``.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    figure = Figure(figsize=(8.6, 6.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_xlim(plan.duration_from_ms, plan.duration_to_ms)
    axes.set_ylim(plan.delta_v_from_kmh, plan.delta_v_to_kmh)
    for row in rows:
        (v0, v1), (t0, t1), late = row["delta_v_kmh"], row["duration_ms"], row["late_ms"]
        colour = GREY if late is None else ORANGE if late == 0 else SAND
        axes.add_patch(Rectangle((t0, v0), t1 - t0, v1 - v0, facecolor=colour, edgecolor="white", lw=0.5))
        if len(rows) <= MOST_WRITTEN:
            silent = "" if row["simulated_ms"] is not None else "x"
            text = silent if late is None else "0" if late == 0 else f"{late:.1f}"
            axes.text((t0 + t1) / 2, (v0 + v1) / 2, text, ha="center", va="center", fontsize=6.5, color=INK)
    names = ("proved in time", "proved, so many ms late", "not proved", "x: a simulated corner does not fire")
    fills = (ORANGE, SAND, GREY, "white")
    axes.legend(
        handles=[Patch(facecolor=fill, label=name) for fill, name in zip(fills, names, strict=True)],
        fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=4, frameon=False,
    )  # fmt: skip
    axes.set_xlabel("pulse duration (ms)")
    axes.set_ylabel("delta-V (km/h)")
    shape = plan.shape.replace("_", "-")
    axes.set_title(
        f"Certified: by when every synthetic {shape} pulse fires, gain within {plan.gain}, offset {plan.offset_g} g, "
        f"noise {plan.noise_g} g",
        fontsize=9.5,
    )
    return figure


def png(figure: Figure) -> bytes:
    """The ``figure`` as PNG without the name of the program that drew it."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return image.getvalue()


def html(plan: MapsPlan, payload: dict[str, Any], pulses_svg: bytes, bursts_svg: bytes, family_svg: bytes) -> bytes:
    """A page with the pictures and their numbers, complete in one file.

    Parameters
    ----------
    plan : MapsPlan
    payload : dict
        Of the artefact.
    pulses_svg, bursts_svg, family_svg : bytes
    """
    rows = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{payload[key]['cells'][v]}</td>" for v in (FIRES, NEVER, "undecided"))
        + f"<td>{payload[key]['proofs']}</td></tr>"
        for key, name in (("pulses", f"{plan.pulses.shape} pulses"), ("bursts", "sine bursts"))
    )  # fmt: skip
    drawings = [
        f"<figure>{svg[svg.index(b'<svg') :].decode()}</figure>" for svg in (pulses_svg, bursts_svg, family_svg)
    ]
    counted = payload["family"]["cells"]
    rule = payload["rule"]
    beside = "" if rule is None else (
        f"<p>Beside it, simulated at the middle of each cell and not proved: {escape(rule['name'])}, the classical "
        "rule with the fewest late or missed events of its training corpus.</p>"
    )  # fmt: skip
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Certified fire map</title>
<style>body{{font:15px/1.45 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}}figure{{margin:1em 0}}
svg{{max-width:100%;height:auto}}td,th{{padding:.2em .8em;text-align:left}}</style></head><body>
<h1>Certified fire map</h1>
<p>Every coloured cell is covered by proofs in this folder: <code>crumple check</code> re-checks them. A cell without
one is undecided, which is never good news. All pulses and bursts are synthetic.</p>
<table><tr><th>map</th><th>proved to fire by RTTF</th><th>proved never to fire</th><th>undecided</th>
<th>proofs</th></tr>
{rows}</table>{beside}
{drawings[0]}
{drawings[1]}
<h2>The must-fire family under tolerances</h2>
<p>Of {sum(counted.values())} cells, {counted["in_time"]} are proved to fire by the required time of their most
demanding pulse, {counted["late"]} are proved to fire but later, by the milliseconds written, and {counted["unproved"]}
are not proved to fire; of those marked x a simulated corner does not.</p>
{drawings[2]}
</body></html>
"""
    return page.encode("utf-8")
