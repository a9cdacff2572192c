"""A corpus: labelled events as sensor counts, in one HDF5 file that MATLAB and DIAdem open too.

Events may differ in length: counts of all events lie end to end in ``main_lsb`` and ``safing_lsb``,
and the event table says where each starts. Synthetic and measured events may share a file, never a
label: each event says which it is. Measured events keep their physical signal beside the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from crumple.artefact import Artefact, Stage, read_artefact
from crumple.config import build, plain
from crumple.errors import ArtefactError, CorpusError

from .batch import LABELS, SEVERITIES, UNSTATED
from .sensor import Counts, SensorPair
from .trace import Float

SCHEMA = "crumple.corpus/1"
MANIFEST = "corpus.json"
DATA = "corpus.h5"

SYNTHETIC = "synthetic"
MEASURED = "measured"
FINITE_ELEMENT = "finite-element"
SOURCES = (SYNTHETIC, MEASURED, FINITE_ELEMENT)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the two sensors see it.

    Attributes
    ----------
    name : str
        Unique within the corpus.
    mode : str
        What happens, such as ``rigid_barrier``.
    source : str
        ``synthetic``, ``measured`` or ``finite-element``.
    label : str
        ``must_fire``, ``no_fire``, ``grey`` or ``unlabelled``.
    rttf_s : float
        Required time to fire in seconds from first contact; NaN where nothing is required.
    speed_kmh : float
        NaN where it has no meaning.
    first_sample_s : float
        Time of the first count, from the contact that ``rttf_s`` counts from: first contact, or in a sequence the
        contact of the crash that demands firing.
    main_lsb, safing_lsb : ndarray of int16, shape (n_samples,)
        Counts, positive for deceleration.
    provenance : str
        Where it comes from and what was done to it, for a person.
    physical_decel_g : ndarray, shape (n_physical,)
        Measured deceleration before the sensor chain; empty for synthetic events.
    physical_rate_hz : float
        0 where there is no physical signal. Its first sample is at ``first_sample_s``.
    severity : str
        ``no_fire``, ``grey``, ``must_fire_stage1``, ``must_fire_stage2`` or ``unstated``.
    """

    name: str
    mode: str
    source: str
    label: str
    rttf_s: float
    speed_kmh: float
    first_sample_s: float
    main_lsb: Counts
    safing_lsb: Counts
    provenance: str
    physical_decel_g: Float
    physical_rate_hz: float
    severity: str = UNSTATED

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise CorpusError(f"event {self.name!r}: severity {self.severity!r} is not one of {', '.join(SEVERITIES)}")
        if self.label not in LABELS or self.source not in SOURCES:
            raise CorpusError(f"event {self.name!r}: label {self.label!r} or source {self.source!r} is not known")
        if self.main_lsb.shape != self.safing_lsb.shape or self.main_lsb.ndim != 1 or self.main_lsb.size == 0:
            raise CorpusError(f"event {self.name!r}: main and safing counts must be two rows of the same length")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Events and the sensors that saw them."""

    sensors: SensorPair
    events: tuple[Event, ...]

    def __post_init__(self) -> None:
        names = [event.name for event in self.events]
        if not names:
            raise CorpusError("the corpus holds no events")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise CorpusError(f"the corpus holds two events called {twice!r}")

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def sample_period_s(self) -> float:
        """Seconds between counts."""
        return float(self.sensors.main.sample_period_s)

    @property
    def examples(self) -> tuple[Event, ...]:
        """Events to look at one by one: every measured one, and the first of every other mode."""
        first = {event.mode: event.name for event in reversed(self.events)}
        return tuple(e for e in self.events if e.source == MEASURED or e.name == first[e.mode])


TEXT_COLUMNS = ("name", "mode", "source", "label", "provenance", "severity")
NUMBER_COLUMNS = ("rttf_s", "speed_kmh", "first_sample_s", "physical_rate_hz")
SERIES = ("main_lsb", "safing_lsb", "physical_decel_g")


CHUNK_SAMPLES = 65_536
DTYPES = {"main_lsb": np.int16, "safing_lsb": np.int16, "physical_decel_g": np.float64}


def write_shards(shards: Iterable[tuple[Event, ...]], sensors: SensorPair, folder: Path) -> dict[str, object]:
    """Write a corpus's payload file into a folder while its events are being made.

    Samples go to the file as they come; what stays in memory is the event table, a few hundred bytes an event.

    Parameters
    ----------
    shards : iterable of tuple of Event
        As ``generate.shards`` yields them; the same shards give the same bytes.
    sensors : SensorPair
        The sensors that saw the events.
    folder : Path
        An existing folder; its payload file is created.

    Returns
    -------
    dict
        The payload of the corpus's artefact.

    Raises
    ------
    CorpusError
        No events at all, or two of the same name.
    """
    import h5py

    columns: dict[str, list[object]] = {name: [] for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS)}
    lengths: dict[str, list[int]] = {series: [] for series in SERIES}
    with h5py.File(folder / DATA, "w") as file:
        for series in SERIES:
            file.create_dataset(
                series,
                shape=(0,),
                maxshape=(None,),
                dtype=DTYPES[series],
                chunks=(CHUNK_SAMPLES,),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
        for shard in shards:
            for name, values in columns.items():
                values.extend(getattr(event, name) for event in shard)
            for series in SERIES:
                rows = [getattr(event, series) for event in shard]
                lengths[series].extend(row.size for row in rows)
                more = np.concatenate(rows)
                start = file[series].shape[0]
                file[series].resize((start + more.size,))
                file[series][start:] = more
        names = columns["name"]
        if not names:
            raise CorpusError("the corpus holds no events")
        if len(set(names)) != len(names):
            raise CorpusError("the corpus holds two events of the same name")
        for name in TEXT_COLUMNS:
            texts = [str(text).encode("utf-8") for text in columns[name]]
            width = max(1, *(len(text) for text in texts))
            file.create_dataset(f"event/{name}", data=np.array(texts, dtype=f"S{width}"))
        for name in NUMBER_COLUMNS:
            file.create_dataset(f"event/{name}", data=np.array(columns[name], dtype=np.float64))
        for series in SERIES:
            n = np.array(lengths[series], dtype=np.int64)
            file.create_dataset(f"event/{series}_start", data=np.cumsum(n) - n)
            file.create_dataset(f"event/{series}_length", data=n)
    return {
        "sensors": plain(sensors),
        "n_events": len(names),
        "by_label": {label: columns["label"].count(label) for label in LABELS},
        "by_source": {source: columns["source"].count(source) for source in SOURCES},
    }


def write_corpus(corpus: Corpus, folder: Path) -> dict[str, object]:
    """Write a corpus that is in memory into a ``folder``, as ``write_shards`` does; returns the artefact's payload."""
    return write_shards([corpus.events], corpus.sensors, folder)


