"""``crumple edr``: images decoded, refused when damaged, plotted, and held against their input."""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.__main__ import main
from crumple.errors import SignalError, TraceFormatError
from crumple.firmware_sim.edr import IMAGE_BYTES, TOLERANCE_KMH, decode_image
from crumple.firmware_sim.edr_compare import compare
from crumple.firmware_sim.edr_reference import ReferenceRecorder
from crumple.firmware_sim.recorder import TICK_DTYPE
from crumple.signals.corpus import Corpus, Event, corpus_stage, write_corpus
from crumple.signals.sensor import SensorPair

SENSORS = SensorPair()
MAIN = SENSORS.main


def image_of(counts: np.ndarray, fires: int | None = None) -> bytes:
    """What the reference recorder keeps of counts and rest after them, with a deployment at sample ``fires``."""
    told: np.ndarray = np.zeros(counts.size + 800, TICK_DTYPE)
    told["sample_lsb"][: counts.size] = counts
    told["is_running"], told["mode"] = True, 2
    for name in ("speed_kmh", "throttle_percent", "brake", "belt"):
        told["vehicle"][name] = 255
    if fires is not None:
        told["current"][fires : fires + 4, 0] = told["current"][fires + 20 : fires + 24, 1] = True
        told["has_fired"][fires:] = True
    return ReferenceRecorder(Fraction(MAIN.lsb), MAIN.sample_rate_hz).image_of(told)


def event_of(name: str, counts: np.ndarray) -> Event:
    nothing = np.zeros(0)
    return Event(
        name, "rigid_barrier", "synthetic", "grey", math.nan, 50.0, -0.05, counts, counts, "test", nothing, 0.0
    )


