"""National Instruments TDMS, read through npTDMS; channels are called ``group/channel``.

A channel's unit is its property ``unit_string``, its time axis the properties ``wf_increment`` and
``wf_start_offset`` (seconds). Sign, place, filter and contact are not in such a file: the map states them.
"""

from __future__ import annotations

import math
import struct
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

NAME = "tdms"

MAGIC, INDEX_MAGIC = b"TDSm", b"TDSh"
LEAD_IN_BYTES = 28
MAX_SEGMENTS = 100_000
UNIT_PROPERTIES = ("unit_string", "NI_UnitDescription")


def is_tdms(path: Path) -> bool:
    """Whether ``path`` starts with the mark of a TDMS file or of its index."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (MAGIC, INDEX_MAGIC)


def read_tdms(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read a TDMS file as its properties and its map say.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Its table ``data`` names channels as ``group/channel``.

    Raises
    ------
    ToolMissingError
        npTDMS is not installed.
    ConfigError
        The map lacks something or contradicts the file.
    TraceFormatError
        The file is truncated, damaged or claims more than it holds.
    ChannelError
        A wanted channel is missing or is no acceleration.
    """
    file = read_limited(path)
    if file.data[:4] == INDEX_MAGIC:
        raise TraceFormatError(
            f"{path}: is the index of a TDMS file and holds no samples; give the .tdms file beside it"
        )
    _check_segments(file)
    library = optional_library("nptdms", path)
    with guarded(path, "nptdms"):
        opened = library.TdmsFile.open(BytesIO(file.data))
        if opened.file_status.incomplete_final_segment:
            raise TraceFormatError(f"{path}: its last segment is incomplete; the file is truncated, get it again")
        channels = [channel for group in opened.groups() for channel in group.channels()]
        for channel in channels:
            if len(channel) > min(MAX_SAMPLES, len(file.data)):
                raise TraceFormatError(
                    f"{path}: channel {_name(channel)!r} claims {len(channel)} samples in a file of"
                    f" {len(file.data)} bytes, expected at most {MAX_SAMPLES}; its header is wrong"
                )
        listed = [Listed(_name(channel), _unit(channel), _grid(channel) is not None) for channel in channels]
        title = str(opened.properties.get("name", ""))

    def load(name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
        channel = next(channel for channel in channels if _name(channel) == name)
        with guarded(path, "nptdms"):
            values = np.asarray(channel[:])
            if values.size != len(channel):
                raise TraceFormatError(f"{path}: channel {name!r} claims {len(channel)} samples, holds {values.size}")
            grid = _grid(channel)
        return values, None if grid is None else grid[0] + grid[1] * np.arange(values.size)

    facts = (("title", title),) if title else ()
    return stated_recording(path, NAME, file.named_digest, listed, load, mapping, facts=facts)


def _name(channel: Any) -> str:
    return f"{channel.group_name}/{channel.name}"


def _unit(channel: Any) -> str:
    """The unit that the file states, empty where it states none."""
    stated = (str(channel.properties.get(name, "")).strip() for name in UNIT_PROPERTIES)
    return next((unit for unit in stated if unit), "")


def _grid(channel: Any) -> tuple[float, float] | None:
    """Time of the first sample and step in seconds, where the file states both."""
    start, step = (channel.properties.get(name) for name in ("wf_start_offset", "wf_increment"))
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in (start, step)) or step <= 0:
        return None
    return float(start), float(step)


def _check_segments(file: FileBytes) -> None:
    """Walk the segments by their lead-ins; TraceFormatError where one leaves the file."""
    at = n_segments = 0
    size = len(file.data)
    while at < size:
        where = f"{file.path}: segment {n_segments + 1} at byte {at}"
        if size - at < LEAD_IN_BYTES or file.data[at : at + 4] != MAGIC:
            raise TraceFormatError(f"{where}: does not start with TDSm and 24 more bytes; the file is cut or damaged")
        n_data, n_meta = struct.unpack_from("<QQ", file.data, at + 12)
        if n_data == 0xFFFF_FFFF_FFFF_FFFF or n_data > size - at - LEAD_IN_BYTES:
            raise TraceFormatError(
                f"{where}: is incomplete, {size - at - LEAD_IN_BYTES} bytes are left of it; the file is truncated"
            )
        if n_meta > n_data:
            raise TraceFormatError(f"{where}: its data start after its end; the lead-in is damaged")
        at += LEAD_IN_BYTES + n_data
        n_segments += 1
        if n_segments > MAX_SEGMENTS:
            raise TraceFormatError(f"{file.path}: has more than {MAX_SEGMENTS} segments; defragment the file")