def read_corpus(folder: Path) -> tuple[Corpus, Artefact]:
    """Read a corpus folder, believing nothing before its hashes agree.

    Raises
    ------
    ArtefactError
        Tampered with, foreign, or damaged.
    """
    import h5py

    artefact = read_artefact(folder / MANIFEST, SCHEMA)
    path = artefact.file(DATA)
    try:
        with h5py.File(path, "r") as file:
            columns = {c: [text.decode("utf-8") for text in file[f"event/{c}"][()]] for c in TEXT_COLUMNS}
            columns |= {c: file[f"event/{c}"][()].tolist() for c in NUMBER_COLUMNS}
            for series in SERIES:
                flat = file[series][()]
                flat.flags.writeable = False
                starts, lengths = file[f"event/{series}_start"][()], file[f"event/{series}_length"][()]
                columns[series] = [flat[s : s + n] for s, n in zip(starts, lengths, strict=True)]
    except (OSError, KeyError, ValueError) as error:
        raise ArtefactError(f"{path}: not a corpus of {SCHEMA}: {error}") from error
    names = [field.name for field in fields(Event)]
    events = tuple(Event(*row) for row in zip(*(columns[name] for name in names), strict=True))
    sensors = build(SensorPair, artefact.payload["sensors"], where=str(artefact.path))
    return Corpus(sensors, events), artefact


def read_event(path: Path, number: int) -> Event:
    """One event of a corpus's payload file, without reading the others.

    Parameters
    ----------
    path : Path
        The HDF5 file of a corpus whose hashes have been verified.
    number : int
        Its row in the event table, from 0.

    Raises
    ------
    ArtefactError
        Not a corpus, or there is no such row.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            row: dict[str, Any] = {c: file[f"event/{c}"][number].decode("utf-8") for c in TEXT_COLUMNS}
            row |= {c: float(file[f"event/{c}"][number]) for c in NUMBER_COLUMNS}
            for series in SERIES:
                start, length = (int(file[f"event/{series}_{what}"][number]) for what in ("start", "length"))
                row[series] = file[series][start : start + length]
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise ArtefactError(f"{path}: no event {number} of {SCHEMA} can be read: {error}") from error
    return Event(**row)


def corpus_stage(out: Path, parents: dict[str, str], config: object) -> Stage:
    """The stage that makes a corpus in ``out`` from ``parents`` (name to SHA-256) with settings ``config``."""
    return Stage(out, MANIFEST, SCHEMA, parents, config)
