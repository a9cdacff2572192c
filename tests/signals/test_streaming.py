"""A streamed corpus is the corpus."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from crumple.config import plain
from crumple.errors import ArtefactError, CorpusError
from crumple.signals.corpus import (
    DATA,
    Corpus,
    Event,
    corpus_stage,
    read_corpus,
    read_event,
    write_corpus,
    write_shards,
)
from crumple.signals.generate import SHARD_EVENTS, CorpusPlan, generate, shards, watched
from crumple.signals.stages import generate_stage

Bare = Callable[[Iterable[Event]], object]

PLAN = CorpusPlan(counts={"rigid_barrier": SHARD_EVENTS + 5, "kerb_straight": 7})


def read_back(folder: Path) -> Corpus:
    stage = corpus_stage(folder, {}, plain(PLAN))
    stage.run(lambda into: write_shards(shards(PLAN), PLAN.sensors, into))
    return read_corpus(folder)[0]


def test_it_reads_back_as_the_same_events(tmp_path: Path, bare: Bare) -> None:
    back = read_back(tmp_path / "streamed")
    assert bare(back) == bare(generate(PLAN))
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


def test_one_event_is_read_alone(tmp_path: Path, bare: Bare) -> None:
    whole = read_back(tmp_path / "streamed").events
    for number in (0, SHARD_EVENTS, len(whole) - 1):
        assert bare([read_event(tmp_path / "streamed" / DATA, number)]) == bare([whole[number]])
    with pytest.raises(ArtefactError, match="no event"):
        read_event(tmp_path / "streamed" / DATA, len(whole))


def test_progress_counts_every_event_and_names_the_mode() -> None:
    told: list[tuple[int, str]] = []
    for _ in watched(shards(PLAN), lambda done, mode: told.append((done, mode))):
        pass
    n_rigid = SHARD_EVENTS + 5
    assert told == [(SHARD_EVENTS, "rigid_barrier"), (n_rigid, "rigid_barrier"), (n_rigid + 7, "kerb_straight")]


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, mode: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_stage(PLAN, tmp_path / "corpus", n_workers=1, advance=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="interrupts are sent to a group of processes")
@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_interrupt_from_the_keyboard_leaves_nothing_half_written(tmp_path: Path, n_workers: int) -> None:
    (tmp_path / "plan.toml").write_text("[counts]\nrigid_barrier = 1_000_000\n")
    words = ["generate", "--config", "plan.toml", "--workers", str(n_workers), "--out", "corpus"]
    running = subprocess.Popen(
        [sys.executable, "-m", "crumple", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not any(path.stat().st_size > 100_000 for path in tmp_path.glob(f".corpus.*.partial/{DATA}")):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert running.returncode == 130, said
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]
    assert "Traceback" not in said and "interrupted" in said, said
