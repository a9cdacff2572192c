"""NumPy arrays (``.npy``): one row or a table of real numbers, which say nothing about themselves.

Unit, sign, place and time come from the map's table ``[data]``; times may stand in a second array beside the
first (``time_file``). Arrays of Python objects are never loaded: they run code.
"""

from __future__ import annotations

import ast
import math
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError, TraceFormatError
from crumple.signals.recording import Recording

from .mapping import RecordingMap
from .stated import Listed, stated_recording
from .text import MAX_SAMPLES, FileBytes, read_limited

NAME = "npy"

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 10_000
MAX_COLUMNS = 1000
PLAIN_TYPE = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def is_npy(path: Path) -> bool:
    """Whether ``path`` starts with NumPy's magic bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def read_npy(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read an array as its map says.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Its table ``data`` names columns by number from 1.

    Raises
    ------
    ConfigError
        The map lacks something; the message gives the lines to add.
    TraceFormatError
        It is no array of real numbers with one or two dimensions, or its size is not what it claims.
    ChannelError
        It has no such column.
    """
    file = read_limited(path)
    table = _array(file)
    listed = [Listed(str(number), "", has_times=False) for number in range(1, table.shape[1] + 1)]
    columns = {channel.name: table[:, at] for at, channel in enumerate(listed)}
    facts: tuple[tuple[str, str], ...] = ()
    if mapping is not None and mapping.data is not None and mapping.data.time_file is not None:
        spec = mapping.data
        if spec.time_column is not None:
            raise ConfigError(f"{path}: the map states both time_file and time_column; keep one")
        times = read_limited(path.parent / str(spec.time_file))
        clock = _array(times)
        if clock.shape != (table.shape[0], 1):
            raise TraceFormatError(
                f"{times.path}: holds an array of shape {clock.shape}, expected one time for each of the"
                f" {table.shape[0]} rows of {path.name}"
            )
        name = f"times in {spec.time_file}"
        listed.append(Listed(name, "", has_times=False))
        columns[name] = clock[:, 0]
        mapping = replace(mapping, data=replace(spec, time_column=name))
        facts = (("times", f"{times.named_digest[0]} sha256 {times.named_digest[1]}"),)

    def load(name: str) -> tuple[NDArray[Any], None]:
        return columns[name], None

    return stated_recording(path, NAME, file.named_digest, listed, load, mapping, facts=facts, own_keys=("time_file",))


def _array(file: FileBytes) -> NDArray[Any]:
    """The array of a file as a table; its size is checked against its header before anything is allocated."""
    path, data = file.path, file.data
    if data[: len(MAGIC)] != MAGIC or len(data) < 12:
        raise TraceFormatError(f"{path}: is no NumPy array, or is cut in its header")
    version = (data[6], data[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise TraceFormatError(f"{path}: is of .npy version {version[0]}.{version[1]}, expected 1.0, 2.0 or 3.0")
    start = 10 if version == (1, 0) else 12
    (length,) = struct.unpack_from("<H" if version == (1, 0) else "<I", data, 8)
    if length > MAX_HEADER_BYTES or start + length > len(data):
        raise TraceFormatError(f"{path}: claims a header of {length} bytes, the file has {len(data)}; it is truncated")
    try:
        text = data[start : start + length].decode("utf-8" if version == (3, 0) else "latin-1").strip()
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            header = ast.literal_eval(text)
        kind, shape, is_fortran = header["descr"], header["shape"], header["fortran_order"]
    except (
        ValueError,
        SyntaxError,
        KeyError,
        TypeError,
        IndexError,
        MemoryError,
        RecursionError,
        SyntaxWarning,
    ) as error:
        raise TraceFormatError(f"{path}: its header cannot be read; the file is damaged") from error
    if not isinstance(kind, str) or kind[:1] not in "<>|=" or kind[1:] not in PLAIN_TYPE:
        raise TraceFormatError(
            f"{path}: holds {str(kind)[:40]!r}, expected real numbers (f2 to f8, i1 to u8); objects and structures are"
            " not read, save each signal as an array of numbers"
        )
    is_shape = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not is_shape or not isinstance(is_fortran, bool) or len(shape) not in (1, 2):
        raise TraceFormatError(f"{path}: has the shape {str(shape)[:40]}, expected (samples,) or (samples, columns)")
    item = np.dtype(kind)
    n_bytes = math.prod(shape) * item.itemsize
    if n_bytes != len(data) - start - length:
        raise TraceFormatError(
            f"{path}: shape {str(shape)[:60]} of {item} needs {n_bytes:.15g} bytes, found {len(data) - start - length};"
            " the file is truncated or its header is wrong"
        )
    if shape[0] > MAX_SAMPLES or (len(shape) == 2 and not 1 <= shape[1] <= MAX_COLUMNS):
        raise TraceFormatError(
            f"{path}: has the shape {str(shape)[:60]}, more than {MAX_SAMPLES} samples of 1 to {MAX_COLUMNS} columns"
        )
    flat = np.frombuffer(data, dtype=item, offset=start + length)
    return flat.reshape((shape[0], shape[1] if len(shape) == 2 else 1), order="F" if is_fortran else "C")
