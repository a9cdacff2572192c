"""A corpus comes back as it was written, the same bytes every time, and no change goes unseen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.artefact import sha256_file
from crumple.errors import ArtefactError, CorpusError
from crumple.signals.corpus import (
    DATA,
    MANIFEST,
    MEASURED,
    SYNTHETIC,
    Corpus,
    Event,
    corpus_stage,
    read_corpus,
    write_corpus,
)
from crumple.signals.sensor import SensorPair, SensorSpec

Bare = Callable[[Iterable[Event]], object]


def event(name: str = "one", n_samples: int = 8, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "name": name,
        "mode": "rigid_barrier",
        "source": SYNTHETIC,
        "label": "must_fire",
        "rttf_s": 0.0173,
        "speed_kmh": 57.09,
        "first_sample_s": -0.02,
        "main_lsb": np.arange(n_samples, dtype=np.int16) - 3,
        "safing_lsb": np.arange(n_samples, dtype=np.int16) // 4,
        "provenance": "made for a test",
        "physical_decel_g": np.zeros(0),
        "physical_rate_hz": 0.0,
    }
    return Event(**(values | changes))


MEASURED_EVENT = event(
    "gemessen: Bordstein Größe 3",
    n_samples=3,
    source=MEASURED,
    label="no_fire",
    rttf_s=math.nan,
    speed_kmh=math.nan,
    physical_decel_g=np.array([0.1, -1e300, 5e-324]),
    physical_rate_hz=10_000.0,
)


def corpus(*events: Event) -> Corpus:
    return Corpus(SensorPair(), events or (event(), MEASURED_EVENT, event("long", n_samples=500)))


def written(folder: Path, what: Corpus) -> Path:
    corpus_stage(folder, {}, {}).run(lambda partial: write_corpus(what, partial))
    return folder


def assert_same(found: Event, expected: Event) -> None:
    for field in fields(Event):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b or (a != a and b != b), field.name


def test_a_corpus_comes_back_as_it_was_written(tmp_path: Path) -> None:
    what = Corpus(SensorPair(main=SensorSpec(lsb_g="1/8", clamp_lsb=960)), corpus().events)
    found, artefact = read_corpus(written(tmp_path / "c", what))
    assert found.sensors == what.sensors
    assert len(found) == 3
    for a, b in zip(found, what, strict=True):
        assert_same(a, b)
    assert artefact.payload["n_events"] == 3
    assert artefact.payload["by_source"]["measured"] == 1
    assert artefact.payload["by_label"]["no_fire"] == 1


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@given(st.lists(st.tuples(names, st.integers(1, 30)), min_size=1, max_size=5, unique_by=lambda pair: pair[0]))
@settings(max_examples=20, deadline=None)
def test_names_and_lengths_of_any_kind_survive(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]
) -> None:
    what = corpus(*(event(name, n) for name, n in rows))
    found, _ = read_corpus(written(tmp_path_factory.mktemp("c") / "c", what))
    for a, b in zip(found, what, strict=True):
        assert_same(a, b)


def test_the_same_events_give_the_same_bytes(tmp_path: Path, bare: Bare) -> None:
    assert bare(corpus()) == bare(corpus())
    first, second = written(tmp_path / "a", corpus()), written(tmp_path / "b", corpus())
    for name in (MANIFEST, DATA):
        assert sha256_file(first / name) == sha256_file(second / name)


def test_no_path_or_date_reaches_the_file(tmp_path: Path) -> None:
    folder = written(tmp_path / "c", corpus())
    for name in (MANIFEST, DATA):
        assert str(tmp_path).encode() not in (folder / name).read_bytes()


@pytest.mark.parametrize("position", [0.0, 0.2, 0.5, 0.8, 0.999])
@pytest.mark.parametrize("name", [MANIFEST, DATA])
def test_a_changed_byte_anywhere_is_refused(tmp_path: Path, name: str, position: float) -> None:
    path = written(tmp_path / "c", corpus()) / name
    data = bytearray(path.read_bytes())
    data[int(position * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtefactError):
        read_corpus(tmp_path / "c")


def test_a_missing_or_swapped_file_is_refused(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", corpus()), written(tmp_path / "b", corpus(event("other")))
    (one / DATA).write_bytes((other / DATA).read_bytes())
    with pytest.raises(ArtefactError, match="changed"):
        read_corpus(one)
    (one / DATA).unlink()
    with pytest.raises(ArtefactError, match="missing"):
        read_corpus(one)


@pytest.mark.parametrize(
    "content", [b"", b"not a corpus", b"\x89HDF\r\n\x1a\n" + b"\0" * 100], ids=["none", "text", "head"]
)
def test_a_vouched_file_that_is_no_corpus_is_still_refused(tmp_path: Path, content: bytes) -> None:
    def work(folder: Path) -> object:
        payload = write_corpus(corpus(), folder)
        (folder / DATA).write_bytes(content)
        return payload

    corpus_stage(tmp_path / "c", {}, {}).run(work)
    with pytest.raises(ArtefactError, match="not a corpus"):
        read_corpus(tmp_path / "c")


def test_what_was_read_cannot_be_changed(tmp_path: Path) -> None:
    found, _ = read_corpus(written(tmp_path / "c", corpus()))
    with pytest.raises(ValueError, match="read-only"):
        next(iter(found)).main_lsb[0] = 5


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "fire"},
        {"source": "guessed"},
        {"safing_lsb": np.zeros(3, dtype=np.int16)},
        {"main_lsb": np.zeros((2, 4), dtype=np.int16), "safing_lsb": np.zeros((2, 4), dtype=np.int16)},
        {"main_lsb": np.zeros(0, dtype=np.int16), "safing_lsb": np.zeros(0, dtype=np.int16)},
    ],
    ids=["label", "source", "lengths", "table", "empty"],
)
def test_an_event_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match="'one'"):
        event(**changes)


def test_an_empty_corpus_and_two_events_of_one_name_are_refused() -> None:
    with pytest.raises(CorpusError, match="no events"):
        Corpus(SensorPair(), ())
    with pytest.raises(CorpusError, match="two events called 'one'"):
        corpus(event(), replace(event(), mode="hammer"))


def test_the_sample_period_is_that_of_the_main_sensor() -> None:
    assert corpus().sample_period_s == 0.0005


def test_examples_are_every_measured_event_and_the_first_of_each_other_mode() -> None:
    rest = [event("a", mode="x"), event("b", mode="x"), event("c", mode="y"), event("d", mode="y")]
    measured = [event("m", mode="y", source=MEASURED), event("n", mode="z", source=MEASURED)]
    shown = corpus(*rest[:3], *measured, rest[3]).examples
    assert [one.name for one in shown] == ["a", "c", "m", "n"]
