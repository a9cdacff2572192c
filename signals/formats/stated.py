"""Channels whose meaning a map states: unit, sign, place and time axis, the same for every file that is mute.

Nothing is guessed: what neither the file nor the map says is asked for, and where both speak they must agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ChannelError, ConfigError, SignalError, TraceFormatError
from crumple.signals.corpus import MEASURED
from crumple.signals.quality import quality_notes
from crumple.signals.recording import CENTRE, SIDES, Channel, ChannelInfo, Place, Recording, Vehicle
from crumple.signals.resample import from_irregular, resample
from crumple.signals.trace import Float, Trace
from crumple.units import G0_MPS2

from .amended import stand_in_words, valid_until
from .mapping import CsvChannel, DataMap, RecordingMap, with_statements
from .text import MAX_SAMPLES

G_PER_UNIT = {"g": 1.0, "m/s^2": 1.0 / G0_MPS2}
SECONDS_PER_UNIT = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
UNIT_SPELLINGS = {
    "g": "g",
    "G": "g",
    "gn": "g",
    "g_n": "g",
    "m/s^2": "m/s^2",
    "m/s²": "m/s^2",
    "m/s2": "m/s^2",
    "m/s**2": "m/s^2",
    "m/(s*s)": "m/s^2",
    "m/s/s": "m/s^2",
}
"""How files write the two units of acceleration that a map may state."""

TIME_TOLERANCE = 0.02
"""A time may miss its place on the grid by this part of a step: rounding in print; assumed."""

MAX_LISTED = 20

FORMAT_KEYS = ("time_file", "sheet", "header_lines")
"""Keys of ``[data]`` that only some formats have a use for."""

STATEMENTS = {
    "column": '"accel_x"  # name in the header, or its number from 1 as text',
    "unit": '"g"  # or m/s^2',
    "polarity": '"j211"  # or positive-deceleration',
    "axis": '"X"  # J211: X forward, Y right, Z down',
    "side": '"centre"  # left, right or centre of the occupant compartment; "none" elsewhere',
    "place": '"tunnel"  # in words',
    "filter_class": "0  # CFC already applied; 0 is none",
    "offset": '"pretrigger"  # how zero is found: pretrigger, median, or none if already taken off',
}
"""What must be known of a channel, each with a line to propose."""

VOLUNTARY = {"clips_at", "valid_until_ms", "stand_in_g_per_unit"}
"""What a map may add, and nobody misses."""

assert {field.name for field in fields(CsvChannel)} == set(STATEMENTS) | VOLUNTARY


@dataclass(frozen=True, slots=True)
class Axis:
    """Where the samples of a channel lie in time.

    Attributes
    ----------
    place : callable
        From the number of a sample (0 is the first) to words that say where it stands in the file.
    table : str
        Table of the map that may state more, for messages.
    time_s : ndarray, shape (n_samples,), or None
        Time of each sample from first contact; None where a rate stands for it.
    rate_hz, first_sample_s : float or None
        In place of ``time_s``.
    resample_hz, longest_gap_s : float or None
        Rate to bring the samples to, and the longest gap in time to bridge.
    repeated_times : str or None
        What stands for samples of one time: ``mean``; None refuses them.
    """

    place: Callable[[int], str]
    table: str
    time_s: Float | None
    rate_hz: float | None
    first_sample_s: float | None
    resample_hz: float | None
    longest_gap_s: float | None
    repeated_times: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A channel as the file lists it, before its samples are read.

    Attributes
    ----------
    name : str
        What a map calls it.
    unit : str
        As the file writes it; empty where it does not say.
    has_times : bool
        Whether the file itself says when each sample was taken.
    description, sensor_id : str
        The file's own words.
    """

    name: str
    unit: str
    has_times: bool
    description: str = ""
    sensor_id: str = ""


Load = Callable[[str], tuple[NDArray[Any], NDArray[Any] | None]]
"""From a listed name to samples and, where the file has them, times in seconds of the file's clock."""


def missing_statements(channel: CsvChannel, table: str, *, known: Sequence[str] = ()) -> list[str]:
    """Lines of TOML to add for a channel; empty where all is stated.

    Parameters
    ----------
    channel : CsvChannel
        What is stated so far.
    table : str
        Table of the map, ``csv`` or ``data``.
    known : sequence of str
        Names of statements that the file itself makes.
    """
    missing = [name for name in STATEMENTS if getattr(channel, name) is None and name not in known]
    return [f"[[{table}.channels]]", *(f"{name} = {STATEMENTS[name]}" for name in missing)] if missing else []


