"""A simulated event as a file for other viewers: one row a tick, as CSV or ASAM MDF 4."""

from __future__ import annotations

import csv
import importlib
import io
import struct
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError, OutputError, ToolMissingError

from .replay import MODES, TROUBLES
from .single import Simulated

SUFFIXES = (".csv", ".mf4")


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of a trace.

    Attributes
    ----------
    name, unit, comment : str
    samples : ndarray, shape (n_ticks,)
    texts : tuple of str
        What its values, as indices, are called; empty where they are numbers.
    """

    name: str
    unit: str
    comment: str
    samples: NDArray[Any]
    texts: tuple[str, ...] = ()


def channels(done: Simulated) -> list[Channel]:
    """Every signal of a simulated event, ``done``, in the order of its path through the controller."""
    line, main, safing = done.timeline, done.sensors.main, done.sensors.safing

    def flag(name: str, values: NDArray[np.bool_], comment: str) -> Channel:
        return Channel(name, "", comment, values.astype(np.uint8))

    given = np.arange(done.n_ticks) < done.n_given
    return [
        flag("recorded", given, "1 while the event lasts, 0 in the rest that was added after it (synthetic)"),
        Channel("main_lsb", "", "counts that the main sensor sent, positive for deceleration", done.main_lsb),
        Channel("main_g", "g", "the same as deceleration", done.main_lsb * float(main.lsb)),
        Channel("safing_lsb", "", "counts that the safing sensor sent, positive for deceleration", done.safing_lsb),
        Channel("safing_g", "g", "the same as deceleration", done.safing_lsb * float(safing.lsb)),
        Channel("read_lsb", "", "what the discrimination read: main counts less the offset", line.sample_lsb),
        Channel("y", "", "output of the net, an exact integer; votes when positive, 0 where it does not run", line.y),
        flag("vote", line.vote, "this window votes for firing"),
        flag("fire_request", line.fire_request, "enough of the last windows voted"),
        flag("armed", line.armed, "the safing path agrees that this is a crash"),
        flag("sensors_agree", line.sensors_agree, "both sensors tell of the same motion"),
        flag("awake", line.awake, "wake-up"),
        Channel("state", "", "of the controller, after the tick", line.mode, MODES),
        Channel("current_1_ma", "mA", "firing current of the first stage", line.current_ma[:, 0]),
        Channel("current_2_ma", "mA", "firing current of the second stage", line.current_ma[:, 1]),
        flag("lamp", line.lamp, "warning lamp"),
        flag("crash_output", done.crash_output, "fuel cut, doors unlocked, emergency call"),
        Channel("trouble", "", "bits, lowest first: " + ", ".join(TROUBLES), line.trouble),
    ]


def trace_bytes(done: Simulated, path: Path) -> bytes:
    """The trace of ``done`` in the format that the suffix of ``path`` names; the same event gives the same bytes.

    Raises
    ------
    ConfigError
        A suffix that is none of ``SUFFIXES``.
    ToolMissingError
        MDF 4 is asked for, and asammdf is not installed.
    """
    require_format(path)
    return _csv(done) if path.suffix.lower() == ".csv" else _mf4(done, path)


def require_format(path: Path) -> None:
    """Raise as ``trace_bytes`` would for ``path``, before anything is simulated."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"{path}: no trace is written as {path.suffix or 'a file without a suffix'}; use {' or '.join(SUFFIXES)}"
        )
    if path.suffix.lower() == ".mf4":
        _asammdf(path)


def _asammdf(path: Path) -> Any:
    try:
        return importlib.import_module("asammdf")
    except ImportError as error:
        raise ToolMissingError(f"{path}: writing MDF 4 needs asammdf: pip install 'crumple[io]'") from error


def _csv(done: Simulated) -> bytes:
    columns = channels(done)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["time_ms", *(column.name for column in columns)])
    values = [
        [column.texts[k] for k in column.samples.tolist()] if column.texts else column.samples.tolist()
        for column in columns
    ]
    writer.writerows(zip(done.time_ms, *values, strict=True))
    return stream.getvalue().encode("ascii")


def _mf4(done: Simulated, path: Path) -> bytes:
    library = _asammdf(path)
    time_s = np.array(done.time_ms) / 1e3
    signals = []
    for column in channels(done):
        conversion = None
        if column.texts:
            conversion = {f"val_{k}": k for k in range(len(column.texts))}
            conversion |= {f"text_{k}": text for k, text in enumerate(column.texts)}  # type: ignore[misc]
        signals.append(
            library.Signal(
                samples=np.ascontiguousarray(column.samples),
                timestamps=time_s,
                name=column.name,
                unit=column.unit,
                comment=column.comment,
                conversion=conversion,
            )
        )
    with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "trace.mf4"
        try:
            with library.MDF(version="4.10") as file:
                file.header.start_time = datetime(1970, 1, 1, tzinfo=timezone.utc)
                file.append(signals, comment="simulated airbag controller", common_timebase=True)
                file.save(target, overwrite=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
        return _undated(target.read_bytes())


def _undated(data: bytes) -> bytes:
    """The same file without the time at which it was made: field fh_time_ns of the first history block, which the
    second link of the header block names (ASAM MDF 4: the header lies at byte 64, links follow 24 bytes of head)."""
    (history,) = struct.unpack_from("<Q", data, 64 + 24 + 8)
    place = history + 24 + 2 * 8
    return data[:place] + bytes(8) + data[place + 8 :]
