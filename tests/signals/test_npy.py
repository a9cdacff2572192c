"""NumPy arrays: read only as a map states; never objects; sizes are checked before anything is allocated."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ChannelError, ConfigError, CrumpleError, SignalError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap, read_map
from crumple.signals.formats.npy import is_npy
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")

CHANNEL = CsvChannel("2", "g", "j211", "X", "centre", "tunnel", 0, "pretrigger")
DATA = DataMap(time_column="1", time_unit="s", contact_time=0.0, channels=(CHANNEL,))
MAP = RecordingMap("must_fire", "made so", 50.0, mode="half_sine", data=DATA)
RATE_HZ = 5000


def with_data(**changes: Any) -> RecordingMap:
    return dataclasses.replace(MAP, data=dataclasses.replace(DATA, **changes))


def half_sine(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    time_s = (np.arange(n) - 100) / RATE_HZ
    inside = (time_s >= 0) & (time_s <= 0.1)
    return time_s, np.where(inside, -30 * np.sin(math.pi * np.clip(time_s, 0, 0.1) / 0.1), 0.0)


def written(folder: Path, array: Any = None) -> Path:
    path = folder / "made"  # without the usual ending: recognised by content
    with path.open("wb") as stream:
        np.save(stream, np.stack(half_sine(), axis=1) if array is None else array)
    return path


def changed(**at: tuple[int, float]) -> np.ndarray:
    table = np.stack(half_sine(), axis=1)
    for column, (row, value) in at.items():
        table[row, "ta".index(column)] = value
    return table


def test_a_table_is_read_as_the_map_says_whatever_its_order_in_memory(tmp_path: Path) -> None:
    for array in (None, np.asfortranarray(np.stack(half_sine(), axis=1)), np.stack(half_sine(), axis=1).astype(">f8")):
        recording = read_recording(written(tmp_path, array), MAP)
        (channel,) = recording.channels
        assert (recording.kind, channel.rate_hz, channel.t0_s) == ("npy", RATE_HZ, -0.02)
        np.testing.assert_array_equal(channel.values, half_sine()[1])
    (event,) = recording_events(recording, SensorPair(), RttfRule())
    assert event.main_lsb.max() == pytest.approx(30 * 16, abs=3), "positive for deceleration"


def test_times_may_stand_in_a_second_array_beside_the_first(tmp_path: Path) -> None:
    time_s, accel_g = half_sine()
    np.save(tmp_path / "t.npy", time_s + 300.0)
    stated = with_data(
        time_column=None, time_file="t.npy", contact_time=300.0, channels=(dataclasses.replace(CHANNEL, column="1"),)
    )
    recording = read_recording(written(tmp_path, accel_g), stated)
    assert recording.channels[0].t0_s == pytest.approx(-0.02)
    assert any("t.npy sha256" in text for _, text in recording.facts)
    np.save(tmp_path / "t.npy", time_s[:-1])
    with pytest.raises(TraceFormatError, match=r"t\.npy: holds an array of shape \(799, 1\), expected one time"):
        read_recording(tmp_path / "made", stated)


def test_the_array_of_times_cannot_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('[data]\ntime_file = "../t.npy"\n')
    with pytest.raises(ConfigError, match="time_file"):
        read_map(tmp_path / "map.toml")


def test_without_a_map_the_error_gives_a_map_that_works_but_for_its_values(tmp_path: Path) -> None:
    path = written(tmp_path, half_sine()[1])
    with pytest.raises(ConfigError) as caught:
        read_recording(path)
    proposed = str(caught.value).partition("--map:\n")[2]
    (tmp_path / "map.toml").write_text(proposed.replace('"accel_x"', '"1"').replace("= 0.0 ", "= -0.02 "))
    assert read_recording(path, read_map(tmp_path / "map.toml")).vehicles[0].label == "unlabelled"


@pytest.mark.parametrize("name", ["unit", "polarity", "axis", "side", "place", "filter_class", "offset"])
def test_each_missing_statement_on_a_channel_is_asked_for(tmp_path: Path, name: str) -> None:
    lacking = with_data(channels=(dataclasses.replace(CHANNEL, **{name: None}),))
    with pytest.raises(ConfigError, match=rf"\[\[data.channels\]\]\n{name} = "):
        read_recording(written(tmp_path), lacking)


def test_statements_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    for changes in ({"rate_hz": 5000.0}, {"time_column": None}, {"time_file": "t"}):
        with pytest.raises((ConfigError, ChannelError), match=r"keep one|contact time|is missing"):
            read_recording(written(tmp_path), with_data(**changes))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (changed(a=(199, math.nan)), r"channel '2' sample 200 is nan"),
        (changed(a=(199, math.inf)), r"channel '2' sample 200 is inf"),
        (changed(t=(199, math.nan)), r"'1' sample 200 is nan"),
        (changed(t=(199, 0.0)), r"sample 200: time goes backwards"),
        (changed(t=(199, 98 / RATE_HZ)), r"sample 200: time stands still"),
        (changed(t=(199, 99.5 / RATE_HZ)), r"irregular rate"),
        (np.zeros((0, 2)), r"holds 0 samples"),
        (np.zeros((1, 2)), r"holds 1 samples"),
        (np.zeros((4, 0)), r"shape \(4, 0\)"),
        (np.zeros((4, 2, 2)), r"shape \(4, 2, 2\), expected"),
        (np.float64(1.0), r"shape \(\), expected"),
        (np.zeros((4, 2), dtype=complex), r"holds '<c16', expected real numbers"),
        (np.zeros((4, 2), dtype=bool), r"holds '\|b1'"),
        (np.array([["a", "b"]] * 4), r"holds '<U1'"),
        (np.zeros(4, dtype=[("größe", "f8")]), r"größe.*expected real numbers"),
        (np.array([[1, None]] * 4, dtype=object), r"holds '\|O', expected real numbers"),
    ],
)
def test_what_is_no_table_of_finite_numbers_is_refused(tmp_path: Path, array: Any, message: str) -> None:
    with pytest.raises(TraceFormatError, match=message):
        read_recording(written(tmp_path, array), MAP)


def test_an_array_of_objects_never_runs_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    assert pickle.dumps(Trap())
    with pytest.raises(TraceFormatError, match="objects and structures are not read"):
        read_recording(tmp_path / "trap.npy", MAP)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_array_is_refused_at_every_length(tmp_path: Path) -> None:
    path = written(tmp_path, np.stack(half_sine(20), axis=1))
    whole = path.read_bytes()
    for length in range(6, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(TraceFormatError):
            read_recording(path, MAP)


@pytest.mark.parametrize(
    "shape", ["(10000000000, 2)", "(9" + "9" * 40 + ", 2)", "(-1, 2)", "(True, 2)", "[800, 2]", "'x'"]
)
def test_a_lying_shape_is_refused_before_memory_is_taken(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    path = tmp_path / "lying.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\x00" * 12800)
    with pytest.raises(TraceFormatError, match="shape"):
        read_recording(path, MAP)


def test_only_files_that_start_with_the_mark_are_arrays(tmp_path: Path) -> None:
    (tmp_path / "foreign.npy").write_bytes(b"PK\x03\x04" + bytes(100))
    assert not is_npy(tmp_path / "foreign.npy") and not is_npy(tmp_path)
    assert is_npy(written(tmp_path))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_random_damage_gives_a_recording_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(tmp_path_factory.mktemp("npy"), np.stack(half_sine(50), axis=1))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(CrumpleError):
        read_recording(path, MAP)


@needs_data
def test_a_minute_of_commuting_is_read_with_its_own_times() -> None:
    folder = REAL / "comma2k19-example" / "IMU" / "accelerometer"
    start_s = float(np.load(folder / "t")[0])
    stated = RecordingMap(
        "no_fire",
        "an ordinary commute, by the source",
        mode="commute",
        data=DataMap(
            time_file="t",
            time_unit="s",
            contact_time=start_s,
            channels=(CsvChannel("1", "m/s^2", "j211", "X", "centre", "windscreen", 0, "median"),),
        ),
    )
    (channel,) = read_recording(folder / "value", stated).channels
    assert channel.values.size == 6256 and channel.rate_hz == pytest.approx(104.36, rel=2e-3)
    assert channel.values.min() * 9.80665 == pytest.approx(-5.18, abs=0.01)
    assert channel.values.max() * 9.80665 == pytest.approx(9.24, abs=0.01)
    with pytest.raises(ConfigError, match=r"polarity = "):
        read_recording(folder / "value")
    with pytest.raises(SignalError, match="too slow"):
        recording_events(read_recording(folder / "value", stated), SensorPair(), RttfRule())
