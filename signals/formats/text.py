"""Reading text files of numbers strictly: bounded sizes, ASCII numbers only, errors that name file and line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crumple.artefact import sha256_bytes
from crumple.errors import ChannelError, TraceFormatError
from crumple.signals.trace import Float

MAX_FILE_BYTES = 256 * 2**20
"""No channel file comes near this; assumed. It bounds memory before a single byte is read."""

MAX_SAMPLES = 5_000_000
"""Largest number of samples a channel may claim: 500 s at 10 kHz; assumed."""

INTEGER = re.compile(r"[+-]?[0-9]{1,15}\Z")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z")
NUMBER_BYTES = b"0123456789+-.eE"
MME_CHANNEL = re.compile(rb"Channel code[ \t]*:", re.IGNORECASE)
"""How a channel file of ISO 13499 starts: a header and one column of numbers, which is no table to be mapped."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class FileBytes:
    """The content of a file and its digest, read once so that both speak of the same bytes."""

    path: Path
    data: bytes

    @property
    def named_digest(self) -> tuple[str, str]:
        """File name and SHA-256."""
        return self.path.name, sha256_bytes(self.data)


def read_limited(path: Path, limit: int = MAX_FILE_BYTES) -> FileBytes:
    """Read the whole file at ``path``, of bounded size.

    Raises
    ------
    ChannelError
        The file is not there.
    TraceFormatError
        It cannot be read, is no regular file, or is larger than ``limit``.
    """
    try:
        if not path.exists():
            raise ChannelError(f"{path}: is missing; put it beside the other files of the recording")
        if not path.is_file():
            raise TraceFormatError(f"{path}: is no regular file")
        size = path.stat().st_size
        if size > limit:
            raise TraceFormatError(f"{path}: has {size} bytes, more than the {limit} that any such file needs")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise TraceFormatError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(data) > limit:
        raise TraceFormatError(f"{path}: grew beyond {limit} bytes while it was read")
    return FileBytes(path, data)


def text_lines(file: FileBytes) -> list[str]:
    """The lines of a text file without their ends (LF or CRLF).

    UTF-8, else ISO-8859-1: laboratories write both. Control characters are refused, since they mean a
    binary or damaged file.
    """
    try:
        text = file.data.decode("utf-8")
    except UnicodeDecodeError:
        text = file.data.decode("latin-1")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    if lines and lines[-1] == "":
        lines.pop()
    if CONTROL.search(text):
        number, line = next((n, line) for n, line in enumerate(lines, 1) if CONTROL.search(line))
        raise TraceFormatError(
            f"{file.path}:{number}: holds a control character ({line[:40]!r}), expected text;"
            " the file is binary or damaged"
        )
    return lines


def parse_integer(text: str, where: str, what: str) -> int:
    """An integer in plain ASCII digits; ``where`` is file:line, ``what`` names the field in the message."""
    if not INTEGER.match(text):
        raise TraceFormatError(f"{where}: {what} is {text[:40]!r}, expected an integer")
    return int(text)


def parse_number(text: str, where: str, what: str) -> float:
    """A finite decimal number in plain ASCII; ``where`` is file:line, ``what`` names the field in the message."""
    value = float(text) if NUMBER.match(text) else math.nan
    if not math.isfinite(value):
        raise TraceFormatError(f"{where}: {what} is {text[:40]!r}, expected a finite number{comma_hint(text)}")
    return value


def comma_hint(text: str) -> str:
    """What to do about a decimal comma, where ``text`` looks like having one."""
    if re.match(r"\s*[+-]?[0-9]+,[0-9]+\s*\Z", text):
        return "; it has a decimal comma: write the file with decimal points"
    return ""


def number_rows(file: FileBytes, columns: int, separator: bytes, *, first_line: int = 1, start: int = 0) -> Float:
    """Parse rows of finite decimal numbers, fast where all is well and with file:line where not.

    Parameters
    ----------
    file : FileBytes
    columns : int
        Numbers in each row.
    separator : bytes
        One byte between numbers; spaces around a number are not accepted. Ignored for one column.
    first_line : int
        Number of the first row in the file, for messages.
    start : int
        Offset of the first row in ``file.data``.

    Returns
    -------
    ndarray, shape (n_rows, columns)

    Raises
    ------
    TraceFormatError
        A row has another number of columns, something is no finite number, there are no rows, too many,
        or the last row has no line end (it may be cut in mid-number).
    """
    data = file.data[start:] if start else file.data
    if not data:
        raise TraceFormatError(f"{file.path}:{first_line}: ends without a single sample")
    n_rows = data.count(b"\n")
    if n_rows > MAX_SAMPLES:
        raise TraceFormatError(f"{file.path}: holds {n_rows} rows, more than the {MAX_SAMPLES} that are supported")
    if not data.endswith(b"\n"):
        raise TraceFormatError(
            f"{file.path}:{first_line + n_rows}: the last line has no line end, so it may be cut in mid-number;"
            " get the file again, or add a line end if you know that it is complete"
        )
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if data.translate(None, NUMBER_BYTES + separator + b"\n") == b"" and _is_regular(data, columns, separator):
        # float() is exact and correctly rounded; the alphabet above leaves it no nan, inf or underscore.
        tokens = data.replace(separator, b"\n").split(b"\n")[:-1] if columns > 1 else data.split(b"\n")[:-1]
        try:
            values = np.array(list(map(float, tokens)), dtype=np.float64)
        except ValueError:
            values = np.array([math.nan])
        if np.isfinite(values).all():
            return values.reshape(n_rows, columns)
    _explain(file, data, columns, separator, first_line)
    raise AssertionError("a row that cannot be read was not found again")


def _is_regular(data: bytes, columns: int, separator: bytes) -> bool:
    """Whether every line has exactly ``columns - 1`` separators."""
    if columns == 1:
        return separator not in data
    raw = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(raw == 0x0A)
    separators = np.flatnonzero(raw == separator[0])
    if separators.size != ends.size * (columns - 1):
        return False
    line_of = np.searchsorted(ends, separators)
    return bool((line_of == np.repeat(np.arange(ends.size), columns - 1)).all())


def _explain(file: FileBytes, data: bytes, columns: int, separator: bytes, first_line: int) -> None:
    """Raise TraceFormatError for the first bad row."""
    by = {b"\t": "a tab", b",": "a comma", b";": "a semicolon", b" ": "a space"}.get(separator, repr(separator))
    for number, line in enumerate(data.split(b"\n")[:-1], first_line):
        where = f"{file.path}:{number}"
        text = line.decode("latin-1")
        fields = text.split(separator.decode("latin-1")) if columns > 1 else [text]
        if len(fields) != columns:
            raise TraceFormatError(
                f"{where}: found {text[:60]!r}, expected {columns} numbers separated by {by}; the file is damaged"
                " or of another format"
            )
        for column, field in enumerate(fields, 1):
            parse_number(field, where, f"column {column}" if columns > 1 else "the value")
