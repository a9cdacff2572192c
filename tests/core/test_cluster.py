"""Shards on a Dask cluster of this machine: two workers on the loopback address, one of them killed in mid-run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crumple import cluster
from crumple.cluster import Cluster
from crumple.errors import SignalError, ToolMissingError, WorkersError
from crumple.journal import open_journal
from crumple.shards import ThisProcess, Work, Workers, finish

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

PROBE = """
import hashlib
import os
import time

from crumple.errors import SignalError


def slow(context, shard):
    time.sleep(0.02)
    return hashlib.sha256(context + b"%d" % shard).digest() * (shard % 5)


def refuses_seven(context, shard):
    if shard == 7:
        raise SignalError("shard 7 holds nothing")
    return b""


def always_dies(context, shard):
    if shard == 2:
        os._exit(9)
    return b""
"""


@dataclass
class Dask:
    """A scheduler and its workers as processes."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    address: str

    def add_worker(self) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        self.workers.append(started("dask_worker", [self.address, *options], self.folder))
        return self.workers[-1]


def started(module: str, arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    with (folder / f"{module}.log").open("ab") as told:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            stdout=told,
            stderr=told,
            env=environment,
            cwd=folder,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dask]:
    (tmp_path / "crumple_cluster_probe.py").write_text(PROBE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "crumple_cluster_probe", raising=False)
    port = free_port()
    scheduler = started("dask_scheduler", ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], tmp_path)
    made = Dask(tmp_path, scheduler, [], f"tcp://127.0.0.1:{port}")
    try:
        made.add_worker()
        made.add_worker()
        yield made
    finally:
        for process in [*made.workers, scheduler]:
            process.kill()
            process.wait()


def done(work: Work, workers: Workers, path: Path) -> list[bytes]:
    with open_journal(path, "key", work.n_shards) as journal:
        finish(work, journal, workers)
        return [journal.read(shard) for shard in range(work.n_shards)]


def probe(name: str, context: bytes, n_shards: int) -> Work:
    import crumple_cluster_probe  # type: ignore[import-not-found]

    return Work(getattr(crumple_cluster_probe, name), context, n_shards)


def test_a_worker_killed_in_mid_run_loses_nothing(dask: Dask, tmp_path: Path) -> None:
    work = probe("slow", b"seed", 80)
    killed: list[int] = []

    def kill(done: int, status: str) -> None:
        if done == 20:
            killed.append(dask.workers[0].pid)
            os.kill(dask.workers[0].pid, signal.SIGKILL)

    with open_journal(tmp_path / "j", "key", work.n_shards) as journal:
        finish(work, journal, Cluster(dask.address), kill)
        found = [journal.read(shard) for shard in range(work.n_shards)]
    assert killed and dask.workers[0].wait() == -signal.SIGKILL
    assert found == done(work, ThisProcess(), tmp_path / "here")


@pytest.mark.slow
def test_all_workers_may_die_if_another_comes(
    dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "SILENT_S", 0.0)
    monkeypatch.setattr(cluster, "LOOK_S", 0.2)
    work = probe("slow", b"seed", 60)
    fate = {"killed": False}

    def kill(done: int, status: str) -> None:
        if done == 15:
            for worker in dask.workers[:2]:
                worker.kill()
                worker.wait()
            fate["killed"] = True
            dask.add_worker()

    with open_journal(tmp_path / "j", "key", work.n_shards) as journal:
        finish(work, journal, Cluster(dask.address), kill)
        found = [journal.read(shard) for shard in range(work.n_shards)]
    assert fate["killed"]
    assert found == done(work, ThisProcess(), tmp_path / "here")
    assert "has no workers; waiting" in caplog.text


@pytest.mark.slow
def test_a_lost_scheduler_is_said_and_the_work_goes_on_elsewhere(
    dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = probe("slow", b"seed", 300)

    def kill(done: int, status: str) -> None:
        if done == 20:
            dask.scheduler.kill()

    begin = time.monotonic()
    with (
        pytest.raises(WorkersError, match="the scheduler is lost"),
        open_journal(tmp_path / "j", "key", work.n_shards) as journal,
    ):
        finish(work, journal, Cluster(dask.address), kill)
    assert time.monotonic() - begin < 60
    with open_journal(tmp_path / "j", "key", work.n_shards) as journal:
        assert len(journal) >= 20
        assert len(journal) < 300
    quick = Work(work.function, b"seed", 300)
    assert done(quick, ThisProcess(), tmp_path / "j") == done(quick, ThisProcess(), tmp_path / "here")


def test_a_shards_own_error_comes_through(dask: Dask, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="shard 7 holds nothing"):
        done(probe("refuses_seven", b"", 20), Cluster(dask.address), tmp_path / "j")


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_is_an_error_and_the_rest_is_kept(dask: Dask, tmp_path: Path) -> None:
    for _ in range(3):
        dask.add_worker()
    with pytest.raises(WorkersError, match="workers died again and again at shard"):
        done(probe("always_dies", b"", 10), Cluster(dask.address), tmp_path / "j")
    with open_journal(tmp_path / "j", "key", 10) as journal:
        assert 2 in journal.missing()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here", "tcp://nobody.invalid:8786", ""])
def test_a_scheduler_that_cannot_be_reached_is_one_line(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(WorkersError, match="no Dask scheduler answers there") as caught:
        done(Work(bytes.__getitem__, b"", 3), Cluster(address), tmp_path / "j")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("address", ["", "nonsense", "nonsense://here", "tcp://here:port", "inproc://1/2"])
def test_what_is_no_address_is_refused_before_a_client_is_made(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(WorkersError, match="no Dask scheduler answers there"):
        done(Work(bytes.__getitem__, b"", 3), Cluster(address), tmp_path / "j")  # type: ignore[arg-type]


def test_distributed_that_is_missing_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolMissingError, match=r"pip install 'crumple\[cluster\]'"):
        done(Work(bytes.__getitem__, b"", 3), Cluster("tcp://127.0.0.1:1"), tmp_path / "j")  # type: ignore[arg-type]
