"""Writing a test in the format of ISO 13499: a folder, or a zip or tar archive of one.

What is written is read back in memory and held against the recording first, so no channel leaves under a code that
says something else of it. The same recording gives the same bytes: archives carry no dates, owners or paths.
"""

from __future__ import annotations

import gzip
import io
import math
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from crumple.artefact import write_bytes
from crumple.errors import ConfigError, OutputError, WouldOverwriteError
from crumple.signals.recording import Channel, Recording

from .iso_mme import container_files, read_channel
from .text import FileBytes

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Ends of names that make an archive; any other name is a folder."""

OLDEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
READABLE = 0o644


def write_iso_mme(recording: Recording, codes: Mapping[str, str], out: Path, *, force: bool = False) -> None:
    """Write channels of a recording as a test of ISO 13499.

    Parameters
    ----------
    recording : Recording
    codes : mapping
        Channel name to 16-character code, in the order of writing; other channels are left out.
    out : Path
        A name that ends as one of `ARCHIVES` becomes an archive, any other a folder, which must be new or empty.
    force : bool
        Replace an archive that is there. A folder is never replaced.

    Raises
    ------
    ConfigError
        No channel is chosen, two share a code, or a code contradicts its channel.
    ChannelError
        The recording has no such channel.
    WouldOverwriteError
        Something is there already.
    """
    files = checked_files(recording, codes)
    if out.name.lower().endswith(ARCHIVES):
        if out.exists() and not force:
            raise WouldOverwriteError(f"{out}: is there already; --force replaces it")
        write_bytes(out, archived(files, recording.name, out.name))
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WouldOverwriteError(f"{out}: is there already; a test is written into a new or empty folder only")
    _write_folder(files, out)


def checked_files(recording: Recording, codes: Mapping[str, str]) -> dict[str, bytes]:
    """The files of the test by path, each channel read back and found to be what it was.

    Parameters
    ----------
    recording : Recording
    codes : mapping
        As in `write_iso_mme`.

    Raises
    ------
    ConfigError
        No channel is chosen, two share a code, or a code contradicts its channel.
    """
    if not codes:
        raise ConfigError(f"{recording.name}: no channel is chosen to be written; give a channel and its code")
    if len(set(codes.values())) != len(codes):
        twice = next(code for code in codes.values() if list(codes.values()).count(code) > 1)
        raise ConfigError(f"two channels of {recording.name} are to be written as {twice}; give each a code of its own")
    files = container_files(recording, dict(codes))
    for number, (name, code) in enumerate(codes.items(), 1):
        path = f"Channel/{recording.name}.{number:03d}"
        _check_same(recording.channel(name), read_channel(FileBytes(Path(path), files[path]), code), code)
    return files


def _check_same(written: Channel, again: Channel, code: str) -> None:
    """ConfigError where a channel read under its code differs from what was written."""
    for what in ("vehicle", "quantity", "axis", "filter_class"):
        meant, said = getattr(written.info, what), getattr(again.info, what)
        if meant != said:
            raise ConfigError(
                f"channel {written.info.name!r} has {what} {meant!r}, but the code {code} says {said!r};"
                " give another code"
            )
    same_rate = math.isclose(written.rate_hz, again.rate_hz, rel_tol=1e-12)
    same_start = (written.t0_s, written.info.unit) == (again.t0_s, again.info.unit)
    if not (same_rate and same_start and np.array_equal(written.values, again.values)):
        raise ConfigError(f"channel {written.info.name!r}: does not read back as it is under the code {code}")


def archived(files: Mapping[str, bytes], top: str, name: str) -> bytes:
    """An archive of files below one folder, without dates or owners.

    Parameters
    ----------
    files : mapping
        Path to content.
    top : str
        Folder that all lie in.
    name : str
        Of the archive; its end is one of `ARCHIVES` and says which kind.
    """
    memory = io.BytesIO()
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in files.items():
                entry = zipfile.ZipInfo(f"{top}/{path}", OLDEST_ZIP_TIME)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, READABLE << 16
                archive.writestr(entry, data)
        return memory.getvalue()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size, member.mode = len(data), READABLE
            tar.addfile(member, io.BytesIO(data))
    return memory.getvalue() if name.lower().endswith(".tar") else gzip.compress(memory.getvalue(), mtime=0)


def _write_folder(files: Mapping[str, bytes], out: Path) -> None:
    """All files or none: into a folder beside ``out``, which then takes its place."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".partial", dir=out.parent) as scratch:
            whole = Path(scratch) / "test"
            for path, data in files.items():
                target = whole / PurePosixPath(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            if out.is_dir():
                out.rmdir()
            whole.rename(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot write: {error.strerror or error}; choose another --out") from error
