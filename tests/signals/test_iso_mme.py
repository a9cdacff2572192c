"""ISO 13499: folder, zip and tar; declared counts and extremes; unsafe archives; writing."""

from __future__ import annotations

import contextlib
import io
import lzma
import math
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.artefact import sha256_file
from crumple.errors import ChannelError, ConfigError, InputDataError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.iso_mme import channel_bytes, container_files, is_iso_mme, read_channel, read_iso_mme
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.formats.text import FileBytes, read_limited
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

TRACES = Path(__file__).resolve().parents[1] / "traces"
GOOD = TRACES / "selfmade-mme"
SPECIMEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "real" / "iso-mme-specimen" / "Channel"
needs_specimen = pytest.mark.skipif(not SPECIMEN.is_dir(), reason="the shared recordings are not here")


@pytest.fixture
def test_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOOD, tmp_path / "made"))


def zipped(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, f"made/{file.relative_to(folder).as_posix()}")
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def tarred(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "made")
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return path


def test_folder_header_zip_and_tar_give_the_same_channels(test_folder: Path) -> None:
    ways = [test_folder, test_folder / "made.mme", zipped(test_folder), tarred(test_folder)]
    recordings = [read_recording(way) for way in ways]
    for recording in recordings:
        assert recording.kind == "iso_mme" and recording.name == "made"
        assert [c.info.name for c in recording.channels] == ["11SECMLE0000ACXP", "11SECMRI0000ACXP"]
        for ours, first in zip(recording.channels, recordings[0].channels, strict=True):
            np.testing.assert_array_equal(ours.values, first.values)


def test_the_files_named_as_read_are_those_that_can_be_hashed_by_hand(test_folder: Path) -> None:
    archive = zipped(test_folder)
    assert read_recording(archive).files == ((archive.name, sha256_file(archive)),)
    names = dict(read_recording(test_folder).files)
    assert names["made.001"] == sha256_file(test_folder / "Channel" / "made.001")
    assert set(names) == {"made.mme", "made.chn", "made.001", "made.002"}


def test_samples_in_metres_per_second_squared_become_g(test_folder: Path) -> None:
    ev5 = read_recording(TRACES / "selfmade-ev5")
    left, right = read_recording(test_folder).channels
    np.testing.assert_allclose(left.values, ev5.channel("curve 1").values, atol=1e-5)
    np.testing.assert_allclose(right.values, ev5.channel("curve 3").values, atol=1e-5)
    assert (left.rate_hz, left.t0_s, left.info.place.side) == (2500.0, -0.008, "left")
    events = recording_events(read_recording(test_folder), SensorPair(), RttfRule())
    assert [event.label for event in events] == ["unlabelled", "unlabelled"] and math.isnan(events[0].rttf_s)


