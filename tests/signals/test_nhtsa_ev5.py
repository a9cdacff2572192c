"""NHTSA EV5: a good test, and every way in which one can be damaged, foreign or lying."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ChannelError, ConfigError, InputDataError, TraceFormatError
from crumple.signals.criteria import RttfRule
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import RecordingMap
from crumple.signals.formats.nhtsa_ev5 import is_nhtsa_ev5, read_nhtsa_ev5
from crumple.signals.recording import recording_events
from crumple.signals.sensor import SensorPair

GOOD = Path(__file__).resolve().parents[1] / "traces" / "selfmade-ev5"
SHARED = Path(__file__).resolve().parents[3] / "shared"
CAMRY = SHARED / "data" / "real" / "nhtsa-10146-camry"
needs_camry = pytest.mark.skipif(not CAMRY.is_dir(), reason="the shared recordings are not here")

Damage = Callable[[str], str]


@pytest.fixture
def test_folder(tmp_path: Path) -> Path:
    """A copy of the good test that may be damaged."""
    return Path(shutil.copytree(GOOD, tmp_path / "v00001"))


def damage(folder: Path, name: str, change: Damage) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes().decode("latin-1")).encode("latin-1"))


def replaced(old: str, new: str) -> Damage:
    def change(text: str) -> str:
        assert old in text, f"the test means to change {old!r}"
        return text.replace(old, new)

    return change


# -- a good test ---------------------------------------------------------------------------------------


def test_a_good_test_is_recognised_and_its_compartment_channels_read() -> None:
    recording = read_recording(GOOD)
    assert recording.kind == "nhtsa_ev5"
    assert [channel.info.name for channel in recording.channels] == ["curve 1", "curve 2", "curve 3", "curve 4"]
    assert [channel.info.redundancy for channel in recording.channels] == ["primary", "redundant"] * 2
    channel = recording.channel("curve 1")
    assert (channel.rate_hz, channel.t0_s, channel.values.size) == (2500.0, -0.008, 270)
    assert channel.info.prefilter_hz == 1000
    assert (recording.speed_kmh, recording.mode, recording.name) == (50.0, "rigid_barrier", "v00001")
    assert recording.vehicles[0].mass_kg == 1500


def test_samples_are_those_of_the_file() -> None:
    channel = read_recording(GOOD).channel("curve 3")
    expected = [float(line.split("\t")[1]) for line in (GOOD / "v00001.003").read_text().splitlines()]
    np.testing.assert_array_equal(channel.values, expected)


def test_the_header_may_be_given_instead_of_the_folder() -> None:
    by_header, by_folder = read_recording(GOOD / "v00001.EV5"), read_recording(GOOD)
    assert by_header.files == by_folder.files
    assert [channel.info for channel in by_header.channels] == [channel.info for channel in by_folder.channels]


def test_a_deployed_frontal_bag_makes_a_must_fire_label_that_says_so() -> None:
    vehicle = read_recording(GOOD).vehicles[0]
    assert vehicle.label == "must_fire"
    assert "RESTRAINT record in line 13" in vehicle.label_source and "DP" in vehicle.label_source


@pytest.mark.parametrize(("old", "new"), [("|FRT|SW|DP|", "|FRT|SW|NO|"), ("|FRT|SW|DP|", "|KNE|KB|DP|")])
def test_without_a_deployed_frontal_bag_the_vehicle_is_unlabelled(test_folder: Path, old: str, new: str) -> None:
    damage(test_folder, "v00001.EV5", replaced(old, new))
    assert read_recording(test_folder).vehicles[0].label == "unlabelled"
    event = recording_events(read_recording(test_folder), SensorPair(), RttfRule())[0]
    assert math.isnan(event.rttf_s)


def test_a_map_may_add_a_label_but_not_contradict_the_file(test_folder: Path) -> None:
    no_fire = RecordingMap(label="no_fire", label_source="film")
    with pytest.raises(ConfigError, match="the file says 'must_fire'"):
        read_recording(test_folder, no_fire)
    damage(test_folder, "v00001.EV5", replaced("|FRT|SW|DP|", "|FRT|SW|NO|"))
    assert read_recording(test_folder, no_fire).vehicles[0].label == "no_fire"


def test_crlf_line_ends_change_nothing(test_folder: Path) -> None:
    for path in test_folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for ours, theirs in zip(read_recording(test_folder).channels, read_recording(GOOD).channels, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_any_curve_can_be_asked_for(test_folder: Path) -> None:
    shutil.copy(test_folder / "v00001.001", test_folder / "v00001.008")
    recording = read_nhtsa_ev5(test_folder, curves=[8])
    assert recording.channels[0].info.place.code == "HDCG" and not recording.channels[0].info.is_candidate
    with pytest.raises(ChannelError, match="lists no curve 77"):
        read_nhtsa_ev5(test_folder, curves=[8, 77])


def test_curves_that_are_not_needed_may_be_absent() -> None:
    assert not (GOOD / "v00001.006").exists(), "the fixture lists curve 6 without bringing it"
    assert {channel.info.place.code for channel in read_recording(GOOD).channels} == {"FLLR", "FLRR"}


# -- events --------------------------------------------------------------------------------------------


def test_each_side_gives_one_event_with_independent_main_and_safing_counts() -> None:
    left, right = recording_events(read_recording(GOOD), SensorPair(), RttfRule())
    assert (left.name, right.name) == ("v00001_1_left", "v00001_1_right")
    assert left.source == "measured" and left.label == "must_fire"
    assert "curve 1" in left.provenance and "curve 2" in left.provenance and "curve 3" not in left.provenance
    assert left.main_lsb.max() / 16 == pytest.approx(30, abs=4), "30 g half-sine in counts of 1/16 g"
    assert left.physical_decel_g.max() > 0 and left.first_sample_s == -0.008


def test_the_required_time_is_that_of_the_half_sine() -> None:
    # Free flight under A sin(pi t/T): s(t) = A T/pi (t - T/pi sin(pi t/T)); solved here by bisection.
    def moved(t: float, peak_g: float = 30.0, width: float = 0.1) -> float:
        return 9.80665 * peak_g * width / math.pi * (t - width / math.pi * math.sin(math.pi * t / width))

    low, high = 0.0, 0.1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if moved(middle) < 0.127 else (low, middle)
    event = recording_events(read_recording(GOOD), SensorPair(), RttfRule())[0]
    # The tone leaves velocity of its own and the CFC 60 filter rounds the onset: 2 ms.
    assert event.rttf_s == pytest.approx(low - 0.030, abs=0.002)


def test_a_failed_primary_is_refused_and_the_redundant_stands_in(test_folder: Path) -> None:
    damage(
        test_folder,
        "v00001.EV5",
        replaced("AM|P|LEFT REAR SEAT CROSSMEMBER X", "CF|P|LEFT REAR SEAT CROSSMEMBER X: No valid data after 67ms"),
    )
    left, right = recording_events(read_recording(test_folder), SensorPair(), RttfRule())
    assert "refused curve 1 (FLLR X): DASTAT CF" in left.provenance
    assert "No valid data after 67ms" in left.provenance
    assert "main sensor at the left: curve 2" in left.provenance
    assert "not independent evidence" in left.provenance and "not independent" not in right.provenance


def test_a_side_without_any_usable_channel_is_left_out_and_the_other_says_why(test_folder: Path) -> None:
    damage(test_folder, "v00001.EV5", replaced("AM|P|LEFT REAR", "QD|P|LEFT REAR"))
    damage(test_folder, "v00001.EV5", replaced("AM|R|LEFT REAR", "MN|R|LEFT REAR"))
    (event,) = recording_events(read_recording(test_folder), SensorPair(), RttfRule())
    assert event.name == "v00001_1_right"
    assert "DASTAT QD" in event.provenance and "DASTAT MN" in event.provenance


def test_the_centre_of_gravity_is_only_a_fallback(test_folder: Path) -> None:
    for word in ("LEFT", "RIGHT"):
        for letter in ("P", "R"):
            damage(test_folder, "v00001.EV5", replaced(f"AM|{letter}|{word} REAR", f"MN|{letter}|{word} REAR"))
    with pytest.raises(ChannelError, match=r"v00001\.006: is missing.*download"):
        read_recording(test_folder)
    shutil.copy(test_folder / "v00001.001", test_folder / "v00001.006")
    (event,) = recording_events(read_recording(test_folder), SensorPair(), RttfRule())
    assert event.name == "v00001_1_centre" and "same transducer" in event.provenance


def test_with_every_channel_refused_the_error_gives_each_reason(test_folder: Path) -> None:
    damage(test_folder, "v00001.EV5", lambda text: text.replace("|AM|", "|MN|"))
    recording = read_recording(test_folder)
    with pytest.raises(ChannelError, match=r"refused: curve 1 \(FLLR\): DASTAT MN.*curve 7 .*No valid data after 40ms"):
        recording_events(recording, SensorPair(), RttfRule())


def test_a_remark_behind_a_good_status_is_kept(test_folder: Path) -> None:
    damage(
        test_folder,
        "v00001.EV5",
        replaced("LEFT REAR SEAT CROSSMEMBER X\n", "LEFT REAR SEAT CROSSMEMBER X: questionable after 61 ms\n"),
    )
    left = recording_events(read_recording(test_folder), SensorPair(), RttfRule())[0]
    assert "comment: questionable after 61 ms" in left.provenance


def test_what_the_laboratory_says_is_invalid_is_cut_off_and_said(test_folder: Path) -> None:
    damage(
        test_folder,
        "v00001.EV5",
        replaced("LEFT REAR SEAT CROSSMEMBER X\n", "LEFT REAR SEAT CROSSMEMBER X: No valid data after 40ms\n"),
    )
    recording = read_recording(test_folder)
    channel = recording.channel("curve 1")
    assert channel.t0_s + (channel.values.size - 1) / channel.rate_hz == pytest.approx(0.040)
    left, right = recording_events(recording, SensorPair(), RttfRule())
    assert "quality of curve 1: no valid data after 40 ms: the first" in left.provenance
    assert f"the first {channel.values.size} samples used, which curve 1 and curve 2 both have" in left.provenance
    assert left.physical_decel_g.size == channel.values.size < right.physical_decel_g.size


def test_a_channel_without_any_valid_data_is_refused_whatever_its_status(test_folder: Path) -> None:
    damage(
        test_folder,
        "v00001.EV5",
        replaced("LEFT REAR SEAT CROSSMEMBER X\n", "LEFT REAR SEAT CROSSMEMBER X: No valid data\n"),
    )
    left = recording_events(read_recording(test_folder), SensorPair(), RttfRule())[0]
    assert "refused curve 1 (FLLR X): the laboratory says: No valid data" in left.provenance


# -- damage --------------------------------------------------------------------------------------------

CHANNEL_DAMAGE: dict[str, tuple[Damage, str]] = {
    "cut between lines": (lambda t: t[: t.index("\n", 3000) + 1], r"v00001\.001:\d+: holds \d+ of the 270 samples"),
    "cut in mid-number": (lambda t: t[:3003], r"no line end"),
    "one line doubled": (lambda t: t + t.splitlines()[-1] + "\n", r"holds 271 of the 270"),
    "a line doubled, another lost": (
        lambda t: "".join((lines := t.splitlines(keepends=True))[:100] + lines[99:100] + lines[101:]),
        r"v00001\.001:101: time is .* expected",
    ),
    "empty": (lambda t: "", r"without a single sample"),
    "nan": (
        lambda t: t.replace(t.split()[41], "nan", 1),
        r"v00001\.001:21: column 2 is 'nan', expected a finite number",
    ),
    "infinite": (lambda t: t.replace(t.split()[41], "1e999", 1), r"column 2 is '1e999'"),
    "decimal comma": (lambda t: t.replace(".", ","), r"decimal comma"),
    "three columns": (lambda t: t.replace("\n", "\t1\n"), r":1: found .* expected 2 numbers separated by a tab"),
    "one column": (lambda t: t.replace("\t", ""), r":1: "),
    "shifted time": (lambda t: t.replace("-0.008000", "-0.008002"), r":1: time is -0\.008002 s, expected -0\.008000"),
    "time backwards": (lambda t: "".join(reversed(t.splitlines(keepends=True))), r":1: time is 0\.09"),
    "binary": (lambda t: "\x00\x01\x02" * 100, r"v00001\.001:"),
    "underscores that Python reads": (lambda t: t.replace("0.1", "0_0.1", 1), r"expected a finite number"),
}


@pytest.mark.parametrize("name", CHANNEL_DAMAGE)
def test_a_damaged_channel_file_is_refused_with_its_place(test_folder: Path, name: str) -> None:
    change, message = CHANNEL_DAMAGE[name]
    damage(test_folder, "v00001.001", change)
    with pytest.raises(TraceFormatError, match=message):
        read_recording(test_folder)


HEADER_DAMAGE: dict[str, tuple[Damage, str]] = {
    "truncated": (lambda t: t[: t.index("----- END")], r"ends in section INSTRUMENTATION.*truncated"),
    "cut in a record": (lambda t: t[: t.index("|XG|SEC")], r"v00001\.EV5:\d+: a record with \d+ fields"),
    "a record lost": (
        lambda t: "".join(line for line in t.splitlines(keepends=True) if "LC0101" not in line),
        r":4: TOTCRV says 9 curves, found 8",
    ),
    "a curve twice": (replaced("1|4|AC", "1|3|AC"), r"curve 3 is listed twice"),
    "claims more samples": (replaced("-20|249|400|AM|P|LEFT", "-20|250|400|AM|P|LEFT"), r"270 of the 271 samples"),
    "claims another start": (replaced("-20|249|400|AM|P|LEFT", "-19|250|400|AM|P|LEFT"), r"v00001\.001:1: time is"),
    "claims another rate": (replaced("|400|AM|P|LEFT", "|500|AM|P|LEFT"), r"v00001\.001:1: time is"),
    "claims absurdly many": (replaced("-20|249|400|AM|P|LEFT", "0|99999999999|400|AM|P|LEFT"), r"100000000000 samples"),
    "last before first": (replaced("-20|249|400|AM|P|LEFT", "249|-20|400|AM|P|LEFT"), r"expected 2 to"),
    "no interval": (replaced("|400|AM|P|LEFT", "|0|AM|P|LEFT"), r"DELT is 0"),
    "a word for a number": (
        replaced("-20|249|400|AM|P|LEFT", "x|249|400|AM|P|LEFT"),
        r"NFP is 'x', expected an integer",
    ),
    "digits of another script": (replaced("|1500|", "|\xb2500|"), r"VEHTWT"),
    "unknown vehicle": (replaced("1|3|AC", "3|3|AC"), r"vehicle 3, which has no VEHICLE record"),
    "sections out of order": (
        replaced("----- BARRIER -----", "----- TEST -----"),
        r":7: section TEST comes out of order",
    ),
    "an unknown section": (replaced("----- BARRIER -----", "----- BANANAS -----"), r":7: unknown section 'BANANAS'"),
    "two tests": (lambda t: t.replace(t.splitlines()[3], "\n".join([t.splitlines()[3]] * 2)), r"TEST has 2 records"),
    "control characters": (lambda t: t.replace("READER", "REA\x00DER"), r":\d+: holds a control character"),
    "negative mass": (replaced("|1500|", "|-1500|"), r"VEHTWT is -1500 kg"),
    "negative speed": (replaced("|50.0|0|0|0|9|", "|-50.0|0|0|0|9|"), r":4: CLSSPD is -50"),
}


@pytest.mark.parametrize("name", HEADER_DAMAGE)
def test_a_damaged_or_lying_header_is_refused_with_its_place(test_folder: Path, name: str) -> None:
    change, message = HEADER_DAMAGE[name]
    damage(test_folder, "v00001.EV5", change)
    with pytest.raises(TraceFormatError, match=message):
        read_recording(test_folder)


def test_a_missing_file_that_is_needed_is_named_with_what_to_do(test_folder: Path) -> None:
    (test_folder / "v00001.002").unlink()
    with pytest.raises(ChannelError, match=r"v00001\.002: is missing, .*FLLR X \(redundant\), .*download"):
        read_recording(test_folder)


@pytest.mark.parametrize("unit", ["M/S2", "NWT", "", "G"])
def test_other_units_than_g_are_refused_and_never_converted_by_guess(test_folder: Path, unit: str) -> None:
    damage(test_folder, "v00001.EV5", replaced("|G'S|", f"|{unit}|"))
    with pytest.raises(ChannelError, match="expected G'S"):
        recording_events(read_recording(test_folder), SensorPair(), RttfRule())


def test_other_time_units_than_seconds_are_refused(test_folder: Path) -> None:
    damage(test_folder, "v00001.EV5", replaced("|SEC|", "|MSEC|"))
    with pytest.raises(ChannelError, match="time unit 'MSEC', expected SEC"):
        recording_events(read_recording(test_folder), SensorPair(), RttfRule())


def test_a_foreign_file_is_not_taken_for_a_test(tmp_path: Path) -> None:
    foreign = tmp_path / "v1.EV5"
    foreign.write_bytes(random.Random(1).randbytes(4000))
    assert not is_nhtsa_ev5(foreign)
    with pytest.raises(TraceFormatError, match="of no known format"):
        read_recording(foreign)


def test_a_path_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(TraceFormatError, match="no such file"):
        read_recording(tmp_path / "nothing")


def test_a_folder_with_two_headers_asks_which(test_folder: Path) -> None:
    shutil.copy(test_folder / "v00001.EV5", test_folder / "v00002.EV5")
    with pytest.raises(TraceFormatError, match=r"found v00001\.EV5, v00002\.EV5; give the header's path"):
        read_recording(test_folder)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_random_damage_gives_a_recording_or_an_input_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "t"
    shutil.copytree(GOOD, folder)
    path = folder / data.draw(st.sampled_from(["v00001.EV5", "v00001.EV5", "v00001.001"]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "delete", "insert", "cut"]))
        piece = data.draw(st.binary(min_size=1, max_size=3))
        if kind == "set":
            content[at : at + len(piece)] = piece
        elif kind == "insert":
            content[at:at] = piece
        elif kind == "delete":
            del content[at : at + data.draw(st.integers(1, 80))]
        else:
            del content[at:]
        if not content:
            break
    path.write_bytes(content)
    try:
        recording = read_recording(folder)
        recording_events(recording, SensorPair(), RttfRule())
    except InputDataError as error:
        assert len(str(error).splitlines()) == 1, "one error, one line"


# -- a real test ---------------------------------------------------------------------------------------


@needs_camry
def test_the_camry_has_the_required_times_that_were_computed_elsewhere() -> None:
    recording = read_recording(CAMRY)
    left, right = recording_events(recording, SensorPair(), RttfRule(distance_m=0.127, inflation_s=0.030))
    assert 1e3 * left.rttf_s == pytest.approx(17.3, abs=0.06)
    assert 1e3 * right.rttf_s == pytest.approx(16.9, abs=0.06)
    assert (recording.speed_kmh, recording.vehicles[0].mass_kg, recording.mode) == (57.09, 1719, "rigid_barrier")
    assert "RESTRAINT record in line 15" in left.provenance


@needs_camry
def test_the_camry_channels_have_the_extremes_that_were_computed_elsewhere() -> None:
    recording = read_nhtsa_ev5(CAMRY, curves=[93, 94, 95, 96, 99, 100])
    extremes = {c.info.name: (c.values.min(), c.values.max()) for c in recording.channels}
    for number, low, high in ((93, -168.4, 89.9), (94, -144.6, 73.7), (99, -159.5, 77.1), (100, -147.1, 89.7)):
        assert extremes[f"curve {number}"] == pytest.approx((low, high), abs=0.06)
    engine = recording.channel("curve 96")
    assert engine.info.status == "CF" and engine.values.size == 1170
    assert any("No valid data after 67ms" in note for note in engine.info.notes)
    marked = dict(recording.facts)["channels that the laboratory marks as not good"]
    assert "curve 96 (ENGN X, CF: BOTTOM OF ENGINE X: No valid data after 67ms)" in marked


@needs_camry
def test_the_engine_is_never_taken_for_the_occupant_compartment() -> None:
    assert {channel.info.place.code for channel in read_recording(CAMRY).channels} == {"FLLR", "FLRR"}
