"""Monte Carlo over synthetic events: each drawn with tolerances and phase of its own, and run through the compiled C.

Events, tolerances, sampling phase, noise and lost frames are drawn as `crumple generate` draws them: the same plan
gives the same events. A frame that is lost on the bus reaches the controller as lost, as it would in a car.

A shard is some pieces of the plan (see `crumple.signals.generate.Pieces`). It comes to a tally, which is what the
summary adds up, and to a row for each event.
"""

from __future__ import annotations

import json
import math
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.artefact import Artefact, Json, canonical_json
from crumple.config import STRICT, build, plain
from crumple.errors import ArtefactError
from crumple.shards import Work
from crumple.signals.batch import LABELS, MUST_FIRE, NO_FIRE
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import SHARD_EVENTS, CorpusPlan, Drawn, Pieces, draw
from crumple.toolchain import find_compiler

from .build import MODEL_SOURCES, build_controller
from .inject import Injector
from .outcome import VERDICTS
from .random_faults import FaultDraw, Upsets, upset
from .replay import MODES, TROUBLES, Controller

PIECES_A_SHARD = 8
"""Some 2000 events: most of a second, so that handing shards out costs little beside doing them; assumed."""

HEADERS = ("crumple_model.h", "crumple_arming.h", "crumple_calibration.h", "crumple_selftest.h")
DATA = "events.h5"
ALL, FAILURES = "all", "failures"
BAD = ("late", "missed", "premature", "false fire")
IN_TIME, LATE, MISSED, PREMATURE, SILENT, FALSE_FIRE, NOT_SCORED = range(len(VERDICTS))

EVENT_DTYPE = np.dtype(
    [
        ("mode", "u1"),
        ("number", "<u4"),
        ("label", "u1"),
        ("verdict", "u1"),
        ("speed_kmh", "<f8"),
        ("rttf_s", "<f8"),
        ("first_sample_s", "<f8"),
        ("request", "<i4"),
        ("arming", "<i4"),
        ("stage_1", "<i4"),
        ("stage_2", "<i4"),
        ("trouble", "<u4"),
        ("end", "u1"),
    ]
)
"""A row: mode, label, verdict and end are indices into ``EVENT_MODES``, ``LABELS``, ``VERDICTS`` and ``MODES``;
``number`` counts within the mode, so that ``MODE_NUMBER`` names the event of the same plan's corpus; times of the
controller are samples from the event's first, -1 for never; ``trouble`` is a set of bits."""


