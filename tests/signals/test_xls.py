"""Excel 97 workbooks: numbers come through bit for bit, everything else in a cell is refused with its place."""

from __future__ import annotations

import importlib.util
import struct
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crumple.errors import ChannelError, ConfigError, InputDataError, ToolMissingError, TraceFormatError
from crumple.signals.formats import read_recording
from crumple.signals.formats.mapping import CsvChannel, DataMap, RecordingMap
from crumple.signals.formats.xls import is_xls, read_xls

pytest.importorskip("xlrd", reason="xlrd reads these files: pip install 'crumple[io]'")


def _loaded(name: str) -> ModuleType:
    """A helper beside this file; tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


books = _loaded("workbooks")
RATE_HZ = 1000.0
N = 60
TIMES = [k / RATE_HZ - 0.02 for k in range(N)]
VALUES = [float(np.sin(k / 5.0)) * -20.0 for k in range(N)]
ROWS: list[list[object]] = [[t, v] for t, v in zip(TIMES, VALUES, strict=True)]


def stated(column: str = "2") -> CsvChannel:
    return CsvChannel(column, "g", "j211", "X", "centre", "tunnel", 0, "pretrigger")


def a_map(column: str = "2", **extra: object) -> RecordingMap:
    known: dict[str, object] = {"time_column": "1", "time_unit": "s", "contact_time": 0.0, "header_lines": 0}
    data = DataMap(channels=(stated(column),), **{**known, **extra})  # type: ignore[arg-type]
    return RecordingMap("no_fire", "made", mode="made", data=data)


def written(folder: Path, sheets: dict[str, list[list[object]]] | bytes) -> Path:
    path = folder / "made.xls"
    path.write_bytes(sheets if isinstance(sheets, bytes) else books.workbook(sheets))
    return path


def test_numbers_come_through_bit_for_bit_with_the_rate_of_the_time_column(tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path, {"Sheet1": ROWS}), a_map())
    (channel,) = recording.channels
    assert recording.kind == "xls" and dict(recording.facts)["sheet"] == "Sheet1"
    assert channel.rate_hz == RATE_HZ and channel.t0_s == pytest.approx(-0.02)
    assert channel.values.tolist() == VALUES


def test_columns_are_called_as_the_last_header_row_calls_them(tmp_path: Path) -> None:
    path = written(tmp_path, {"Sheet1": [["of a test", None], ["t", "accel"], *ROWS]})
    recording = read_xls(path, a_map("accel", time_column="t", header_lines=2))
    assert recording.channels[0].values.tolist() == VALUES


def test_one_of_several_sheets_must_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"Notes": [["nothing"]], "Größe": ROWS})
    with pytest.raises(ConfigError, match=r"sheets 'Notes', 'Größe'; say which .*\n\[data\]\nsheet = 'Notes'"):
        read_xls(path, a_map())
    with pytest.raises(ChannelError, match="no sheet 'Data'; it has 'Notes', 'Größe'"):
        read_xls(path, a_map(sheet="Data"))
    assert read_xls(path, a_map(sheet="Größe")).channels[0].values.size == N


def test_header_rows_are_never_guessed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"60 rows and 2 columns; add .*\n\[data\]\nheader_lines = 1"):
        read_xls(written(tmp_path, {"Sheet1": ROWS}), a_map(header_lines=None))


@pytest.mark.parametrize(
    ("cell", "said"), [("-0,5", "holds text"), ("0.5", "holds text"), (True, "holds a truth value")], ids=str
)
def test_a_cell_that_is_no_number_is_refused_with_its_place(tmp_path: Path, cell: object, said: str) -> None:
    rows = [list(row) for row in ROWS]
    rows[7][1] = cell
    with pytest.raises(TraceFormatError, match=rf"row 8, column 2 of sheet 'Sheet1' {said}.*expected a number"):
        read_xls(written(tmp_path, {"Sheet1": rows}), a_map())


def test_an_empty_cell_is_no_sample_and_may_only_end_a_signal(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    for row in rows[40:]:
        row[1] = None
    path = written(tmp_path, {"Sheet1": rows})
    with pytest.raises(TraceFormatError, match=r"sample 41 is nan.*use_samples"):
        read_xls(path, a_map())
    assert read_xls(path, a_map(use_samples=40)).channels[0].values.size == 40


def test_nan_and_infinity_in_a_cell_are_refused(tmp_path: Path) -> None:
    for bad in (float("nan"), float("inf")):
        rows = [list(row) for row in ROWS]
        rows[3][1] = bad
        with pytest.raises(TraceFormatError, match="sample 4 is"):
            read_xls(written(tmp_path, {"Sheet1": rows}), a_map())


def test_time_that_goes_backwards_is_refused(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    rows[9][0] = -1.0
    with pytest.raises(TraceFormatError, match="sample 10: time goes backwards"):
        read_xls(written(tmp_path, {"Sheet1": rows}), a_map())


def test_a_sheet_without_samples_is_refused(tmp_path: Path) -> None:
    for rows in ([], [["t", "a"]], [["t", "a"], [0.0, 1.0]]):
        with pytest.raises(TraceFormatError, match="below its 1 header rows, expected 2 or more"):
            read_xls(written(tmp_path, {"Sheet1": rows}), a_map(header_lines=1))


def test_a_truncated_workbook_is_refused_at_every_length(tmp_path: Path) -> None:
    whole = books.workbook({"Sheet1": ROWS})
    held = len(books.biff8({"Sheet1": ROWS})) + 3 * 512
    for size in [*range(0, held, 97)]:
        with pytest.raises(InputDataError):
            read_recording(written(tmp_path, whole[:size]), a_map())


def test_a_row_number_that_lies_does_not_make_a_huge_table(tmp_path: Path) -> None:
    stream = books.biff8({"Sheet1": ROWS})
    lying = stream.replace(books.cell_record(59, 1, VALUES[59]), books.cell_record(65535, 255, VALUES[59]))
    assert lying != stream
    with pytest.raises(TraceFormatError, match=r"sample 60 is nan|holds"):
        read_xls(written(tmp_path, books.ole2(lying)), a_map())


def test_other_compound_files_are_no_workbook(tmp_path: Path) -> None:
    path = written(tmp_path, books.ole2(b"text" * 2000, "WordDocument"))
    assert not is_xls(path)
    assert not is_xls(written(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
    assert is_xls(written(tmp_path, {"Sheet1": ROWS}))
    with pytest.raises(TraceFormatError, match=r"xlrd cannot read it|xlrd reports"):
        read_xls(written(tmp_path, books.ole2(b"text" * 2000)), a_map())


def test_another_kind_of_workbook_is_refused_with_what_to_export(tmp_path: Path) -> None:
    path = tmp_path / "new.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml" + bytes(100))
    with pytest.raises(TraceFormatError, match=r"workbook of a kind .*export the sheet .* as CSV"):
        read_recording(path)


def test_a_file_larger_than_any_sheet_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, {"Sheet1": ROWS})
    with path.open("r+b") as stream:
        stream.truncate(10 * 2**30)
    with pytest.raises(TraceFormatError, match="more than the 33554432"):
        read_xls(path, a_map())


def test_without_xlrd_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(ToolMissingError, match=r"needs xlrd: pip install 'crumple\[io\]'"):
        read_xls(written(tmp_path, {"Sheet1": ROWS}), a_map())


def test_what_other_formats_understand_is_refused_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"time_file in .data. means nothing to a recording of format xls"):
        read_xls(written(tmp_path, {"Sheet1": ROWS}), a_map(time_file="t"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 7000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_damage_anywhere_gives_a_recording_or_an_error_of_ours(tmp_path: Path, damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(books.workbook({"Sheet1": ROWS}))
    for at, new in damage:
        data[at : at + len(new)] = new
    try:
        read_recording(written(tmp_path, bytes(data)), a_map())
    except (InputDataError, ConfigError) as error:
        assert "\n" not in str(error).split(" Add these lines")[0] or isinstance(error, ConfigError)


def test_an_integer_cell_of_the_compact_kind_is_the_number_it_means(tmp_path: Path) -> None:
    """RK cells hold integers or hundredths in 30 bits, a second encoding of numbers."""
    stream = books.biff8({"Sheet1": ROWS})
    whole = struct.pack("<HHHI", 5, 1, 0, (-7 << 2 & 0xFFFFFFFF) | 2)
    hundredth = struct.pack("<HHHI", 6, 1, 0, (-725 << 2 & 0xFFFFFFFF) | 3)
    for row, body in ((5, whole), (6, hundredth)):
        old = books.cell_record(row, 1, VALUES[row])
        stream = stream.replace(old, books.record(0x027E, body))
    # The sheet got shorter; its start did not move.
    values = read_xls(written(tmp_path, books.ole2(stream)), a_map()).channels[0].values
    assert values[5] == -7.0 and values[6] == -7.25


def test_a_map_may_leave_the_unit_open_only_for_a_stand_in() -> None:
    with pytest.raises(ConfigError, match="stand in for an acceleration"):
        replace(stated(), unit="mm")
