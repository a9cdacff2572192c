"""NHTSA "EV5 ASCII X-Y": a header ``vNNNNN.EV5`` and one two-column file per curve, ``vNNNNN.CCC``.

Fields follow the NHTSA Test Reference Guide, volume I, version 5, as checked against test 10146. Sign is
SAE J211 (X forward), acceleration is in g, time zero is first contact.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crumple.errors import ChannelError, TraceFormatError
from crumple.signals.events import MUST_FIRE
from crumple.signals.quality import quality_notes
from crumple.signals.recording import (
    CENTRE,
    FALLBACK_RANK,
    LEFT,
    PRIMARY,
    REDUNDANT,
    RIGHT,
    Channel,
    ChannelInfo,
    Place,
    Recording,
    Vehicle,
    choose_positions,
)
from crumple.signals.trace import Float, Trace

from .amended import valid_until, with_channel_statements
from .mapping import RecordingMap, with_statements
from .text import MAX_SAMPLES, FileBytes, number_rows, parse_integer, parse_number, read_limited, text_lines

NAME = "nhtsa_ev5"

MAX_HEADER_BYTES = 16 * 2**20
MARK = re.compile(r"----- ([A-Z0-9]+) -----\s*\Z")

# Number of fields of a record, by section.
SECTIONS = {
    "EV5": 0,
    "TEST": 20,
    "VEHICLE": 81,
    "BARRIER": 5,
    "OCCUPANT": 44,
    "RESTRAINT": 7,
    "INSTRUMENTATION": 20,
    "END": 0,
}
ORDER = tuple(SECTIONS)

# Where a sensor stands in for the airbag controller's: rear seat cross-member or floor first, then sills; the
# vehicle's centre of gravity only where there is nothing else, since its mount often rings. DSLR and DSRR as
# the rear counterparts of DSLF and DSRF are assumed.
ATTACHMENTS = {
    "FLLR": (LEFT, 0),
    "FLRR": (RIGHT, 0),
    "DSLF": (LEFT, 1),
    "DSRF": (RIGHT, 1),
    "DSLR": (LEFT, 2),
    "DSRR": (RIGHT, 2),
    "VECG": (CENTRE, FALLBACK_RANK),
}

STATUS_REFUSALS = {
    "CF": "DASTAT CF: the channel failed part-way or is questionable",
    "QD": "DASTAT QD: questionable data",
    "MN": "DASTAT MN: meaningless data",
}
GOOD_STATUS = ("AM", "CM")
NO_VALID_DATA = re.compile(r"\bno valid data(?: after\s*([0-9]{1,5}(?:\.[0-9]{1,3})?)\s*ms)?", re.IGNORECASE)
"""How laboratories comment a channel that broke, and when."""

MOST_MARKED = 12
TIME_UNIT = "SEC"
ACCELERATION_UNIT = "G'S"

TIME_STEP_S = 1e-6
"""The time column has six decimals; it may miss the nominal time by this much."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the header: its fields, and where it stands."""

    where: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """An instrumentation record, checked: what the channel is, and the time axis its file must have."""

    number: int
    info: ChannelInfo
    first: int
    last: int
    delt_us: float
    where: str
    valid_until_ms: float | None

    @property
    def n_samples(self) -> int:
        """Lines that the channel file must have."""
        return self.last - self.first + 1


def is_nhtsa_ev5(path: Path) -> bool:
    """Whether ``path`` is an EV5 header or a folder that holds one, by content and not by names alone."""
    candidates = _header_paths(path) if path.is_dir() else [path]
    return any(_opens_like_ev5(candidate) for candidate in candidates)


