"""The registry of formats: built-in modules keep their promises, plugins are loaded and judged, traces have sources."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
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


FOREIGN = '''
"""A format of somebody else's: doubles in g after four bytes, at 8 kHz, from 20 ms before contact."""

import numpy as np

from crumple.artefact import sha256_file
from crumple.signals.recording import Channel, ChannelInfo, Place, Recording, Vehicle

NAME = "toy"


def is_toy(path):
    return path.is_file() and path.read_bytes()[:4] == b"TOY\\x00"


def read_toy(path, mapping):
    values = np.frombuffer(path.read_bytes()[4:], dtype="<f8")
    info = ChannelInfo("a", "toy", 1, Place("tunnel", "centre", 0), "acceleration", "X", "g", offset="none")
    channel = Channel(info, values, 8000.0, -0.02)
    vehicle = Vehicle(1, "toy car", label="no_fire", label_source="the toy says so")
    files = ((path.name, sha256_file(path)),)
    return Recording(path.stem, "toy", "toy_drive", (vehicle,), (channel,), (), float("nan"), (), files)
'''


def test_a_package_of_somebody_elses_adds_a_format_by_its_entry_point_alone(tmp_path: Path) -> None:
    """As installed: a module and its metadata on the path of a fresh interpreter, nothing of ours changed."""
    site = tmp_path / "site"
    metadata = site / "crumple_toy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "crumple_toy.py").write_text(FOREIGN, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crumple-toy\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[crumple.formats]\ntoy = crumple_toy\n", encoding="utf-8")
    recording = tmp_path / "first.toy"
    recording.write_bytes(b"TOY\x00" + (-0.1 * (np.arange(800) % 5)).astype("<f8").tobytes())
    command = [sys.executable, "-m", "crumple", "import", str(recording), "--out", str(tmp_path / "corpus"), "--json"]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    assert alone.returncode == 3 and "of no known format" in alone.stderr
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert ran.returncode == 0, ran.stderr
    (event,) = json.loads(ran.stdout)["events"]
    assert event["label"] == "no_fire" and event["source"] == "measured" and "first.toy" in event["provenance"]
