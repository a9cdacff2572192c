"""Recorded events as a figure: velocity change over time, its maximum and the deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crumple.export.report.figures import DECISION, GOOD, INK, QUIET, SIGNAL

from .edr import STEP_MS, EdrEvent, EdrImage
from .edr_compare import Compared
from .page import LINE, Column, Plot, render_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPAN_MS = (-10.0, 310.0)


def edr_figure(image: EdrImage, compared: tuple[Compared, ...] = ()) -> Figure:
    """One panel for each event of ``image``, with the input beside it where it was ``compared``."""
    from matplotlib.figure import Figure

    height_in = 1.1 + 2.9 * max(1, len(image.events))
    made = Figure(figsize=(9.0, height_in), facecolor="none")
    panels = made.subplots(max(1, len(image.events)), 1, sharex=True, squeeze=False)[:, 0]
    made.subplots_adjust(left=0.09, right=0.98, top=1 - 0.45 / height_in, bottom=0.6 / height_in, hspace=0.28)
    inputs = {one.order: one.input_kmh for one in compared}
    for axes, event in zip(panels, image.events, strict=False):
        _panel(axes, event, inputs.get(event.order))
    if not image.events:
        panels[0].text(0.5, 0.5, "no event recorded", color=INK, ha="center", transform=panels[0].transAxes)
    for axes in panels:
        axes.set(xlim=SPAN_MS, ylabel="velocity change (km/h)", facecolor="none")
        axes.axhline(0.0, color=QUIET, lw=0.8)
        axes.grid(color=LINE, lw=0.6)
        axes.tick_params(colors=INK, labelsize=8)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color(QUIET)
    panels[-1].set_xlabel("time from the recorder's time zero (ms)")
    return made


def _panel(axes: Axes, event: EdrEvent, given: tuple[float, ...] | None) -> None:
    times = [k * STEP_MS for k in range(len(event.delta_v_kmh))]
    if given is not None:
        axes.plot(times, given, color=SIGNAL, lw=1.2, label="input, sum of its counts")
    axes.plot(times, event.delta_v_kmh, color=INK, lw=0, marker="o", ms=3.5, label="recorded")
    label = f"maximum {event.max_delta_v_kmh} km/h"
    axes.plot([event.max_time_ms], [event.max_delta_v_kmh], color=GOOD, lw=0, marker="s", ms=6, mfc="none", label=label)
    for k, stage_ms in enumerate(event.stage_ms):
        if stage_ms is not None:
            style = "--" if k else "-"
            axes.axvline(stage_ms, color=DECISION, lw=1.3, ls=style, label=f"stage {k + 1} at {stage_ms} ms")
    if event.end_ms is not None:
        axes.axvline(event.end_ms, color=QUIET, lw=1.0, ls=":", label=f"end of event, {event.end_ms} ms")
    kind = "locked" if event.is_locked else "not locked"
    whole = "complete" if event.is_complete else "INCOMPLETE"
    axes.set_title(f"event {event.order}: {kind}, {whole}", fontsize=9, loc="left", color=INK)
    axes.legend(fontsize=8, loc="best", framealpha=0.0, labelcolor=INK)


def edr_page(image: EdrImage, where: str, compared: tuple[Compared, ...] = ()) -> str:
    """A self-contained page about an ``image``, called ``where`` in its title, ``compared`` with its input or not."""
    columns = [
        Column(f"event {e.order}", "km/h", [*e.delta_v_kmh, *[None] * (26 - len(e.delta_v_kmh))]) for e in image.events
    ]
    inputs = [
        Column(
            f"input of event {c.order}",
            "km/h",
            [*(round(v, 2) for v in c.input_kmh), *[None] * (26 - len(c.input_kmh))],
        )
        for c in compared
        if c.order
    ]
    cards = [(f"maximum of event {e.order}", f"{e.max_delta_v_kmh} km/h") for e in image.events]
    cards += [
        (f"stage {k + 1} of event {e.order}", "not fired" if at is None else f"{at} ms")
        for e in image.events
        for k, at in enumerate(e.stage_ms)
    ]
    cards += [(f"largest difference from the input, event {c.order}", f"{c.difference_kmh:.2f} km/h") for c in compared]
    return render_page(
        f"Event data recorder: {where}",
        f"Simulated, in the elements of 49 CFR 563: {len(image.events)} of 2 places used,"
        f" {image.not_stored} events found no room.",
        cards,
        "Positive forward (SAE J211): a frontal crash is negative. Whole km/h every 10 ms.",
        Plot(
            lambda: edr_figure(image, compared),
            SPAN_MS,
            [float(k * STEP_MS) for k in range(26)],
            tuple(columns + inputs),
        ),
    )