def read_nhtsa_ev5(
    path: Path, mapping: RecordingMap | None = None, *, curves: Collection[int] | None = None
) -> Recording:
    """Read an NHTSA test.

    Parameters
    ----------
    path : Path
        The ``.EV5`` header, or the folder that holds one.
    mapping : RecordingMap or None
        May add a label where the test's RESTRAINT records do not show that a frontal bag fired. Channels in its
        table ``data`` (``column = "curve 93"``) are read too.
    curves : collection of int or None
        Curve numbers to read, whatever they measure; None reads those that stand in for airbag sensors
        (see `ATTACHMENTS`). Files of other curves need not exist.

    Returns
    -------
    Recording
        Channels are called ``curve N``. A vehicle is labelled must_fire where a RESTRAINT record says that
        a frontal bag (RSTTYP FRT) was deployed (DP).

    Raises
    ------
    TraceFormatError
        The header or a channel file breaks the format or contradicts the other, with file and line.
    ChannelError
        A needed channel file is missing, or a wanted curve is not listed.
    """
    header = read_limited(_header_path(path), MAX_HEADER_BYTES)
    sections = _sections(header)
    test = _one(header, sections, "TEST")
    listed = [_curve(record) for record in sections["INSTRUMENTATION"]]
    n_claimed = parse_integer(test.fields[18], test.where, "TOTCRV")
    if n_claimed != len(listed):
        raise TraceFormatError(
            f"{test.where}: TOTCRV says {n_claimed} curves, found {len(listed)} INSTRUMENTATION records;"
            " the header is incomplete, get it again"
        )
    by_number = {curve.number: curve for curve in listed}
    if len(by_number) != len(listed):
        twice = next(curve for curve in listed if by_number[curve.number] is not curve)
        raise TraceFormatError(f"{twice.where}: curve {twice.number} is listed twice, expected each number once")
    vehicles = _vehicles(sections)
    for curve in listed:
        if curve.info.is_candidate and curve.info.vehicle not in {vehicle.number for vehicle in vehicles}:
            raise TraceFormatError(
                f"{curve.where}: curve {curve.number} belongs to vehicle {curve.info.vehicle},"
                " which has no VEHICLE record"
            )
    stated = () if mapping is None or mapping.data is None else mapping.data.channels
    wanted = _wanted(by_number, curves, header.path, {str(channel.column) for channel in stated})
    files = [header]
    channels = []
    for curve in wanted:
        data = _channel_file(header.path, curve)
        files.append(data)
        channels.append(_channel(data, curve))
    number = header.path.stem
    recording = Recording(
        name=number,
        kind=NAME,
        mode=_mode(test, sections),
        vehicles=vehicles,
        channels=tuple(channels),
        refused=tuple(curve.info for curve in listed if curve.info.is_candidate and curve.info.refusal),
        speed_kmh=_speed_or_nan(test.fields[14], test.where, "CLSSPD"),
        facts=(
            ("title", test.fields[1]),
            ("laboratory", test.fields[4]),
            ("date", test.fields[3]),
            ("type and configuration", f"{test.fields[7]} {test.fields[8]}"),
            ("impact angle and offset", f"{test.fields[15] or 'unknown'} deg, {test.fields[16] or 'unknown'} mm"),
            *_marked(listed),
        ),
        files=tuple(file.named_digest for file in files),
    )
    return with_statements(with_channel_statements(recording, mapping), mapping)


def _marked(listed: list[Curve]) -> list[tuple[str, str]]:
    """The channels that the laboratory marks as anything else than good, whether they serve here or not."""
    marked = [
        f"{curve.info.name} ({curve.info.place.code} {curve.info.axis}, {curve.info.status or 'no status'}:"
        f" {curve.info.description})"
        for curve in listed
        if curve.info.status not in GOOD_STATUS
    ]
    if len(marked) > MOST_MARKED:
        marked = [*marked[:MOST_MARKED], f"and {len(marked) - MOST_MARKED} more"]
    return [("channels that the laboratory marks as not good", "; ".join(marked))] if marked else []


def _header_paths(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.suffix.upper() == ".EV5" and entry.is_file())


def _header_path(path: Path) -> Path:
    """The one header that ``path`` stands for."""
    if not path.is_dir():
        return path
    try:
        headers = _header_paths(path)
    except OSError as error:
        raise TraceFormatError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(headers) != 1:
        names = ", ".join(header.name for header in headers[:5]) or "none"
        raise TraceFormatError(
            f"{path}: expected one .EV5 header in this folder, found {names}; give the header's path"
        )
    return headers[0]