@dataclass(frozen=True, slots=True)
class MonteCarloPlan:
    """What is drawn, on which export, and what is kept."""

    __pydantic_config__ = STRICT
    kind: Annotated[Literal["monte_carlo"], Field(description="of campaign")]
    export: Annotated[str, Field(min_length=1, description="folder of crumple export, seen from the plan's folder")]
    events: Annotated[CorpusPlan, Field(description="as crumple generate reads it: seed, counts, sensors, rttf")]
    keep: Annotated[
        Literal["all", "failures"],
        Field(description="rows of all events (55 bytes each before compression), or of failures only"),
    ] = "all"
    faults: Annotated[FaultDraw | None, Field(description="none are drawn if left out")] = None
    confidence: Annotated[float, Field(gt=0, lt=1, description="of the bounds in the summary; custom is 0.95")] = 0.95


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every shard of one campaign needs, compiled once in each process."""

    plan: CorpusPlan
    given: Json
    pieces: Pieces
    controller: Controller
    injector: Injector


_benches: dict[bytes, _Bench] = {}
_compiling = threading.Lock()


def monte_carlo(plan: MonteCarloPlan, export: Artefact) -> Work:
    """The work of a ``plan`` on an ``export`` that was read and believed.

    Raises
    ------
    ArtefactError
        The export lacks a file of the controller's.
    """
    sources = {}
    for name in (*MODEL_SOURCES, *HEADERS):
        try:
            sources[name] = export.file(name).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise ArtefactError(f"{export.path.parent / name}: cannot be read ({error}); export again") from error
    n_shards = -(-len(Pieces(plan.events)) // PIECES_A_SHARD)
    settings: dict[str, Json] = {
        "events": plain(plan.events),
        "keep": plan.keep,
        "sources": sources,
        "size": PIECES_A_SHARD,
    }
    settings["faults"] = None if plan.faults is None else plain(plan.faults)
    return Work(run_shard, canonical_json(settings), n_shards)


def _bench(context: bytes) -> _Bench:
    with _compiling:  # a worker of a cluster may have several threads
        if context not in _benches:
            _benches.clear()
            given = json.loads(context)
            plan = build(CorpusPlan, given["events"], where="events")
            with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as folder:
                for name, text in given["sources"].items():
                    (Path(folder) / name).write_text(text, encoding="ascii")
                library = build_controller(Path(folder), Path(folder), find_compiler())
            _benches[context] = _Bench(plan, given, Pieces(plan), Controller(library), Injector(library))
        return _benches[context]


def run_shard(context: bytes, shard: int) -> bytes:
    """A line of JSON, the tally by mode, and after it the rows to keep as ``EVENT_DTYPE``.

    Parameters
    ----------
    context : bytes
        As ``monte_carlo`` makes it.
    shard : int
    """
    bench = _bench(context)
    tallies: dict[str, Tally] = {}
    kept = []
    size, faults = bench.given["size"], bench.given["faults"]
    upsets = Upsets()
    for mode, number, n_events in bench.pieces[size * shard : size * (shard + 1)]:
        drawn = draw(bench.plan, mode, number, n_events)
        rows = _rows(bench, mode, number, drawn)
        tally = tallies.setdefault(mode, Tally())
        tally.add(rows, drawn.main.counts_lsb.size, float(bench.plan.sensors.main.sample_period_s))
        kept.append(
            rows if bench.given["keep"] == ALL else rows[np.isin(rows["verdict"], [VERDICTS.index(v) for v in BAD])]
        )
        if faults is not None:
            plan = build(FaultDraw, faults, where="faults")
            right = np.isin(rows["verdict"], [IN_TIME, SILENT])
            upset(drawn, right, plan, bench.plan, (mode, number), bench.controller, bench.injector, upsets)
    modes = {mode: tally.as_json() for mode, tally in tallies.items()}
    told = canonical_json({"modes": modes, "faults": upsets.as_json()})
    return told + np.concatenate(kept).tobytes()


def _rows(bench: _Bench, mode: str, number: int, drawn: Drawn) -> NDArray[Any]:
    """Draw one piece's events through the controller and judge them."""
    found = bench.controller.run_batch(
        drawn.main.counts_lsb,
        drawn.safing.counts_lsb,
        main_lost=drawn.main.is_lost,
        safing_lost=drawn.safing.is_lost,
    )
    rows = np.zeros(found.size, EVENT_DTYPE)
    rows["mode"] = list(EVENT_MODES).index(mode)
    rows["number"] = number * SHARD_EVENTS + np.arange(found.size)
    rows["label"] = [LABELS.index(label) for label in drawn.labels]
    for name in ("speed_kmh", "rttf_s", "first_sample_s"):
        rows[name] = getattr(drawn, name)
    for name in ("request", "arming", "trouble"):
        rows[name] = found[name]
    rows["stage_1"], rows["stage_2"], rows["end"] = found["stage"][:, 0], found["stage"][:, 1], found["mode"]
    ttf_ms, rttf_ms = times_ms(rows, float(bench.plan.sensors.main.sample_period_s))
    rows["verdict"] = verdicts(rows["label"], ttf_ms, rttf_ms)
    return rows


