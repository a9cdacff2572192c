"""Artefacts: what stages hand to each other, and how they are believed.

An artefact is one canonical JSON document, beside it any number of payload files it vouches for::

    {"config": {...},                     resolved settings that made it
     "files": {"corpus.h5": "<sha256>"},  payload files in the same folder
     "made_by": "crumple 0.1.0",
     "parents": {"corpus": "<sha256>"},   SHA-256 of the artefact files it came from
     "payload": {...},
     "schema": "crumple.model/1",
     "sha256": "<hex>"}                   of this document without this key

Bytes are canonical (sorted keys, no spaces, ASCII, shortest exact floats, one newline at the end),
hold no date, host name or path, and a reader believes nothing before schema, digest and payload
files agree. A parent's hash is that of the whole file, so ``sha256sum`` checks the chain by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import MADE_BY
from .errors import ArtefactError, CrumpleError, OutputError, WouldOverwriteError

log = logging.getLogger("crumple")

Json = Any
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How the file CACHEDIR.TAG begins in a folder of which everything can be made again (bford.info/cachedir)."""

ENVELOPE_KEYS = {"config", "files", "made_by", "parents", "payload", "schema", "sha256"}


@dataclass(frozen=True, slots=True)
class Artefact:
    """A believed artefact: read, and every hash in it verified.

    ``sha256`` is that of the whole file, the name under which children refer to it.
    """

    path: Path
    schema: str
    payload: Json
    parents: Mapping[str, str]
    config: Json
    files: Mapping[str, str]
    made_by: str
    sha256: str

    def file(self, name: str) -> Path:
        """Path of a payload file; raises ArtefactError if this artefact does not vouch for it."""
        if name not in self.files:
            raise ArtefactError(f"{self.path}: vouches for no file {name!r}, has {sorted(self.files)}")
        return self.path.parent / name


