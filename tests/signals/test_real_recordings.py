"""Every real recording at hand imports with what a person can honestly say of it, or is refused with advice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import ChannelError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, CsvMap, DataMap, RecordingMap
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")


def stated(column: str, unit: str | None, axis: str, place: str, *, polarity: str = "j211") -> CsvChannel:
    """A channel whose zero is its median, since these rides have no contact."""
    return CsvChannel(column, unit, polarity, axis, "centre", place, 0, "median")  # type: ignore[arg-type]


def ride(table: CsvMap | DataMap, mode: str) -> RecordingMap:
    csv, data = (table, None) if isinstance(table, CsvMap) else (None, table)
    return RecordingMap("no_fire", "an ordinary drive, by the source", mode=mode, csv=csv, data=data)


def assert_stays_far_from_firing(path: Path, mapping: RecordingMap, peak_g: float) -> None:
    """One event, with counts (16 a g) that stay within the peak."""
    (event,) = recording_events(read_recording(path, mapping), SensorPair(), RttfRule())
    assert event.label == "no_fire" and event.main_lsb.size > 100
    assert 1 <= np.abs(event.main_lsb.astype(int)).max() <= 16 * peak_g


@pytest.mark.parametrize("path", sorted((REAL / "bratislava-transit").glob("*.csv")), ids=lambda path: path.stem)
def test_tram_and_bus_rides_import(path: Path) -> None:
    table = CsvMap(
        "space",
        header_lines=1,
        rate_hz=500.0,
        first_sample_s=0.0,
        resample_hz=2000.0,
        channels=(stated("x", "m/s^2", "X", "in the ride"),),
    )
    assert_stays_far_from_firing(path, ride(table, "tram_ride"), 1.0)


@pytest.mark.parametrize("trip", ["17", "21"])
def test_aggressive_driving_on_irregular_times_imports(trip: str) -> None:
    folder = REAL / "driver-behavior-civic" / trip
    start_ns = float(json.loads((folder / "viagem.json").read_text("utf-8"))["firstCollectionUptimeNanos"])
    table = CsvMap(
        "comma",
        header_lines=1,
        time_column="uptimeNanos",
        time_unit="ns",
        contact_time=start_ns,
        resample_hz=2000.0,
        longest_gap_s=1.0,
        channels=(stated("x", "m/s^2", "X", "windscreen, horizontal component"),),
    )
    assert_stays_far_from_firing(folder / "acelerometro_terra.csv", ride(table, "aggressive_driving"), 2.0)


KINDS = ("asphalt_bumps", "metal_bumps", "potholes", "regular_road", "worn_out_road")


@pytest.mark.parametrize("kind", KINDS)
def test_road_anomalies_import_as_vertical_and_say_that_nothing_is_longitudinal(kind: str) -> None:
    paths = sorted((REAL / "gonzalez-road-anomalies" / kind).glob("*.csv"))
    assert len(paths) == 67
    up = stated("acc_z", "m/s^2", "Z", "in the car", polarity="positive-deceleration")
    for path in paths:
        table = CsvMap(
            "comma",
            header_lines=1,
            complete_without_line_end=True,
            rate_hz=50.0,
            first_sample_s=0.0,
            channels=(up,),
        )
        recording = read_recording(path, ride(table, kind))
        (channel,) = recording.channels
        assert -1.4 < float(np.median(channel.values)) < -0.7, "gravity, against J211's Z that points down"
    with pytest.raises(ChannelError, match="no usable longitudinal acceleration"):
        recording_events(recording, SensorPair(), RttfRule())


def test_a_commute_with_its_own_times_becomes_an_event() -> None:
    folder = REAL / "comma2k19-example" / "IMU" / "accelerometer"
    data = DataMap(
        time_file="t",
        time_unit="s",
        contact_time=float(np.load(folder / "t")[0]),
        resample_hz=2000.0,
        longest_gap_s=0.1,
        channels=(stated("1", "m/s^2", "X", "windscreen"),),
    )
    assert_stays_far_from_firing(folder / "value", ride(data, "commute"), 1.1)


def test_the_target_pulse_becomes_an_event_of_a_rear_impact() -> None:
    channel = CsvChannel("IIWPG Target Pulse/IIWPG Acceleration (g)", "g", "j211", "X", "centre", "sled", 60, "none")
    pytest.importorskip("nptdms", reason="npTDMS reads these files: pip install 'crumple[io]'")
    data = DataMap(contact_time=0.0, use_samples=92, resample_hz=2000.0, channels=(channel,))
    path = REAL / "iihs-iiwpg-target-pulse" / "Target Pulse.tdms"
    (event,) = recording_events(read_recording(path, ride(data, "rear_sled")), SensorPair(), RttfRule())
    assert event.main_lsb.min() == pytest.approx(-160, abs=3), "pushed forward: negative deceleration"


def test_pooled_points_with_repeated_times_are_no_signal() -> None:
    channel = stated("accel", "g", "X", "helmet")
    table = CsvMap("comma", header_lines=1, time_column="times", time_unit="ms", contact_time=0.0, channels=(channel,))
    with pytest.raises(TraceFormatError, match="time stands still"):
        read_recording(REAL / "mcycle" / "mcycle.csv", ride(table, "helmet"))


@pytest.mark.parametrize("name", ["honda_cr_v_data.xls", "toyota_corolla_data.xls"])
def test_a_workbook_is_refused_with_what_to_export(name: str) -> None:
    with pytest.raises(TraceFormatError, match=r"workbook.*export the sheet .* as CSV"):
        read_recording(REAL / "nhtsa-2015-head-hic" / name)


def test_a_lone_channel_of_an_iso_mme_test_is_refused_by_name() -> None:
    with pytest.raises((TraceFormatError, ChannelError)):
        read_recording(REAL / "iso-mme-specimen")
