"""A recording handed on as ISO-MME: it reads back as it was, in every form, or is not written."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from crumple.errors import ChannelError, ConfigError, OutputError, WouldOverwriteError
from crumple.signals.formats import read_recording
from crumple.signals.formats.iso_mme_write import ARCHIVES, write_iso_mme
from crumple.signals.look_commands import signals_command
from crumple.signals.recording import Recording

TRACES = Path(__file__).resolve().parents[1] / "traces"
EV5 = TRACES / "selfmade-ev5"
CODES = {"curve 1": "11SECMLE0000ACXP", "curve 3": "11SECMRI0000ACXP"}


def written(out: Path) -> Recording:
    """The EV5 test written to ``out`` and read again."""
    write_iso_mme(read_recording(EV5), CODES, out)
    return read_recording(out)


@pytest.mark.parametrize("name", [f"made{end}" for end in ARCHIVES] + ["made"])
def test_every_form_reads_back_sample_for_sample(tmp_path: Path, name: str) -> None:
    recording, again = read_recording(EV5), written(tmp_path / name)
    assert (again.kind, again.name) == ("iso_mme", recording.name.lower())
    assert [channel.info.name for channel in again.channels] == list(CODES.values())
    for old, code in CODES.items():
        one, other = recording.channel(old), again.channel(code)
        np.testing.assert_array_equal(other.values, one.values)
        assert (other.rate_hz, other.t0_s, other.info.axis) == (one.rate_hz, one.t0_s, "X")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name], "nothing is left beside it"


@pytest.mark.parametrize("end", ARCHIVES)
def test_the_same_recording_gives_the_same_bytes_without_dates_or_owners(tmp_path: Path, end: str) -> None:
    for name in ("a", "b"):
        written(tmp_path / f"{name}{end}")
    data = (tmp_path / f"a{end}").read_bytes()
    assert data == (tmp_path / f"b{end}").read_bytes()
    if end == ".zip":
        assert {entry.date_time[0] for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()} == {1980}
    else:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({}, "no channel is chosen"),
        ({"curve 1": "11SECMLE0000ACYP"}, r"has axis 'X', but the code 11SECMLE0000ACYP says 'Y'"),
        ({"curve 1": "11SECMLE0000ACXD"}, r"has filter_class 0, but the code 11SECMLE0000ACXD says 60"),
        ({"curve 1": "21SECMLE0000ACXP"}, r"has vehicle 1, but the code 21SECMLE0000ACXP says 2"),
        ({"curve 1": "11SECMLE0000FOXP"}, r"has quantity 'acceleration', but the code 11SECMLE0000FOXP says 'FO'"),
        ({"curve 1": "11SECMLE0000AC1P"}, "16 characters with direction"),
        ({"curve 1": "SHORT"}, "16 characters"),
        ({"curve 1": "11SECMLE0000ACXP", "curve 3": "11SECMLE0000ACXP"}, "a code of its own"),
    ],
)
def test_a_code_that_says_something_else_is_refused_and_nothing_is_written(
    tmp_path: Path, codes: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        write_iso_mme(read_recording(EV5), codes, tmp_path / "made.zip")
    with pytest.raises(ChannelError, match="no channel 'curve 99'"):
        write_iso_mme(read_recording(EV5), {"curve 99": "11SECMLE0000ACXP"}, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_when_asked_and_a_folder_never(tmp_path: Path) -> None:
    (tmp_path / "made.zip").write_text("mine", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    recording = read_recording(EV5)
    for name, force in (("made.zip", False), ("full", False), ("full", True), ("full/mine.txt", True)):
        with pytest.raises(WouldOverwriteError):
            write_iso_mme(recording, CODES, tmp_path / name, force=force)
    assert (tmp_path / "made.zip").read_text("utf-8") == "mine"
    write_iso_mme(recording, CODES, tmp_path / "made.zip", force=True)
    (tmp_path / "empty").mkdir()
    write_iso_mme(recording, CODES, tmp_path / "empty")
    assert len(read_recording(tmp_path / "made.zip").channels) == len(read_recording(tmp_path / "empty").channels) == 2
    for name in ("absent/made.zip", "absent/made"):
        with pytest.raises(OutputError, match="cannot write"):
            write_iso_mme(recording, CODES, tmp_path / name)


def test_the_command_writes_what_import_reads(tmp_path: Path) -> None:
    codes = [f"--code={name}={code}" for name, code in CODES.items()]
    ran = CliRunner().invoke(signals_command, ["write", str(EV5), *codes, "--out", str(tmp_path / "a.tgz"), "--json"])
    assert ran.exit_code == 0 and json.loads(ran.output)["channels"] == CODES
    again = ["write", str(tmp_path / "a.tgz"), "--out", str(tmp_path / "b")]
    ran = CliRunner().invoke(signals_command, again)
    assert ran.exit_code == 0 and "2 channels of" in ran.output
    for one, other in zip(
        read_recording(tmp_path / "b").channels, read_recording(tmp_path / "a.tgz").channels, strict=True
    ):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("code", ["curve 1", "=11SECMLE0000ACXP", "curve 1="])
def test_a_code_without_channel_is_a_usage_error(tmp_path: Path, code: str) -> None:
    ran = CliRunner().invoke(signals_command, ["write", str(EV5), "--code", code, "--out", str(tmp_path / "a.zip")])
    assert ran.exit_code == 2 and "expected CHANNEL=CODE" in ran.output


def test_channels_whose_names_are_no_codes_need_one(tmp_path: Path) -> None:
    ran = CliRunner().invoke(signals_command, ["write", str(EV5), "--out", str(tmp_path / "a.zip")])
    assert isinstance(ran.exception, ConfigError) and "16 characters" in str(ran.exception)
