"""What a corpus or a recording says of itself, and where an event of it is found: behind ``crumple signals``."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crumple.errors import CorpusError

from .batches import CorpusFile, CorpusInMemory, EventSource, open_corpus
from .corpus import MANIFEST, Corpus, Event, read_event
from .criteria import RttfRule
from .formats import read_recording
from .formats.mapping import CsvChannel, DataMap, RecordingMap
from .recording import Channel, ChannelInfo, Recording, duplicates, quality_lines, quality_of, recording_events
from .sensor import SensorPair, SensorSpec

SELF_STATING = ("nhtsa_ev5", "iso_mme")
"""Formats that list more channels than an import needs, and say what each is."""

MOST_LISTED = 30
"""A corpus of more events is told by mode, not event by event."""


@dataclass(frozen=True, slots=True)
class InCorpus:
    """A corpus folder to look at."""

    corpus: CorpusFile

    @property
    def events(self) -> EventSource:
        """All events, streamed."""
        return self.corpus

    def event(self, name: str | None) -> tuple[Event, SensorPair]:
        """The event called ``name`` (the only one if None) and the sensors that saw it.

        Raises
        ------
        CorpusError
            No such event, or no name where there are several.
        """
        number = _number(name, self.corpus.table.name.tolist(), self.corpus.where)
        return read_event(self.corpus.path, number), self.corpus.sensors

    def document(self) -> dict[str, Any]:
        """Provenance, sensors, counts and what the counts show of their own quality, for ``--json``."""
        artefact, events = self.corpus.artefact, self.corpus.table
        keys = list(zip(events.source.tolist(), events.mode.tolist(), events.label.tolist(), strict=True))
        listed = []
        if len(events) <= MOST_LISTED:
            listed = [_told(read_event(self.corpus.path, number)) for number in range(len(events))]
        return {
            "kind": "corpus",
            "path": str(artefact.path),
            "schema": artefact.schema,
            "sha256": artefact.sha256,
            "made_by": artefact.made_by,
            "parents": dict(artefact.parents),
            "config": artefact.config,
            "n_events": len(events),
            "n_samples": [int(events.n_samples.min()), int(events.n_samples.max())],
            "sensors": {"main": _sensor(self.corpus.sensors.main), "safing": _sensor(self.corpus.sensors.safing)},
            "groups": [
                {"source": source, "mode": mode, "label": label, "n_events": keys.count((source, mode, label))}
                for source, mode, label in dict.fromkeys(keys)
            ],
            "quality": _quality(self.corpus),
            "events": listed,
        }


@dataclass(frozen=True, slots=True)
class InRecording:
    """A measured recording to look at, before it becomes part of a corpus."""

    recording: Recording

    @property
    def events(self) -> EventSource:
        """The events that an import would take, through default sensors. Raises as ``recording_events``."""
        return CorpusInMemory.of(Corpus(SensorPair(), tuple(self._events())))

    def event(self, name: str | None) -> tuple[Event, SensorPair]:
        """The event called ``name`` (the only one if None), seen through default sensors.

        Raises
        ------
        ChannelError
            No channel can stand in for an airbag sensor.
        CorpusError
            No such event, or no name where there are several.
        """
        events = self._events()
        return events[_number(name, [event.name for event in events], self.recording.name)], SensorPair()

    def _events(self) -> list[Event]:
        return recording_events(self.recording, SensorPair(), RttfRule())

    def document(self) -> dict[str, Any]:
        """Provenance, vehicles and every channel with its quality, for ``--json``."""
        one = self.recording
        twins = duplicates(one.channels)
        return {
            "kind": "recording",
            "name": one.name,
            "format": one.kind,
            "source": one.source,
            "mode": one.mode,
            "speed_kmh": _finite(one.speed_kmh),
            "facts": [list(fact) for fact in one.facts],
            "files": dict(one.files),
            "vehicles": [
                {
                    "number": vehicle.number,
                    "name": vehicle.name,
                    "mass_kg": _finite(vehicle.mass_kg),
                    "label": vehicle.label,
                    "label_source": vehicle.label_source,
                }
                for vehicle in one.vehicles
            ],
            "channels": [
                *({**_channel(c.info, twins.get(c.info.name)), **_samples(c)} for c in one.channels),
                *(_channel(info, None) for info in one.refused),
            ],
        }


def look(path: Path, mapping: RecordingMap | None = None, *, channel: str | None = None) -> InCorpus | InRecording:
    """Open what is at ``path``: a corpus folder (or its manifest), or a recording of any known format.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        What a recording does not say; a corpus needs none.
    channel : str or None
        Channel to read besides those that serve an import, where the recording itself says what it is.

    Raises
    ------
    ArtefactError, CorpusError
        A corpus that was changed or is none.
    CorpusError
        A map beside a corpus, which says everything itself.
    TraceFormatError, ChannelError, SignalError, ConfigError
        As ``formats.read_recording``.
    """
    folder = path.parent if path.name == MANIFEST else path
    if (folder / MANIFEST).is_file():
        if mapping is not None:
            raise CorpusError(f"{folder}: is a corpus, which says everything itself; leave --map out")
        return InCorpus(open_corpus(folder))
    recording = read_recording(path, mapping)
    is_missing = channel is not None and channel not in {one.info.name for one in recording.channels}
    if is_missing and recording.kind in SELF_STATING:
        return InRecording(read_recording(path, _with_channel(mapping or RecordingMap(), str(channel))))
    return InRecording(recording)


def _with_channel(mapping: RecordingMap, name: str) -> RecordingMap:
    """The map with one more channel to read, of which it states nothing."""
    data = mapping.data or DataMap()
    return replace(mapping, data=replace(data, channels=(*data.channels, CsvChannel(name))))


def _number(name: str | None, names: list[str], where: str) -> int:
    """Which of ``names`` is meant."""
    if name is None:
        if len(names) == 1:
            return 0
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise CorpusError(f"{where}: holds {len(names)} events; choose one with --event NAME: {listed}")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the first is called {names[0]!r}"
        raise CorpusError(f"{where}: holds no event {name!r}{hint}")
    return names.index(name)


def _quality(source: EventSource) -> dict[str, Any]:
    """Events at the sensor's limit, without any change, and equal to an earlier one."""
    clipped: list[str] = []
    still: list[str] = []
    twins: dict[str, str] = {}
    first: dict[bytes, str] = {}
    names = source.table.name
    for batch in source.batches():
        at_limit = (np.abs(batch.main_lsb) == source.sensors.main.clamp_lsb).any(axis=1)
        clipped += names[batch.rows][at_limit].tolist()
        still += names[batch.rows][np.ptp(batch.main_lsb, axis=1) == 0].tolist()
        for name, main, safing in zip(names[batch.rows].tolist(), batch.main_lsb, batch.safing_lsb, strict=True):
            key = main.tobytes() + safing.tobytes()
            if (earlier := first.setdefault(_digest(key), name)) != name:
                twins[name] = earlier
    return {"main_at_limit": clipped, "main_without_change": still, "duplicates": twins}


