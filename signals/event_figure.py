"""An event to look at: acceleration, velocity change and free-flight displacement over time."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crumple.units import KMH_PER_MPS

from .cfc import cfc
from .corpus import Event
from .criteria import delta_v_mps, free_flight_m
from .figures import svg_of
from .recording import LABEL_CFC, Channel, ChannelInfo, quality_lines, quality_of
from .sensor import Counts, SensorPair, SensorSpec
from .trace import Float, Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 8
"""Lines on quality that a figure has room for."""

SHOWN_M = 0.5
"""Free flight is drawn up to here: by then every occupant has met the bag or the wheel; assumed."""


@dataclass(frozen=True, slots=True)
class View:
    """What a figure shows.

    Attributes
    ----------
    title : str
    curves : tuple of (str, Trace)
        Named acceleration signals for the first panel, the one that matters most last.
    basis : Trace
        The signal that is integrated from contact on.
    basis_name : str
    rttf_s : float
        Required time to fire from contact; NaN where nothing is required.
    quality : tuple of str
        What is known of the signal's health; written below the curves.
    """

    title: str
    curves: tuple[tuple[str, Trace], ...]
    basis: Trace
    basis_name: str
    rttf_s: float
    quality: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[Float, Float, Float]:
        """Time in s, velocity change in m/s and displacement in m from contact on; empty if the signal ends before."""
        after = self.basis.time_s >= -1e-9
        decel_g, step_s = self.basis.decel_g[after], 1.0 / self.basis.rate_hz
        return self.basis.time_s[after], delta_v_mps(decel_g, step_s), free_flight_m(decel_g, step_s)


def event_view(event: Event, sensors: SensorPair) -> View:
    """What there is to see of an ``event`` of a corpus whose counts come from ``sensors``."""

    def sensed(counts: Counts, spec: SensorSpec) -> Trace:
        accel_g = -counts.astype(np.float64) * float(spec.lsb)
        return Trace(event.name, accel_g, float(spec.sample_rate_hz), event.first_sample_s)

    main, safing = sensed(event.main_lsb, sensors.main), sensed(event.safing_lsb, sensors.safing)
    curves = [("safing sensor", safing), ("main sensor", main)]
    basis, basis_name = main, "main sensor, its offset and gain error included"
    if event.physical_decel_g.size >= 2:
        basis = Trace(event.name, -event.physical_decel_g, event.physical_rate_hz, event.first_sample_s)
        basis_name = f"{event.source} signal"
        curves.append(_smooth(basis, 0, basis_name))
    said = [event.source, event.mode.replace("_", " "), event.label.replace("_", "-")]
    if not math.isnan(event.speed_kmh):
        said.append(f"{event.speed_kmh:.1f} km/h")
    title = f"{event.name}: {', '.join(said)}"
    return View(title, tuple(curves), basis, basis_name, event.rttf_s, tuple(quality_of(event)))


def channel_view(recording_name: str, source: str, channel: Channel) -> View:
    """What there is to see of one acceleration ``channel`` of ``recording_name``, whose ``source`` is named too.

    Raises
    ------
    ChannelError
        The channel is no acceleration in g.
    SignalError
        Its zero cannot be found as it is stated.
    """
    trace, offset = channel.without_offset()
    info = channel.info
    title = f"{recording_name}: {source}, {info.name}, {info.place.code or 'no place'} {info.axis}; {offset}"
    curves = (("as recorded", trace), _smooth(trace, info.filter_class, "as recorded"))
    known = [f"{info.name}: {line}" for line in [*_refused(info), *quality_lines(info)]]
    return View(title, curves, trace, "signal as recorded", math.nan, tuple(known))


def _refused(info: ChannelInfo) -> list[str]:
    return [f"REFUSED for use: {info.refusal}"] if info.refusal else []


def _smooth(trace: Trace, filter_class: int, name: str) -> tuple[str, Trace]:
    """The signal as its class for labels sees it, where it is fast enough and not smoother already."""
    if 0 < filter_class <= LABEL_CFC or trace.rate_hz < 10 * LABEL_CFC:
        return name, trace
    return f"{name}, CFC {LABEL_CFC}", cfc(trace, LABEL_CFC)


def figure(view: View) -> Figure:
    """Three panels over one time axis: what ``view`` holds."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(9.0, 8.0), layout="constrained")
    accel, speed, way = made.subplots(3, 1, sharex=True)
    for number, (name, trace) in enumerate(view.curves):
        is_last = number == len(view.curves) - 1
        style = {"linewidth": 1.4, "color": "black"} if is_last else {"linewidth": 0.8, "alpha": 0.8}
        accel.plot(trace.time_s * 1e3, trace.decel_g, label=name, **style)
    time_s, change_mps, moved_m = view.moved
    speed.plot(time_s * 1e3, change_mps * KMH_PER_MPS, color="black", label=f"from the {view.basis_name}")
    way.plot(time_s * 1e3, moved_m * 1e3, color="black", label=f"from the {view.basis_name}")
    for axis in (accel, speed, way):
        axis.axvline(0.0, color="grey", linewidth=0.8, linestyle=":")
        if not math.isnan(view.rttf_s):
            label = f"required time to fire {view.rttf_s * 1e3:.1f} ms"
            axis.axvline(view.rttf_s * 1e3, color="tab:red", linewidth=1.2, label=label)
        axis.grid(alpha=0.3)
        axis.legend(loc="upper right" if axis is accel else "lower right", fontsize="small")
    accel.set(ylabel="deceleration in g")
    accel.set_title(view.title, fontsize="medium", wrap=True)
    speed.set(ylabel="velocity change in km/h")
    if moved_m.size and moved_m.max() > SHOWN_M:
        way.set_ylim(max(float(moved_m.min()), -SHOWN_M) * 1e3 - 20.0, SHOWN_M * 1e3)
    way.set(ylabel="free flight in mm", xlabel="time from first contact in ms")
    if view.quality:
        lines = [line for known in view.quality[:MOST_LINES] for line in textwrap.wrap(known, 130)]
        if len(view.quality) > MOST_LINES:
            lines.append(f"and {len(view.quality) - MOST_LINES} more lines on quality")
        made.supxlabel("\n".join(lines), x=0.01, horizontalalignment="left", fontsize="x-small")
    return made


def figure_svg(view: View) -> bytes:
    """The figure of ``view`` as SVG; the same view gives the same bytes."""
    return svg_of(lambda: figure(view))


def summary(view: View) -> dict[str, float | None]:
    """The numbers that the figure of ``view`` shows: None where there is no such thing."""
    _, change_mps, moved_m = view.moved
    largest = float(change_mps[np.argmax(np.abs(change_mps))]) * KMH_PER_MPS if change_mps.size else None
    return {
        "peak_decel_g": float(view.curves[-1][1].decel_g.max()),
        "lowest_decel_g": float(view.curves[-1][1].decel_g.min()),
        "delta_v_kmh": largest,
        "free_flight_mm": float(moved_m[-1]) * 1e3 if moved_m.size else None,
        "rttf_ms": None if math.isnan(view.rttf_s) else view.rttf_s * 1e3,
    }