def test_a_direction_that_diverges_from_j211_turns_the_sign(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.001"
    good = read_channel(read_limited(path))
    path.write_text(path.read_text().replace("ACXP", "AC1P"))
    turned = read_channel(read_limited(path))
    assert turned.info.axis == "X"
    np.testing.assert_array_equal(turned.values, -good.values)


def test_what_is_written_reads_back_exactly(test_folder: Path) -> None:
    recording = read_recording(test_folder)
    codes = {channel.info.name: channel.info.name for channel in recording.channels}
    out = test_folder.parent / "again"
    for name, data in container_files(recording, codes).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    for ours, theirs in zip(read_recording(out).channels, recording.channels, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
        assert (ours.rate_hz, ours.t0_s) == (theirs.rate_hz, theirs.t0_s)
    with pytest.raises(ConfigError, match="16 characters"):
        channel_bytes(recording.channels[0], "SHORT")


LIES = {
    "more samples": ("Number of samples           :270", "Number of samples           :271", r"270 of 271 declared"),
    "a billion samples": (
        "Number of samples           :270",
        "Number of samples           :9999999999",
        r"expected 2 to",
    ),
    "another rate": ("interval           :0.0004", "interval           :0.0005", r"declares its (maximum|minimum) at"),
    "another start": (
        "first sample        :-0.008",
        "first sample        :-0.018",
        r"declares its (maximum|minimum) at",
    ),
    "another extreme": ("minimum value  :-", "minimum value  :-9", r"declares a minimum"),
    "no unit": ("m/(s*s)", "NOVALUE", r"'Unit' is missing"),
    "explicit time": (":implicit", ":explicit", r"expected implicit"),
    "another code": ("SECMLE", "SECMRI", r"the index lists '11SECMLE0000ACXP'"),
    "decimal comma": (":ok\n", ":ok\n-1,5\n", r"made\.001:\d+: the value is .*decimal comma"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_channel_header_is_refused(test_folder: Path, name: str) -> None:
    old, new, message = LIES[name]
    path = test_folder / "Channel" / "made.001"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(TraceFormatError, match=message):
        read_recording(test_folder)


def test_an_unknown_unit_is_refused(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.001"
    path.write_text(path.read_text().replace("m/(s*s)", "furlong"))
    with pytest.raises(ChannelError, match="acceleration in 'furlong'"):
        read_recording(test_folder)


def test_truncated_files_are_refused_between_lines_and_in_mid_number(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.002"
    text = path.read_text()
    path.write_text(text[: text.index("\n", 2500) + 1])
    with pytest.raises(TraceFormatError, match=r"ends after \d+ of 270 declared samples"):
        read_recording(test_folder)
    path.write_text(text[:-3])
    with pytest.raises(TraceFormatError, match="no line end"):
        read_recording(test_folder)


def test_a_listed_channel_that_is_needed_and_absent_is_named(test_folder: Path) -> None:
    (test_folder / "Channel" / "made.002").unlink()
    with pytest.raises(ChannelError, match=r"channel 002 as 11SECMRI0000ACXP.*made\.002"):
        read_recording(test_folder)


def test_a_channel_of_bad_status_is_refused_with_its_status(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.001"
    path.write_text(path.read_text().replace(":ok", ":questionable"))
    (event,) = recording_events(read_recording(test_folder), SensorPair(), RttfRule())
    assert event.name == "made_1_right" and "Data status 'questionable'" in event.provenance


@pytest.mark.parametrize("name", ["../evil.001", "/etc/evil.001", "made/../../evil.mme", "C:\\evil.001"])
def test_names_that_lead_out_of_an_archive_are_refused(test_folder: Path, name: str) -> None:
    with pytest.raises(TraceFormatError, match="leads out of the archive"):
        read_recording(zipped(test_folder, {name: b"1\n"}))


def test_a_zip_bomb_is_refused_before_it_grows(test_folder: Path) -> None:
    with pytest.raises(TraceFormatError, match="refused as a bomb"):
        read_recording(zipped(test_folder, {"made/Channel/made.003": b"0\n" * (20 * 2**20)}))


def test_a_tar_bomb_and_links_are_refused(test_folder: Path) -> None:
    big = tarfile.TarInfo("made/Channel/made.003")
    big.size = 30 * 2**20
    with pytest.raises(TraceFormatError, match="refused as a bomb"):
        read_recording(tarred(test_folder, (big, b"0" * big.size)))
    link = tarfile.TarInfo("made/Channel/made.003")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(TraceFormatError, match="is a link or device"):
        read_recording(tarred(test_folder, (link, b"")))


def test_a_cut_archive_is_refused(test_folder: Path) -> None:
    for path in (zipped(test_folder), tarred(test_folder)):
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(TraceFormatError, match=r"archive \((zip|gzip)\) that was cut or damaged"):
            read_recording(path)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_random_damage_to_an_archive_gives_a_recording_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = Path(shutil.copytree(GOOD, tmp_path_factory.mktemp("fuzz") / "made"))
    path = zipped(folder) if data.draw(st.booleans()) else tarred(folder)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(min_size=1, max_size=4))
    path.write_bytes(content)
    with contextlib.suppress(InputDataError):
        read_recording(path)


@needs_specimen
def test_the_specimen_has_the_extremes_that_its_header_declares() -> None:
    channel = read_channel(read_limited(SPECIMEN / "test.001"))
    assert (channel.values.size, channel.rate_hz, channel.t0_s) == (6000, 10_000, -0.1)
    assert channel.values.max() == pytest.approx(2.171756, abs=1e-6)
    assert channel.t0_s + channel.values.argmax() / channel.rate_hz == pytest.approx(0.1417)
    assert channel.values.min() == pytest.approx(-1.540194, abs=1e-6)
    assert channel.t0_s + channel.values.argmin() / channel.rate_hz == pytest.approx(0.0331)
    assert (channel.info.quantity, channel.info.unit) == ("MO", "Nm")
    with pytest.raises(ChannelError, match="expected acceleration in g"):
        _ = channel.trace


@needs_specimen
def test_the_specimen_is_refused_under_the_number_that_its_index_gives_to_another_channel() -> None:
    with pytest.raises(TraceFormatError, match="the index lists"):
        read_channel(read_limited(SPECIMEN / "test.001"), "M0MBARLEMIUPACXP")


@needs_specimen
def test_one_changed_digit_at_the_specimens_extreme_is_noticed() -> None:
    data = (SPECIMEN / "test.001").read_bytes()
    body = data.index(b"ok\n") + 3
    changed = data[:body] + data[body:].replace(b"2.171756E+0", b"2.271756E+0")
    with pytest.raises(TraceFormatError, match=r"declares a maximum of 2\.171756E"):
        read_channel(FileBytes(SPECIMEN / "test.001", changed))


def test_single_channels_can_be_asked_for(test_folder: Path) -> None:
    assert len(read_iso_mme(test_folder, channels=["11SECMRI0000ACXP"]).channels) == 1
    with pytest.raises(ChannelError, match="lists no channel"):
        read_iso_mme(test_folder, channels=["99HEAD0000H3ACXA"])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_every_packing_of_tar_that_bounds_its_own_memory_is_read(test_folder: Path, mode: str) -> None:
    path = test_folder.with_suffix(".packed")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(test_folder, "made")
    assert len(read_recording(path).channels) == 2


def test_lzma_is_never_tried_since_its_head_may_claim_any_memory(
    test_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **keywords: object) -> None:
        raise AssertionError("a decoder was asked")

    monkeypatch.setattr(lzma, "LZMADecompressor", never)
    monkeypatch.setattr(lzma, "LZMAFile", never)
    claim = test_folder / "claims.bin"
    claim.write_bytes(bytes([0x5D]) + b"\xff\xff\xff\xff" + b"\xff" * 8 + bytes(600))  # a dictionary of 4 GB
    assert not is_iso_mme(claim)
    claim.write_bytes(b"\xfd7zXZ\x00" + bytes(600))
    assert not is_iso_mme(claim)


# -- one channel without its test ------------------------------------------------------------------------

KNOWN = RecordingMap("no_fire", "made", mode="made", vehicle="made by hand")


def test_a_channel_alone_reads_as_in_its_test_where_a_map_says_what_the_test_would(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.001"
    alone, within = read_recording(path, KNOWN), read_recording(test_folder)
    (channel,) = alone.channels
    assert channel.values.tolist() == within.channel(channel.info.name).values.tolist()
    assert channel.info == within.channel(channel.info.name).info
    assert alone.name == "made_001" and alone.vehicles[0].name == "made by hand"
    assert dict(alone.facts)["index"] == f"made.chn lists {channel.info.name} under this number"
    assert {name for name, _ in alone.files} == {"made.001", "made.chn"}
    (event,) = recording_events(alone, SensorPair(), RttfRule())
    assert event.label == "no_fire"


def test_a_channel_alone_needs_no_index_beside_it(test_folder: Path, tmp_path: Path) -> None:
    lone = tmp_path / "elsewhere.017"
    shutil.copy(test_folder / "Channel" / "made.001", lone)
    assert [fact for fact, _ in read_recording(lone, KNOWN).facts] == ["container"]


def test_an_index_that_lists_another_channel_is_overruled_only_by_name(test_folder: Path) -> None:
    path = test_folder / "Channel" / "made.001"
    index = test_folder / "Channel" / "made.chn"
    code = read_channel(read_limited(path)).info.name
    index.write_text(index.read_text("utf-8").replace(code, "11HEAD000000ACXA"), "utf-8")
    with pytest.raises(TraceFormatError, match=rf"says it is channel {code}, but made\.chn beside it lists 11HEAD"):
        read_recording(path, KNOWN)
    named = replace(KNOWN, data=DataMap(channels=(CsvChannel(code),)))
    assert dict(read_recording(path, named).facts)["index"].endswith(f"the file itself and the map say {code}")
