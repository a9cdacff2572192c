"""Text tables (CSV, TSV, columns parted by spaces) whose meaning a map states in its table ``[csv]``.

A text table says neither unit nor sign, filter, place or time zero. All of them are required in the map; an
error lists the lines to add. Nothing is guessed, skipped or repaired.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from crumple.errors import ConfigError, TraceFormatError
from crumple.signals.corpus import MEASURED
from crumple.signals.recording import Recording, Vehicle
from crumple.signals.trace import Float

from .mapping import CsvChannel, CsvMap, RecordingMap, with_statements
from .stated import SECONDS_PER_UNIT, Axis, missing_statements, stated_channel
from .text import MAX_SAMPLES, MME_CHANNEL, NUMBER_BYTES, FileBytes, parse_number, read_limited, text_lines

NAME = "csv"

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}
NUMBER_LIKE = re.compile(rb"[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?\Z")


def is_csv(path: Path) -> bool:
    """Whether ``path`` is a text file whose lines mostly hold numbers parted by a comma, semicolon, tab or space."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(1 << 14)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True  # text in UTF-16, which the reader refuses with advice
    lines = [line.strip() for line in head.split(b"\n")[1:40] if line.strip()]
    if b"\x00" in head or not lines or MME_CHANNEL.match(head):
        return False
    holding = sum(any(NUMBER_LIKE.match(part) for part in re.split(rb"[;\t ,]+", line)) for line in lines)
    return 2 * holding >= len(lines)


