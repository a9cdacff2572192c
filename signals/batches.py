"""Read a corpus a few hundred events at a time, so that memory does not grow with it.

What stays in memory is the event table without provenance, some hundred bytes an event. Counts come as matrices
of neighbouring events of the same length. ``table``, ``sensors`` and ``where`` describe a source of events: a
corpus folder (``CorpusFile``) or a corpus in memory (``CorpusInMemory``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crumple.artefact import Artefact, read_artefact
from crumple.config import build
from crumple.errors import ArtefactError, ConfigError, CorpusError

from .batch import LABELS
from .corpus import DATA, MANIFEST, SCHEMA, SOURCES, Corpus
from .sensor import SensorPair

Text = NDArray[np.str_]
Float = NDArray[np.float64]
Counts = NDArray[np.int16]

BATCH_EVENTS = 256


@dataclass(frozen=True, slots=True)
class EventTable:
    """Events without their samples; arrays of shape (n_events,), columns as in `crumple.signals.corpus.Event`."""

    name: Text
    mode: Text
    source: Text
    label: Text
    rttf_s: Float
    speed_kmh: Float
    first_sample_s: Float
    n_samples: NDArray[np.int64]
    severity: Text

    def __post_init__(self) -> None:
        if self.name.size == 0:
            raise CorpusError("the corpus holds no events")
        for column, known in ((self.label, LABELS), (self.source, SOURCES)):
            if foreign := set(np.unique(column).tolist()) - set(known):
                raise CorpusError(f"the corpus holds {sorted(foreign)[0]!r}, which is not one of {', '.join(known)}")
        for what, bad in (
            ("time of the first sample is not finite", ~np.isfinite(self.first_sample_s)),
            ("required time to fire is infinite", np.isinf(self.rttf_s)),
            ("speed is infinite", np.isinf(self.speed_kmh)),
            ("has no samples", self.n_samples < 1),
        ):
            if bad.any():
                raise CorpusError(f"event {str(self.name[np.argmax(bad)])!r}: {what}")

    def __len__(self) -> int:
        return int(self.name.size)

    def picked(self, rows: NDArray[Any]) -> EventTable:
        """The table of some events; ``rows`` is a mask or indices."""
        columns = (getattr(self, name)[rows] for name in self.__dataclass_fields__)
        return EventTable(*columns)


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Counts of neighbouring events of one length.

    Attributes
    ----------
    rows : slice
        Where they stand in the event table.
    main_lsb, safing_lsb : ndarray of int16, shape (n_events, n_samples)
        Positive for deceleration.
    """

    rows: slice
    main_lsb: Counts
    safing_lsb: Counts


class EventSource(Protocol):
    """Whatever events can be read from, batch by batch."""

    @property
    def table(self) -> EventTable:
        """All events without their samples."""

    @property
    def sensors(self) -> SensorPair:
        """What saw the events."""

    @property
    def where(self) -> str:
        """Named in messages."""

    def batches(self, most: int = BATCH_EVENTS) -> Iterator[EventCounts]:
        """Counts of all events, in the order of the table, at most ``most`` events at a time."""


@dataclass(frozen=True, slots=True)
class CorpusInMemory:
    """A corpus that is in memory already."""

    corpus: Corpus
    table: EventTable
    where: str = "corpus"

    @classmethod
    def of(cls, corpus: Corpus) -> CorpusInMemory:
        """The events of ``corpus``."""
        columns = {name: [getattr(event, name) for event in corpus] for name in (*TEXT, *NUMBERS)}
        return cls(corpus, _table(columns, [event.main_lsb.size for event in corpus]))

    @property
    def sensors(self) -> SensorPair:
        """What saw the events."""
        return self.corpus.sensors

    def batches(self, most: int = BATCH_EVENTS) -> Iterator[EventCounts]:
        """Counts of all events, in the order of the table, at most ``most`` events at a time."""
        events = self.corpus.events
        for rows in _runs(self.table.n_samples, most):
            yield EventCounts(
                rows, np.stack([e.main_lsb for e in events[rows]]), np.stack([e.safing_lsb for e in events[rows]])
            )


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A corpus folder; its hashes have been verified. Counts are read when they are asked for."""

    path: Path
    artefact: Artefact
    table: EventTable
    sensors: SensorPair

    @property
    def where(self) -> str:
        """The manifest's path, named in messages."""
        return str(self.artefact.path)

    def batches(self, most: int = BATCH_EVENTS) -> Iterator[EventCounts]:
        """Counts of all events, in the order of the table, at most ``most`` events at a time.

        Raises
        ------
        ArtefactError
            The file holds fewer counts than its event table says.
        """
        import h5py

        begins = np.concatenate([[0], np.cumsum(self.table.n_samples)])
        with h5py.File(self.path, "r") as file:
            for rows in _runs(self.table.n_samples, most):
                begin, end = int(begins[rows.start]), int(begins[rows.stop])
                main, safing = (file[series][begin:end] for series in ("main_lsb", "safing_lsb"))
                if main.size != end - begin or safing.size != end - begin:
                    raise ArtefactError(f"{self.path}: ends before event {str(self.table.name[rows.start])!r}")
                shape = (rows.stop - rows.start, -1)
                yield EventCounts(rows, main.reshape(shape), safing.reshape(shape))


