"""ISO 13499 multimedia exchange (ISO-MME, edition 1.6): a folder, a zip or tar archive of one, or a lone channel.

``<test>.mme`` describes the test, ``Channel/<test>.chn`` lists the channels, ``Channel/<test>.NNN`` holds one
each: header lines ``key :value``, then one number a line. What a header declares (number of samples, extremes
and their times) is held against the samples. A channel file without its test's ``.mme`` is read where a map says
what that header would.
"""

from __future__ import annotations

import math
import re
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from crumple.artefact import sha256_file
from crumple.errors import ChannelError, ConfigError, TraceFormatError
from crumple.signals.quality import quality_notes
from crumple.signals.recording import CENTRE, LEFT, RIGHT, Channel, ChannelInfo, Place, Recording, Vehicle
from crumple.units import G0_MPS2

from .amended import with_channel_statements
from .mapping import RecordingMap, with_statements
from .text import (
    MAX_FILE_BYTES,
    MAX_SAMPLES,
    MME_CHANNEL,
    FileBytes,
    number_rows,
    parse_integer,
    parse_number,
    read_limited,
    text_lines,
)

NAME = "iso_mme"

MAX_MEMBERS = 5000
MAX_TOTAL_BYTES = 2 * 2**30
MAX_RATIO = 200
"""Archives that claim to grow more than this are refused; text of numbers shrinks 3 to 20 fold. Assumed."""

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, zlib.error)
"""What the standard library raises on damaged archives."""

KEY_WIDTH = 28
NO_VALUE = ("NOVALUE", "NONE", "")
EXTREME_TOLERANCE = 1e-5
"""Relative difference allowed between a declared extreme and the samples: declarations carry 6 or 7 digits."""

G_PER_UNIT = {"g": 1.0, "m/(s*s)": 1 / G0_MPS2, "m/s^2": 1 / G0_MPS2, "m/s2": 1 / G0_MPS2, "m/s**2": 1 / G0_MPS2}
FILTER_CLASSES = {"A": 1000, "B": 600, "C": 180, "D": 60}
SIDES = {"LE": LEFT, "RI": RIGHT}
# Main locations that stand in for the airbag controller's sensor, best first (code list 1.6.2).
RANKS = {"CEUN": 0, "TUNN": 0, "SECM": 1, "SILB": 2, "BPIL": 3, "SEAT": 4}


@dataclass(frozen=True, slots=True)
class Container:
    """The files of one test by their path inside it, lower case; contents within bounds."""

    path: Path
    files: dict[str, FileBytes]

    def named(self, pattern: str) -> list[str]:
        """Paths that match the regular expression ``pattern`` as a whole, in order."""
        return sorted(name for name in self.files if re.fullmatch(pattern, name))


@dataclass(frozen=True, slots=True)
class Header:
    """The ``key :value`` lines of one file."""

    where: str
    values: dict[str, list[str]]
    n_lines: int

    def text(self, key: str) -> str:
        """The first value of ``key``; empty where it is absent or NOVALUE."""
        value = self.values.get(key.lower(), [""])[0]
        return "" if value.upper() in NO_VALUE else value

    def needed(self, key: str) -> str:
        """The value of ``key``, which must be there."""
        if not (value := self.text(key)):
            raise TraceFormatError(f"{self.where}: header key {key!r} is missing or NOVALUE; it is needed")
        return value


def is_iso_mme(path: Path) -> bool:
    """Whether ``path`` is a folder or archive with an ``.mme`` file, such a file itself, or one channel's file."""
    try:
        if path.is_dir():
            return bool(_folder_headers(path))
        if path.suffix.lower() == ".mme":
            return b"Data format edition number" in path.read_bytes()[:4096]
        if _is_lone_channel(path):
            return True
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return any(name.lower().endswith(".mme") for name in archive.namelist()[:MAX_MEMBERS])
        with _opened_tar(path) as archive:
            return any(m.name.lower().endswith(".mme") for _, m in zip(range(MAX_MEMBERS), archive, strict=False))
    except (*DAMAGED, RuntimeError, ValueError, OSError):
        return False