def _digest(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()


def _sensor(spec: SensorSpec) -> dict[str, Any]:
    """What a reader of counts needs to know of a sensor."""
    return {
        "lsb_g": spec.lsb_g,
        "range_g": float(spec.lsb) * spec.clamp_lsb,
        "rate_hz": spec.sample_rate_hz,
        "filter_hz": spec.filter_hz,
        "filter_order": spec.filter_order,
    }


def _told(event: Event) -> dict[str, Any]:
    """An event without its samples."""
    return {
        "name": event.name,
        "source": event.source,
        "mode": event.mode,
        "label": event.label,
        "severity": event.severity,
        "speed_kmh": _finite(event.speed_kmh),
        "rttf_ms": _finite(event.rttf_s * 1e3),
        "first_sample_ms": event.first_sample_s * 1e3,
        "n_samples": event.main_lsb.size,
        "quality": quality_of(event),
        "provenance": event.provenance.splitlines(),
    }


def _channel(info: ChannelInfo, twin: str | None) -> dict[str, Any]:
    """A channel without its samples; its quality is what the source says and what its samples show."""
    return {
        "name": info.name,
        "description": info.description,
        "vehicle": info.vehicle,
        "place": info.place.code,
        "side": info.place.side,
        "quantity": info.quantity,
        "axis": info.axis,
        "unit": info.unit,
        "redundancy": info.redundancy,
        "sensor": info.sensor_id,
        "filter_class": info.filter_class,
        "prefilter_hz": _finite(info.prefilter_hz),
        "offset": info.offset,
        "quality": quality_lines(info, twin),
        "refusal": info.refusal,
        "is_read": False,
    }


def _samples(channel: Channel) -> dict[str, Any]:
    """What the samples of a channel add."""
    return {
        "is_read": True,
        "n_samples": channel.values.size,
        "rate_hz": channel.rate_hz,
        "first_ms": channel.t0_s * 1e3,
        "last_ms": (channel.t0_s + (channel.values.size - 1) / channel.rate_hz) * 1e3,
        "lowest": float(channel.values.min()),
        "highest": float(channel.values.max()),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