def stated_channel(
    name: str, stated: CsvChannel, values: Float, axis: Axis, *, description: str = "", sensor_id: str = ""
) -> Channel:
    """One channel in g, J211 sign, at a fixed rate.

    Parameters
    ----------
    name : str
    stated : CsvChannel
        Complete: nothing in it is None.
    values : ndarray, shape (n_samples,)
        Finite samples in the stated unit.
    axis : Axis
    description, sensor_id : str
        The file's own words.

    Raises
    ------
    TraceFormatError
        Times do not run forward, or not at a fixed rate and no rate to resample to is stated.
    SignalError
        The samples cannot be resampled as stated, or none is valid.
    """
    sign = 1.0 if stated.polarity == "j211" else -1.0
    unit = str(stated.unit)
    accel_g = values * (sign * (G_PER_UNIT[unit] if unit in G_PER_UNIT else float(stated.stand_in_g_per_unit or 1.0)))
    notes: list[str] = _clipped(stated, values)
    if axis.time_s is None:
        assert axis.rate_hz is not None and axis.first_sample_s is not None, "the reader asks for them"
        trace = Trace(name, accel_g, axis.rate_hz, axis.first_sample_s)
    else:
        trace = _on_time_axis(name, accel_g, axis.time_s, axis, notes)
    if stated.valid_until_ms is not None:
        trace, remark = valid_until(trace, stated.valid_until_ms)
        notes += [f"{remark} (stated in the map)"] if remark else []
    notes += quality_notes(trace.accel_g, trace.rate_hz, trace.t0_s)
    if axis.resample_hz is not None and trace.rate_hz != axis.resample_hz:
        trace = _resampled(trace, axis, axis.resample_hz, notes)
    words = stand_in_words(stated, str(stated.place), str(stated.axis), "g" if unit in G_PER_UNIT else unit)
    is_compartment = stated.side in SIDES
    place = Place(str(stated.place), str(stated.side), 0) if is_compartment else Place(str(stated.place))
    if words and not is_compartment:
        place = Place(str(stated.place), CENTRE, 0)
    info = ChannelInfo(
        name=name,
        description=description,
        vehicle=1,
        place=place,
        quantity="acceleration",
        axis=str(stated.axis),
        unit="g",
        sensor_id=sensor_id,
        filter_class=int(stated.filter_class or 0),
        offset=str(stated.offset),
        notes=tuple(notes),
        stands_in=words,
    )
    return Channel(info, trace.accel_g, trace.rate_hz, trace.t0_s)


def _clipped(stated: CsvChannel, values: Float) -> list[str]:
    """What the stated limit of the sensor shows: samples that may have been larger."""
    if stated.clips_at is None:
        return []
    at_limit = np.flatnonzero(np.abs(values) >= stated.clips_at)
    told = f", the first is sample {at_limit[0] + 1}" if at_limit.size else ""
    return [f"clipped: {at_limit.size} samples reach the limit of {stated.clips_at:g} {stated.unit} (map){told}"]


def _resampled(trace: Trace, axis: Axis, rate_hz: float, notes: list[str]) -> Trace:
    """The trace at another rate; between odd rates by straight lines, where that cannot alias and gaps are bounded."""
    try:
        result = resample(trace, rate_hz)
    except SignalError:
        if axis.time_s is None or axis.longest_gap_s is None or rate_hz < trace.rate_hz:
            raise
        result = _joined(trace.name, trace.accel_g, trace.time_s, axis, rate_hz, axis.longest_gap_s)
        notes.append(f"odd rate of {trace.rate_hz:g} Hz, joined by straight lines at {rate_hz:g} Hz")
        return result
    notes.append(f"resampled from {trace.rate_hz:g} to {rate_hz:g} Hz, which adds no bandwidth")
    return result


