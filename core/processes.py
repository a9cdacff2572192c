"""Shards on the cores of this machine, each worker a process of its own that may die without taking anything along."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from .errors import ConfigError, WorkersError
from .shards import Results, Work

log = logging.getLogger("crumple")

MOST_DEATHS = 3
"""Of workers at the same shard: after that it is the shard that kills them."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    shard: int | None = None


@dataclass(slots=True)
class Processes:
    """Does shards in processes of their own.

    Attributes
    ----------
    n_workers : int
    pids : list of int
        Of the processes at work, for whoever wants to watch or kill them.
    """

    n_workers: int
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.n_workers < 1:
            raise ConfigError(f"n_workers = {self.n_workers}: expected at least 1")

    def results(self, work: Work, shards: Iterable[int]) -> Results:
        """Each of ``shards`` of ``work`` once with its result, as they get done; one is under way at each worker.

        Raises
        ------
        WorkersError
            A shard whose worker died ``MOST_DEATHS`` times. Errors of a shard pass through.
        """
        todo = iter(shards)
        again: list[int] = []
        deaths: dict[int, int] = {}
        workers: list[_Worker] = []
        try:
            while True:
                for worker in [w for w in workers if w.shard is None]:
                    if not self._give(worker, again, todo):
                        break
                while len(workers) < self.n_workers and (shard := _next(again, todo)) is not None:
                    again.append(shard)
                    workers.append(_started(work))
                    self._give(workers[-1], again, todo)
                self.pids[:] = [w.process.pid for w in workers if w.process.pid is not None]
                busy = {w.pipe: w for w in workers if w.shard is not None}
                if not busy:
                    return
                for ready in wait(list(busy)):
                    worker = busy[ready]  # type: ignore[index]
                    shard = worker.shard
                    assert shard is not None
                    try:
                        outcome = worker.pipe.recv()
                    except (EOFError, OSError):
                        workers.remove(worker)
                        again.append(shard)
                        deaths[shard] = deaths.get(shard, 0) + 1
                        worker.process.join()
                        log.warning("a worker died (exit code %s) at shard %d", worker.process.exitcode, shard)
                        if deaths[shard] == MOST_DEATHS:
                            raise WorkersError(
                                f"shard {shard}: {MOST_DEATHS} workers died at it, the last with exit code"
                                f" {worker.process.exitcode}; all others that are done are kept"
                            ) from None
                        continue
                    worker.shard = None
                    if isinstance(outcome, BaseException):
                        raise outcome
                    yield shard, outcome
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join()
                worker.pipe.close()
            self.pids.clear()

    @staticmethod
    def _give(worker: _Worker, again: list[int], todo: Iterator[int]) -> bool:
        """Hand the next shard to an idle worker; False if there is none."""
        shard = _next(again, todo)
        if shard is None:
            return False
        worker.shard = shard
        with contextlib.suppress(OSError):  # it is dead: the next wait says so
            worker.pipe.send(shard)
        return True


def _next(again: list[int], todo: Iterator[int]) -> int | None:
    return again.pop() if again else next(todo, None)


def _started(work: Work) -> _Worker:
    # A fresh interpreter, on every system: a fork would copy the locks of our threads as they happen to be.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(work, there), daemon=True)
    process.start()
    there.close()  # the worker holds the only other end: when it dies, we read the end of the pipe
    return _Worker(process, here)


def _serve(work: Work, pipe: Connection) -> None:
    """A worker's whole life: shards in, results out, until the pipe or the process that started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers an interrupt from the keyboard
    with contextlib.suppress(EOFError, OSError):
        while True:
            shard = pipe.recv()
            try:
                outcome: object = work.shard(shard)
            except Exception as error:  # noqa: BLE001 - raised again where the shard was asked for
                outcome = error
            pipe.send(outcome)
