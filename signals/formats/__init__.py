"""File formats of measured recordings, as plugins.

A format is one module with ``NAME``, ``is_NAME(path) -> bool`` (by content, never by extension alone) and
``read_NAME(path, mapping) -> Recording``. Other packages add formats by an entry point of the group
``crumple.formats`` whose name is NAME and whose value is the module; it is loaded only when a file is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from crumple.errors import ConfigError, TraceFormatError
from crumple.signals.recording import Recording

from .mapping import RecordingMap

ENTRY_POINTS = "crumple.formats"

BUILT_IN: Mapping[str, str] = {
    "nhtsa_ev5": "crumple.signals.formats.nhtsa_ev5",
    "iso_mme": "crumple.signals.formats.iso_mme",
    "tdms": "crumple.signals.formats.tdms",
    "mdf4": "crumple.signals.formats.mdf4",
    "ide": "crumple.signals.formats.ide",
    "npy": "crumple.signals.formats.npy",
    "xls": "crumple.signals.formats.xls",
    "csv": "crumple.signals.formats.csv",
}
"""Format name to module; loaded when a recording is read."""


@cache
def formats() -> Mapping[str, ModuleType]:
    """Every known format by name, built-in ones first; looked up once in a process.

    Raises
    ------
    ConfigError
        A plugin takes the name of another format, cannot be loaded, or lacks what a format needs.
    """
    known = {name: importlib.import_module(module) for name, module in BUILT_IN.items()}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        if point.name in known:
            raise ConfigError(f"format plugin {point.value}: the name {point.name!r} is taken; uninstall one of them")
        try:
            module = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"format plugin {point.name!r} ({point.value}) cannot be loaded: {error}") from error
        needed = ("NAME", f"is_{point.name}", f"read_{point.name}")
        if missing := [name for name in needed if not hasattr(module, name)]:
            raise ConfigError(f"format plugin {point.name!r} ({point.value}): {missing[0]} is missing")
        known[point.name] = module
    return known


def read_recording(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read a recording of whatever known format it is, recognised by content.

    Parameters
    ----------
    path : Path
        A file, or the folder of a format that keeps one test in a folder.
    mapping : RecordingMap or None
        What a person knows that the file does not say.

    Raises
    ------
    TraceFormatError
        Not there, of no known format, of more than one, or broken.
    ChannelError
        A channel that is needed is missing, has failed, or has a unit that cannot be used.
    ConfigError
        The map lacks something this format needs, or contradicts the file.
    """
    if not path.exists():
        raise TraceFormatError(f"{path}: no such file or folder; give the path of a recording")
    known = formats()
    matching = []
    for name, module in known.items():
        try:
            if getattr(module, f"is_{name}")(path):
                matching.append(name)
        except OSError as error:
            raise TraceFormatError(f"{path}: cannot read: {error.strerror or error}") from error
    if not matching and _is_workbook(path):
        raise TraceFormatError(
            f"{path}: is a spreadsheet workbook of a kind that is not read (only .xls of Excel 97 to 2003 is); export"
            " the sheet with the samples as CSV in UTF-8 with decimal points, and state its columns with --map"
        )
    if not matching and (kind := _archive_kind(path)):
        raise TraceFormatError(
            f"{path}: is an archive ({kind}) that was cut or damaged, or holds no test of ISO 13499; get it again, or"
            " unpack what else it holds"
        )
    if not matching:
        raise TraceFormatError(
            f"{path}: of no known format; expected one of {', '.join(known)}"
            " (for tests kept in several files give the folder or the header file)"
        )
    if len(matching) > 1:
        raise TraceFormatError(f"{path}: could be {' or '.join(matching)}; give the path of one file, not of a folder")
    recording = getattr(known[matching[0]], f"read_{matching[0]}")(path, mapping)
    assert isinstance(recording, Recording)
    return recording


def _archive_kind(path: Path) -> str:
    """The kind of archive that the first bytes of ``path`` announce; empty for any other file."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        head = stream.read(6)
    kinds = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
    return next((kind for start, kind in kinds.items() if head.startswith(start)), "")


def _is_workbook(path: Path) -> bool:
    """Whether ``path`` is an Excel or OpenDocument workbook: OLE2, or a zip whose first entry is theirs."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(100)
    is_zip_of_sheets = head[:4] == b"PK\x03\x04" and (b"[Content_Types].xml" in head or b"opendocument" in head)
    return head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" or is_zip_of_sheets