def _joined(name: str, accel_g: Float, time_s: Float, axis: Axis, rate_hz: float, longest_gap_s: float) -> Trace:
    """Samples joined by straight lines, in bounded memory; errors name the file."""
    if (time_s[-1] - time_s[0]) * rate_hz > MAX_SAMPLES:
        raise SignalError(
            f"{axis.place(0)}: {rate_hz:g} Hz over {time_s[-1] - time_s[0]:g} s make more than {MAX_SAMPLES}"
            " samples; state a lower resample_hz"
        )
    try:
        return from_irregular(name, time_s, accel_g, rate_hz=rate_hz, longest_gap_s=longest_gap_s)
    except SignalError as error:
        raise SignalError(f"{axis.place(0)}: {error}") from error


def _on_time_axis(name: str, accel_g: Float, time_s: Float, axis: Axis, notes: list[str]) -> Trace:
    """A trace on the file's own time axis, which must run forward at a fixed rate unless the map resamples it."""
    steps = np.diff(time_s)
    if (steps < 0).any() or ((steps == 0).any() and axis.repeated_times is None):
        row = int(np.flatnonzero(steps < 0 if axis.repeated_times is not None else steps <= 0)[0]) + 1
        is_still = steps[row - 1] == 0
        word = "stands still" if is_still else "goes backwards"
        advice = (
            '; which of the values is true is not for crumple to say: state repeated_times = "mean" and resample_hz'
            f" with longest_gap_s in [{axis.table}] if their mean may stand for them"
        )
        raise TraceFormatError(
            f"{axis.place(row)}: time {word} ({time_s[row]:g} s after {time_s[row - 1]:g} s)"
            + (advice if is_still else "")
        )
    if (steps == 0).any():
        time_s, accel_g = _merged(name, time_s, accel_g, axis, notes)
    step_s = float(time_s[-1] - time_s[0]) / (time_s.size - 1)
    off = np.abs(time_s - (time_s[0] + step_s * np.arange(time_s.size))) > TIME_TOLERANCE * step_s
    if not off.any():
        rate_hz = 1.0 / step_s
        # Times in print are rounded; a rate within 1 ppm of a whole number of hertz is that number.
        rate_hz = float(round(rate_hz)) if abs(rate_hz - round(rate_hz)) < 1e-6 * rate_hz else rate_hz
        return Trace(name, accel_g, rate_hz, float(time_s[0]))
    row = int(np.flatnonzero(off)[0])
    if axis.resample_hz is None or axis.longest_gap_s is None:
        raise TraceFormatError(
            f"{axis.place(row)}: irregular rate: time is {time_s[row]:.9g} s where {1 / step_s:g} Hz would put"
            f" {time_s[0] + row * step_s:.9g} s; samples are missing, or state resample_hz and longest_gap_s in"
            f" [{axis.table}]"
        )
    trace = _joined(name, accel_g, time_s, axis, axis.resample_hz, axis.longest_gap_s)
    notes.append(
        f"irregular times, joined by straight lines at {axis.resample_hz:g} Hz, the longest gap"
        f" {1e3 * float(np.diff(time_s).max()):.1f} ms"
    )
    return trace


def _merged(name: str, time_s: Float, accel_g: Float, axis: Axis, notes: list[str]) -> tuple[Float, Float]:
    """Each time once, with the mean of its values, as the map states; what was merged is noted."""
    times, which, counts = np.unique(time_s, return_inverse=True, return_counts=True)
    if times.size < 2:
        raise TraceFormatError(f"{axis.place(0)}: all samples of {name} have one time; it is no signal")
    means = np.bincount(which, weights=accel_g) / counts
    low, high = np.full(times.size, np.inf), np.full(times.size, -np.inf)
    np.minimum.at(low, which, accel_g)
    np.maximum.at(high, which, accel_g)
    notes.append(
        f"repeated times: {int((counts > 1).sum())} of {times.size} times stood more than once ({time_s.size} samples),"
        f" the mean of their values used as stated in the map; values of one time differ by up to"
        f" {float((high - low).max()):.4g} g"
    )
    return times, means


def stated_recording(
    path: Path,
    kind: str,
    digest: tuple[str, str],
    listed: Sequence[Listed],
    load: Load,
    mapping: RecordingMap | None,
    *,
    facts: tuple[tuple[str, str], ...] = (),
    own_keys: Sequence[str] = (),
) -> Recording:
    """The recording that a file's channels and a map's table ``[data]`` make together.

    Parameters
    ----------
    path : Path
        For messages and the recording's name.
    kind : str
        Name of the format.
    digest : (str, str)
        File name and SHA-256.
    listed : sequence of Listed
        Channels of the file.
    load : callable
        Reads one of them; called only for channels that the map wants.
    mapping : RecordingMap or None
    facts : tuple of (str, str)
        What the file says of itself.
    own_keys : sequence of str
        Those of `FORMAT_KEYS` that this format understands.

    Raises
    ------
    ConfigError
        The map lacks something, contradicts the file or states what this format has no use for; the message gives
        the lines to add.
    ChannelError
        A wanted channel is not in the file, is there twice, or has a unit that is no acceleration.
    TraceFormatError
        Samples or times are not finite, are no numbers, or do not run forward.
    """
    by_name = {channel.name: channel for channel in listed}
    if mapping is not None and mapping.data is not None:
        for key in FORMAT_KEYS:
            if getattr(mapping.data, key) is not None and key not in own_keys:
                raise ConfigError(f"{path}: {key} in [data] means nothing to a recording of format {kind}; take it out")
        for wanted in [c.column for c in mapping.data.channels] + [mapping.data.time_column]:
            if wanted is not None:
                _check_listed(path, wanted, listed)
    spec = _complete(path, mapping, by_name)
    assert mapping is not None
    clock: Float | None = None
    if spec.time_column is not None:
        clock = _samples(path, spec.time_column, load(spec.time_column)[0], None)
    channels = []
    for stated in spec.channels:
        channel = by_name[str(stated.column)]
        raw, file_times = load(channel.name)
        values = _samples(path, channel.name, raw, spec.use_samples)
        times = clock if clock is not None else file_times
        axis = Axis(
            lambda row, named=channel.name: f"{path}: channel {named!r} sample {row + 1}",  # type: ignore[misc]
            "data",
            None if times is None else _times(path, spec, channel.name, times, raw.size)[: values.size],
            spec.rate_hz,
            spec.first_sample_s,
            spec.resample_hz,
            spec.longest_gap_s,
            spec.repeated_times,
        )
        agreed = _with_unit(path, stated, channel)
        told = {"description": channel.description, "sensor_id": channel.sensor_id}
        made = stated_channel(channel.name, agreed, values, axis, **told)
        if values.size < raw.size:
            made = _noted(made, f"only the first {values.size} of {raw.size} samples used, as stated in the map")
        channels.append(made)
    recording = Recording(
        name=path.stem,
        kind=kind,
        mode=str(mapping.mode),
        vehicles=(Vehicle(1, mapping.vehicle or "not named"),),
        channels=tuple(channels),
        refused=(),
        speed_kmh=math.nan,
        facts=(*facts, ("meaning of the channels", "as stated in the map")),
        files=(digest,),
        source=MEASURED,
    )
    return with_statements(recording, mapping)


def _noted(channel: Channel, note: str) -> Channel:
    return replace(channel, info=replace(channel.info, notes=(note, *channel.info.notes)))


def _complete(path: Path, mapping: RecordingMap | None, by_name: dict[str, Listed]) -> DataMap:
    """The table ``[data]`` of a map, with everything in it that is needed. Raises ConfigError with what to add."""
    add: list[str] = []
    if mapping is None or mapping.label is None:
        add.append('label = "unlabelled"  # or must_fire, no_fire, grey, with label_source = "how it is known"')
    if mapping is None or mapping.mode is None:
        add.append('mode = "rough_road"  # what happened, in one word')
    spec = DataMap() if mapping is None or mapping.data is None else mapping.data
    wanted = [by_name[str(c.column)] for c in spec.channels if c.column in by_name]
    # Before a channel is chosen, one that has times shows what a map for this file looks like.
    file_has_times = all(c.has_times for c in wanted) if wanted else any(c.has_times for c in by_name.values())
    has_rate = spec.rate_hz is not None or spec.first_sample_s is not None
    table: list[str] = []
    if wanted and file_has_times and (spec.time_column is not None or has_rate):
        raise ConfigError(
            f"{path}: the file says itself when its samples were taken; take time_column, rate_hz and first_sample_s"
            " out of [data], and state contact_time"
        )
    if spec.time_column is not None and has_rate:
        raise ConfigError(f"{path}: the map states both stored times and a rate or first sample; keep one")
    if file_has_times or spec.time_column is not None:
        if spec.contact_time is None:
            table.append("contact_time = 0.0  # what the file's clock says at first contact, in time_unit")
        if spec.time_unit is None and not file_has_times:
            table.append('time_unit = "s"  # or ms, us, ns')
        if file_has_times and spec.time_unit not in (None, "s"):
            raise ConfigError(f"{path}: time_unit = {spec.time_unit!r}, but the file's own clock is in seconds")
    else:
        if spec.contact_time is not None or spec.time_unit is not None:
            raise ConfigError(
                f"{path}: the map states a contact time, but neither the file nor the map has times; state time_column"
                " or take it out and state rate_hz and first_sample_s"
            )
        if spec.rate_hz is None:
            table.append("rate_hz = 10000.0  # or time_column, time_unit and contact_time")
        if spec.first_sample_s is None:
            table.append("first_sample_s = 0.0  # time of the first sample from first contact")
    for channel in spec.channels or (CsvChannel(),):
        in_file = by_name.get(str(channel.column))
        table += missing_statements(channel, "data", known=("unit",) if in_file and in_file.unit else ())
    if table:
        add += ["[data]", *table]
    if add:
        told = {c.name: ", ".join(filter(None, (c.description, c.unit))) for c in by_name.values()}
        names = [f"{name} ({words})" if words else name for name, words in told.items()]
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        raise ConfigError(
            f"{path}: does not say all that must be known; it has the channels {'; '.join(names[:MAX_LISTED])}{more}."
            " Add these lines to a map and give it with --map:\n" + "\n".join(add)
        )
    return spec


def _check_listed(path: Path, name: str, listed: Sequence[Listed]) -> None:
    """Raise ChannelError unless exactly one channel has this name."""
    names = [channel.name for channel in listed]
    if names.count(name) != 1:
        found = "has it twice" if name in names else f"has {', '.join(map(repr, names[:MAX_LISTED])) or 'none'}"
        raise ChannelError(f"{path}: expected one channel {name!r}, the file {found}")


def _with_unit(path: Path, stated: CsvChannel, channel: Listed) -> CsvChannel:
    """The statements with the unit that the file gives, where it gives one."""
    if not channel.unit:
        return stated
    unit = UNIT_SPELLINGS.get(channel.unit.strip())
    if unit is None and stated.stand_in_g_per_unit is not None:
        unit = channel.unit.strip()
    if unit is None:
        raise ChannelError(
            f"{path}: channel {channel.name!r} is in {channel.unit!r}, expected an acceleration in g or m/s^2;"
            " choose another channel, or let it stand in (stand_in_g_per_unit)"
        )
    if stated.unit not in (None, unit):
        raise ConfigError(
            f"{path}: the map says that channel {channel.name!r} is in {stated.unit}, the file says {channel.unit!r};"
            " take the unit out of the map"
        )
    return replace(stated, unit=unit)


def _samples(path: Path, name: str, raw: NDArray[Any], use: int | None) -> Float:
    """Finite numbers of one channel."""
    if raw.ndim != 1 or raw.dtype.kind not in "fiu":
        raise TraceFormatError(
            f"{path}: channel {name!r} holds {raw.dtype} of shape {raw.shape}, expected a row of real numbers"
        )
    if not 2 <= raw.size <= MAX_SAMPLES:
        raise TraceFormatError(f"{path}: channel {name!r} holds {raw.size} samples, expected 2 to {MAX_SAMPLES}")
    if use is not None and use > raw.size:
        raise ConfigError(f"{path}: use_samples = {use}, but channel {name!r} has {raw.size}")
    with np.errstate(over="ignore"):
        values: Float = np.array(raw[:use], dtype=np.float64)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise TraceFormatError(
            f"{path}: channel {name!r} sample {at + 1} is {values[at]}, expected a finite number; where the rest holds"
            " no signal, state use_samples in [data] of the map"
        )
    return values


def _times(path: Path, spec: DataMap, name: str, times: NDArray[Any], n_samples: int) -> Float:
    """Times from first contact in seconds, as many as there are samples."""
    clock = _samples(path, f"times of {name}", times, None)
    if clock.size != n_samples:
        raise TraceFormatError(f"{path}: channel {name!r} has {n_samples} samples but {clock.size} times")
    zero = float(spec.contact_time or 0.0)
    return np.asarray((clock - zero) * SECONDS_PER_UNIT[spec.time_unit or "s"], dtype=np.float64)
