"""ASAM MDF 4: units, conversions and times from the file, the rest from the map; links and sizes are not trusted."""

from __future__ import annotations

import dataclasses
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.errors import ChannelError, ConfigError, CrumpleError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.formats.mdf4 import is_mdf4
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

asammdf = pytest.importorskip("asammdf", reason="asammdf reads these files: pip install 'crumple[io]'")

NAME = "0/Tunnel Längs"
CHANNEL = CsvChannel(NAME, None, "j211", "X", "centre", "tunnel", 0, "pretrigger")
DATA = DataMap(contact_time=0.02, channels=(CHANNEL,))
MAP = RecordingMap("must_fire", "made so", 50.0, mode="half_sine", data=DATA)
RATE_HZ = 5000
TIME_S = np.arange(800) / RATE_HZ


def with_data(**changes: Any) -> RecordingMap:
    return dataclasses.replace(MAP, data=dataclasses.replace(DATA, **changes))


def half_sine(n: int = 800) -> np.ndarray:
    time_s = (np.arange(n) - 100) / RATE_HZ
    inside = (time_s >= 0) & (time_s <= 0.1)
    return np.where(inside, -30 * np.sin(math.pi * np.clip(time_s, 0, 0.1) / 0.1), 0.0)


def written(
    folder: Path, values: Any = None, time_s: Any = None, *, compression: int = 0, unit: str = "g", **signal: Any
) -> Path:
    path = folder / "made.mf4"
    if np.asarray(values).dtype.kind == "S":
        signal["encoding"] = "utf-8"
    values = half_sine() if values is None else values
    time_s = TIME_S[: len(values)] if time_s is None else time_s
    with asammdf.MDF(version="4.10") as made:
        made.append([asammdf.Signal(values, time_s, name="Tunnel Längs", unit=unit, **signal)], comment="made")
        made.append([asammdf.Signal(TIME_S, TIME_S, name="Temperatur", unit="°C")])
        made.save(path, overwrite=True, compression=compression)
    path.rename(folder / "made.bin")  # recognised by content
    return folder / "made.bin"


@pytest.mark.parametrize("compression", [0, 1, 2])
def test_a_channel_is_read_with_the_files_own_unit_and_times(tmp_path: Path, compression: int) -> None:
    recording = read_recording(written(tmp_path, compression=compression), MAP)
    (channel,) = recording.channels
    assert (recording.kind, channel.info.name, channel.rate_hz) == ("mdf4", NAME, RATE_HZ)
    assert channel.t0_s == pytest.approx(-0.02)
    np.testing.assert_array_equal(channel.values, half_sine())
    (event,) = recording_events(recording, SensorPair(), RttfRule())
    assert event.main_lsb.max() == pytest.approx(30 * 16, abs=3), "positive for deceleration"


def test_conversions_and_units_of_the_file_are_applied(tmp_path: Path) -> None:
    counts = np.round(half_sine() * 9.80665 / 0.01).astype(np.int16)
    path = written(tmp_path, counts, unit="m/s²", conversion={"a": 0.01, "b": 0.0})
    np.testing.assert_allclose(read_recording(path, MAP).channels[0].values, counts * 0.01 / 9.80665, rtol=1e-12)


def test_without_a_map_the_channels_are_listed_and_the_unit_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"0/Tunnel Längs \(g\); 1/Temperatur \(°C\)"):
        read_recording(written(tmp_path))
    with pytest.raises(ConfigError) as caught:
        read_recording(tmp_path / "made.bin", with_data(channels=(CsvChannel(NAME),)))
    assert "polarity = " in str(caught.value) and "\nunit = " not in str(caught.value)


def test_a_channel_without_a_unit_asks_for_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="\nunit = "):
        read_recording(written(tmp_path, unit=""), MAP)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"channels": (dataclasses.replace(CHANNEL, unit="m/s^2"),)}, ConfigError, "the file says 'g'"),
        ({"channels": (dataclasses.replace(CHANNEL, column="x"),)}, ChannelError, "expected one channel 'x'"),
        ({"channels": (dataclasses.replace(CHANNEL, column="1/Temperatur"),)}, ChannelError, "expected an accel"),
        ({"rate_hz": 5000.0}, ConfigError, "the file says itself"),
        ({"contact_time": None}, ConfigError, "contact_time = "),
    ],
)
def test_a_map_that_contradicts_the_file_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_recording(written(tmp_path), with_data(**changes))


def swapped_times() -> np.ndarray:
    times = TIME_S.copy()
    times[199] = 0.0
    return times


@pytest.mark.parametrize(
    ("values", "time_s", "message"),
    [
        (np.where(np.arange(800) == 199, np.nan, half_sine()), None, "sample 200 is nan"),
        (np.where(np.arange(800) == 199, np.inf, half_sine()), None, "sample 200 is inf"),
        (np.zeros(0), None, "0 samples"),
        (np.zeros(1), None, "1 samples"),
        (np.array([b"ab", b"cd"]), None, "expected a row of real numbers"),
        (np.zeros(800), swapped_times(), "time goes backwards"),
        (np.zeros(800), np.repeat(TIME_S[::2], 2), "time stands still"),
        (np.zeros(800), TIME_S**2 + TIME_S, "irregular rate"),
    ],
)
def test_what_is_no_row_of_finite_numbers_in_time_is_refused(
    tmp_path: Path, values: Any, time_s: Any, message: str
) -> None:
    with pytest.raises(TraceFormatError, match=message):
        read_recording(written(tmp_path, values, time_s), MAP)