def canonical_json(value: Json) -> bytes:
    """Canonical bytes of a JSON value. Raises ValueError on NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to a file whole or not at all: to a temporary name beside it, then renamed.

    Raises OutputError naming the path when the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}; choose another --out") from error


def envelope(
    schema: str,
    payload: Json,
    *,
    parents: Mapping[str, str] | None = None,
    config: Json = None,
    files: Mapping[str, str] | None = None,
) -> bytes:
    """Canonical bytes of an artefact document, its own digest filled in."""
    document = {
        "schema": schema,
        "made_by": MADE_BY,
        "parents": dict(parents or {}),
        "config": {} if config is None else config,
        "files": dict(files or {}),
        "payload": payload,
    }
    document["sha256"] = sha256_bytes(canonical_json(document))
    return canonical_json(document)


def read_artefact(path: Path, schema: str) -> Artefact:
    """Read an artefact and verify schema, digest, canonical bytes and every payload file.

    Parameters
    ----------
    path : Path
        The JSON document.
    schema : str
        Expected schema, such as ``crumple.model/1``.

    Raises
    ------
    ArtefactError
        Missing, foreign, tampered with, of another schema, or a payload file is missing or changed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot read: {error.strerror}; expected a {schema} artefact") from error
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path}: not an artefact of crumple (no valid JSON: {error})") from error
    if not isinstance(document, dict) or set(document) != ENVELOPE_KEYS:
        raise ArtefactError(f"{path}: not an artefact of crumple; expected the keys {sorted(ENVELOPE_KEYS)}")
    if document["schema"] != schema:
        raise ArtefactError(f"{path}: schema is {document['schema']!r}, expected {schema!r}")
    content = {key: value for key, value in document.items() if key != "sha256"}
    try:
        canonical = canonical_json(document)
        digest = sha256_bytes(canonical_json(content))
    except ValueError as error:
        raise ArtefactError(f"{path}: holds a number that is not finite") from error
    except RecursionError as error:
        raise ArtefactError(f"{path}: not an artefact of crumple (nested too deeply)") from error
    if digest != document["sha256"] or canonical != data:
        raise ArtefactError(f"{path}: was changed after it was written (its SHA-256 does not match); make it again")
    # Anyone can compute a digest, so the shape is not believed on its word.
    for key in ("parents", "files"):
        if not isinstance(document[key], dict) or not all(isinstance(value, str) for value in document[key].values()):
            raise ArtefactError(f"{path}: {key!r} is not a table of SHA-256 values by name")
    if not isinstance(document["made_by"], str):
        raise ArtefactError(f"{path}: 'made_by' is not a text")
    artefact = Artefact(
        path=path,
        schema=schema,
        payload=document["payload"],
        parents=document["parents"],
        config=document["config"],
        files=document["files"],
        made_by=document["made_by"],
        sha256=sha256_bytes(data),
    )
    for name, expected in artefact.files.items():
        if "/" in name or "\\" in name or name.startswith("."):
            raise ArtefactError(f"{path}: names a payload file outside its folder: {name!r}")
        payload_file = path.parent / name
        if not payload_file.is_file():
            raise ArtefactError(f"{payload_file}: missing, although {path.name} vouches for it; make it again")
        try:
            found = sha256_file(payload_file)
        except OSError as error:
            raise ArtefactError(f"{payload_file}: cannot read: {error.strerror}") from error
        if found != expected:
            raise ArtefactError(f"{payload_file}: was changed after it was written (SHA-256 differs from {path.name})")
    return artefact


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the chain: what it makes, from what, with which settings.

    Attributes
    ----------
    out : Path
        Folder that the stage owns as a whole.
    name : str
        File name of its artefact document inside ``out``.
    schema : str
    parents : mapping
        Name to SHA-256 of the artefact files (or foreign input files) it reads.
    config : JSON value
        Resolved settings.
    scratch : tuple of str
        Names of sub-folders in which users build from the result. One that is tagged as a cache (see ``CACHE_TAG``)
        is no foreign file, and goes when the result is replaced.
    """

    out: Path
    name: str
    schema: str
    parents: Mapping[str, str]
    config: Json
    scratch: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """SHA-256 over what the stage makes its result from: what an interrupted one must find unchanged."""
        made_from = canonical_json([MADE_BY, dict(self.parents), {} if self.config is None else self.config])
        return hashlib.sha256(made_from).hexdigest()

    def current(self) -> Artefact | None:
        """The artefact already there, when it is intact and was made from the same things; else None.

        Raises ArtefactError when it is there but was changed after it was written.
        """
        path = self.out / self.name
        if not path.is_file():
            return None
        artefact = read_artefact(path, self.schema)
        # Compared as written: 1, 1.0 and True are equal in Python, a tuple and a list are not.
        there = canonical_json([artefact.made_by, dict(artefact.parents), artefact.config])
        wanted = canonical_json([MADE_BY, dict(self.parents), {} if self.config is None else self.config])
        return artefact if there == wanted else None

    def why_stale(self) -> tuple[str, ...]:
        """What differs between the artefact already there and this stage; nothing if it is current.

        Raises ArtefactError when it is missing, or was changed after it was written.
        """
        artefact = read_artefact(self.out / self.name, self.schema)
        reasons = [] if artefact.made_by == MADE_BY else [f"made by {artefact.made_by}, this is {MADE_BY}"]
        for role in sorted({*artefact.parents, *self.parents}):
            was, now = artefact.parents.get(role), self.parents.get(role)
            if was != now:
                fate = "is no longer used" if now is None else "is new" if was is None else "has changed"
                reasons.append(f"{role} {fate}")
        return (*reasons, *_changes("", artefact.config, json.loads(canonical_json(self.config or {}))))

    def run(self, work: Callable[[Path], Json], *, replace: bool = False, force: bool = False) -> Artefact:
        """Do the work in a hidden folder and put it in place whole, or return what is already current.

        Parameters
        ----------
        work : callable
            Gets an empty folder, writes payload files into it, returns the JSON payload.
        replace : bool
            Whether a stale but intact result of this same stage may be replaced unasked.
        force : bool
            Replace whatever this stage made before, even if it was tampered with. A folder that holds
            anything this stage did not make is refused even then.

        Raises
        ------
        WouldOverwriteError
            ``out`` holds something else, or a stale result that nobody asked to replace.
        ArtefactError
            What is there was changed after it was written.
        OutputError
            ``out`` cannot be written. Other errors of ``work`` pass through; what was there stays.
        """
        if _asked.get():
            raise _NotRun(self)
        if self.out.name in ("", ".."):
            raise OutputError(f"{self.out}: --out must name a folder, such as {self.name.partition('.')[0]}")
        if not force and (found := self.current()) is not None:
            return found
        try:
            self._refuse_foreign(replace=replace or force)
        except PermissionError as error:
            raise OutputError(f"{self.out}: cannot look into it: {error.strerror}; choose another --out") from error
        partial = self.out.with_name(f".{self.out.name}.{secrets.token_hex(4)}.partial")
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
        except OSError as error:
            raise OutputError(f"{self.out}: cannot write: {error.strerror}; choose another --out") from error
        try:
            payload = work(partial)
            files = {entry.name: sha256_file(entry) for entry in sorted(partial.iterdir())}
            document = envelope(self.schema, payload, parents=self.parents, config=self.config, files=files)
            write_bytes(partial / self.name, document)
            with _moved_aside(self.out):
                partial.replace(self.out)
        except CrumpleError:
            raise
        except OSError as error:
            named = "" if error.filename is None else str(error.filename)
            if named and partial.name not in named and named != str(self.out):
                raise  # it speaks of some other file: an input, not the folder we write
            raise OutputError(f"{self.out}: cannot write: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return read_artefact(self.out / self.name, self.schema)

    def _refuse_foreign(self, *, replace: bool) -> None:
        """Raise WouldOverwriteError unless ``out`` is absent, empty, or wholly this stage's own."""
        if not self.out.exists():
            return
        if not self.out.is_dir():
            raise WouldOverwriteError(f"{self.out}: is a file; --out must name a folder")
        entries = {entry.name for entry in self.out.iterdir()}
        if not entries:
            return
        if self.name not in entries:
            raise WouldOverwriteError(f"{self.out}: holds files that crumple did not put there; choose an empty --out")
        try:
            document = json.loads((self.out / self.name).read_bytes())
            kind = document["schema"].partition("/")[0]
            own = set(document["files"]) | {self.name}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            kind, own = "", set()
        if kind != self.schema.partition("/")[0]:
            own = set()  # a file that only shares the name
        built = {name for name in entries & set(self.scratch) if _is_cache(self.out / name)}
        if foreign := sorted(entries - own - built):
            raise WouldOverwriteError(f"{self.out}: holds {foreign[0]!r}, which this stage did not make; move it away")
        if not replace:
            too = "".join(f", and removes what was built in {name!r}" for name in sorted(built))
            raise WouldOverwriteError(
                f"{self.out}: already holds a {self.schema} made otherwise; --force replaces it{too}"
            )