def read_csv(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read a text table as its map says.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Must have a table ``csv`` and a label (which may be ``unlabelled``).

    Raises
    ------
    ConfigError
        The map lacks something; the message gives the lines to add.
    TraceFormatError
        The file is not what the map says, with file and line.
    SignalError
        It cannot be resampled as asked.
    """
    file = read_limited(path)
    if file.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TraceFormatError(f"{path}: is text in UTF-16, expected UTF-8; save it as UTF-8")
    spec = _complete(path, mapping)
    assert mapping is not None
    delimiter = DELIMITERS[str(spec.delimiter)]
    columns, first_line = _columns(file, spec, delimiter)
    n_rows = len(columns[0]) if columns else 0
    if n_rows < 2:
        raise TraceFormatError(
            f"{path}: holds {n_rows} samples below its {spec.header_lines} header lines, expected 2 or more"
        )
    time_s = None
    if spec.time_column is not None:
        time_s = _numbers(file, columns[0], first_line, spec, str(spec.time_column))
        time_s = (time_s - float(spec.contact_time or 0.0)) * SECONDS_PER_UNIT[str(spec.time_unit)]
        columns = columns[1:]
    axis = Axis(
        lambda row: f"{path}:{first_line + row}",
        "csv",
        time_s,
        spec.rate_hz,
        spec.first_sample_s,
        spec.resample_hz,
        spec.longest_gap_s,
        spec.repeated_times,
    )
    channels = []
    for stated, texts in zip(spec.channels, columns, strict=True):
        values = _numbers(file, texts, first_line, spec, str(stated.column))
        channels.append(stated_channel(f"column {stated.column}", stated, values, axis))
    recording = Recording(
        name=path.stem,
        kind=NAME,
        mode=str(mapping.mode),
        vehicles=(Vehicle(1, mapping.vehicle or "not named"),),
        channels=tuple(channels),
        refused=(),
        speed_kmh=math.nan,
        facts=(("meaning of the columns", "as stated in the map"),),
        files=(file.named_digest,),
        source=MEASURED,
    )
    return with_statements(recording, mapping)


def _complete(path: Path, mapping: RecordingMap | None) -> CsvMap:
    """The table ``[csv]`` of a map, with everything in it that is needed. Raises ConfigError with what to add."""
    add: list[str] = []
    if mapping is None or mapping.label is None:
        add.append('label = "unlabelled"  # or must_fire, no_fire, grey, with label_source = "how it is known"')
    if mapping is None or mapping.mode is None:
        add.append('mode = "rough_road"  # what happened, in one word')
    spec = CsvMap() if mapping is None or mapping.csv is None else mapping.csv
    table: list[str] = []
    if spec.delimiter is None:
        table.append('delimiter = "comma"  # or semicolon, tab, space')
    if spec.header_lines is None:
        table.append("header_lines = 1  # lines before the first sample; the last of them names the columns")
    if spec.time_column is None:
        if spec.rate_hz is None:
            table.append('rate_hz = 10000.0  # or time_column = "time", time_unit = "s" and contact_time = 0.0')
        if spec.first_sample_s is None:
            table.append("first_sample_s = 0.0  # time of the first sample from first contact")
    else:
        if spec.time_unit is None:
            table.append('time_unit = "s"  # or ms, us, ns')
        if spec.contact_time is None:
            table.append("contact_time = 0.0  # what the time column says at first contact, in its unit")
        if spec.rate_hz is not None or spec.first_sample_s is not None:
            raise ConfigError(f"{path}: the map states both a time column and a rate or first sample; keep one")
    for channel in spec.channels or (CsvChannel(),):
        table += missing_statements(channel, "csv")
    if table:
        add += ["[csv]", *table]
    if add:
        raise ConfigError(
            f"{path}: a text table does not say what it holds; add these lines to a map and give it with --map:\n"
            + "\n".join(add)
        )
    return spec


def _columns(file: FileBytes, spec: CsvMap, delimiter: str) -> tuple[list[list[str]], int]:
    """Texts of the time column (where stated) and of each channel, and the line number of the first row."""
    lines = text_lines(file)
    n_header = int(spec.header_lines or 0)
    if not file.data.endswith(b"\n") and not spec.complete_without_line_end:
        raise TraceFormatError(
            f"{file.path}:{len(lines)}: the last line has no line end, so it may be cut in mid-number; get the file"
            " again, or state complete_without_line_end = true in [csv] of the map if you know that it is complete"
        )
    if len(lines) - n_header > MAX_SAMPLES:
        raise TraceFormatError(f"{file.path}: holds {len(lines)} lines, more than the {MAX_SAMPLES} that are supported")
    header = [name.strip() for name in lines[n_header - 1].split(delimiter)] if 0 < n_header <= len(lines) else []
    rows = [line.split(delimiter) for line in lines[n_header:]]
    width = len(header) or (len(rows[0]) if rows else 0)
    for number, row in enumerate(rows, n_header + 1):
        if len(row) != width:
            raise TraceFormatError(
                f"{file.path}:{number}: found {len(row)} columns, expected {width} parted by a {spec.delimiter};"
                " a line is cut, or the map's delimiter is wrong (decimal commas need another delimiter)"
            )
    wanted = [spec.time_column] if spec.time_column is not None else []
    wanted += [str(channel.column) for channel in spec.channels]
    return [[row[at] for row in rows] for at in (_index(file, name, header, width) for name in wanted)], n_header + 1


def _index(file: FileBytes, name: str, header: list[str], width: int) -> int:
    """Position of a column by its name in the header, or by its number."""
    if header.count(name) > 1:
        raise TraceFormatError(f"{file.path}: the header names {name!r} twice; give the column's number instead")
    if name in header:
        return header.index(name)
    if re.match(r"[0-9]{1,4}\Z", name) and 1 <= int(name) <= width:
        return int(name) - 1
    raise TraceFormatError(f"{file.path}: has no column {name!r}, its header has {header[:20] or f'{width} columns'}")


def _numbers(file: FileBytes, texts: list[str], first_line: int, spec: CsvMap, column: str) -> Float:
    """Finite numbers of one column; TraceFormatError at the first that is none."""
    if spec.decimal == ",":
        if spec.delimiter == "comma":
            raise ConfigError(
                f"{file.path}: the map states a decimal comma and commas between columns; it can be only one"
            )
        for number, text in enumerate(texts, first_line):
            if "." in text:
                raise TraceFormatError(f"{file.path}:{number}: {text!r} has a point, but the map states decimal commas")
        texts = [text.replace(",", ".") for text in texts]
    joined = "".join(texts).encode("utf-8")
    if joined.translate(None, NUMBER_BYTES + b" ") == b"":
        try:
            values = np.array(list(map(float, texts)), dtype=np.float64)
        except ValueError:
            values = np.array([math.nan])
        if np.isfinite(values).all():
            return values
    for number, text in enumerate(texts, first_line):
        parse_number(text.strip(" "), f"{file.path}:{number}", f"column {column}")
    raise AssertionError("a number that cannot be read was not found again")
