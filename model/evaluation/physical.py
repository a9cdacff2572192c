"""Physical signals through the sensor chain again: tolerance corners, superposition, threshold maps.

What a corpus holds are counts of one sensor each. These studies vary the sensor or the signal before it, so they
start from physical deceleration: of measured events, which keep theirs, or of synthetic events drawn for the
purpose. Sensors are free of noise, everything is deterministic, and a fire request of the main path decides.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError, SignalError
from crumple.model.deployed import DeployedModel
from crumple.signals.augment import corners, superposed, tolerance_box
from crumple.signals.corpus import MEASURED, SYNTHETIC, Corpus
from crumple.signals.criteria import RttfRule
from crumple.signals.events import MODES, MUST_FIRE, NO_FIRE, PHYSICAL_RATE_HZ, PRETRIGGER_S
from crumple.signals.families import Pulse, half_sine, haversine, triangle
from crumple.signals.resample import resample
from crumple.signals.sensor import SensorSpec, Tolerances, sense
from crumple.signals.trace import Trace

from .exact import NEVER
from .immunity import first_request
from .judge import ROUNDING_S

Float = NDArray[np.float64]

ADDED_MODES = ("rough_road", "abs_braking", "hammer")
"""What is usually added to an event: rough road, braking, a hammer blow."""

OFFSETS_S = (-0.020, 0.0, 0.010, 0.020)
"""When it is added, from first contact; assumed."""


@dataclass(frozen=True, slots=True)
class PhysicalEvent:
    """A signal before the sensor.

    Attributes
    ----------
    trace : Trace
        Its time zero is the contact that ``rttf_s`` counts from.
    name, mode, source, label : str
        As in `crumple.signals.corpus.Event`.
    rttf_s : float
        NaN where nothing is required.
    """

    trace: Trace
    name: str
    mode: str
    source: str
    label: str
    rttf_s: float


def drawn_events(modes: Sequence[str], n_events: int, seed: int, rule: RttfRule | None = None) -> list[PhysicalEvent]:
    """Synthetic events drawn for a study, never part of any corpus.

    Parameters
    ----------
    modes : sequence of str
        Synthetic modes.
    n_events : int
        Of each mode.
    seed : int
    rule : RttfRule or None
        Gives the required times; None is the default rule.

    Raises
    ------
    ConfigError
        A mode that no generator makes.
    """
    events = []
    for mode in modes:
        if mode not in MODES:
            raise ConfigError(f"mode {mode!r} is not synthetic; known modes: {', '.join(MODES)}")
        # The last word keeps these draws apart from those of any corpus, whose keys have two words.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(mode.encode()), 0, 1)))
        batch = MODES[mode](n_events, rng, rule or RttfRule())
        events += [
            PhysicalEvent(
                trace=Trace(f"{mode}_{k}", -batch.decel_g[k], PHYSICAL_RATE_HZ, -float(batch.contact_s[k])),
                name=f"{mode}_{k}",
                mode=mode,
                source=SYNTHETIC,
                label=batch.labels[k],
                rttf_s=float(batch.rttf_s[k]),
            )
            for k in range(n_events)
        ]
    return events


def measured_events(corpus: Corpus) -> list[PhysicalEvent]:
    """The events of ``corpus`` that keep their measured signal."""
    return [
        PhysicalEvent(
            trace=Trace(event.name, -event.physical_decel_g, event.physical_rate_hz, event.first_sample_s),
            name=event.name,
            mode=event.mode,
            source=event.source,
            label=event.label,
            rttf_s=event.rttf_s,
        )
        for event in corpus
        if event.physical_rate_hz > 0 and event.source == MEASURED
    ]


def request_time_s(
    model: DeployedModel, spec: SensorSpec, trace: Trace, vertices: Sequence[dict[str, float]] = ({},)
) -> Float:
    """Time of the first fire request from the trace's time zero for each sensor, NaN without one.

    Parameters
    ----------
    model : DeployedModel
    spec : SensorSpec
        Of the main sensor.
    trace : Trace
    vertices : sequence of dict
        Deviations of each sensor from nominal, as ``tolerance_box`` names them.

    Returns
    -------
    ndarray, shape (n_vertices,)
    """
    n_vertices = len(vertices)
    tolerances = Tolerances.nominal(n_vertices)
    for name in {name for vertex in vertices for name in vertex}:
        nominal = getattr(tolerances, name)
        values = np.array([vertex.get(name, float(nominal[0])) for vertex in vertices])
        tolerances = replace(tolerances, **{name: values.astype(nominal.dtype)})
    decel = np.broadcast_to(trace.decel_g, (n_vertices, trace.accel_g.size))
    at = first_request(model, sense(decel, trace.rate_hz, spec, tolerances, None))
    first_sample_s = trace.t0_s + tolerances.phase / spec.sample_rate_hz
    return np.where(at == NEVER, np.nan, first_sample_s + at / spec.sample_rate_hz)


def verdict(event: PhysicalEvent, request_s: Float) -> list[str]:
    """Verdict on an ``event`` for each time in ``request_s``, words as in `crumple.model.evaluation.judge`."""
    if event.label == MUST_FIRE:
        return [_must_fire_verdict(t, event.rttf_s) for t in request_s.tolist()]
    if event.label == NO_FIRE:
        return ["silent" if math.isnan(t) else "false fire" for t in request_s]
    return ["not scored"] * len(request_s)


def _must_fire_verdict(request_s: float, rttf_s: float) -> str:
    if math.isnan(request_s):
        return "missed"
    if request_s < -ROUNDING_S:
        return "premature"
    return "late" if request_s > rttf_s + ROUNDING_S else "in time"


def tolerance_corners(model: DeployedModel, spec: SensorSpec, events: Sequence[PhysicalEvent]) -> list[dict[str, Any]]:
    """Every event at every vertex of the sensor's tolerance box.

    Parameters
    ----------
    model : DeployedModel
    spec : SensorSpec
        Of the main sensor, with its tolerances.
    events : sequence of PhysicalEvent

    Returns
    -------
    list of dict
        One row an event: time to fire nominal, least and largest, verdict nominal and how many corners give which.
    """
    vertices = list(corners(tolerance_box(spec)))
    rows = []
    for event in events:
        times = request_time_s(model, spec, event.trace, [{}, *vertices])
        said = verdict(event, times)
        known = times[1:][~np.isnan(times[1:])]
        rows.append(
            {
                "name": event.name,
                "mode": event.mode,
                "source": event.source,
                "label": event.label,
                "rttf_ms": _ms(event.rttf_s),
                "ttf_ms": _ms(float(times[0])),
                "ttf_min_ms": _ms(float(known.min())) if known.size else None,
                "ttf_max_ms": _ms(float(known.max())) if known.size == len(vertices) else None,
                "verdict": said[0],
                "corners": {word: said[1:].count(word) for word in sorted(set(said[1:]))},
            }
        )
    return rows


def superposition(
    model: DeployedModel,
    spec: SensorSpec,
    events: Sequence[PhysicalEvent],
    added: Sequence[PhysicalEvent],
    offsets_s: Sequence[float] = OFFSETS_S,
) -> list[dict[str, Any]]:
    """Every event with every added one at every offset, judged by the label and required time of the event alone.

    Parameters
    ----------
    model : DeployedModel
    spec : SensorSpec
        Of the main sensor.
    events, added : sequence of PhysicalEvent
        ``added`` must be no-fire events; they are brought to the rate of what they are added to.
    offsets_s : sequence of float
        Seconds from an event's contact to that of the added one.

    Returns
    -------
    list of dict
        One row for each mode and added mode: how many sums gave which verdict, and how many the event alone did.
    """
    for other in added:
        if other.label != NO_FIRE:
            raise SignalError(f"{other.name}: only no-fire events are added to others, it is {other.label}")
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for event in events:
        alone = verdict(event, request_time_s(model, spec, event.trace))[0]
        for other in added:
            key = (event.source, event.mode, other.mode)
            row = rows.setdefault(key, {"alone": {}, "together": {}})
            row["alone"][alone] = row["alone"].get(alone, 0) + len(offsets_s)
            extra = other.trace
            if extra.rate_hz != event.trace.rate_hz:
                extra = resample(extra, event.trace.rate_hz)
            for offset_s in offsets_s:
                both = superposed(event.trace, extra, offset_s=offset_s)
                word = verdict(event, request_time_s(model, spec, both))[0]
                row["together"][word] = row["together"].get(word, 0) + 1
    return [{"source": s, "mode": mode, "added": other, **row} for (s, mode, other), row in rows.items()]


@dataclass(frozen=True, slots=True)
class DampedSine:
    """A burst ``A exp(-t / tau) sin(2 pi f t)`` that loses a factor e in ``periods`` periods; no velocity change."""

    peak_g: float
    frequency_hz: float
    periods: float = 3.0

    def decel_g(self, time_s: Float) -> Float:
        """Deceleration in g at ``time_s``, zero before 0."""
        since = np.maximum(time_s, 0.0)
        decay = np.exp(-since * self.frequency_hz / self.periods)
        return np.where(time_s >= 0, self.peak_g * decay * np.sin(2 * np.pi * self.frequency_hz * since), 0.0)


FAMILIES = {"half-sine": half_sine, "haversine": haversine, "triangle": triangle}
"""Pulses of the threshold map by peak and duration; ``damped sine`` is by peak and frequency."""


def threshold_map(model: DeployedModel, spec: SensorSpec, family: str, peak_g: Float, across: Float) -> Float:
    """Time to fire in ms from the start of analytic pulses, NaN where no fire is requested.

    Parameters
    ----------
    model : DeployedModel
    spec : SensorSpec
        Of the main sensor, nominal.
    family : str
        A name in ``FAMILIES``, or ``damped sine``.
    peak_g : ndarray, shape (n_peaks,)
    across : ndarray, shape (n_across,)
        Durations in seconds; of ``damped sine`` frequencies in Hz.

    Returns
    -------
    ndarray, shape (n_peaks, n_across)
    """
    if family not in FAMILIES and family != "damped sine":
        raise ConfigError(f"pulse family {family!r}: expected one of {', '.join(FAMILIES)}, damped sine")
    longest_s = 0.1 if family == "damped sine" else float(across.max())
    window_s = model.window_samples / model.sample_rate_hz
    n_physical = math.ceil((PRETRIGGER_S + longest_s + window_s) * PHYSICAL_RATE_HZ) + 2
    time_s = np.arange(n_physical) / PHYSICAL_RATE_HZ - PRETRIGGER_S
    result = np.empty((peak_g.size, across.size))
    for k, value in enumerate(across):
        pulses: list[Pulse | DampedSine] = [
            DampedSine(float(peak), float(value)) if family == "damped sine" else FAMILIES[family](peak, float(value))
            for peak in peak_g
        ]
        decel = np.stack([pulse.decel_g(time_s) for pulse in pulses])
        counts = sense(decel, PHYSICAL_RATE_HZ, spec, Tolerances.nominal(peak_g.size), None)
        at = first_request(model, counts)
        result[:, k] = np.where(at == NEVER, np.nan, 1e3 * (at / spec.sample_rate_hz - PRETRIGGER_S))
    return result


def _ms(seconds: float) -> float | None:
    """Milliseconds to the nanosecond; None for NaN."""
    return None if math.isnan(seconds) else round(1e3 * seconds, 6)