def _opens_like_ev5(path: Path) -> bool:
    """Whether the first line that is no comment opens the section EV5."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    for line in head.split(b"\n"):
        text = line.strip()
        if text and not text.startswith(b"#"):
            return text == b"----- EV5 -----"
    return False


def _sections(header: FileBytes) -> dict[str, list[Record]]:
    """Records by section, with the number of fields of each checked. Every section has an entry."""
    sections: dict[str, list[Record]] = {name: [] for name in SECTIONS}
    current = ""
    for number, line in enumerate(text_lines(header), 1):
        where = f"{header.path}:{number}"
        if line.startswith("#") or not line.strip():
            continue
        if mark := MARK.match(line):
            name = mark.group(1)
            if name not in SECTIONS:
                raise TraceFormatError(f"{where}: unknown section {name!r}, expected one of {', '.join(ORDER)}")
            if (not current and name != "EV5") or (current and ORDER.index(name) <= ORDER.index(current)):
                raise TraceFormatError(f"{where}: section {name} comes out of order, expected {', '.join(ORDER)}")
            current = name
            continue
        if not current:
            raise TraceFormatError(f"{where}: found {line[:40]!r}, expected '----- EV5 -----' first")
        fields = tuple(field.strip() for field in line.split("|"))
        if len(fields) != SECTIONS[current] or current in ("EV5", "END"):
            raise TraceFormatError(
                f"{where}: a record with {len(fields)} fields in section {current},"
                f" expected {SECTIONS[current] or 'none'}; the line is cut or has a stray '|'"
            )
        sections[current].append(Record(where, fields))
    if current != "END":
        raise TraceFormatError(
            f"{header.path}: ends in section {current or 'none'}, expected '----- END -----' as the last line;"
            " the header is truncated, get it again"
        )
    return sections


def _one(header: FileBytes, sections: dict[str, list[Record]], name: str) -> Record:
    """The only record of a section."""
    records = sections[name]
    if len(records) != 1:
        raise TraceFormatError(f"{header.path}: section {name} has {len(records)} records, expected one")
    return records[0]


def _curve(record: Record) -> Curve:
    """One INSTRUMENTATION record."""
    where, fields = record.where, record.fields
    number = parse_integer(fields[1], where, "CURNO")
    if not 1 <= number <= 99_999:
        raise TraceFormatError(f"{where}: CURNO is {number}, expected 1 to 99999")
    side, rank = ATTACHMENTS.get(fields[4], ("", None))
    is_vehicle_sensor = fields[3] == "NA"
    status = fields[17]
    redundancy = {"P": PRIMARY, "R": REDUNDANT}.get(fields[18])
    refusals = []
    if fields[5][:1] == "X" and fields[2] == "AC" and rank is not None and is_vehicle_sensor:
        if status not in GOOD_STATUS:
            refusals.append(STATUS_REFUSALS.get(status, f"DASTAT {status or 'is empty'}: not known to be good"))
        if fields[6] != TIME_UNIT:
            refusals.append(f"time unit {fields[6]!r}, expected {TIME_UNIT}")
        if fields[7] != ACCELERATION_UNIT:
            refusals.append(f"unit {fields[7]!r}, expected {ACCELERATION_UNIT}")
        if redundancy is None:
            refusals.append(f"CHSTAT {fields[18]!r}, expected P or R")
    peak_percent = _number_or_nan(fields[12], where, "CHLMAX")
    comment = fields[19].partition(":")[2].strip()
    notes = [f"comment: {comment}"] if comment else []
    until = NO_VALID_DATA.search(comment)
    if until and not until.group(1) and not refusals and rank is not None:
        refusals.append(f"the laboratory says: {comment}")
    if peak_percent > 100:
        notes.append(f"reached {peak_percent:g} % of the sensor's rating")
    info = ChannelInfo(
        name=f"curve {number}",
        description=fields[19],
        vehicle=parse_integer(fields[0], where, "VEHNO"),
        place=Place(fields[4], side, rank if is_vehicle_sensor else None),
        quantity="acceleration" if fields[2] == "AC" else fields[2],
        axis=fields[5][:1],
        unit="g" if fields[7] == ACCELERATION_UNIT else fields[7],
        redundancy=redundancy or PRIMARY,
        sensor_id=fields[9],
        status=status,
        refusal="; ".join(refusals + (notes if refusals else [])),
        prefilter_hz=_number_or_nan(fields[8], where, "PREFIL"),
        notes=tuple(notes),
    )
    first = parse_integer(fields[14], where, "NFP")
    last = parse_integer(fields[15], where, "NLP")
    delt_us = parse_number(fields[16], where, "DELT")
    if last - first < 1 or last - first + 1 > MAX_SAMPLES:
        raise TraceFormatError(
            f"{where}: NFP {first} and NLP {last} make {last - first + 1} samples, expected 2 to {MAX_SAMPLES}"
        )
    if not 2.0 <= delt_us <= 1e6:
        raise TraceFormatError(f"{where}: DELT is {delt_us:g} microseconds, expected 2 to 1000000")
    until_ms = float(until.group(1)) if until and until.group(1) else None
    return Curve(number, info, first, last, delt_us, where, until_ms)


def _number_or_nan(text: str, where: str, what: str) -> float:
    """A number, or NaN where the field is empty."""
    return parse_number(text, where, what) if text else math.nan


def _speed_or_nan(text: str, where: str, what: str) -> float:
    """A speed in km/h, or NaN where the field is empty. Negative and absurd speeds are refused."""
    speed_kmh = _number_or_nan(text, where, what)
    if speed_kmh < 0 or speed_kmh > 500:
        raise TraceFormatError(f"{where}: {what} is {speed_kmh:g} km/h, expected 0 to 500")
    return speed_kmh


def _vehicles(sections: dict[str, list[Record]]) -> tuple[Vehicle, ...]:
    """The vehicles, labelled must_fire where their frontal bag was deployed."""
    fired: dict[int, str] = {}
    for record in sections["RESTRAINT"]:
        number = parse_integer(record.fields[0], record.where, "VEHNO")
        if record.fields[3] == "FRT" and record.fields[5] == "DP":
            line = record.where.rpartition(":")[2]
            fired.setdefault(
                number, f"the header's RESTRAINT record in line {line} says that a frontal bag (FRT) was deployed (DP)"
            )
    vehicles: list[Vehicle] = []
    for record in sections["VEHICLE"]:
        fields, where = record.fields, record.where
        number = parse_integer(fields[0], where, "VEHNO")
        if number < 1 or number in {vehicle.number for vehicle in vehicles}:
            raise TraceFormatError(f"{where}: VEHNO is {number}, expected a new number from 1 on")
        mass_kg = _number_or_nan(fields[10], where, "VEHTWT")
        if mass_kg < 0:
            raise TraceFormatError(f"{where}: VEHTWT is {mass_kg:g} kg, expected no less than 0")
        name = f"make {fields[1]} model {fields[2]} year {fields[3]}"
        # The guide writes 0 where a mass was not recorded.
        vehicle = Vehicle(number, name, mass_kg or math.nan)
        if number in fired:
            vehicle = replace(vehicle, label=MUST_FIRE, label_source=fired[number])
        vehicles.append(vehicle)
    return tuple(vehicles)


def _mode(test: Record, sections: dict[str, list[Record]]) -> str:
    """What happened, in the words of corpora; a full-width rigid wall is told from other barriers."""
    configuration = test.fields[8]
    if configuration == "VTV":
        return "vehicle_to_vehicle"
    if configuration != "VTB":
        return "measured_test"
    barriers = sections["BARRIER"]
    is_straight = all(
        text and parse_number(text, test.where, what) == 0
        for text, what in ((test.fields[15], "IMPANG"), (test.fields[16], "OFFSET"))
    )
    if len(barriers) == 1 and barriers[0].fields[0] == "R" and is_straight:
        return "rigid_barrier"
    return "vehicle_to_barrier"


def _wanted(
    by_number: dict[int, Curve], curves: Collection[int] | None, path: Path, stated: Collection[str]
) -> list[Curve]:
    """The curves to read, in order of number."""
    if curves is None:
        positions = choose_positions([curve.info for curve in by_number.values()])
        names = {info.name for position in positions for info in (position.main, position.safing)} | set(stated)
        return [curve for curve in by_number.values() if curve.info.name in names]
    missing = sorted(set(curves) - set(by_number))
    if missing:
        raise ChannelError(f"{path}: lists no curve {missing[0]}; it has {len(by_number)} others")
    return [by_number[number] for number in sorted(set(curves))]


def _channel_file(header: Path, curve: Curve) -> FileBytes:
    """The bytes of a curve's file."""
    path = header.with_name(f"{header.stem}.{curve.number:03d}")
    if not path.exists():
        raise ChannelError(
            f"{path}: is missing, and {header.name} lists it as {curve.info.place.code} {curve.info.axis}"
            f" ({curve.info.redundancy}), which is needed; download this curve too and put it beside {header.name}"
        )
    return read_limited(path)


