"""The registry of formats: built-in modules keep their promises, plugins are loaded and judged, traces have sources."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from crumple.config import read_toml
from crumple.errors import ConfigError, TraceFormatError
from crumple.signals import formats as registry
from crumple.signals.formats import BUILT_IN, formats, read_recording
from crumple.signals.recording import Recording

TRACES = Path(__file__).resolve().parents[1] / "traces"


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    formats.cache_clear()
    yield
    formats.cache_clear()


def plugin(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = ModuleType(f"plugin_{name}")
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [EntryPoint(name, module.__name__, "crumple.formats")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "crumple.formats" else [])


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_format_has_what_a_format_needs(name: str) -> None:
    module = formats()[name]
    assert name == module.NAME
    assert callable(getattr(module, f"is_{name}")) and callable(getattr(module, f"read_{name}"))


@pytest.mark.parametrize("name", ["selfmade-ev5", "selfmade-mme"])
def test_each_recording_is_recognised_by_one_format_only(name: str) -> None:
    path = TRACES / name
    assert sum(getattr(module, f"is_{format_name}")(path) for format_name, module in formats().items()) == 1


def test_a_plugin_reads_what_it_recognises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = Recording("r", "toy", "toy", (), (), (), 1.0, (), ())
    (tmp_path / "toy.bin").write_bytes(b"TOY\x00")
    plugin(
        monkeypatch,
        "toy",
        NAME="toy",
        is_toy=lambda path: path.read_bytes()[:3] == b"TOY",
        read_toy=lambda path, mapping: made,
    )
    assert read_recording(tmp_path / "toy.bin") is made


def test_two_formats_that_claim_one_file_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "greedy", NAME="greedy", is_greedy=lambda path: True, read_greedy=None)
    with pytest.raises(TraceFormatError, match="could be nhtsa_ev5 or greedy"):
        read_recording(TRACES / "selfmade-ev5")


def test_a_plugin_that_lacks_a_function_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "half", NAME="half", is_half=lambda path: False)
    with pytest.raises(ConfigError, match=r"'half' .*read_half is missing"):
        formats()


def test_a_plugin_may_not_take_the_name_of_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "csv", NAME="csv")
    with pytest.raises(ConfigError, match="the name 'csv' is taken"):
        formats()


def test_a_plugin_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("gone", "no_such_module_anywhere", "crumple.formats")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(ConfigError, match=r"'gone' .*cannot be loaded"):
        formats()


def test_every_trace_has_an_origin_a_licence_and_its_hash() -> None:
    sources = read_toml(TRACES / "SOURCES.toml")
    assert {path.name for path in TRACES.iterdir() if path.is_dir()} == set(sources)
    for name, source in sources.items():
        assert source["origin"] and source["licence"]
        files = {p.relative_to(TRACES / name).as_posix(): p for p in (TRACES / name).rglob("*") if p.is_file()}
        assert {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()} == source["sha256"]
