"""NHTSA curves as tab-separated text: a table without knowledge, recognised by content and read through a map.

NHTSA's database offers each curve as ``time<TAB>value``. Such a file has no unit, sign, place or filter class, so
the text table's reader takes it; the same curve through the EV5 header must give the same samples.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.errors import ConfigError, TraceFormatError
from crumple.signals.formats import read_recording
from crumple.signals.formats.csv import is_csv
from crumple.signals.formats.mapping import CsvChannel, CsvMap, RecordingMap
from crumple.signals.formats.nhtsa_ev5 import read_nhtsa_ev5

TRACES = Path(__file__).resolve().parents[1] / "traces"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the shared recordings are not here")

CHANNEL = CsvChannel("2", "g", "j211", "X", "left", "rear seat cross-member", 0, "pretrigger")
TABLE = CsvMap("tab", header_lines=0, time_column="1", time_unit="s", contact_time=0.0, channels=(CHANNEL,))
MAP = RecordingMap("must_fire", "the laboratory's film", mode="rigid_barrier", csv=TABLE)
CURVE = TRACES / "selfmade-ev5" / "v00001.001"


def with_table(**changes: Any) -> RecordingMap:
    return dataclasses.replace(MAP, csv=dataclasses.replace(TABLE, **changes))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "curve.tsv"
    path.write_bytes(content)
    return path


def test_a_curve_reads_the_same_as_through_its_header(tmp_path: Path) -> None:
    by_header = read_nhtsa_ev5(CURVE.parent, curves=[1]).channels[0]
    (by_map,) = read_recording(written(tmp_path, CURVE.read_bytes()), MAP).channels
    np.testing.assert_array_equal(by_map.values, by_header.values)
    assert (by_map.rate_hz, by_map.t0_s) == (by_header.rate_hz, pytest.approx(by_header.t0_s))


@pytest.mark.parametrize("header", [b"", b"TIME\tACCEL\n", b"v00001\ncurve 1\nSEC\tG'S\n"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_header_lines_and_line_ends_do_not_matter(tmp_path: Path, header: bytes, line_end: bytes) -> None:
    content = (header + CURVE.read_bytes()).replace(b"\n", line_end)
    path = written(tmp_path, content)
    assert is_csv(path)
    read = read_recording(path, with_table(header_lines=header.count(b"\n"))).channels[0]
    np.testing.assert_array_equal(read.values, read_nhtsa_ev5(CURVE.parent, curves=[1]).channels[0].values)


def test_without_a_map_all_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_recording(written(tmp_path, CURVE.read_bytes()))
    for statement in ("label", "delimiter", "unit", "polarity", "filter_class", "side", "place", "offset"):
        assert f"{statement} = " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\t", b" ", "found 1 columns|has no column"),
        (b".", b",", "decimal comma"),
        (b"\n", b"\t0\n", "has no column|3 columns"),
    ],
)
def test_other_layouts_are_refused_with_their_line(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    content = CURVE.read_bytes()
    content = content.replace(old, new) if old != b"\n" else content.replace(old, new, 5)
    path = written(tmp_path, b"TIME\tACCEL\n" + content)
    with pytest.raises(TraceFormatError, match=message):
        read_recording(path, with_table(header_lines=1))


def test_a_truncated_curve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceFormatError, match="no line end"):
        read_recording(written(tmp_path, CURVE.read_bytes()[:-3]), MAP)


@needs_data
def test_the_camrys_curve_reads_the_same_either_way(tmp_path: Path) -> None:
    folder = REAL / "nhtsa-10146-camry"
    shutil.copyfile(folder / "v10146.093", tmp_path / "v10146_093.tsv")
    by_header = read_nhtsa_ev5(folder, curves=[93]).channels[0]
    (by_map,) = read_recording(tmp_path / "v10146_093.tsv", MAP).channels
    np.testing.assert_array_equal(by_map.values, by_header.values)
    assert by_map.rate_hz == 10_000 and by_map.t0_s == pytest.approx(-0.05)