def times_ms(rows: NDArray[Any], sample_period_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time to fire and required time to fire of each row in ms from contact; NaN where there is none.

    Parameters
    ----------
    rows : ndarray of EVENT_DTYPE, shape (n_events,)
    sample_period_s : float
    """
    stages = [np.where(rows[name] < 0, np.iinfo(np.int32).max, rows[name]) for name in ("stage_1", "stage_2")]
    first = np.minimum(*stages)
    fires = first < np.iinfo(np.int32).max
    ttf_s = np.where(fires, rows["first_sample_s"] + first * sample_period_s, np.nan)
    # Rounded as single simulations are, one by one: numpy's own rounding may differ in the last place.
    ttf_ms, rttf_ms = (
        np.array([round(value * 1e3, 6) if math.isfinite(value) else math.nan for value in values.tolist()])
        for values in (ttf_s, rows["rttf_s"])
    )
    return ttf_ms, rttf_ms


def verdicts(labels: NDArray[np.uint8], ttf_ms: NDArray[np.float64], rttf_ms: NDArray[np.float64]) -> NDArray[np.uint8]:
    """What `crumple simulate` would say of each event, as indices into ``VERDICTS``.

    Parameters
    ----------
    labels : ndarray of uint8, shape (n_events,)
        Indices into ``LABELS``.
    ttf_ms, rttf_ms : ndarray, shape (n_events,)
        NaN for none.
    """
    fires = np.isfinite(ttf_ms)
    must, never = labels == LABELS.index(MUST_FIRE), labels == LABELS.index(NO_FIRE)
    with np.errstate(invalid="ignore"):
        choices = [must & ~fires, must & (ttf_ms < 0), must & (ttf_ms > rttf_ms), must, never & fires, never]
    return np.select(choices, [MISSED, PREMATURE, LATE, IN_TIME, FALSE_FIRE, SILENT], NOT_SCORED).astype(np.uint8)


@dataclass(slots=True)
class Tally:
    """Counts of one mode's events; those of two shards add up to those of both.

    Attributes
    ----------
    events, ticks : int
    verdicts : dict
        Count of each of ``VERDICTS``.
    labels : dict
        Count of each of ``LABELS``.
    delta_ms : dict of int to int
        Crashes that fired by TTF - RTTF in whole ms, rounded down.
    least_ms, most_ms : float or None
        Smallest and largest TTF - RTTF.
    why : dict of str to int
        What stood behind each failure.
    """

    events: int = 0
    ticks: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    labels: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    delta_ms: dict[int, int] = field(default_factory=dict)
    least_ms: float | None = None
    most_ms: float | None = None
    why: dict[str, int] = field(default_factory=dict)

    def add(self, rows: NDArray[Any], ticks: int, sample_period_s: float) -> None:
        """Count some events of this mode.

        Parameters
        ----------
        rows : ndarray of EVENT_DTYPE, shape (n_events,)
        ticks : int
            That the controller ran for them.
        sample_period_s : float
        """
        self.events += rows.size
        self.ticks += ticks
        for names, counts, column in ((VERDICTS, self.verdicts, "verdict"), (LABELS, self.labels, "label")):
            for k, n in enumerate(np.bincount(rows[column], minlength=len(names)).tolist()):
                counts[names[k]] += n
        ttf_ms, rttf_ms = times_ms(rows, sample_period_s)
        must = rows["label"] == LABELS.index(MUST_FIRE)
        deltas = (ttf_ms - rttf_ms)[must & np.isfinite(ttf_ms) & np.isfinite(rttf_ms)]
        if deltas.size:
            low, high = float(deltas.min()), float(deltas.max())
            self.least_ms = low if self.least_ms is None else min(low, self.least_ms)
            self.most_ms = high if self.most_ms is None else max(high, self.most_ms)
            for ms in np.floor(deltas).astype(int).tolist():
                self.delta_ms[ms] = self.delta_ms.get(ms, 0) + 1
        for row in rows[np.isin(rows["verdict"], [VERDICTS.index(v) for v in BAD])]:
            text = f"{VERDICTS[int(row['verdict'])]}: {reason(row)}"
            self.why[text] = self.why.get(text, 0) + 1

    def merge(self, other: Json) -> None:
        """Add the counts that ``other``, as of ``as_json``, holds."""
        self.events += other["events"]
        self.ticks += other["ticks"]
        for mine, theirs in (
            (self.verdicts, other["verdicts"]),
            (self.labels, other["labels"]),
            (self.why, other["why"]),
        ):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n
        for ms, n in other["delta_ms"]["histogram"].items():
            self.delta_ms[int(ms)] = self.delta_ms.get(int(ms), 0) + n
        for end, choose in (("least", min), ("most", max)):
            found = [v for v in (getattr(self, f"{end}_ms"), other["delta_ms"][end]) if v is not None]
            setattr(self, f"{end}_ms", choose(found) if found else None)

    def as_json(self) -> Json:
        """The counts as plain JSON values."""
        histogram = {str(ms): n for ms, n in sorted(self.delta_ms.items())}
        return {
            "events": self.events,
            "ticks": self.ticks,
            "verdicts": dict(self.verdicts),
            "labels": dict(self.labels),
            "delta_ms": {"histogram": histogram, "least": self.least_ms, "most": self.most_ms},
            "why": dict(self.why),
        }


def reason(row: Any) -> str:
    """What stood behind one failure, as far as its ``row`` of the event table tells."""
    troubles = " and ".join(name for k, name in enumerate(TROUBLES) if int(row["trouble"]) >> k & 1)
    verdict = int(row["verdict"])
    if verdict in (PREMATURE, FALSE_FIRE):
        return "request and arming hold" + (f" ({troubles})" if troubles else "")
    if verdict == LATE:
        which = "the net requests" if row["request"] >= row["arming"] else "the safing path arms"
        return f"{which} too late" + (f" ({troubles})" if troubles else "")
    if MODES[int(row["end"])] == "FAULT":
        return f"{troubles or 'an unnamed fault'} inhibits firing"
    if row["request"] < 0 or row["arming"] < 0:
        missing = [name for name in ("request", "arming") if row[name] < 0]
        return "no " + " and no ".join(missing) + (f" ({troubles})" if troubles else "")
    return "request and arming never hold in one sample" + (f" ({troubles})" if troubles else "")


def merged(results: Iterable[bytes], folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Tallies of all modes in the order of the event table, and of faults; rows go to ``events.h5`` as they come.

    Parameters
    ----------
    results : iterable of bytes
        What ``run_shard`` came to, shard by shard.
    folder : Path
        Gets the file.
    """
    tallies: dict[str, Tally] = {}
    upsets = Upsets()

    def rows() -> Iterator[NDArray[Any]]:
        for result in results:
            told, _, data = result.partition(b"\n")
            found = json.loads(told)
            for mode, counts in found["modes"].items():
                tallies.setdefault(mode, Tally()).merge(counts)
            upsets.merge(found["faults"])
            yield np.frombuffer(data, EVENT_DTYPE)

    write_events(rows(), folder / DATA)
    return {mode: tallies[mode].as_json() for mode in EVENT_MODES if mode in tallies}, upsets.as_json()


CHUNK_EVENTS = 16_384
NAMED: dict[str, Sequence[str]] = {"mode": tuple(EVENT_MODES), "label": LABELS, "verdict": VERDICTS, "end": MODES}


def write_events(parts: Iterable[NDArray[Any]], path: Path) -> None:
    """Write an event table as HDF5, one dataset a column; names are stored as enumerations.

    Parameters
    ----------
    parts : iterable of ndarray of EVENT_DTYPE
        The table, piece by piece; the same rows give the same bytes, however they are cut.
    path : Path
    """
    import h5py

    with h5py.File(path, "w") as file:
        for name in EVENT_DTYPE.names or ():
            dtype = EVENT_DTYPE[name]
            if name in NAMED:
                dtype = h5py.enum_dtype({text: k for k, text in enumerate(NAMED[name])}, basetype="u1")
            file.create_dataset(
                name, (0,), dtype, maxshape=(None,), chunks=(CHUNK_EVENTS,), compression="gzip", shuffle=True
            )

        def put(rows: NDArray[Any]) -> None:
            for name in EVENT_DTYPE.names or ():
                begin = file[name].shape[0]
                file[name].resize((begin + rows.size,))
                file[name][begin:] = rows[name]

        # One chunk at a time, so that the file does not tell where one shard ended.
        rest = np.zeros(0, EVENT_DTYPE)
        for part in parts:
            rest = np.concatenate([rest, part])
            while rest.size >= CHUNK_EVENTS:
                put(rest[:CHUNK_EVENTS])
                rest = rest[CHUNK_EVENTS:]
        put(rest)


def read_events(path: Path) -> NDArray[Any]:
    """The event table of a campaign whose hashes have been verified, as ``EVENT_DTYPE``; raises ArtefactError.

    Parameters
    ----------
    path : Path
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            rows = np.zeros(file["mode"].shape, EVENT_DTYPE)
            for name in EVENT_DTYPE.names or ():
                rows[name] = file[name][()]
    except (OSError, KeyError, ValueError) as error:
        raise ArtefactError(f"{path}: not an event table of a campaign: {error}") from error
    return rows
