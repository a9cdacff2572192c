"""A streamed corpus is the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from crumple.config import plain
from crumple.errors import CorpusError
from crumple.signals.corpus import DATA, Corpus, corpus_bytes, corpus_stage, read_corpus, write_corpus
from crumple.signals.generate import SHARD_EVENTS, CorpusPlan, generate, shards
from crumple.signals.streaming import write_shards

PLAN = CorpusPlan(counts={"rigid_barrier": SHARD_EVENTS + 5, "kerb_straight": 7})


def read_back(folder: Path) -> Corpus:
    stage = corpus_stage(folder, {}, plain(PLAN))
    stage.run(lambda into: write_shards(shards(PLAN), PLAN.sensors, into))
    return read_corpus(folder)[0]


def test_it_reads_back_as_the_same_events(tmp_path: Path) -> None:
    back = read_back(tmp_path / "streamed")
    assert corpus_bytes(back.events) == corpus_bytes(generate(PLAN).events)
    assert back.sensors == PLAN.sensors


def test_the_payload_is_the_one_of_a_corpus_written_whole(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    streamed = write_shards(shards(PLAN), PLAN.sensors, tmp_path / "one")
    assert streamed == write_corpus(generate(PLAN), tmp_path / "two")


def test_any_number_of_workers_writes_the_same_file(tmp_path: Path) -> None:
    for n_workers in (1, 2):
        (tmp_path / str(n_workers)).mkdir()
        write_shards(shards(PLAN, n_workers), PLAN.sensors, tmp_path / str(n_workers))
    assert (tmp_path / "1" / DATA).read_bytes() == (tmp_path / "2" / DATA).read_bytes()


def test_nothing_and_the_same_name_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no events"):
        write_shards([], PLAN.sensors, tmp_path)
    shard = next(shards(PLAN))
    with pytest.raises(CorpusError, match="same name"):
        write_shards([shard, shard], PLAN.sensors, tmp_path)
