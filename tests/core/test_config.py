"""Configuration: what is written is what is used, or an error that names file, key and remedy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from crumple.config import STRICT, build, plain, read_toml
from crumple.errors import ConfigError


@dataclass(frozen=True)
class Filter:
    __pydantic_config__ = STRICT
    corner_hz: Annotated[float, Field(gt=0, le=1000)] = 400.0
    poles: Annotated[int, Field(ge=1)] = 4


@dataclass(frozen=True)
class Probe:
    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0)] = 0
    name: str = "probe"
    box: tuple[float, ...] = (0.0, 1.0)
    filter: Filter = field(default_factory=Filter)
    spare: Filter | None = None
    bank: dict[str, Filter] = field(default_factory=dict)
    row: list[Filter] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise ValueError(f"name = {self.name!r} is taken")


@dataclass(frozen=True)
class Needy:
    __pydantic_config__ = STRICT
    n_hidden: int


def refused(values: Any, kind: type = Probe) -> list[str]:
    """The lines with which values are refused, without their common prefix."""
    with pytest.raises(ConfigError) as caught:
        build(kind, values, where="plan.toml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("plan.toml: ") for line in lines)
    return [line.removeprefix("plan.toml: ") for line in lines]


def test_nothing_written_means_the_defaults() -> None:
    assert build(Probe, {}, where="plan.toml") == Probe()


def test_tables_arrays_and_whole_numbers_are_taken_as_toml_writes_them() -> None:
    values = {"box": [1, 2.5], "filter": {"corner_hz": 100}, "bank": {"a": {"poles": 2}}, "row": [{}], "spare": {}}
    made = build(Probe, values, where="plan.toml")
    assert made.box == (1.0, 2.5)
    assert made.filter == Filter(corner_hz=100.0)
    assert made.bank == {"a": Filter(poles=2)}
    assert made.row == [Filter()]
    assert made.spare == Filter()


@pytest.mark.parametrize(
    ("values", "key", "meant"),
    [
        ({"sead": 1}, "sead", "seed"),
        ({"filter": {"corner_khz": 1}}, "filter.corner_khz", "corner_hz"),
        ({"spare": {"pols": 1}}, "spare.pols", "poles"),
        ({"bank": {"a": {"pols": 1}}}, "bank.a.pols", "poles"),
        ({"row": [{}, {"pols": 1}]}, "row.1.pols", "poles"),
    ],
    ids=str,
)
def test_an_unknown_key_suggests_the_nearest(values: dict[str, Any], key: str, meant: str) -> None:
    assert refused(values) == [f"unknown key {key!r}; did you mean {meant!r}?"]


def test_an_unknown_key_like_no_other_lists_the_known_ones() -> None:
    assert refused({"filter": {"zzz": 1}}) == ["unknown key 'filter.zzz'; known keys: corner_hz, poles"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": "1"}, "seed = '1'"),
        ({"seed": 1.0}, "seed = 1.0"),
        ({"seed": True}, "seed = True"),
        ({"name": 3}, "name = 3"),
        ({"filter": {"corner_hz": "400"}}, "filter.corner_hz = '400'"),
        ({"filter": 3}, "filter = 3"),
        ({"box": 1.0}, "box = 1.0"),
        ({"box": ["a"]}, "box.0 = 'a'"),
    ],
    ids=str,
)
def test_a_wrong_type_is_refused_not_converted(values: dict[str, Any], words: str) -> None:
    (line,) = refused(values)
    assert line.startswith(f"{words}: should be ")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": -1}, "seed = -1: should be greater than or equal to 0"),
        ({"filter": {"corner_hz": 0.0}}, "filter.corner_hz = 0.0: should be greater than 0"),
        ({"filter": {"corner_hz": 1e4}}, "filter.corner_hz = 10000.0: should be less than or equal to 1000"),
        ({"box": [math.nan]}, "box.0 = nan: should be a finite number"),
        ({"filter": {"corner_hz": math.inf}}, "filter.corner_hz = inf: should be"),
    ],
    ids=str,
)
def test_a_value_out_of_range_is_refused_with_the_bound(values: dict[str, Any], words: str) -> None:
    (line,) = refused(values)
    assert line.startswith(words)


def test_a_missing_key_is_named() -> None:
    assert refused({}, Needy) == ["key 'n_hidden' is missing"]


def test_a_dataclasss_own_check_speaks_in_its_own_words() -> None:
    assert refused({"name": "forbidden"}) == ["name = 'forbidden' is taken"]


def test_all_problems_are_told_at_once() -> None:
    lines = refused({"sead": 1, "seed": -1, "filter": {"poles": "x", "colour": 1}, "box": [1, None]})
    assert len(lines) == 5
    assert sum("unknown key" in line for line in lines) == 2


@pytest.mark.parametrize("values", [[], 3, "text", None], ids=repr)
def test_what_is_no_table_is_refused(values: Any) -> None:
    assert refused(values)[0].endswith("should be an object")


def test_a_long_value_does_not_flood_the_message() -> None:
    (line,) = refused({"seed": "x" * 10_000})
    assert len(line) < 200


def test_a_date_is_not_taken_for_text(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("name = 2024-01-01\n")
    (line,) = refused(read_toml(tmp_path / "plan.toml"))
    assert "date" in line


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('seed = 3\nname = "Prüfung"\n[filter]\ncorner_hz = 100\n', encoding="utf-8")
    assert build(Probe, read_toml(tmp_path / "plan.toml"), where="plan.toml") == Probe(
        seed=3, name="Prüfung", filter=Filter(corner_hz=100.0)
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [("seed = 1\nname = \n", 2), ("seed = 1\n\n[filter\n", 3), ("seed = 1\nseed = 2\n", 2)],
    ids=["no value", "open bracket", "twice"],
)
def test_broken_toml_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"plan\.toml: not valid TOML: .*line {line}"):
        read_toml(path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes('name = "Prüfung"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"plan\.toml: not valid TOML"):
        read_toml(tmp_path / "plan.toml")


@pytest.mark.parametrize("name", ["nothing.toml", "."])
def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path / name)


@given(
    seed=st.integers(min_value=0, max_value=2**63),
    name=st.text().filter(lambda text: text != "forbidden"),
    box=st.lists(st.floats(allow_nan=False, allow_infinity=False)),
    corner_hz=st.floats(min_value=1e-300, max_value=1000),
)
def test_recorded_settings_build_the_same_settings(seed: int, name: str, box: list[float], corner_hz: float) -> None:
    made = Probe(seed=seed, name=name, box=tuple(box), filter=Filter(corner_hz=corner_hz))
    recorded = json.loads(json.dumps(plain(made)))
    assert build(Probe, recorded, where="record") == made
