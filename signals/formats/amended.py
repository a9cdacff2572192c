"""What a map says of one channel beyond its meaning: how long its data are valid, and what it stands in for."""

from __future__ import annotations

from dataclasses import replace

from crumple.errors import ChannelError, ConfigError, SignalError
from crumple.signals.recording import CENTRE, SIDES, Channel, Place, Recording
from crumple.signals.trace import Trace

from .mapping import CsvChannel, RecordingMap

SELF_STATED = ("unit", "polarity", "axis", "side", "place", "filter_class", "offset", "clips_at")
"""Statements that mean nothing to a file which makes them itself."""

SHORTEST = 2


def valid_until(trace: Trace, until_ms: float) -> tuple[Trace, str]:
    """The samples of ``trace`` up to a time, and a remark on what was left out (empty where nothing was).

    Parameters
    ----------
    trace : Trace
    until_ms : float
        Time from first contact of the last valid sample.

    Raises
    ------
    SignalError
        Fewer than 2 samples are valid.
    """
    n_valid = int((trace.time_s <= until_ms * 1e-3 + 1e-9).sum())
    if n_valid == trace.accel_g.size:
        return trace, ""
    if n_valid < SHORTEST:
        raise SignalError(f"{trace.name}: {n_valid} of its samples are valid (until {until_ms:g} ms), nothing is left")
    kept = Trace(trace.name, trace.accel_g[:n_valid], trace.rate_hz, trace.t0_s)
    return kept, f"no valid data after {until_ms:g} ms: the first {n_valid} of {trace.accel_g.size} samples used"


def stand_in_words(stated: CsvChannel, place: str, axis: str, unit: str) -> str:
    """How a channel stands in for the longitudinal sensor, for provenance; empty where it does not.

    Parameters
    ----------
    stated : CsvChannel
    place, axis, unit : str
        What the channel really is.
    """
    if stated.stand_in_g_per_unit is None:
        return ""
    scale = "" if unit == "g" else f", each {unit} read as {stated.stand_in_g_per_unit:g} g"
    return (
        f"stands in for the car's longitudinal sensor, as stated in the map{scale}: it was measured at {place},"
        f" axis {axis or 'not named'}, and says nothing of a car's own deceleration"
    )


def with_channel_statements(recording: Recording, mapping: RecordingMap | None) -> Recording:
    """The ``recording`` of a file that says itself what its channels are, with what a map adds to them.

    Parameters
    ----------
    recording : Recording
    mapping : RecordingMap or None
        The channels of its table ``data`` are named as the recording names them.

    Raises
    ------
    ConfigError
        The map states what the file says itself, or nothing of a channel that it names.
    ChannelError
        The recording has no such channel.
    SignalError
        No sample of a channel is valid.
    """
    if mapping is None or mapping.data is None:
        return recording
    channels = {channel.info.name: channel for channel in recording.channels}
    for stated in mapping.data.channels:
        name = str(stated.column)
        if stated.column is None:
            raise ConfigError(f"map: a channel in [data] has no column; name one, such as column = {min(channels)!r}")
        twice = [key for key in SELF_STATED if getattr(stated, key) is not None]
        if twice:
            raise ConfigError(f"map: channel {name!r}: {twice[0]} is stated, but the file says it; take it out")
        if name not in channels:
            raise ChannelError(
                f"{recording.name}: has no channel {name!r} to amend; it has {', '.join(channels)[:200]}"
            )
        channels[name] = _amended(channels[name], stated)
    return replace(recording, channels=tuple(channels.values()))


def _amended(channel: Channel, stated: CsvChannel) -> Channel:
    """One channel as its statements have it."""
    info, values = channel.info, channel.values
    if stated.valid_until_ms is not None:
        cut, remark = valid_until(Trace(info.name, values, channel.rate_hz, channel.t0_s), stated.valid_until_ms)
        values = cut.accel_g
        info = replace(info, notes=(f"{remark} (stated in the map)", *info.notes)) if remark else info
    if stated.stand_in_g_per_unit is not None:
        if info.unit == "g" and stated.stand_in_g_per_unit != 1.0:
            raise ConfigError(f"map: channel {info.name!r} is in g and stands in as it is; stand_in_g_per_unit = 1.0")
        words = stand_in_words(stated, info.place.code, info.axis, info.unit)
        values = values * stated.stand_in_g_per_unit
        side = info.place.side if info.place.side in SIDES else CENTRE
        place = Place(info.place.code, side, 0)
        info = replace(info, place=place, quantity="acceleration", unit="g", stands_in=words)
    return Channel(info, values, channel.rate_hz, channel.t0_s)
