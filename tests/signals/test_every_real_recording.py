"""Every measured file at hand: a signal is imported with a kept map, plotted and sensed; all others say what they are.

The list below is of patterns, and no file may be missed: a new recording fails the test until somebody says what it is.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import ConfigError, TraceFormatError
from crumple.signals.corpus import read_corpus
from crumple.signals.event_figure import channel_view, event_view, figure_svg
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import read_map
from crumple.signals.formats.nhtsa_ev5 import read_nhtsa_ev5
from crumple.signals.sensor import SensorPair, sense_trace
from crumple.signals.stages import import_stage

MAPS = Path(__file__).with_name("maps")
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")

RECORDINGS: dict[str, str] = {
    "bratislava-transit/*.csv": "tram",
    "driver-behavior-civic/17/acelerometro_terra.csv": "civic-17",
    "driver-behavior-civic/21/acelerometro_terra.csv": "civic-21",
    "gonzalez-road-anomalies/*/*.csv": "road-anomaly",
    "comma2k19-example/IMU/accelerometer/value": "commute",
    "comma2k19-example/CAN/speed/value": "commute-speed",
    "endaq-handling/Cloud_Test_000000.IDE": "knocks",
    "endaq-handling/SSX70065.IDE": "shaker",
    "endaq-handling/test1.IDE": "swung",
    "impack-water-entry/*.ide": "water-entry",
    "iihs-cep1705-accord/CEP1705_ACXD.csv": "accord",
    "iihs-iiwpg-target-pulse/Target Pulse.tdms": "rear-sled",
    "mcycle/mcycle.csv": "mcycle",
    "nhtsa-2015-head-hic/*.xls": "head",
    "iso-mme-specimen/Channel/test.001": "lone-channel",
    "nhtsa-10146-camry/v10146.EV5": "",
}
"""Files that are a recording by themselves, and the map of each; the Camry's header needs none."""

CURVES = "nhtsa-10146-camry/v10146.[0-9][0-9][0-9]"
"""Files that hold one channel of a recording each; they are read through its header."""

NO_SIGNAL: dict[str, str] = {
    "*README.md": "words",
    "*ReadMe.txt": "words",
    "comma2k19-example/*/t": "times of the array beside it, read with it",
    "driver-behavior-civic/*/groundTruth.csv": "labels",
    "driver-behavior-civic/*/viagem.json": "time zero, which is in the map",
    "iihs-iiwpg-target-pulse/*.tdms_index": "the index of the file beside it",
    "iso-mme-specimen/Channel/test.CHN": "the index of the channel beside it, read with it",
    "nhtsa-frontal-peaks/final_clean_dataset_rev.csv": "one row of results for each test",
}


def relative(path: Path) -> str:
    return path.relative_to(REAL).as_posix()


def files(pattern: str = "*") -> list[Path]:
    """Files below REAL, in order, whose relative path matches."""
    found = (path for path in REAL.rglob("*") if path.is_file())
    return sorted(path for path in found if fnmatch(relative(path), pattern))


def imported(path: Path, map_name: str, folder: Path) -> list[str]:
    """Import one recording, plot every event and check its counts; the names of the events."""
    pair = SensorPair()
    import_stage([path], folder, mapping=read_map(MAPS / f"{map_name}.toml") if map_name else None)
    corpus, _ = read_corpus(folder)
    for event in corpus:
        for counts, spec in ((event.main_lsb, pair.main), (event.safing_lsb, pair.safing)):
            seconds = event.physical_decel_g.size / event.physical_rate_hz
            assert counts.size == pytest.approx(seconds * spec.sample_rate_hz, abs=3)
            felt_g = float(spec.lsb) * int(np.abs(counts.astype(int)).max())
            assert felt_g <= 1.2 * float(np.abs(event.physical_decel_g).max()) + float(spec.lsb), "nothing is made up"
        image = figure_svg(event_view(event, pair))
        assert image.startswith(b"<?xml") and event.name.encode() in image
        assert path.name in event.provenance and event.label in event.provenance
    return [event.name for event in corpus]


def test_no_file_is_missed() -> None:
    patterns = [*RECORDINGS, CURVES, *NO_SIGNAL]
    for path in files():
        matching = [pattern for pattern in patterns if fnmatch(relative(path), pattern)]
        assert len(matching) == 1, f"{relative(path)}: {matching or 'say what it is'}"
    for pattern in patterns:
        assert files(pattern), f"{pattern} matches nothing any more"


