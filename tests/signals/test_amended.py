"""Statements on one channel: until when it is valid, and that it only stands in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.errors import ChannelError, ConfigError, SignalError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.amended import valid_until
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair
from crumple.signals.trace import Trace

TRACES = Path(__file__).resolve().parents[1] / "traces"


@given(st.integers(2, 300), st.floats(-200, 400))
def test_what_is_valid_is_a_beginning_of_the_signal_up_to_that_time(n: int, until_ms: float) -> None:
    trace = Trace("made", np.arange(n, dtype=float), 1000.0, -0.05)
    n_valid = int((trace.time_s * 1e3 <= until_ms + 1e-6).sum())
    if n_valid < 2:
        with pytest.raises(SignalError, match="nothing is left"):
            valid_until(trace, until_ms)
        return
    kept, remark = valid_until(trace, until_ms)
    assert kept.accel_g.tolist() == trace.accel_g[:n_valid].tolist() and kept.t0_s == trace.t0_s
    assert (remark == "") == (n_valid == n)
    assert not remark or f"the first {n_valid} of {n} samples" in remark


def of(*channels: CsvChannel, label: str | None = None) -> RecordingMap:
    return RecordingMap(label, "a test's own word" if label else None, data=DataMap(channels=channels))


def test_a_recording_that_states_itself_takes_a_limit_and_nothing_that_it_says_already() -> None:
    ev5 = TRACES / "selfmade-ev5"
    name = read_recording(ev5).channels[0].info.name
    whole = read_recording(ev5).channel(name)
    cut = read_recording(ev5, of(CsvChannel(name, valid_until_ms=20.0))).channel(name)
    assert cut.values.tolist() == whole.values[: cut.values.size].tolist()
    assert whole.t0_s + (cut.values.size - 1) / whole.rate_hz == pytest.approx(0.020)
    assert cut.info.notes[0].startswith("no valid data after 20 ms: the first") and "map" in cut.info.notes[0]
    with pytest.raises(ConfigError, match="polarity is stated, but the file says it"):
        read_recording(ev5, of(CsvChannel(name, polarity="j211")))
    with pytest.raises(ChannelError, match="no channel 'curve 999' to amend"):
        read_recording(ev5, of(CsvChannel("curve 999", valid_until_ms=20.0)))
    with pytest.raises(ConfigError, match="no column"):
        read_recording(ev5, of(CsvChannel(valid_until_ms=20.0)))


def written(folder: Path) -> Path:
    path = folder / "made.csv"
    path.write_text("t,a\n" + "".join(f"{k / 5000 - 0.02:.4f},{-math.sin(k / 9):.6f}\n" for k in range(450)), "utf-8")
    return path


def csv_map(label: str = "no_fire", **channel: object) -> RecordingMap:
    from crumple.signals.formats.mapping import CsvMap

    known = {"column": "a", "unit": "g", "polarity": "j211", "axis": "Y", "side": "none", "place": "door",
             "filter_class": 0, "offset": "pretrigger"}  # fmt: skip
    table = CsvMap(
        "comma",
        header_lines=1,
        time_column="t",
        time_unit="s",
        contact_time=0.0,
        channels=(CsvChannel(**{**known, **channel}),),  # type: ignore[arg-type]
    )
    return RecordingMap(label, "made", mode="made", csv=table)


def test_a_stand_in_becomes_an_event_that_says_what_it_really_is(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(ChannelError, match=r"no usable longitudinal acceleration .*state stand_in_g_per_unit"):
        recording_events(read_recording(path, csv_map()), SensorPair(), RttfRule())
    (event,) = recording_events(read_recording(path, csv_map(stand_in_g_per_unit=1.0)), SensorPair(), RttfRule())
    assert "stands in for the car's longitudinal sensor, as stated in the map: it was measured at door, axis Y" in (
        event.provenance
    )
    assert np.isnan(event.rttf_s)


def test_nothing_that_must_fire_is_timed_by_a_stand_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"only stands in .* labelled must_fire"):
        read_recording(written(tmp_path), csv_map("must_fire", stand_in_g_per_unit=1.0))


def test_another_unit_scales_as_stated_and_an_acceleration_never_does(tmp_path: Path) -> None:
    whole = read_recording(written(tmp_path), csv_map()).channels[0].values
    scaled = read_recording(written(tmp_path), csv_map(unit="mm", stand_in_g_per_unit=0.5)).channels[0].values
    assert scaled.tolist() == (0.5 * whole).tolist()
    with pytest.raises(ConfigError, match=r"an acceleration stands in as it is; state 1\.0"):
        csv_map(unit="m/s^2", stand_in_g_per_unit=0.5)
    with pytest.raises(ConfigError, match="unit = 'mm': expected one of g, m/s\\^2"):
        csv_map(unit="mm")


def test_a_limit_cuts_before_anything_is_filtered(tmp_path: Path) -> None:
    channel = read_recording(written(tmp_path), csv_map(valid_until_ms=30.0)).channels[0]
    assert channel.values.size == 251 and "no valid data after 30 ms" in channel.info.notes[0]
    with pytest.raises(SignalError, match="nothing is left"):
        read_recording(written(tmp_path), csv_map(valid_until_ms=-20.0))
