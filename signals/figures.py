"""Figures as SVG whose bytes depend on nothing but what they show."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def svg_of(draw: Callable[[], Figure]) -> bytes:
    """The figure that ``draw`` makes, as SVG; the same figure gives the same bytes."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none"}):
        draw().savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
