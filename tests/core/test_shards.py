"""Shards in this process, in others and on a cluster: the same results, whoever dies on the way."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from crumple.errors import ConfigError, SignalError, WorkersError
from crumple.journal import open_journal
from crumple.processes import Processes
from crumple.shards import Results, ThisProcess, Work, Workers, finish

PROBE = '''
"""What shards of these tests do; a module on the path, so that processes find it."""

import hashlib
import os
import time
from pathlib import Path

from crumple.errors import SignalError


def digest(context, shard):
    return hashlib.sha256(context + b"%d" % shard).digest() * (shard % 5)


def slow(context, shard):
    time.sleep(0.05)
    return digest(context, shard)


def refuses_seven(context, shard):
    if shard == 7:
        raise SignalError("shard 7 holds nothing")
    return b""


def dies_once(context, shard):
    mark = Path(context.decode()) / f"{shard}"
    if shard % 4 == 1 and not mark.exists():
        mark.touch()
        os._exit(9)
    return b"%d" % shard


def always_dies(context, shard):
    if shard == 2:
        os._exit(9)
    return b""
'''


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("probe")
    (folder / "crumple_shard_probe.py").write_text(PROBE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import crumple_shard_probe  # type: ignore[import-not-found]

        yield crumple_shard_probe


def expected(n: int) -> list[bytes]:
    return [hashlib.sha256(b"seed%d" % shard).digest() * (shard % 5) for shard in range(n)]


def done(work: Work, workers: Workers, path: Path) -> list[bytes]:
    with open_journal(path, "key", work.n_shards) as journal:
        finish(work, journal, workers)
        return [journal.read(shard) for shard in range(work.n_shards)]


@pytest.mark.parametrize("workers", [ThisProcess(), Processes(1), Processes(3)])
def test_every_shard_is_done_once(probe: ModuleType, tmp_path: Path, workers: Workers) -> None:
    assert done(Work(probe.digest, b"seed", 23), workers, tmp_path / "j") == expected(23)


class Stopped(Exception):
    """Raised by the watcher of a test."""


def test_work_that_was_stopped_goes_on_and_does_nothing_twice(probe: ModuleType, tmp_path: Path) -> None:
    asked: list[int] = []

    class Watched:
        def results(self, work: Work, shards: Iterable[int]) -> Results:
            for shard, result in ThisProcess().results(work, shards):
                asked.append(shard)
                yield shard, result

    def stop(done: int, status: str) -> None:
        if done == 9:
            raise Stopped

    work = Work(probe.digest, b"seed", 23)
    with pytest.raises(Stopped), open_journal(tmp_path / "j", "key", 23) as journal:
        finish(work, journal, Watched(), stop)
    assert done(work, Watched(), tmp_path / "j") == expected(23)
    assert asked == list(range(23))


def test_a_shards_own_error_comes_through(probe: ModuleType, tmp_path: Path) -> None:
    work = Work(probe.refuses_seven, b"", 20)
    for workers in (ThisProcess(), Processes(2)):
        with pytest.raises(SignalError, match="shard 7 holds nothing"):
            done(work, workers, tmp_path / "j")


def test_a_worker_that_dies_loses_nothing(probe: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    work = Work(probe.dies_once, str(tmp_path).encode(), 10)
    assert done(work, Processes(2), tmp_path / "j") == [b"%d" % shard for shard in range(10)]
    assert caplog.text.count("a worker died") == 3


def test_a_shard_that_kills_every_worker_is_named_and_the_rest_is_kept(probe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(WorkersError, match="shard 2: 3 workers died at it, the last with exit code 9"):
        done(Work(probe.always_dies, b"", 10), Processes(1), tmp_path / "j")
    with open_journal(tmp_path / "j", "key", 10) as journal:
        assert 2 in journal.missing()
        assert len(journal) >= 2


def test_workers_killed_from_outside_lose_nothing(probe: ModuleType, tmp_path: Path) -> None:
    processes = Processes(2)

    def kill(done: int, status: str) -> None:
        if done in (5, 11):
            os.kill(processes.pids[0], signal.SIGKILL)

    work = Work(probe.slow, b"seed", 23)
    with open_journal(tmp_path / "j", "key", 23) as journal:
        finish(work, journal, processes, kill)
        assert [journal.read(shard) for shard in range(23)] == expected(23)


def test_workers_are_gone_when_the_work_is_stopped(probe: ModuleType, tmp_path: Path) -> None:
    processes = Processes(2)
    seen: list[int] = []

    def stop(done: int, status: str) -> None:
        if done == 3:
            seen.extend(processes.pids)
            raise Stopped

    with pytest.raises(Stopped), open_journal(tmp_path / "j", "key", 99) as journal:
        finish(Work(probe.slow, b"seed", 99), journal, processes, stop)
    assert len(seen) == 2
    for pid in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_of_another_version_refuses(probe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the campaign crumple 9\.9"):
        done(Work(probe.digest, b"", 3, made_by="crumple 9.9"), ThisProcess(), tmp_path / "j")


def test_no_workers_at_all_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_workers = 0"):
        Processes(0)
