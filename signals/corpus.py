"""A corpus: labelled events as sensor counts, in one HDF5 file that MATLAB and DIAdem open too.

Events may differ in length: counts of all events lie end to end in ``main_lsb`` and ``safing_lsb``,
and the event table says where each starts. Synthetic and measured events may share a file, never a
label: each event says which it is. Measured events keep their physical signal beside the counts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from crumple.artefact import Artefact, Stage, read_artefact, write_bytes
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


TEXT_COLUMNS = ("name", "mode", "source", "label", "provenance", "severity")
NUMBER_COLUMNS = ("rttf_s", "speed_kmh", "first_sample_s", "physical_rate_hz")
SERIES = ("main_lsb", "safing_lsb", "physical_decel_g")


def corpus_bytes(events: Sequence[Event]) -> bytes:
    """The HDF5 image of a corpus; the same events give the same bytes."""
    import h5py

    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        for column in TEXT_COLUMNS:
            texts = [getattr(event, column).encode("utf-8") for event in events]
            width = max(1, *(len(text) for text in texts))
            file.create_dataset(f"event/{column}", data=np.array(texts, dtype=f"S{width}"))
        for column in NUMBER_COLUMNS:
            file.create_dataset(
                f"event/{column}", data=np.array([getattr(e, column) for e in events], dtype=np.float64)
            )
        for series in SERIES:
            rows = [getattr(event, series) for event in events]
            lengths = np.array([row.size for row in rows], dtype=np.int64)
            file.create_dataset(f"event/{series}_start", data=np.concatenate([[0], np.cumsum(lengths)[:-1]]))
            file.create_dataset(f"event/{series}_length", data=lengths)
            flat = np.concatenate(rows)
            packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if flat.size else {}
            file.create_dataset(series, data=flat, **packed)
    return image.getvalue()


def write_corpus(corpus: Corpus, folder: Path) -> dict[str, object]:
    """Write a corpus's payload file into a folder; returns the payload of its artefact."""
    write_bytes(folder / DATA, corpus_bytes(corpus.events))
    return {
        "sensors": plain(corpus.sensors),
        "n_events": len(corpus),
        "by_label": {label: sum(event.label == label for event in corpus) for label in LABELS},
        "by_source": {source: sum(event.source == source for event in corpus) for source in SOURCES},
    }


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


def corpus_stage(out: Path, parents: dict[str, str], config: object) -> Stage:
    """The stage that makes a corpus in ``out`` from ``parents`` (name to SHA-256) with settings ``config``."""
    return Stage(out, MANIFEST, SCHEMA, parents, config)
