"""TDMS: units and times from the file's properties, the rest from the map; damage is named, never read past."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.errors import ChannelError, ConfigError, CrumpleError, ToolMissingError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import foreign, read_recording
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.formats.tdms import is_tdms
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

nptdms = pytest.importorskip("nptdms", reason="npTDMS reads these files: pip install 'crumple[io]'")

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")

NAME = "Größe/Tunnel Längs"
CHANNEL = CsvChannel(NAME, None, "j211", "X", "centre", "tunnel", 0, "pretrigger")
DATA = DataMap(contact_time=0.02, channels=(CHANNEL,))
MAP = RecordingMap("must_fire", "made so", 50.0, mode="half_sine", data=DATA)
RATE_HZ = 5000
GRID = {"unit_string": "g", "wf_increment": 1 / RATE_HZ, "wf_start_offset": 0.0}


def with_data(**changes: Any) -> RecordingMap:
    return dataclasses.replace(MAP, data=dataclasses.replace(DATA, **changes))


def half_sine(n: int = 800) -> np.ndarray:
    time_s = (np.arange(n) - 100) / RATE_HZ
    inside = (time_s >= 0) & (time_s <= 0.1)
    return np.where(inside, -30 * np.sin(math.pi * np.clip(time_s, 0, 0.1) / 0.1), 0.0)


def written(folder: Path, values: Any = None, properties: dict[str, Any] | None = None, n_segments: int = 1) -> Path:
    path = folder / "made.bin"  # recognised by content
    values = half_sine() if values is None else values
    with nptdms.TdmsWriter(str(path)) as writer:
        for part in np.array_split(values, n_segments):
            group, _, name = NAME.partition("/")
            clock = nptdms.ChannelObject("Größe", "time", np.arange(len(part)) / 5.0)
            channel = nptdms.ChannelObject(group, name, part, properties=GRID if properties is None else properties)
            writer.write_segment([nptdms.RootObject({"name": "made"}), channel, clock])
    return path


@pytest.mark.parametrize("n_segments", [1, 3])
def test_a_channel_is_read_with_the_files_own_unit_and_times(tmp_path: Path, n_segments: int) -> None:
    recording = read_recording(written(tmp_path, n_segments=n_segments), MAP)
    (channel,) = recording.channels
    assert (recording.kind, channel.info.name, channel.rate_hz) == ("tdms", NAME, RATE_HZ)
    assert channel.t0_s == pytest.approx(-0.02) and ("title", "made") in recording.facts
    np.testing.assert_array_equal(channel.values, half_sine())
    (event,) = recording_events(recording, SensorPair(), RttfRule())
    assert event.main_lsb.max() == pytest.approx(30 * 16, abs=3), "positive for deceleration"


def test_metres_per_second_squared_are_brought_to_g(tmp_path: Path) -> None:
    path = written(tmp_path, half_sine() * 9.80665, {**GRID, "unit_string": "m/s²"})
    np.testing.assert_allclose(read_recording(path, MAP).channels[0].values, half_sine(), rtol=1e-12)


def test_times_may_be_a_channel_where_the_file_has_no_waveform_properties(tmp_path: Path) -> None:
    path = written(tmp_path, properties={"unit_string": "g"})
    stated = with_data(time_column="Größe/time", time_unit="ms", contact_time=20.0)
    (channel,) = read_recording(path, stated).channels
    assert (channel.rate_hz, channel.t0_s) == (RATE_HZ, pytest.approx(-0.02))


def test_without_a_map_the_channels_are_listed_and_the_unit_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Tunnel Längs \(g\)(.|\n)*contact_time = "):
        read_recording(written(tmp_path))
    lacking = with_data(channels=(CsvChannel(NAME),))
    with pytest.raises(ConfigError) as caught:
        read_recording(tmp_path / "made.bin", lacking)
    assert "polarity = " in str(caught.value) and "\nunit = " not in str(caught.value)


@pytest.mark.parametrize("lacks", ["unit_string", "wf_increment", "wf_start_offset"])
def test_what_the_file_lacks_is_asked_for(tmp_path: Path, lacks: str) -> None:
    path = written(tmp_path, properties={k: v for k, v in GRID.items() if k != lacks})
    with pytest.raises(ConfigError, match=r"unit = |contact time"):
        read_recording(path, MAP)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"channels": (dataclasses.replace(CHANNEL, unit="m/s^2"),)}, ConfigError, "the file says 'g'"),
        ({"channels": (dataclasses.replace(CHANNEL, column="x"),)}, ChannelError, "expected one channel 'x'"),
        ({"time_column": "Größe/time"}, ConfigError, "the file says itself"),
        ({"rate_hz": 5000.0}, ConfigError, "the file says itself"),
        ({"time_unit": "ms"}, ConfigError, "in seconds"),
        ({"use_samples": 900}, ConfigError, "use_samples = 900"),
        ({"contact_time": None}, ConfigError, "contact_time = "),
    ],
)
def test_a_map_that_contradicts_the_file_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_recording(written(tmp_path), with_data(**changes))


@pytest.mark.parametrize(
    ("values", "properties", "error", "message"),
    [
        (np.where(np.arange(800) == 199, np.nan, half_sine()), GRID, TraceFormatError, "sample 200 is nan"),
        (np.where(np.arange(800) == 199, np.inf, half_sine()), GRID, TraceFormatError, "sample 200 is inf"),
        (np.zeros(0), GRID, TraceFormatError, "holds 0 samples"),
        (np.zeros(1), GRID, TraceFormatError, "holds 1 samples"),
        (np.zeros(9, dtype=complex), GRID, TraceFormatError, "expected a row of real numbers"),
        (np.array(["a", "b"]), GRID, TraceFormatError, "expected a row of real numbers"),
        (np.array([0, 1], dtype="datetime64[us]"), GRID, TraceFormatError, "expected a row of real numbers"),
        (np.zeros(9), {**GRID, "unit_string": "V"}, ChannelError, "'V', expected an acceleration"),
        (np.zeros(9), {**GRID, "wf_increment": -1.0}, ConfigError, "contact time"),
        (np.zeros(9), {**GRID, "wf_increment": math.nan}, ConfigError, "contact time"),
    ],
)
def test_what_is_no_row_of_finite_accelerations_is_refused(
    tmp_path: Path, values: Any, properties: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_recording(written(tmp_path, values, properties), MAP)


@pytest.mark.parametrize("clock", [(0, 1, 1), (0, 2, 1), (0, 1, 5)])
def test_stored_times_that_do_not_run_evenly_forward_are_refused(tmp_path: Path, clock: tuple[int, ...]) -> None:
    with nptdms.TdmsWriter(str(tmp_path / "a.tdms")) as writer:
        writer.write_segment(
            [nptdms.ChannelObject("g", "t", np.array(clock, float)), nptdms.ChannelObject("g", "a", np.zeros(3))]
        )
    channel = dataclasses.replace(CHANNEL, column="g/a", unit="g")
    with pytest.raises(TraceFormatError, match=r"time stands still|time goes backwards|irregular rate"):
        read_recording(tmp_path / "a.tdms", with_data(time_column="g/t", time_unit="s", channels=(channel,)))


def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path, n_segments=2)
    whole = path.read_bytes()
    for length in [*range(4, 400, 3), *range(400, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        try:
            assert read_recording(path, MAP).channels[0].values.size == 400, "only a cut between segments reads"
        except CrumpleError as error:
            assert isinstance(error, TraceFormatError)


def test_claims_beyond_the_file_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    count = (800).to_bytes(8, "little")
    assert whole.count(count) >= 1
    for claim in (10 * 2**30, 2**62, 2**63, 2**64 - 1, 801):
        path.write_bytes(whole.replace(count, claim.to_bytes(8, "little"), 1))
        with pytest.raises(TraceFormatError):
            read_recording(path, MAP)


def test_the_lead_in_must_not_lie(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    for at, claim, message in [(12, 2**64 - 1, "incomplete"), (12, 2**40, "incomplete"), (20, 2**40, "after its end")]:
        path.write_bytes(whole[:at] + claim.to_bytes(8, "little") + whole[at + 8 :])
        with pytest.raises(TraceFormatError, match=message):
            read_recording(path, MAP)


def test_an_index_and_a_foreign_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.tdms_index").write_bytes(b"TDSh" + bytes(60))
    with pytest.raises(TraceFormatError, match="index of a TDMS file"):
        read_recording(tmp_path / "a.tdms_index", MAP)
    (tmp_path / "b.tdms").write_bytes(b"\x00" * 100)
    assert not is_tdms(tmp_path / "b.tdms")
    (tmp_path / "c.tdms").write_bytes(b"TDSm" + b"\xff" * 100)
    with pytest.raises(TraceFormatError):
        read_recording(tmp_path / "c.tdms", MAP)


def test_without_the_library_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(foreign.importlib, "import_module", absent)
    with pytest.raises(ToolMissingError, match=r"pip install 'crumple\[io\]'"):
        foreign.optional_library("nptdms", tmp_path)


def test_whatever_a_library_raises_warns_or_logs_is_one_line_of_ours(tmp_path: Path) -> None:
    import logging
    import warnings

    for act in (
        lambda: 1 / 0,
        lambda: warnings.warn("odd", stacklevel=2),
        lambda: logging.getLogger("lib.part").warning("odd\nindeed"),
        lambda: [][1],
    ):
        with pytest.raises(TraceFormatError) as caught, foreign.guarded(tmp_path, "lib"):
            act()
        assert "\n" not in str(caught.value)


@needs_data
def test_the_target_pulse_of_a_rear_sled_is_read_up_to_where_it_ends() -> None:
    channel = CsvChannel("IIWPG Target Pulse/IIWPG Acceleration (g)", "g", "j211", "X", "centre", "sled", 60, "none")
    stated = RecordingMap(
        "no_fire", "a rear impact", mode="rear_sled", data=DataMap(contact_time=0.0, channels=(channel,))
    )
    path = REAL / "iihs-iiwpg-target-pulse" / "Target Pulse.tdms"
    with pytest.raises(TraceFormatError, match=r"sample 93 is nan.*use_samples"):
        read_recording(path, stated)
    assert stated.data is not None
    shorter = dataclasses.replace(stated, data=dataclasses.replace(stated.data, use_samples=92))
    (read,) = read_recording(path, shorter).channels
    assert read.values.max() == pytest.approx(10.022, abs=1e-3) and read.rate_hz == 1000
    delta_v_kmh = 3.6 * 9.80665 * float(np.trapezoid(read.values, dx=1e-3))
    assert delta_v_kmh == pytest.approx(15.64, abs=0.05), "the file's own integral"
    assert any("first 92 of 116" in note for note in read.info.notes)


def test_the_command_ends_with_the_code_for_a_missing_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from crumple.__main__ import main

    path = written(tmp_path)
    monkeypatch.setitem(sys.modules, "nptdms", None)
    assert main(["import", str(path), "--out", str(tmp_path / "out")]) == 4
    assert "pip install 'crumple[io]'" in capsys.readouterr().err