def test_samples_marked_invalid_are_refused_not_left_out(tmp_path: Path) -> None:
    invalid = np.arange(800) == 199
    with pytest.raises(ChannelError, match="has 1 samples marked invalid, the first of them number 200"):
        read_recording(written(tmp_path, invalidation_bits=invalid), MAP)


@pytest.mark.parametrize("compression", [0, 2])
def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path: Path, compression: int) -> None:
    path = written(tmp_path, compression=compression)
    whole = path.read_bytes()
    rng = random.Random(3)
    for length in [64, 100, *(rng.randrange(8, len(whole)) for _ in range(150)), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(TraceFormatError):
            read_recording(path, MAP)


def at_block(content: bytes, kind: bytes, number: int = 0) -> int:
    at = -1
    for _ in range(number + 1):
        at = content.index(b"##" + kind, at + 1)
    return at


@pytest.mark.parametrize("claim", [799, 801, 10 * 2**30, 2**63])
def test_a_group_that_claims_other_samples_than_it_holds_is_refused(tmp_path: Path, claim: int) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    at = at_block(content, b"CG")
    (n_links,) = struct.unpack_from("<Q", content, at + 16)
    struct.pack_into("<Q", content, at + 24 + 8 * n_links + 8, claim)
    path.write_bytes(content)
    with pytest.raises(TraceFormatError, match="samples"):
        read_recording(path, MAP)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    for kind in (b"DG", b"CG", b"CN"):
        content = bytearray(whole)
        at = at_block(content, kind)
        struct.pack_into("<Q", content, at + 24, at)
        path.write_bytes(content)
        with pytest.raises(TraceFormatError, match="linked twice"):
            read_recording(path, MAP)


@pytest.mark.parametrize("claim", [1, 10 * 2**30, 2**63])
def test_a_compressed_block_must_hold_what_it_claims(tmp_path: Path, claim: int) -> None:
    path = written(tmp_path, compression=1)
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, at_block(content, b"DZ") + 24 + 8, claim)
    path.write_bytes(content)
    with pytest.raises(TraceFormatError, match="claims"):
        read_recording(path, MAP)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"UnFinMF 4.10    ", "not finalised"),
        (b"MDF     3.30    ", "expected 4.x"),
        (b"MDF     4.10    ", "truncated|expected a block"),
    ],
)
def test_other_versions_and_empty_files_are_named(tmp_path: Path, head: bytes, message: str) -> None:
    path = tmp_path / "other.mf4"
    path.write_bytes(head + bytes(48))
    with pytest.raises(TraceFormatError, match=message):
        read_recording(path, MAP)


def test_a_comment_cannot_reach_other_files(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    at = at_block(content, b"MD", 0) + 24
    trap = b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/hostname">]>'
    content[at : at + len(trap)] = trap
    path.write_bytes(content)
    with pytest.raises(TraceFormatError, match="XML entities"):
        read_recording(path, MAP)


def test_random_damage_gives_a_recording_or_an_error_of_ours(tmp_path: Path) -> None:
    path = written(tmp_path, half_sine(40))
    whole = path.read_bytes()
    rng = random.Random(11)
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            recording = read_recording(path, MAP)
        except CrumpleError:
            continue
        assert recording.channels[0].values.size == 40


def test_only_files_that_start_with_the_mark_are_measured_data(tmp_path: Path) -> None:
    (tmp_path / "foreign.mf4").write_bytes(b"PK\x03\x04" + bytes(100))
    assert not is_mdf4(tmp_path / "foreign.mf4") and not is_mdf4(tmp_path)


def test_a_formula_in_the_file_is_never_evaluated(tmp_path: Path) -> None:
    path = written(tmp_path, conversion={"formula": "X1*2"})
    with pytest.raises(ChannelError, match="converted by a formula"):
        read_recording(path, MAP)


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize(("field", "value"), [(4, 1 << 29), (8, 0), (8, 1 << 20), (8, 65), (4, 9)])
def test_bits_outside_the_record_are_refused_before_memory_is_read(
    tmp_path: Path, channel: int, field: int, value: int
) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    at = at_block(content, b"CN", channel)
    (n_links,) = struct.unpack_from("<Q", content, at + 16)
    struct.pack_into("<I", content, at + 24 + 8 * n_links + field, value)
    path.write_bytes(content)
    with pytest.raises((TraceFormatError, ChannelError, ConfigError)):
        read_recording(path, dataclasses.replace(MAP))


def test_a_record_of_absurd_size_is_refused_even_where_no_samples_are_claimed(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    at = at_block(content, b"CG")
    (n_links,) = struct.unpack_from("<Q", content, at + 16)
    struct.pack_into("<QHHII", content, at + 24 + 8 * n_links + 8, 0, 1, 0, 0, 1 << 30)
    path.write_bytes(content)
    with pytest.raises(TraceFormatError, match="bytes a sample"):
        read_recording(path, MAP)
