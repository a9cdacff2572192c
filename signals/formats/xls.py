"""Sheets of an Excel 97 to 2003 workbook (``.xls``), read through xlrd; columns are called as a header row names them.

A sheet says neither unit nor sign, place or time zero: the map's table ``[data]`` states them, the sheet and how many
rows come before the samples. Only cells that hold numbers are samples: text, dates, errors and truth values are
refused with their cell, never converted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ChannelError, ConfigError, TraceFormatError
from crumple.signals.recording import Recording

from .foreign import guarded, optional_library
from .mapping import DataMap, RecordingMap
from .stated import Listed, stated_recording
from .text import read_limited

NAME = "xls"

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STREAMS = tuple(name.encode("utf-16-le") + b"\x00\x00" for name in ("Workbook", "Book"))
"""Names in an OLE2 directory that make it a workbook."""

MAX_BYTES = 32 * 2**20
"""A sheet of 65536 rows and 10 columns has 10 MB; assumed. xlrd keeps some 10 bytes in memory for each byte."""

KINDS = ("empty", "text", "a number", "a date", "a truth value", "an error", "empty")
"""What xlrd's cell types are called in messages, by number."""

EMPTY, NUMBER, BLANK = 0, 2, 6


def is_xls(path: Path) -> bool:
    """Whether ``path`` is an OLE2 file whose directory has a workbook."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(512)
        if head[:8] != OLE2 or len(head) < 512:
            return False
        shift, first = int.from_bytes(head[30:32], "little"), int.from_bytes(head[48:52], "little")
        if shift not in (9, 12):
            return False
        stream.seek((first + 1) << shift)
        directory = stream.read(1 << shift)
    return any(directory[at : at + len(name)] == name for at in range(0, len(directory), 128) for name in STREAMS)


def read_xls(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read a sheet as its map says.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Its table ``data`` names columns as the last row before the samples does, or by number from 1 where there is
        none; ``sheet`` is needed where there are several.

    Raises
    ------
    ToolMissingError
        xlrd is not installed.
    ConfigError
        The map lacks something; the message gives the lines to add.
    TraceFormatError
        The file is truncated or damaged, or a cell of a wanted column holds no number.
    ChannelError
        There is no such sheet or column.
    """
    file = read_limited(path, MAX_BYTES)
    library = optional_library("xlrd", path)
    spec = DataMap() if mapping is None or mapping.data is None else mapping.data
    with guarded(path, "xlrd"):
        # The library's default is the console as it was when it was imported; its complaints refuse the file.
        book = library.open_workbook(file_contents=file.data, logfile=sys.stdout, on_demand=True, ragged_rows=True)
        names = [str(name) for name in book.sheet_names()]
    wanted = _sheet_name(path, names, spec.sheet)
    with guarded(path, "xlrd"):
        sheet = book.sheet_by_name(wanted)
        n_rows, n_columns = int(sheet.nrows), int(sheet.ncols)
    n_header = spec.header_lines
    if n_header is None:
        raise ConfigError(
            f"{path}: sheet {wanted!r} has {n_rows} rows and {n_columns} columns; add these lines to a map and give it"
            " with --map:\n[data]\nheader_lines = 1  # rows before the first sample; the last of them names the columns"
        )
    if n_rows - n_header < 2:
        raise TraceFormatError(
            f"{path}: sheet {wanted!r} has {max(0, n_rows - n_header)} rows below its {n_header} header rows,"
            " expected 2 or more"
        )
    with guarded(path, "xlrd"):
        titles = [str(value).strip() for value in sheet.row_values(n_header - 1)] if n_header else []
    titles += [""] * (n_columns - len(titles))
    columns = [title or str(number) for number, title in enumerate(titles[:n_columns], 1)]

    def load(name: str) -> tuple[NDArray[Any], None]:
        with guarded(path, "xlrd"):
            return _numbers(path, sheet, n_header, columns.index(name)), None

    return stated_recording(
        path,
        NAME,
        file.named_digest,
        [Listed(name, "", has_times=False) for name in columns],
        load,
        mapping,
        facts=(("sheet", wanted),),
        own_keys=("sheet", "header_lines"),
    )


def _sheet_name(path: Path, names: list[str], stated: str | None) -> str:
    """The sheet that is meant."""
    told = ", ".join(map(repr, names[:20])) or "none"
    if stated is None and len(names) != 1:
        raise ConfigError(
            f"{path}: has the sheets {told}; say which one with --map:\n[data]\nsheet = {(names or ['Sheet1'])[0]!r}"
        )
    if stated is not None and stated not in names:
        raise ChannelError(f"{path}: has no sheet {stated!r}; it has {told}")
    return stated if stated is not None else names[0]


def _numbers(path: Path, sheet: Any, first_row: int, column: int) -> NDArray[np.float64]:
    """The numbers of one column; NaN for an empty cell, which is refused unless the map leaves it out."""
    n_rows = int(sheet.nrows)
    values = np.full(n_rows - first_row, np.nan)
    for row in range(first_row, n_rows):
        if column >= sheet.row_len(row):
            continue
        kind = int(sheet.cell_type(row, column))
        if kind == NUMBER:
            values[row - first_row] = sheet.cell_value(row, column)
        elif kind not in (EMPTY, BLANK):
            raise TraceFormatError(
                f"{path}: row {row + 1}, column {column + 1} of sheet {sheet.name!r} holds {KINDS[kind]}"
                f" ({str(sheet.cell_value(row, column))[:40]!r}), expected a number; header_lines may be too few"
            )
    return values