def read_iso_mme(
    path: Path, mapping: RecordingMap | None = None, *, channels: Collection[str] | None = None
) -> Recording:
    """Read a test.

    Parameters
    ----------
    path : Path
        Folder of the test, its ``.mme`` file, a zip or tar archive, or the file of one channel.
    mapping : RecordingMap or None
        May add label, impact speed and mode; a lone channel needs label and mode. Channels in its table ``data``
        (``column`` is a channel code) are read too.
    channels : collection of str or None
        Channel codes to read; None reads every longitudinal acceleration of the occupant compartment.

    Raises
    ------
    ConfigError
        A lone channel without a map that says what its test's header would.
    TraceFormatError
        The container or a file breaks the format, an archive is unsafe, or samples and header differ.
    ChannelError
        A wanted channel is missing or has an unknown unit.
    """
    if path.is_file() and _is_lone_channel(path):
        return _read_lone(path, mapping)
    container = _open(path)
    (test_name,) = _one(container, r"(.*/)?[^/]+\.mme")
    test = _header(container.files[test_name])
    stem = PurePosixPath(test_name).stem
    folder = str(PurePosixPath(test_name).parent)
    prefix = "" if folder == "." else f"{re.escape(folder)}/"
    (index_name,) = _one(container, rf"{prefix}channel/{re.escape(stem)}\.chn")
    listed = _listed(_header(container.files[index_name]))
    read: list[Channel] = []
    stated = _stated(mapping)
    files = [container.files[test_name], container.files[index_name]]
    for number, code in listed.items():
        is_wanted = code in channels if channels is not None else code in stated or _info(code, "").is_candidate
        if not is_wanted:
            continue
        names = container.named(rf"{prefix}channel/{re.escape(stem)}\.0*{number}")
        if len(names) != 1:
            raise ChannelError(
                f"{path}: the index lists channel {number:03d} as {code}, and there are {len(names)} files for it;"
                f" put {stem}.{number:03d} into the folder Channel"
            )
        read.append(read_channel(container.files[names[0]], code))
        files.append(container.files[names[0]])
    if channels is not None and (missing := sorted(set(channels) - set(listed.values()))):
        raise ChannelError(f"{path}: lists no channel {missing[0]!r}; it has {', '.join(sorted(listed.values())[:10])}")
    vehicles = tuple(
        Vehicle(k, test.text(f"Name of test object {k}") or "not named", _mass(test, k))
        for k in sorted({channel.info.vehicle for channel in read})
    )
    speed = test.text("Velocity test object 1")
    recording = Recording(
        name=stem,
        kind=NAME,
        mode=(mapping.mode if mapping is not None and mapping.mode else "measured_test"),
        vehicles=vehicles,
        channels=tuple(read),
        refused=tuple(channel.info for channel in read if channel.info.refusal),
        speed_kmh=math.nan,
        facts=tuple(
            (key, test.text(key))
            for key in ("Title", "Laboratory name", "Date of the test", "Type of the test")
            if test.text(key)
        )
        + ((("velocity of test object 1 (m/s)", speed),) if speed else ()),
        files=_input_files(path, files),
    )
    return with_statements(with_channel_statements(recording, mapping), mapping)


def _stated(mapping: RecordingMap | None) -> set[str]:
    """Channel codes that the map names."""
    channels = () if mapping is None or mapping.data is None else mapping.data.channels
    return {str(channel.column) for channel in channels}


def _is_lone_channel(path: Path) -> bool:
    """Whether ``path`` is a file whose first line is a channel's code."""
    with path.open("rb") as stream:
        return MME_CHANNEL.match(stream.read(256)) is not None


