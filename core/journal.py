"""Finished shards of long work, in one file that survives a killed process: resume reads it, nothing counts twice.

The file is a line of JSON that says what work it belongs to, then one record after the other, in the order in which
shards were finished::

    magic "CRSH", shard number (4 bytes), payload length (8 bytes), both little-endian
    payload
    SHA-256 of all that (32 bytes)

A record that was cut short by the end of the file is what a killed process left behind, and is dropped. One whose
digest does not fit was damaged later: it is said, and its shard is done again. Whoever holds the file holds a lock.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from .artefact import canonical_json
from .errors import ArtefactError, ConfigError, OutputError, WouldOverwriteError

log = logging.getLogger("crumple")

SCHEMA = "crumple.journal/1"
MAGIC = b"CRSH"
HEAD = struct.Struct("<4sIQ")
DIGEST_BYTES = 32
SYNC_S = 1.0
"""A machine that loses power loses at most the shards of this many seconds; a killed process loses none."""

LONGEST_LINE = 4096


class Journal:
    """Finished shards on file; made by ``open_journal``.

    Parameters
    ----------
    stream : binary file
        Open for reading and writing, locked.
    path : Path
        Named in messages.
    n_shards : int
    begin : int
        Where the first record starts.
    """

    def __init__(self, stream: BinaryIO, path: Path, n_shards: int, begin: int) -> None:
        self._stream = stream
        self._path = path
        self._n_shards = n_shards
        self._places: dict[int, tuple[int, int]] = {}
        self._end = begin
        self._synced_s = time.monotonic()
        self._scan(begin)

    def __len__(self) -> int:
        return len(self._places)

    def missing(self) -> Iterator[int]:
        """Numbers of the shards that are not on file, rising."""
        return (shard for shard in range(self._n_shards) if shard not in self._places)

    def append(self, shard: int, payload: bytes) -> None:
        """Put a finished shard on file, whole or not at all.

        Parameters
        ----------
        shard : int
            One that is missing.
        payload : bytes

        Raises
        ------
        OutputError
            The disk is full or broken. What was on file before stays readable.
        """
        assert 0 <= shard < self._n_shards and shard not in self._places, f"shard {shard} is none or done"
        head = HEAD.pack(MAGIC, shard, len(payload))
        record = head + payload + hashlib.sha256(head + payload).digest()
        try:
            self._stream.seek(self._end)
            _write(self._stream, record)
            if time.monotonic() - self._synced_s > SYNC_S:
                os.fsync(self._stream.fileno())
                self._synced_s = time.monotonic()
        except OSError as error:
            raise OutputError(
                f"{self._path}: cannot write: {error.strerror or error}; {len(self)} of {self._n_shards} shards are"
                " kept, make room and run the same command to go on"
            ) from error
        self._places[shard] = (self._end, len(payload))
        self._end += len(record)

    def read(self, shard: int) -> bytes:
        """The payload of a finished ``shard``; raises ArtefactError if the file no longer holds what was written."""
        place, length = self._places[shard]
        self._stream.seek(place)
        data = self._stream.read(HEAD.size + length + DIGEST_BYTES)
        if len(data) != HEAD.size + length + DIGEST_BYTES or not _is_whole(data):
            raise ArtefactError(f"{self._path}: shard {shard} was changed while the work went on; run it again")
        return data[HEAD.size : -DIGEST_BYTES]

    def _scan(self, begin: int) -> None:
        """Find every whole record; cut off what follows the last."""
        size = os.fstat(self._stream.fileno()).st_size
        place, damaged = begin, []
        while place + HEAD.size + DIGEST_BYTES <= size:
            self._stream.seek(place)
            head = self._stream.read(HEAD.size)
            magic, shard, length = HEAD.unpack(head)
            end = place + HEAD.size + length + DIGEST_BYTES
            if magic != MAGIC or end > size:
                break
            # In pieces of one record: a record is one shard, and one shard fits into memory.
            if not _is_whole(head + self._stream.read(length + DIGEST_BYTES)) or shard >= self._n_shards:
                damaged.append(shard)
            else:
                self._places.setdefault(shard, (place, length))
            place = end
        self._end = place
        if damaged:
            log.warning(
                "%s: %d finished shards were damaged (the first is %d); they are done again",
                self._path,
                len(damaged),
                damaged[0],
            )
        if place < size:
            log.warning("%s: dropped %d bytes of a shard that was not finished", self._path, size - place)
            self._stream.truncate(place)


def _write(stream: BinaryIO, data: bytes) -> None:
    """Write all of ``data`` to an unbuffered file, which may take it in parts."""
    rest = memoryview(data)
    while rest:
        taken = stream.write(rest)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[taken:]


def _is_whole(record: bytes) -> bool:
    return hashlib.sha256(record[:-DIGEST_BYTES]).digest() == record[-DIGEST_BYTES:]


@contextmanager
def open_journal(path: Path, key: str, n_shards: int, *, replace: bool = False) -> Iterator[Journal]:
    """The journal of one piece of work, new or as an interrupted run left it.

    Parameters
    ----------
    path : Path
    key : str
        Stands for all that the results depend on.
    n_shards : int
        Of the whole work.
    replace : bool
        Discard the shards of other work that the file may hold.

    Raises
    ------
    WouldOverwriteError
        The file holds shards of other work, or is no journal.
    ConfigError
        Another process is at it.
    OutputError
        The file cannot be written.
    """
    header = canonical_json({"key": key, "n_shards": n_shards, "schema": SCHEMA})
    assert len(header) < LONGEST_LINE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        stream = cast(BinaryIO, os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0))
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}; choose another --out") from error
    with stream:
        if not _locked(stream):
            raise ConfigError(f"{path}: another process is at this campaign; wait for it, or stop it")
        there = stream.read(LONGEST_LINE)
        if not there.startswith(header):
            # A header that was cut short belongs to a process killed at its very first write.
            if not header.startswith(there) and not replace:
                raise WouldOverwriteError(f"{path}: {_told(there)}; finish that first, or --force discards it")
            try:
                stream.truncate(0)
                stream.seek(0)
                _write(stream, header)
            except OSError as error:
                raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
        yield Journal(stream, path, n_shards, len(header))


def _told(beginning: bytes) -> str:
    """What the first line of a foreign file says of it."""
    try:
        if json.loads(beginning.partition(b"\n")[0])["schema"] == SCHEMA:
            return "holds unfinished work of another plan, or of other inputs"
    except (ValueError, KeyError, TypeError):
        pass
    return "is there, and is no journal of crumple"


def _locked(stream: BinaryIO) -> bool:
    """Lock an open file for this process alone, until it is closed or the process dies; False if another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            stream.seek(1 << 62)  # a byte that is never written: locked bytes cannot be read there
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            stream.seek(0)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