def _channel(file: FileBytes, curve: Curve) -> Channel:
    """Samples of a curve, with the time column held against the header."""
    table = number_rows(file, 2, b"\t")
    if table.shape[0] != curve.n_samples:
        raise TraceFormatError(
            f"{file.path}:{table.shape[0]}: holds {table.shape[0]} of the {curve.n_samples} samples that"
            f" {Path(curve.where).name} declares (NFP {curve.first} to NLP {curve.last});"
            " the file or the header is damaged, get both again"
        )
    expected_s: Float = np.arange(curve.first, curve.last + 1, dtype=np.float64) * curve.delt_us / 1e6
    _check_time(file, table[:, 0], expected_s, curve)
    rate_hz, t0_s = 1e6 / curve.delt_us, float(expected_s[0])
    values = table[:, 1]
    notes = curve.info.notes
    if curve.valid_until_ms is not None:
        kept, remark = valid_until(Trace(curve.info.name, values, rate_hz, t0_s), curve.valid_until_ms)
        values = kept.accel_g
        notes += (f"{remark} (stated by the laboratory)",) if remark else ()
    info = replace(curve.info, notes=notes + quality_notes(values, rate_hz, t0_s))
    return Channel(info, values, rate_hz, t0_s)


def _check_time(file: FileBytes, found_s: Float, expected_s: Float, curve: Curve) -> None:
    """Raise TraceFormatError at the first time that is not where NFP and DELT put it."""
    wrong = np.flatnonzero(np.abs(found_s - expected_s) > TIME_STEP_S)
    if wrong.size:
        row = int(wrong[0])
        raise TraceFormatError(
            f"{file.path}:{row + 1}: time is {found_s[row]:.6f} s, expected {expected_s[row]:.6f} s"
            f" (NFP {curve.first}, DELT {curve.delt_us:g} us in {Path(curve.where).name});"
            " a line is missing, doubled or out of order, or the header speaks of another file"
        )