def _read_lone(path: Path, mapping: RecordingMap | None) -> Recording:
    """The recording of one channel file, with what its test's header would say taken from the map."""
    add: list[str] = []
    if mapping is None or mapping.label is None:
        add.append('label = "unlabelled"  # or must_fire, no_fire, grey, with label_source = "how it is known"')
    if mapping is None or mapping.mode is None:
        add.append('mode = "side_impact"  # what happened, in one word')
    if mapping is None or mapping.vehicle is None:
        add.append('vehicle = "make and model"  # the test object of this channel')
    if add:
        raise ConfigError(
            f"{path}: is one channel of a test and lacks the test's .mme header; give the folder of the test, or add"
            " these lines to a map and give it with --map:\n" + "\n".join(add)
        )
    assert mapping is not None
    file = read_limited(path)
    channel = read_channel(file)
    code = channel.info.name
    files, facts = [file], [("container", "none: a channel file by itself; its test is as stated in the map")]
    number = path.suffix.removeprefix(".")
    for index in sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".chn" and p.is_file()):
        if index.stem.lower() != path.stem.lower() or not re.fullmatch(r"[0-9]{3,5}", number):
            continue
        beside = read_limited(index)
        files.append(beside)
        listed = _listed(_header(beside)).get(int(number), "nothing")
        if listed == code:
            facts.append(("index", f"{index.name} lists {code} under this number"))
        elif code in _stated(mapping):
            facts.append(("index", f"{index.name} lists {listed} as {number}; the file itself and the map say {code}"))
        else:
            raise TraceFormatError(
                f"{path}: says it is channel {code}, but {index.name} beside it lists {listed} as {number}; the files"
                f" belong to different tests or were renumbered. If the file is right, name its channel in the map:"
                f' [[data.channels]] with column = "{code}"'
            )
    recording = Recording(
        name=f"{path.stem}_{number}",
        kind=NAME,
        mode=str(mapping.mode),
        vehicles=(Vehicle(channel.info.vehicle, str(mapping.vehicle)),),
        channels=(channel,),
        refused=(channel.info,) if channel.info.refusal else (),
        speed_kmh=math.nan,
        facts=tuple(facts),
        files=tuple(file.named_digest for file in files),
    )
    return with_statements(with_channel_statements(recording, mapping), mapping)


