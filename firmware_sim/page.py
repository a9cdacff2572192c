"""One self-contained page around one plot over time: no network, dark and light, values at a cursor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from crumple.export.report.figures import ARMED, DECISION, GOOD, INK, QUIET, SIGNAL
from crumple.signals.figures import svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = "#d9dee4"
THEME = {
    INK: "--ink",
    SIGNAL: "--signal",
    DECISION: "--accent",
    ARMED: "--armed",
    QUIET: "--quiet",
    GOOD: "--good",
    LINE: "--line",
}
"""Colours of a figure, and what the page's style calls them in dark and light."""


@dataclass(frozen=True, slots=True)
class Column:
    """A quantity to tell at the cursor.

    Attributes
    ----------
    label, unit : str
    values : sequence
        One a time; None where there is none.
    names : sequence of str or None
        What the values, taken as indices, are called.
    """

    label: str
    unit: str
    values: Sequence[Any]
    names: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure whose panels share one time axis, and what it shows as numbers.

    Attributes
    ----------
    draw : callable
        Makes the figure, in the colours of ``THEME``, its panels placed by hand.
    span_ms : tuple of float
        Time at the left and right edge of the panels.
    time_ms : sequence of float
        Evenly spaced.
    columns : tuple of Column
    """

    draw: Callable[[], Figure]
    span_ms: tuple[float, float]
    time_ms: Sequence[float]
    columns: tuple[Column, ...]


def themed_svg(plot: Plot) -> str:
    """The figure of ``plot`` as SVG whose colours are those of the page around it."""
    text = svg_of(plot.draw).decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, name in THEME.items():
        text = text.replace(colour, f"var({name})")
    return text


def render_page(title: str, lead: str, cards: Sequence[tuple[str, str]], caption: str, plot: Plot) -> str:
    """The whole page, the same bytes for the same arguments.

    Parameters
    ----------
    title, lead, caption : str
        Text, escaped here.
    cards : sequence of (str, str)
        Name and value of the figures to see first.
    plot : Plot
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    own = resources.files("crumple.firmware_sim")
    figure = plot.draw()
    panels = [axes.get_position() for axes in figure.axes]
    data = {
        "left": round(panels[0].x0, 6),
        "right": round(panels[0].x1, 6),
        "top": round(1 - max(panel.y1 for panel in panels), 6),
        "bottom": round(1 - min(panel.y0 for panel in panels), 6),
        "span_ms": list(plot.span_ms),
        "time_ms": list(plot.time_ms),
        "columns": [
            {
                "label": c.label,
                "unit": c.unit,
                "values": list(c.values),
                "names": None if c.names is None else [*c.names],
            }
            for c in plot.columns
        ],
    }
    return environment.from_string(own.joinpath("page.html.j2").read_text(encoding="utf-8")).render(
        title=title,
        lead=lead,
        cards=cards,
        caption=caption,
        svg=themed_svg(plot),
        style=resources.files("crumple.export.report").joinpath("report.css").read_text(encoding="utf-8"),
        script=own.joinpath("page.js").read_text(encoding="utf-8"),
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )
