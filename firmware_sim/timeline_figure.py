"""A simulated event on one time axis: signals, votes, states, arming and firing currents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crumple.export.report.figures import ARMED, DECISION, GOOD, INK, QUIET, SIGNAL

from .page import LINE, Column, Plot, render_page
from .replay import MODES
from .single import Simulated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHTS = (3.0, 1.6, 1.9, 1.9, 1.1)
SIZE_IN = (10.0, 10.0)


def timeline_figure(done: Simulated) -> Figure:
    """Five panels over one time axis: what ``done`` holds."""
    from matplotlib.figure import Figure

    made = Figure(figsize=SIZE_IN, facecolor="none")
    made.subplots_adjust(left=0.13, right=0.985, top=0.965, bottom=0.055, hspace=0.14)
    panels = made.subplots(len(HEIGHTS), 1, sharex=True, height_ratios=HEIGHTS)
    time_ms = np.array(done.time_ms)
    for draw, axes in zip((_signals, _votes, _flags, _states, _currents), panels, strict=True):
        draw(axes, done, time_ms)
        _marks(axes, done, time_ms)
    panels[0].legend(fontsize=8, loc="upper right", framealpha=0.0, labelcolor=INK)
    panels[4].legend(handles=panels[4].lines[:2], fontsize=8, loc="upper right", framealpha=0.0, labelcolor=INK)
    panels[-1].set_xlabel("time from first contact (ms)", color=INK)
    panels[-1].set_xlim(time_ms[0], time_ms[-1])
    return made


def _signals(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    main, safing = (spec.lsb for spec in (done.sensors.main, done.sensors.safing))
    axes.plot(time_ms, done.safing_lsb * float(safing), color=QUIET, lw=0.9, label="safing sensor")
    axes.plot(time_ms, done.main_lsb * float(main), color=SIGNAL, lw=1.2, label="main sensor")
    axes.set_ylabel("deceleration (g)", color=INK)


def _votes(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    line = done.timeline
    y = line.y.astype(np.float64)
    axes.plot(time_ms, y / (np.abs(y).max() or 1.0), color=DECISION, lw=1.2)
    axes.fill_between(time_ms, 0, 1, where=line.vote.tolist(), color=DECISION, alpha=0.3, lw=0, step="post")
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.set(ylim=(-1.08, 1.08), yticks=[-1, 0, 1])
    axes.set_ylabel("net output, scaled\n(votes above 0)", color=INK)


def _flags(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    line = done.timeline
    rows = (
        ("crash output", done.crash_output, GOOD),
        ("lamp", line.lamp, QUIET),
        ("sensors agree", line.sensors_agree, QUIET),
        ("armed", line.armed, ARMED),
        ("fire request", line.fire_request, DECISION),
        ("wake-up", line.awake, SIGNAL),
    )
    for row, (_, values, colour) in enumerate(rows):
        axes.fill_between(time_ms, row + 0.12, row + 0.88, where=values.tolist(), color=colour, lw=0, step="post")
    axes.set(ylim=(0, len(rows)), yticks=[k + 0.5 for k in range(len(rows))], yticklabels=[name for name, *_ in rows])


def _states(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    seen = sorted(set(done.timeline.mode.tolist()))
    rows = [seen.index(mode) for mode in done.timeline.mode.tolist()]
    axes.step(time_ms, rows, where="post", color=INK, lw=1.4)
    axes.set(ylim=(-0.5, len(seen) - 0.5), yticks=range(len(seen)), yticklabels=[MODES[mode] for mode in seen])


def _currents(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    for stage, (colour, style) in enumerate(((DECISION, "-"), (SIGNAL, "--"))):
        current_a = done.timeline.current_ma[:, stage] / 1e3
        axes.step(time_ms, current_a, where="post", color=colour, ls=style, lw=1.3, label=f"stage {stage + 1}")
    axes.set_ylim(-0.1, 1.45)
    axes.set_ylabel("firing\ncurrent (A)", color=INK)


def _marks(axes: Axes, done: Simulated, time_ms: np.ndarray[Any, Any]) -> None:
    """What all panels share: contact, required time, fire, where the event ends, and the looks."""
    found = done.outcome
    axes.axvline(0.0, color=QUIET, lw=0.9, ls=":")
    if found.rttf_ms is not None:
        axes.axvline(found.rttf_ms, color=GOOD, lw=1.3, ls="--", label=f"required {found.rttf_ms:.1f} ms")
    if found.ttf_ms is not None:
        axes.axvline(found.ttf_ms, color=DECISION, lw=1.3, label=f"fires {found.ttf_ms:.1f} ms")
    if done.n_given < done.n_ticks:
        axes.axvspan(time_ms[done.n_given], time_ms[-1], color=QUIET, alpha=0.13, lw=0, label="rest added, synthetic")
    axes.set_facecolor("none")
    axes.grid(color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(QUIET)


def timeline_page(done: Simulated) -> str:
    """A self-contained page about ``done``: the figure, with every value of every tick at a cursor."""
    event, found, line = done.event, done.outcome, done.timeline
    times = done.time_ms
    main, safing = (float(spec.lsb) for spec in (done.sensors.main, done.sensors.safing))

    def flag(name: str, values: np.ndarray[Any, np.dtype[np.bool_]]) -> Column:
        return Column(name, "", values.astype(int).tolist(), ("no", "yes"))

    columns = (
        Column("main", "g", (done.main_lsb * main).tolist()),
        Column("safing", "g", (done.safing_lsb * safing).tolist()),
        # Shown, not computed with: a JavaScript number would round beyond 2^53.
        Column("net", "", [str(y) for y in line.y.tolist()]),
        flag("vote", line.vote),
        flag("request", line.fire_request),
        flag("armed", line.armed),
        flag("agree", line.sensors_agree),
        Column("state", "", line.mode.tolist(), MODES),
        Column("stage 1", "mA", line.current_ma[:, 0].tolist()),
        Column("stage 2", "mA", line.current_ma[:, 1].tolist()),
    )

    def ms(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} ms"

    cards = [
        ("verdict", found.verdict),
        ("fires", ms(found.ttf_ms)),
        ("required by", "nothing required" if found.rttf_ms is None else ms(found.rttf_ms)),
        ("first request", ms(found.request_ms)),
        ("first armed", ms(found.arming_ms)),
        ("trouble codes", ", ".join(done.troubles()) or "none"),
    ]
    lead = (
        f"{event.source} event, {event.mode.replace('_', ' ')}, {event.label.replace('_', '-')}; simulated controller."
    )
    caption = "Deceleration is positive. " + "; ".join(f"{at:.1f} ms {state}" for at, state in done.states()) + "."
    plot = Plot(lambda: timeline_figure(done), (times[0], times[-1]), times, columns)
    return render_page(event.name, lead, cards, caption, plot)