def _input_files(path: Path, files: list[FileBytes]) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of what was given: the archive as a whole, or each file of a folder that was used."""
    if path.is_dir() or path.suffix.lower() == ".mme":
        return tuple(file.named_digest for file in files)
    try:
        return ((path.name, sha256_file(path)),)
    except OSError as error:
        raise TraceFormatError(f"{path}: cannot read: {error.strerror or error}") from error


def read_channel(file: FileBytes, code: str | None = None) -> Channel:
    """Read one channel file, with its declarations held against its samples.

    Parameters
    ----------
    file : FileBytes
    code : str or None
        Channel code that the index gives it; None takes the file's own.

    Raises
    ------
    TraceFormatError
        Sample count, extremes or code differ from what is declared, or the samples are no numbers.
    ChannelError
        The unit of an acceleration is unknown.
    """
    file = _trimmed(file)
    header = _header(file)
    own = header.needed("Channel code")
    if code is not None and own != code:
        raise TraceFormatError(
            f"{header.where}: the channel code is {own!r}, but the index lists {code!r} under this number;"
            " the files belong to another index or were renamed"
        )
    n_declared = parse_integer(header.needed("Number of samples"), header.where, "Number of samples")
    if not 2 <= n_declared <= MAX_SAMPLES:
        raise TraceFormatError(f"{header.where}: declares {n_declared} samples, expected 2 to {MAX_SAMPLES}")
    if header.text("Reference channel").lower() != "implicit":
        raise TraceFormatError(
            f"{header.where}: Reference channel is {header.text('Reference channel') or 'not given'!r}, expected"
            " implicit (a fixed rate); channels with a time axis of their own are not supported"
        )
    step_s = parse_number(header.needed("Sampling interval"), header.where, "Sampling interval")
    t0_s = parse_number(header.needed("Time of first sample"), header.where, "Time of first sample")
    if not 1e-7 <= step_s <= 10 or abs(t0_s) > 1e6:
        raise TraceFormatError(f"{header.where}: interval {step_s:g} s from {t0_s:g} s makes no time axis")
    start = 0
    for _ in range(header.n_lines):
        start = (file.data.find(b"\n", start) + 1) or len(file.data)
    values = number_rows(file, 1, b" ", first_line=header.n_lines + 1, start=start)[:, 0]
    if values.size != n_declared:
        raise TraceFormatError(
            f"{header.where}:{header.n_lines + values.size}: ends after {values.size} of {n_declared} declared samples"
            f" (channel {own}); the file is truncated or its header lies, get it again"
        )
    _check_extreme(header, values, step_s, t0_s, "maximum", int(np.argmax(values)))
    _check_extreme(header, values, step_s, t0_s, "minimum", int(np.argmin(values)))
    unit = header.needed("Unit")
    info = _info(own, header.text("Name of the channel"))
    if info.quantity == "acceleration":
        if unit not in G_PER_UNIT:
            raise ChannelError(f"{header.where}: acceleration in {unit!r}, expected one of {', '.join(G_PER_UNIT)}")
        values, unit = values * (G_PER_UNIT[unit] * (-1.0 if own[14] in "123" else 1.0)), "g"
    status = header.text("Data status")
    refusal = "" if status.lower() in ("", "ok") else f"Data status {status!r}"
    notes = quality_notes(values, 1 / step_s, t0_s)
    if not status:
        notes = ("no Data status is given", *notes)
    sensor_id = header.text("Transducer id")
    return Channel(
        replace(info, unit=unit, status=status, refusal=refusal, notes=notes, sensor_id=sensor_id),
        values,
        _rate_hz(step_s),
        t0_s,
    )


def channel_bytes(channel: Channel, code: str) -> bytes:
    """A channel file with header, declared extremes and one number a line; accelerations in g, J211 sign.

    Parameters
    ----------
    channel : Channel
    code : str
        16-character channel code.

    Raises
    ------
    ConfigError
        The code has not 16 characters or names another direction than the J211 sign.
    """
    if not re.fullmatch(r"[0-9A-Z?]{14}[XYZR0][0-9A-Z]", code):
        raise ConfigError(f"channel code {code!r}: expected 16 characters with direction X, Y, Z, R or 0 (J211 sign)")
    values = channel.values
    high, low = int(np.argmax(values)), int(np.argmin(values))
    fields = {
        "Channel code": code,
        "Reference channel": "implicit",
        "Name of the channel": channel.info.description or channel.info.name,
        "Transducer id": channel.info.sensor_id or "NOVALUE",
        "Sampling interval": repr(1.0 / channel.rate_hz),
        "Unit": channel.info.unit,
        "Time of first sample": repr(channel.t0_s),
        "Number of samples": str(values.size),
        "First global maximum value": repr(float(values[high])),
        "Time of maximum value": repr(channel.t0_s + high / channel.rate_hz),
        "First global minimum value": repr(float(values[low])),
        "Time of minimum value": repr(channel.t0_s + low / channel.rate_hz),
        "Data status": channel.info.status or "NOVALUE",
    }
    return (_header_text(fields) + "".join(f"{value!r}\n" for value in values.tolist())).encode("utf-8")


def container_files(recording: Recording, codes: dict[str, str]) -> dict[str, bytes]:
    """The files of a test container by path: ``.mme``, index and channel files.

    Parameters
    ----------
    recording : Recording
    codes : dict
        Channel name to 16-character code, in the order of writing; other channels are left out.

    Raises
    ------
    ChannelError
        The recording has no such channel.
    """
    name = recording.name
    test = {"Data format edition number": "1.6", "Laboratory test ref. number": name}
    test |= {f"Name of test object {vehicle.number}": vehicle.name for vehicle in recording.vehicles}
    index = {"Instrumentation standard": "SAEJ211", "Number of channels": str(len(codes))}
    index |= {f"Name of channel {number:03d}": code for number, code in enumerate(codes.values(), 1)}
    files = {f"{name}.mme": _header_text(test).encode(), f"Channel/{name}.chn": _header_text(index).encode()}
    for number, (channel, code) in enumerate(codes.items(), 1):
        files[f"Channel/{name}.{number:03d}"] = channel_bytes(recording.channel(channel), code)
    return files


def _header_text(fields: dict[str, str]) -> str:
    return "".join(f"{key:<{KEY_WIDTH}}:{' '.join(value.split())}\n" for key, value in fields.items())


def _rate_hz(step_s: float) -> float:
    """Samples per second; a printed interval within 1 ppm of a whole rate is that rate."""
    rate_hz = 1 / step_s
    return float(round(rate_hz)) if abs(rate_hz - round(rate_hz)) < 1e-6 * rate_hz else rate_hz


def _mass(test: Header, number: int) -> float:
    text = test.text(f"Mass of test object {number}") or test.text(f"Mass test object {number}")
    return parse_number(text, test.where, f"mass of test object {number}") if text else math.nan


def _check_extreme(header: Header, values: np.ndarray, step_s: float, t0_s: float, word: str, at: int) -> None:
    """Hold a declared extreme and its time against the samples."""
    declared, when = header.text(f"First global {word} value"), header.text(f"Time of {word} value")
    found, found_s = float(values[at]), t0_s + at * step_s
    span = max(float(np.ptp(values)), abs(found))
    if declared and abs(parse_number(declared, header.where, f"{word} value") - found) > EXTREME_TOLERANCE * span:
        raise TraceFormatError(
            f"{header.where}: declares a {word} of {declared}, its samples have {found:.7g};"
            " samples or header were changed, get the file again"
        )
    if when and abs(parse_number(when, header.where, f"time of {word}") - found_s) > 1.01 * step_s:
        raise TraceFormatError(
            f"{header.where}: declares its {word} at {when} s, its samples have it at {found_s:.7g} s;"
            " the time axis or the samples were changed, get the file again"
        )


def _info(code: str, description: str) -> ChannelInfo:
    """What a 16-character code says."""
    if not re.fullmatch(r"[0-9A-Z?]{16}", code):
        raise TraceFormatError(f"channel code {code[:40]!r}: expected 16 letters and digits")
    location = code[2:6]
    number = int(code[0]) if code[0].isdigit() else 0
    rank = RANKS.get(location) if number else None
    side = SIDES.get(code[6:8], CENTRE)
    return ChannelInfo(
        name=code,
        description=description,
        vehicle=number,
        place=Place(code[:12], side, rank),
        quantity="acceleration" if code[12:14] == "AC" else code[12:14],
        axis={"1": "X", "2": "Y", "3": "Z"}.get(code[14], code[14]),
        unit="",
        filter_class=FILTER_CLASSES.get(code[15], 0),
    )


def _listed(index: Header) -> dict[int, str]:
    """Channel code by number."""
    n_declared = parse_integer(index.needed("Number of channels"), index.where, "Number of channels")
    listed = {}
    for key, values in index.values.items():
        if match := re.fullmatch(r"name of channel 0*([0-9]{1,5})", key):
            listed[int(match.group(1))] = values[0].partition("/")[0].strip()
    if len(listed) != n_declared:
        raise TraceFormatError(f"{index.where}: declares {n_declared} channels, lists {len(listed)}; get it again")
    return listed


def _trimmed(file: FileBytes) -> FileBytes:
    """The same lines without blanks at their ends, which some writers leave."""
    if b" \n" not in file.data and b" \r\n" not in file.data:
        return file
    return FileBytes(file.path, re.sub(rb" +(?=\r?\n)", b"", file.data))


def _header(file: FileBytes) -> Header:
    """The leading ``key :value`` lines."""
    values: dict[str, list[str]] = {}
    n_lines = 0
    for line in text_lines(file):
        key, colon, value = line.partition(":")
        if not colon or not key.strip():
            break
        values.setdefault(key.strip().lower(), []).append(value.strip())
        n_lines += 1
    if not values:
        raise TraceFormatError(f"{file.path}:1: expected a header line 'key :value'; the file is damaged or foreign")
    return Header(str(file.path), values, n_lines)


def _one(container: Container, pattern: str) -> list[str]:
    """The only file that matches."""
    found = container.named(pattern)
    if len(found) != 1:
        what = pattern.rpartition(".")[2]
        raise TraceFormatError(f"{container.path}: expected one .{what} file in its place, found {len(found)}")
    return found


def _folder_headers(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.suffix.lower() == ".mme" and entry.is_file()]


def _open(path: Path) -> Container:
    """The files of a container, names in lower case."""
    try:
        if path.is_dir() or path.suffix.lower() == ".mme":
            return _from_folder(path if path.is_dir() else path.parent, path)
        if zipfile.is_zipfile(path):
            return _from_zip(path)
        return _from_tar(path)
    except TraceFormatError:
        raise
    except (*DAMAGED, RuntimeError, ValueError) as error:  # RuntimeError: a zip with a password
        raise TraceFormatError(f"{path}: the archive cannot be unpacked ({error}); pack it again") from error
    except OSError as error:
        raise TraceFormatError(f"{path}: cannot read: {error.strerror or error}") from error


def _from_folder(folder: Path, path: Path) -> Container:
    files: dict[str, FileBytes] = {}
    entries = [entry for entry in folder.iterdir() if entry.is_file()]
    for sub in folder.iterdir():
        if sub.is_dir() and sub.name.lower() == "channel":
            entries += [entry for entry in sub.iterdir() if entry.is_file()]
    if len(entries) > MAX_MEMBERS:
        raise TraceFormatError(f"{path}: holds {len(entries)} files, more than {MAX_MEMBERS}")
    for entry in entries:
        name = entry.relative_to(folder).as_posix().lower()
        if re.search(r"\.(mme|chn|[0-9]{3,5})$", name):
            _add(files, name, read_limited(entry), path)
    return Container(path, files)


def _from_zip(path: Path) -> Container:
    files: dict[str, FileBytes] = {}
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_members(path, [(member.filename, member.file_size) for member in members], path.stat().st_size)
        for member in members:
            if _is_wanted(member.filename):
                with archive.open(member) as stream:
                    data = stream.read(member.file_size + 1)
                _add(files, member.filename.lower(), _whole(path, member.filename, data, member.file_size), path)
    return Container(path, files)


def _opened_tar(path: Path) -> tarfile.TarFile:
    """A tar archive, plain or packed with gzip or bzip2, by its first bytes.

    Never by trying: any bytes may pass for the head of an LZMA stream, whose decoder then allocates as much memory as
    that head claims, up to 4 GB. Archives packed with xz are not read for the same reason.
    """
    with path.open("rb") as stream:
        head = stream.read(6)
    if head[:2] == b"\x1f\x8b":
        return tarfile.open(path, "r:gz")
    if head[:3] == b"BZh":
        return tarfile.open(path, "r:bz2")
    if head == b"\xfd7zXZ\x00":
        raise tarfile.ReadError("it is packed with xz, which is not read; pack it with gzip, or as zip")
    return tarfile.open(path, "r:")


def _from_tar(path: Path) -> Container:
    files: dict[str, FileBytes] = {}
    with _opened_tar(path) as archive:
        members = []
        total = 0
        for member in archive:
            members.append((member.name, member.size))
            total += member.size
            _check_members(path, members[-1:], path.stat().st_size)
            if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES or total > MAX_RATIO * path.stat().st_size + 2**20:
                raise TraceFormatError(f"{path}: grows to {total} bytes in {len(members)} files; refused as a bomb")
            if not (member.isfile() or member.isdir()):
                raise TraceFormatError(f"{path}: {member.name!r} is a link or device; pack plain files only")
            if member.isfile() and _is_wanted(member.name):
                stream = archive.extractfile(member)
                data = b"" if stream is None else stream.read(member.size + 1)
                _add(files, member.name.removeprefix("./").lower(), _whole(path, member.name, data, member.size), path)
    return Container(path, files)


def _is_wanted(name: str) -> bool:
    return re.search(r"\.(mme|chn|[0-9]{3,5})$", name.lower()) is not None


def _check_members(path: Path, members: list[tuple[str, int]], packed: int) -> None:
    """Refuse names that lead out of the archive, and sizes that only a bomb claims."""
    total = sum(size for _, size in members)
    if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES or total > MAX_RATIO * packed + 2**20:
        raise TraceFormatError(f"{path}: claims {total} bytes in {len(members)} files from {packed}; refused as a bomb")
    for name, size in members:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
            raise TraceFormatError(f"{path}: {name!r} leads out of the archive; refused")
        if size > MAX_FILE_BYTES:
            raise TraceFormatError(f"{path}: {name!r} claims {size} bytes, more than {MAX_FILE_BYTES}")


def _whole(path: Path, name: str, data: bytes, size: int) -> FileBytes:
    if len(data) != size:
        raise TraceFormatError(f"{path}: {name!r} has {len(data)} bytes where its entry says {size}; pack it again")
    return FileBytes(path / name, data)


def _add(files: dict[str, FileBytes], name: str, file: FileBytes, path: Path) -> None:
    if name in files:
        raise TraceFormatError(f"{path}: holds {name!r} twice (names are compared without case)")
    files[name] = file