def _is_cache(folder: Path) -> bool:
    """Whether a folder says of itself that all in it can be made again."""
    try:
        return not folder.is_symlink() and (folder / "CACHEDIR.TAG").read_bytes().startswith(CACHE_TAG)
    except OSError:
        return False


_asked: ContextVar[bool] = ContextVar("_asked", default=False)


class _NotRun(Exception):
    """Carries a stage that was only asked about back to who asked; never seen outside this module."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.name)
        self.stage = stage


def stage_of(call: Callable[[], Artefact]) -> Stage | None:
    """The stage that a call would run, found by the very code that would run it, without running it.

    What a stage depends on is thus written once, in its stage function.

    Parameters
    ----------
    call : callable
        A stage function with its arguments bound.

    Returns
    -------
    Stage or None
        None where the call only reads an artefact. Errors met before the stage is known pass through.
    """
    token = _asked.set(True)
    try:
        call()
    except _NotRun as told:
        return told.stage
    finally:
        _asked.reset(token)
    return None


MOST_CHANGES = 4


def _changes(where: str, was: Json, now: Json) -> list[str]:
    """Settings that differ, one a line, with their dotted keys; the first few and a count of the rest."""
    found = list(_differences(where, was, now))
    more = [f"and {len(found) - MOST_CHANGES} more settings"] if len(found) > MOST_CHANGES else []
    return found[:MOST_CHANGES] + more


def _differences(where: str, was: Json, now: Json) -> Iterator[str]:
    """Every place at which two JSON values differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from _differences(f"{where}.{key}".lstrip("."), was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, pair in enumerate(zip(was, now, strict=True)):
            yield from _differences(f"{where}[{place}]", *pair)
    elif canonical_json(was) != canonical_json(now):
        yield f"{where} was {_short(was)}, is {_short(now)}"


def _short(value: Json) -> str:
    text = canonical_json(value).decode("ascii").strip()
    return text if len(text) <= 40 else f"{text[:37]}..."


@contextlib.contextmanager
def _moved_aside(folder: Path) -> Iterator[None]:
    """Move an existing folder out of the way; bring it back if what follows fails."""
    if not folder.exists():
        yield
        return
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.old")
    folder.replace(aside)
    try:
        yield
    except BaseException:
        aside.replace(folder)
        raise
    try:
        shutil.rmtree(aside)
    except OSError as error:  # the new result stands; what is left over is only in the way
        log.warning("%s: could not remove the replaced result: %s", aside, error.strerror)
