"""Text tables: read only as a map states, refused with what to add or with file and line."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ConfigError, CrumpleError, InputDataError, SignalError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, CsvMap, RecordingMap, read_map
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = SHARED / "data" / "real"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")

CHANNEL = CsvChannel("a", "g", "j211", "X", "centre", "tunnel", 0, "pretrigger")
TABLE = CsvMap("comma", header_lines=1, time_column="t", time_unit="s", contact_time=0.0, channels=(CHANNEL,))
MAP = RecordingMap("must_fire", "made so", 50.0, mode="half_sine", vehicle="none", csv=TABLE)
RATE_HZ = 5000


def with_table(**changes: Any) -> RecordingMap:
    return dataclasses.replace(MAP, csv=dataclasses.replace(TABLE, **changes))


def half_sine(n: int = 800) -> tuple[np.ndarray, np.ndarray]:
    time_s = (np.arange(n) - 100) / RATE_HZ
    inside = (time_s >= 0) & (time_s <= 0.1)
    return time_s, np.where(inside, -30 * np.sin(math.pi * np.clip(time_s, 0, 0.1) / 0.1), 0.0)


def written(folder: Path, text: str | None = None) -> Path:
    path = folder / "made.csv"
    if text is None:
        text = "t,a\n" + "".join(f"{t:.6f},{a:.5f}\n" for t, a in zip(*half_sine(), strict=True))
    path.write_bytes(text.encode("utf-8"))
    return path


def test_a_table_is_read_as_the_map_says(tmp_path: Path) -> None:
    (channel,) = read_recording(written(tmp_path), MAP).channels
    assert (channel.rate_hz, channel.t0_s, channel.values.size) == (RATE_HZ, -0.02, 800)
    np.testing.assert_allclose(channel.values, half_sine()[1], atol=1e-5)
    (event,) = recording_events(read_recording(tmp_path / "made.csv", MAP), SensorPair(), RttfRule())
    assert event.main_lsb.max() == pytest.approx(30 * 16, abs=3), "positive for deceleration"
    assert 0.005 < event.rttf_s < 0.040 and "must_fire" in event.provenance


def test_unit_and_polarity_are_applied(tmp_path: Path) -> None:
    other = with_table(channels=(dataclasses.replace(CHANNEL, unit="m/s^2", polarity="positive-deceleration"),))
    (channel,) = read_recording(written(tmp_path), other).channels
    np.testing.assert_allclose(channel.values, -half_sine()[1] / 9.80665, atol=1e-5)


def test_time_in_milliseconds_from_another_zero_is_the_same_signal(tmp_path: Path) -> None:
    text = "t,a\n" + "".join(f"{1e3 * t + 70:.3f},{a:.5f}\n" for t, a in zip(*half_sine(), strict=True))
    (channel,) = read_recording(written(tmp_path, text), with_table(time_unit="ms", contact_time=70.0)).channels
    assert channel.rate_hz == RATE_HZ and channel.t0_s == pytest.approx(-0.02)


def test_a_rate_can_stand_for_the_time_column(tmp_path: Path) -> None:
    stated = with_table(time_column=None, time_unit=None, contact_time=None, rate_hz=5000.0, first_sample_s=-0.02)
    (channel,) = read_recording(written(tmp_path), stated).channels
    assert (channel.rate_hz, channel.t0_s) == (5000.0, -0.02)


def test_semicolons_with_decimal_commas_are_read_where_the_map_states_them(tmp_path: Path) -> None:
    text = written(tmp_path).read_text().replace(",", ";").replace(".", ",")
    (channel,) = read_recording(written(tmp_path, text), with_table(delimiter="semicolon", decimal=",")).channels
    np.testing.assert_allclose(channel.values, half_sine()[1], atol=1e-5)
    with pytest.raises(TraceFormatError, match=r"made\.csv:2: column t is .* decimal comma"):
        read_recording(tmp_path / "made.csv", with_table(delimiter="semicolon"))


def test_without_a_map_the_error_gives_a_map_that_works_but_for_its_values(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_recording(path)
    proposed = str(caught.value).partition("--map:\n")[2]
    (tmp_path / "map.toml").write_text(proposed.replace('"accel_x"', '"a"').replace("= 0.0 ", "= -0.02 "))
    assert read_recording(path, read_map(tmp_path / "map.toml")).vehicles[0].label == "unlabelled"


@pytest.mark.parametrize("name", ["unit", "polarity", "axis", "side", "place", "filter_class", "offset", "column"])
def test_each_missing_statement_on_a_channel_is_asked_for(tmp_path: Path, name: str) -> None:
    lacking = with_table(channels=(dataclasses.replace(CHANNEL, **{name: None}),))
    with pytest.raises(ConfigError, match=rf"\[\[csv.channels\]\]\n{name} = "):
        read_recording(written(tmp_path), lacking)


@pytest.mark.parametrize("name", ["delimiter", "header_lines", "time_unit", "contact_time"])
def test_each_missing_statement_on_the_table_is_asked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[csv\]\n{name} = "):
        read_recording(written(tmp_path), with_table(**{name: None}))


def rows(*changes: tuple[int, str]) -> str:
    lines = ["t,a", *(f"{t:.6f},{a:.5f}" for t, a in zip(*half_sine(), strict=True))]
    for number, text in changes:
        lines[number - 1] = text
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows((200, "nan,1")), r":200: column t is 'nan', expected a finite number"),
        (rows((200, "0.0196,inf")), r":200: column a is 'inf'"),
        (rows((200, "0.0196,1e999")), r":200: column a is '1e999'"),
        (rows((200, "0.0196,")), r":200: column a is ''"),
        (rows((200, "0.0196")), r":200: found 1 columns, expected 2"),
        (rows((200, "0.0196,1,5")), r":200: found 3 columns, expected 2"),
        (rows((200, "0.0194,1")), r":200: time stands still"),
        (rows((200, "0.0100,1")), r":200: time goes backwards"),
        (rows((200, "0.0197,1")), r":200: irregular rate"),
        ("".join(rows().splitlines(keepends=True)[:150] + rows().splitlines(keepends=True)[153:]), r"irregular rate"),
        (rows()[:-3], r":801: the last line has no line end"),
        ("t,a\n", r"of no known format|holds 0 samples"),
        ("t,t\n" + rows()[4:], r"names 't' twice"),
        ("x,a\n" + rows()[4:], r"has no column 't'"),
    ],
)
def test_damage_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TraceFormatError, match=message):
        read_recording(written(tmp_path, text), MAP)


def test_utf_16_is_named_as_such(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(TraceFormatError, match="UTF-16"):
        read_recording(path, MAP)


def test_no_samples_before_contact_are_refused_unless_the_zero_is_stated(tmp_path: Path) -> None:
    late = with_table(contact_time=-0.02)
    with pytest.raises(SignalError, match="samples before contact"):
        recording_events(read_recording(written(tmp_path), late), SensorPair(), RttfRule())
    stated = dataclasses.replace(
        late, csv=dataclasses.replace(late.csv or TABLE, channels=(dataclasses.replace(CHANNEL, offset="none"),))
    )
    assert recording_events(read_recording(tmp_path / "made.csv", stated), SensorPair(), RttfRule())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_random_damage_gives_a_recording_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(rows().encode()[:2000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(min_size=1, max_size=4))
    path = tmp_path_factory.mktemp("fuzz") / "made.csv"
    path.write_bytes(content)
    try:
        recording_events(read_recording(path, MAP), SensorPair(), RttfRule())
    except CrumpleError as error:
        assert isinstance(error, InputDataError)


@needs_data
def test_the_accord_is_a_must_fire_event_at_its_published_peak(tmp_path: Path) -> None:
    channel = dataclasses.replace(CHANNEL, column="accel_x_g", filter_class=60)
    stated = with_table(time_column="time_s", channels=(channel,))
    recording = read_recording(REAL / "iihs-cep1705-accord" / "CEP1705_ACXD.csv", stated)
    trace = recording.channels[0].trace
    assert (trace.rate_hz, trace.accel_g.size) == (10_000, 6000)
    assert trace.accel_g.min() == pytest.approx(-24.86, abs=0.01)
    assert 1e3 * trace.time_s[trace.accel_g.argmin()] == pytest.approx(58.0, abs=0.05)
    assert recording_events(recording, SensorPair(), RttfRule())[0].rttf_s > 0


@needs_data
def test_a_tram_ride_is_imported_through_its_map() -> None:
    channel = dataclasses.replace(CHANNEL, column="x", unit="m/s^2", offset="median")
    table = CsvMap("space", header_lines=1, rate_hz=500.0, first_sample_s=0.0, resample_hz=2000.0, channels=(channel,))
    stated = RecordingMap("no_fire", "ordinary ride", mode="tram_ride", csv=table)
    path = REAL / "bratislava-transit" / "L35_1915_Most_Kutiky_neutral.csv"
    (event,) = recording_events(read_recording(path, stated), SensorPair(), RttfRule())
    assert event.label == "no_fire" and abs(event.main_lsb).max() <= 2 and "resampled" in event.provenance


@needs_data
def test_repeated_times_are_refused_and_never_merged() -> None:
    stated = with_table(time_column="times", time_unit="ms", channels=(dataclasses.replace(CHANNEL, column="accel"),))
    with pytest.raises(TraceFormatError, match="time stands still"):
        read_recording(REAL / "mcycle" / "mcycle.csv", stated)
