"""enDAQ recordings (``.ide``), read through idelib; channels are called ``8.0``: channel and subchannel.

The file holds calibration, units and times since the recorder's start. Axes are the recorder's own, so sign,
place and contact are the map's to state.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import TraceFormatError
from crumple.signals.recording import Recording

from .foreign import guarded, optional_library
from .mapping import RecordingMap
from .stated import Listed, stated_recording
from .text import MAX_SAMPLES, FileBytes, read_limited

NAME = "ide"

EBML_MAGIC = b"\x1a\x45\xdf\xa3"
DOC_TYPE = b"mide"
MAX_ELEMENTS = 1_000_000
PROPERTIES = bytes.fromhex("18526570")
EXPRESSIONS = re.compile(rb"\x52[\x77\x79]")
"""The element that describes channels, and its TimeCodeScale and SampleRate: texts that idelib evaluates."""

UNBOUNDED = re.compile(rb"\*\*|pow|exp|fact|comb|perm|gamma", re.IGNORECASE)
MAX_EXPRESSION_BYTES = 4096


def is_ide(path: Path) -> bool:
    """Whether ``path`` is an EBML file whose header names a ``mide`` document."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(128)
    return head[:4] == EBML_MAGIC and DOC_TYPE in head


def read_ide(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read an enDAQ recording of one session as its map says.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Its table ``data`` names channels as ``8.0``; ``contact_time`` is in seconds since the recorder's start.

    Raises
    ------
    ToolMissingError
        idelib is not installed.
    ConfigError
        The map lacks something or contradicts the file.
    TraceFormatError
        The file is truncated or damaged.
    ChannelError
        A wanted channel is missing or is no acceleration.
    """
    file = read_limited(path)
    _check_elements(file)
    importer = optional_library("idelib.importer", path)
    with guarded(path, "idelib"):
        dataset = importer.openFile(BytesIO(file.data), name=path.name, quiet=True)
        importer.readData(dataset)
        if getattr(dataset, "fileDamaged", False):
            raise TraceFormatError(f"{path}: idelib finds it damaged; get it again")
        if len(dataset.sessions) != 1:
            raise TraceFormatError(f"{path}: holds {len(dataset.sessions)} sessions, expected one; split it first")
        parts = {f"{c.id}.{s.id}": s for c in dataset.channels.values() for s in c.subchannels}
        listed = [
            Listed(name, _unit(part), True, _words(part.displayName), _sensor(part)) for name, part in parts.items()
        ]

    def load(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        with guarded(path, "idelib"):
            events = parts[name].getSession()
            events.removeMean = False
            if len(events) > min(MAX_SAMPLES, len(file.data)):
                raise TraceFormatError(
                    f"{path}: channel {name} claims {len(events)} samples in a file of {len(file.data)} bytes,"
                    f" expected at most {MAX_SAMPLES}; its header is wrong"
                )
            rows = np.asarray(events.arraySlice()) if len(events) else np.empty((2, 0))
            if rows.ndim != 2 or rows.shape[0] != 2:
                raise TraceFormatError(f"{path}: channel {name} has the shape {rows.shape}, expected times and values")
        return rows[1], rows[0] * 1e-6

    return stated_recording(path, NAME, file.named_digest, listed, load, mapping)


def _words(text: object) -> str:
    return "" if text is None else str(text)


def _unit(part: Any) -> str:
    """The unit that the file states, empty where it states none."""
    units = part.units
    return _words(units[1]).strip() if isinstance(units, tuple) and len(units) == 2 else ""


def _sensor(part: Any) -> str:
    return _words(getattr(part.sensor, "name", None))


def _check_elements(file: FileBytes) -> None:
    """Walk the outermost EBML elements by their sizes; TraceFormatError where one leaves the file."""
    data, at, n_elements = file.data, 0, 0
    while at < len(data):
        where = f"{file.path}: element {n_elements + 1} at byte {at}"
        id_bytes = _width(data[at])
        if id_bytes > 4 or at + id_bytes >= len(data):
            raise TraceFormatError(f"{where}: has no EBML identifier; the file is cut or damaged")
        size_at = at + id_bytes
        size_bytes = _width(data[size_at])
        if size_bytes > 8 or size_at + size_bytes > len(data):
            raise TraceFormatError(f"{where}: has no EBML size; the file is cut or damaged")
        size = int.from_bytes(data[size_at : size_at + size_bytes], "big") - (1 << (7 * size_bytes))
        at = size_at + size_bytes + size
        if at > len(data):
            raise TraceFormatError(
                f"{where}: claims {size} bytes, {len(data) - at + size} are left; the file is truncated"
            )
        if data[size_at - id_bytes : size_at] == PROPERTIES:
            _check_expressions(where, data[at - size : at])
        n_elements += 1
        if n_elements > MAX_ELEMENTS:
            raise TraceFormatError(f"{file.path}: has more than {MAX_ELEMENTS} elements; its sizes are damaged")


def _check_expressions(where: str, properties: bytes) -> None:
    """Rates and time scales are numbers or ratios; powers such as ``9**9**9`` would never end."""
    for found in EXPRESSIONS.finditer(properties):
        size_at = found.end()
        if size_at < len(properties) and (width := _width(properties[size_at])) <= 8:
            start = size_at + width
            size = int.from_bytes(properties[size_at:start], "big") - (1 << (7 * width))
            if size <= MAX_EXPRESSION_BYTES and UNBOUNDED.search(properties[start : start + size]):
                text = properties[start : start + min(size, 40)]
                raise TraceFormatError(f"{where}: a rate is given as {text!r}, expected a number or a ratio")


def _width(first: int) -> int:
    """Bytes of an EBML number whose first byte this is; 9 where it is none."""
    return 9 - first.bit_length()