@pytest.mark.slow
@pytest.mark.parametrize("pattern", RECORDINGS)
def test_every_recording_imports_plots_and_passes_through_the_sensor_chain(pattern: str, tmp_path: Path) -> None:
    if pattern.lower().endswith(".ide"):
        pytest.importorskip("idelib", reason="idelib reads these files: pip install 'crumple[io]'")
    for number, path in enumerate(files(pattern)):
        assert imported(path, RECORDINGS[pattern], tmp_path / str(number))


@pytest.mark.slow
def test_every_curve_of_the_full_frontal_plots_and_passes_through_the_sensor_chain() -> None:
    numbers = [int(path.suffix[1:]) for path in files(CURVES)]
    recording = read_nhtsa_ev5(REAL / "nhtsa-10146-camry" / "v10146.EV5", curves=numbers)
    assert [channel.info.name for channel in recording.channels] == [f"curve {number}" for number in numbers]
    for channel in recording.channels:
        trace, _ = channel.without_offset()
        for spec in (SensorPair().main, SensorPair().safing):
            assert 0 < np.abs(sense_trace(trace, spec)).max() <= spec.clamp_lsb
        assert channel.info.name.encode() in figure_svg(channel_view(recording.name, recording.source, channel))


@pytest.mark.parametrize("name", sorted(set(RECORDINGS.values()) - {""}))
def test_every_kept_map_serves_a_recording_and_names_its_source(name: str) -> None:
    mapping = read_map(MAPS / f"{name}.toml")
    assert mapping.label == "unlabelled" or mapping.label_source
    assert {path.stem for path in MAPS.glob("*.toml")} == set(RECORDINGS.values()) - {""}


# -- what used to be refused, and still is without the map's word ----------------------------------------


def without(name: str, key: str, folder: Path) -> Path:
    """A kept map less the lines that state one key."""
    lines = (MAPS / f"{name}.toml").read_text("utf-8").splitlines(keepends=True)
    path = folder / "map.toml"
    path.write_text("".join(line for line in lines if not line.startswith(key)), "utf-8")
    return path


def test_repeated_times_are_refused_with_the_keys_that_would_say_what_stands_for_them(tmp_path: Path) -> None:
    path = REAL / "mcycle" / "mcycle.csv"
    with pytest.raises(
        TraceFormatError, match=r"csv:13: time stands still .*repeated_times = \"mean\" and resample_hz"
    ):
        read_recording(path, read_map(without("mcycle", "repeated_times", tmp_path)))
    with pytest.raises(TraceFormatError, match=r"irregular rate.*state resample_hz and longest_gap_s"):
        read_recording(path, read_map(without("mcycle", "resample_hz", tmp_path)))
    (channel,) = read_recording(path, read_map(MAPS / "mcycle.toml")).channels
    assert "repeated times: 28 of 94 times stood more than once (133 samples)" in channel.info.notes[0]
    at_8_8_ms = float(channel.trace.accel_g[round((8.8 - 2.4) * 10)])
    assert at_8_8_ms == pytest.approx((-1.3 - 2.7) / 2), "two samples stand at 8.8 ms"


def test_a_lone_channel_asks_for_what_its_header_would_have_said(tmp_path: Path) -> None:
    path = REAL / "iso-mme-specimen" / "Channel" / "test.001"
    with pytest.raises(
        ConfigError, match=r"lacks the test's \.mme header(.|\n)*label = (.|\n)*mode = (.|\n)*vehicle = "
    ):
        read_recording(path)
    with pytest.raises(
        TraceFormatError, match=r"24NECKUP00P2MOZP, but test\.CHN beside it lists M0MBARLEMIUPACXP as 001"
    ):
        read_recording(path, read_map(without("lone-channel", "column = ", tmp_path)))
    recording = read_recording(path, read_map(MAPS / "lone-channel.toml"))
    assert "the file itself and the map say 24NECKUP00P2MOZP" in dict(recording.facts)["index"]
    (channel,) = recording.channels
    assert float(channel.values.max()) == 2.171756 and re.search("each Nm read as 1 g", channel.info.stands_in)


def test_an_index_or_a_table_of_results_is_refused_as_a_recording() -> None:
    with pytest.raises(TraceFormatError, match="index of a TDMS file"):
        read_recording(REAL / "iihs-iiwpg-target-pulse" / "Target Pulse.tdms_index")
    with pytest.raises((TraceFormatError, ConfigError)):
        read_recording(REAL / "iso-mme-specimen" / "Channel" / "test.CHN")
