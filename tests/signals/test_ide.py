"""enDAQ recordings: calibrated by the file, the rest from the map; a small real one is damaged in every way."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.errors import ChannelError, ConfigError, CrumpleError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.ide import is_ide
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

pytest.importorskip("idelib", reason="idelib reads these files: pip install 'crumple[io]'")

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")
SMALL = REAL / "endaq-handling" / "SSX70065.IDE"


def stated(channel: str, **changes: Any) -> RecordingMap:
    spec = CsvChannel(channel, None, "j211", "X", "centre", "recorder", 0, "median")
    return RecordingMap(
        "no_fire",
        "no vehicle: handling of a recorder",
        mode="handling",
        data=dataclasses.replace(
            DataMap(contact_time=1.0, resample_hz=5000.0, longest_gap_s=0.05, channels=(spec,)), **changes
        ),
    )


def element(identifier: bytes, content: bytes) -> bytes:
    return identifier + (len(content) | 1 << 56).to_bytes(8, "big") + content


HEADER = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"mide.ide"))


@needs_data
@pytest.mark.parametrize(
    ("name", "channel", "rate_hz", "n", "peak_g"),
    [
        ("endaq-handling/Cloud_Test_000000.IDE", "8.1", 20_000.0, 193_200, 145),
        ("endaq-handling/Cloud_Test_000000.IDE", "8.2", 20_000.0, 193_200, 135),
        ("endaq-handling/SSX70065.IDE", "32.1", 4_000.0, 37_361, 10.4),
        ("impack-water-entry/2mps_sphere_1.ide", "8.0", 20_000.0, 200_420, 30.1),
        ("impack-water-entry/6mps_150degcone_1.ide", "8.0", 20_000.0, 200_420, 43.7),
    ],
)
def test_a_real_recording_is_read_with_its_own_unit_and_times(
    name: str, channel: str, rate_hz: float, n: int, peak_g: float
) -> None:
    recording = read_recording(REAL / name, stated(channel, resample_hz=rate_hz))
    (read,) = recording.channels
    assert recording.kind == "ide" and read.rate_hz == rate_hz and "Acceleration" in read.info.description
    values = read.values - np.median(read.values)
    assert np.abs(values).max() == pytest.approx(peak_g, rel=0.03)
    (event,) = recording_events(recording, SensorPair(), RttfRule())
    assert event.main_lsb.size > 1000
    assert n / 25_000 < values.size / rate_hz < n / 2_000


@needs_data
def test_the_channel_that_hits_its_ceiling_says_so() -> None:
    recording = read_recording(REAL / "impack-water-entry" / "6mps_150degcone_1.ide", stated("80.0"))
    assert recording.channels[0].values.max() == pytest.approx(42, abs=1.5), "the unclipped twin reaches 43.7 g"


@needs_data
def test_without_a_map_the_channels_are_listed_with_their_units() -> None:
    with pytest.raises(ConfigError, match=r"32\.0 \(Acceleration: X, g\).*36\.1 \(Temperature, °C\)") as caught:
        read_recording(SMALL)
    assert "polarity = " in str(caught.value)
    with pytest.raises(ConfigError, match=r"contact_time = "):
        read_recording(SMALL, stated("32.0", contact_time=None))


@needs_data
@pytest.mark.parametrize(
    ("channel", "changes", "error", "message"),
    [
        ("36.1", {}, ChannelError, "'°C', expected an acceleration"),
        ("99.0", {}, ChannelError, "expected one channel '99.0'"),
        ("32.0", {"resample_hz": None}, TraceFormatError, "irregular rate"),
        ("32.0", {"rate_hz": 3000.0}, ConfigError, "the file says itself"),
        ("32.0", {"longest_gap_s": 1e-5}, CrumpleError, "nothing between"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(
    channel: str, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_recording(SMALL, stated(channel, **changes))


@needs_data
def test_a_truncated_recording_is_refused_but_between_elements(tmp_path: Path) -> None:
    whole = SMALL.read_bytes()
    rng = random.Random(5)
    n_refused = 0
    for _ in range(30):
        path = tmp_path / "cut.ide"
        path.write_bytes(whole[: rng.randrange(130, len(whole))])
        try:
            read_recording(path, stated("32.0"))
        except CrumpleError:
            n_refused += 1
    assert n_refused == 30


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b"\xa1\x01" + b"\x7f\xff\xff\xff\xff\xff\xff", "truncated|cut"),
        (b"\xa1" + (10 * 2**30 | 1 << 56).to_bytes(8, "big"), "claims 10737418240 bytes"),
        (b"\x00" * 20, "no EBML identifier"),
        (b"\xa1\x00" + bytes(20), "no EBML size"),
    ],
)
def test_lying_sizes_are_refused_before_the_library_sees_them(tmp_path: Path, tail: bytes, message: str) -> None:
    path = tmp_path / "lying.ide"
    path.write_bytes(HEADER + tail)
    with pytest.raises(TraceFormatError, match=message):
        read_recording(path, stated("8.0"))


def test_a_recording_without_channels_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.ide"
    path.write_bytes(HEADER)
    with pytest.raises((ChannelError, TraceFormatError)):
        read_recording(path, stated("8.0"))


def test_other_ebml_files_are_foreign(tmp_path: Path) -> None:
    path = tmp_path / "video.ide"
    path.write_bytes(element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska")))
    assert not is_ide(path) and not is_ide(tmp_path)
    path.write_bytes(HEADER)
    assert is_ide(path)


@pytest.mark.parametrize("text", [b"9**9**9**9", b"math.factorial(99999999)", b"pow(9, 999999999)"])
def test_a_rate_that_would_never_end_is_refused_before_it_is_evaluated(tmp_path: Path, text: bytes) -> None:
    channel = element(b"\x52\x71", element(b"\x52\x72", b"\x08") + element(b"\x52\x79", text))
    properties = element(b"\x18\x52\x65\x70", element(b"\x52\x70", channel))
    path = tmp_path / "endless.ide"
    path.write_bytes(HEADER + properties)
    with pytest.raises(TraceFormatError, match="expected a number or a ratio"):
        read_recording(path, stated("8.0"))