@pytest.fixture(scope="module")
def crash() -> np.ndarray:
    """50 ms of rest and 100 ms of a half sine of 30 g with ringing: about 67 km/h."""
    time = np.arange(200) / 200
    pulse = 30 * np.sin(np.pi * time) + 8 * np.sin(2 * np.pi * 12 * time)
    return np.r_[np.zeros(100), pulse / float(MAIN.lsb), np.zeros(60)].round().astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path, crash: np.ndarray) -> Path:
    """A corpus of a crash, a softer one and rest, and the image of the first."""
    events = (event_of("crash", crash), event_of("soft", crash // 2), event_of("rest", np.zeros(400, np.int16)))
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(Corpus(SENSORS, events), out))
    (tmp_path / "crash.edr").write_bytes(image_of(crash, fires=140))
    (tmp_path / "rest.edr").write_bytes(image_of(np.zeros(400, np.int16)))
    return tmp_path


def test_an_image_is_told_as_tables_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edr", str(folder / "crash.edr")]) == 0
    text = capsys.readouterr().out
    for said in ("deployment, first stage", "locked", "not available", "velocity change\n"):
        assert said in text
    assert main(["edr", str(folder / "crash.edr"), "--json"]) == 0
    (event,) = json.loads(capsys.readouterr().out)["edr"]["events"]
    assert event["number"] == 1
    assert event["speed_kmh"] == [None] * 11
    assert event["max_delta_v_kmh"] <= min(event["delta_v_kmh"]) < -60
    assert main(["edr", str(folder / "rest.edr")]) == 0
    assert "0 of 2 places used" in capsys.readouterr().out


def test_a_recording_agrees_with_its_own_input_and_with_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    against = ["--against", str(folder / "corpus"), "--event"]
    assert main(["edr", str(folder / "crash.edr"), *against, "crash"]) == 0
    assert "agrees with its input" in capsys.readouterr().out
    assert main(["edr", str(folder / "crash.edr"), *against, "soft"]) == 1
    assert "DIFFERS from its input" in capsys.readouterr().err
    assert main(["edr", str(folder / "rest.edr"), *against, "rest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["compared"]["events"][0]["agrees"]
    assert main(["edr", str(folder / "rest.edr"), *against, "crash"]) == 1
    assert "nothing recorded, which CONTRADICTS" in capsys.readouterr().err


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), limit=st.sampled_from((100, 600, 1900)))
def test_rounding_never_costs_more_than_half_a_step(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    counts = np.r_[np.zeros(50), rng.integers(-limit // 2, limit, 300)].astype(np.int16)
    image = decode_image(image_of(counts), "image")
    for one in compare(image, event_of("any", counts), MAIN):
        assert one.agrees
        assert one.order == 0 or one.difference_kmh <= TOLERANCE_KMH


def test_a_value_one_step_off_is_noticed(crash: np.ndarray) -> None:
    image = decode_image(image_of(crash), "image")
    (event,) = image.events
    for k in range(1, len(event.delta_v_kmh)):
        wrong = replace(event, delta_v_kmh=tuple(v - (i == k) for i, v in enumerate(event.delta_v_kmh)))
        changed = compare(replace(image, events=(wrong,)), event_of("crash", crash), MAIN)
        assert changed[0].difference_kmh >= 0.5


def test_an_event_of_another_recording_or_rate_is_refused(crash: np.ndarray) -> None:
    image = decode_image(image_of(crash), "image")
    with pytest.raises(SignalError, match="another recording"):
        compare(image, event_of("short", crash[:50]), MAIN)
    with pytest.raises(SignalError, match="samples a second"):
        compare(replace(image, sample_rate_hz=4000), event_of("crash", crash), MAIN)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"", "no image of an event recorder"),
        (lambda data: b"PK\3\4" + data[4:], "no image of an event recorder"),
        (lambda data: data[:4] + b"\2" + data[5:], "layout version 2"),
        (lambda data: data[:-1], "203 of 204 bytes"),
        (lambda data: data[:3], "3 of 204 bytes"),
        (lambda data: data + b"\0", "more than 204 bytes"),
        (lambda data: data[:50] + bytes([data[50] ^ 16]) + data[51:], "checksum"),
        (lambda data: sealed(data[:5] + b"\3" + data[6:]), "3 events of 92 bytes"),
        (lambda data: sealed(data[:10] + b"\0\0" + data[12:]), "at 0 Hz"),
        (lambda data: sealed(data[:42] + b"\x63" + data[43:]), "a value that no recorder writes"),
        (lambda data: sealed(data[:45] + b"\x1b" + data[46:]), "a value that no recorder writes"),
    ],
)
def test_damage_is_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], spoil: object, said: str
) -> None:
    path = folder / "crash.edr"
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    assert main(["edr", str(path)]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def sealed(data: bytes) -> bytes:
    """A lying image: its checksum is right."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


@given(at=st.integers(0, 8 * IMAGE_BYTES - 1))
def test_every_flipped_bit_is_noticed(at: int) -> None:
    data = bytearray(sealed(b"CRED\1\2\x5c\0\1\0\xd0\7" + bytes(IMAGE_BYTES - 12)))
    decode_image(bytes(data), "image")
    data[at // 8] ^= 1 << at % 8
    with pytest.raises(TraceFormatError):
        decode_image(bytes(data), "image")


@given(data=st.binary(max_size=IMAGE_BYTES + 4))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for candidate in (data, b"CRED\1" + data, sealed((b"CRED\1\2\x5c\0\1\0\xd0\7" + data)[:204].ljust(204, b"\1"))):
        try:
            decode_image(candidate, "image")
        except TraceFormatError as error:
            assert "\n" not in str(error)


def test_an_absent_image_and_wrong_usage_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edr", str(folder / "none.edr")]) == 3
    assert "none.edr" in capsys.readouterr().err
    assert main(["edr", str(folder / "crash.edr"), "--event", "crash"]) == 2
    assert main(["edr", str(folder / "crash.edr"), "--plot", str(folder / "a.gif")]) == 2
    assert ".html" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".html", ".svg", ".png"])
def test_a_plot_is_the_same_on_every_run_and_replaces_nothing_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    plot = folder / f"plot{suffix}"
    arguments = ["edr", str(folder / "crash.edr"), "--plot", str(plot)]
    arguments += ["--against", str(folder / "corpus"), "--event", "crash"]
    assert main(arguments) == 0
    first = plot.read_bytes()
    assert main(arguments) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    assert plot.read_bytes() == first
    if suffix == ".html":
        assert b"http" not in first.replace(b"http://www.w3.org/", b"")


def test_a_place_that_cannot_be_written_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["edr", str(folder / "crash.edr"), "--plot", str(folder / "crash.edr" / "plot.svg")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