TEXT = ("name", "mode", "source", "label", "severity")
NUMBERS = ("rttf_s", "speed_kmh", "first_sample_s")


def open_corpus(folder: Path) -> CorpusFile:
    """Open a corpus folder for reading in batches, believing nothing before its hashes agree.

    Parameters
    ----------
    folder : Path
        As `crumple generate` and `crumple import` write them.

    Raises
    ------
    ArtefactError
        Tampered with, foreign, or damaged.
    CorpusError
        Empty, labels nobody knows, times that are no numbers, or sensors read at two rates.
    """
    import h5py

    artefact = read_artefact(folder / MANIFEST, SCHEMA)
    path = artefact.file(DATA)
    try:
        sensors = build(SensorPair, artefact.payload["sensors"], where=str(artefact.path))
    except (ConfigError, KeyError, TypeError) as error:
        raise CorpusError(f"{artefact.path}: its sensors cannot be used: {error}") from error
    try:
        with h5py.File(path, "r") as file:
            columns: dict[str, Any] = {c: [t.decode("utf-8") for t in file[f"event/{c}"][()]] for c in TEXT}
            columns |= {c: file[f"event/{c}"][()] for c in NUMBERS}
            lengths = file["event/main_lsb_length"][()]
            for series in ("main_lsb", "safing_lsb"):
                starts = file[f"event/{series}_start"][()]
                same = np.array_equal(file[f"event/{series}_length"][()], lengths)
                if not same or not np.array_equal(starts, np.cumsum(lengths) - lengths):
                    raise ArtefactError(f"{path}: events do not lie end to end in {series!r}")
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, ArtefactError):
            raise
        raise ArtefactError(f"{path}: not a corpus of {SCHEMA}: {error}") from error
    try:
        table = _table(columns, lengths)
    except CorpusError as error:
        raise CorpusError(f"{artefact.path}: {error}") from error
    return CorpusFile(path, artefact, table, sensors)


def _table(columns: dict[str, Any], lengths: Any) -> EventTable:
    """The event table from columns of plain values."""
    return EventTable(
        name=np.array(columns["name"], dtype=np.str_),
        mode=np.array(columns["mode"], dtype=np.str_),
        source=np.array(columns["source"], dtype=np.str_),
        label=np.array(columns["label"], dtype=np.str_),
        rttf_s=np.array(columns["rttf_s"], dtype=np.float64),
        speed_kmh=np.array(columns["speed_kmh"], dtype=np.float64),
        first_sample_s=np.array(columns["first_sample_s"], dtype=np.float64),
        n_samples=np.array(lengths, dtype=np.int64),
        severity=np.array(columns["severity"], dtype=np.str_),
    )


def _runs(lengths: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Slices of neighbouring events of equal length, at most ``most`` long."""
    if most < 1:
        raise ConfigError(f"a batch of {most} events: expected at least 1")
    changes = np.flatnonzero(np.diff(lengths)) + 1
    for begin, end in zip([0, *changes.tolist()], [*changes.tolist(), lengths.size], strict=True):
        for first in range(begin, end, most):
            yield slice(first, min(first + most, end))
