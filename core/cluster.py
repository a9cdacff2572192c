"""Shards on an existing Dask cluster: given out a few at a time, and again when their worker dies."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import queue
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import ToolMissingError, WorkersError
from .shards import Results, ShardFunction, Work

log = logging.getLogger("crumple")

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""

PER_THREAD = 2
"""Shards under way for each thread of the cluster: one in work, one waiting beside it."""

FETCH_S = 10.0
"""How long a result may take from its worker to here, before it is waited for along with the others again."""

LOOK_S = 2.0
"""Between two looks at how large the cluster is."""

SILENT_S = 30.0
"""After which a cluster without workers is mentioned, again and again."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a Dask scheduler.

    Attributes
    ----------
    address : str
        Such as ``tcp://10.0.0.1:8786``. Whoever may speak to it may run any code on its workers.
    """

    address: str

    def results(self, work: Work, shards: Iterable[int]) -> Results:
        """Each of ``shards`` of ``work`` once with its result, as they get done; see ``PER_THREAD``.

        Raises
        ------
        ToolMissingError
            ``distributed`` is not installed, here or at the workers, or crumple is not there.
        WorkersError
            The scheduler cannot be reached or is lost, or a shard kills its workers. Errors of a shard pass through.
        """
        client = self._client()
        try:
            yield from _Run(client, work, self.address).results(shards)
        finally:
            client.close(timeout=1)

    def _client(self) -> Any:
        try:
            import distributed
            from distributed.comm.addressing import get_address_host_port
        except ImportError as error:
            raise ToolMissingError(
                f"--scheduler needs distributed ({error}); run: pip install 'crumple[cluster]'"
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its troubles become our one line
        connect: Any = distributed.Client
        locate: Any = get_address_host_port
        try:
            locate(self.address)  # a client that cannot read its address lives on for a while, and complains at the end
            return connect(self.address, timeout=CONNECT_S, set_as_default=False, name="crumple")
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise WorkersError(
                f"{self.address}: no Dask scheduler answers there ({type(error).__name__}: {_first_line(error)});"
                " start one with `dask scheduler`, or leave out --scheduler to use this machine"
            ) from error


class _Run:
    """One campaign's talk with one scheduler."""

    def __init__(self, client: Any, work: Work, address: str) -> None:
        self.client, self.work, self.address = client, work, address
        digest = hashlib.sha256(work.context).hexdigest()[:16]
        self.name = f"crumple-{digest}"
        # A task and no scattered data: when the worker that holds it dies, the scheduler has it made again.
        self.context = client.submit(_context, work.context, key=f"{self.name}-context")
        self.under_way: dict[int, Any] = {}
        self.done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def results(self, shards: Iterable[int]) -> Results:
        todo, at_once, looked_s, heard_s = iter(shards), 1, -LOOK_S, time.monotonic()
        while True:
            if (now_s := time.monotonic()) - looked_s >= LOOK_S:
                looked_s, n_threads = now_s, self._n_threads()
                at_once = max(1, PER_THREAD * n_threads)
                if n_threads:
                    heard_s = now_s
                elif now_s - heard_s >= SILENT_S:
                    heard_s = now_s
                    log.warning("%s: the scheduler has no workers; waiting for one", self.address)
            while len(self.under_way) < at_once and (shard := next(todo, None)) is not None:
                self._give(shard)
            if not self.under_way:
                return
            try:
                shard = self.done.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if (result := self._result(shard)) is not None:
                yield shard, result

    def _give(self, shard: int) -> None:
        work = self.work
        future = self.client.submit(
            _shard, work.function, self.context, shard, work.made_by, key=f"{self.name}-{shard}", pure=True
        )
        self._watch(shard, future)

    def _watch(self, shard: int, future: Any) -> None:
        self.under_way[shard] = future
        future.add_done_callback(lambda _: self.done.put(shard))

    def _n_threads(self) -> int:
        try:
            return int(sum(self.client.nthreads().values()))
        except Exception as error:
            raise self._lost(error) from error

    def _result(self, shard: int) -> bytes | None:
        """What a shard came to; None if its worker died with the result, and another one is at it now."""
        future = self.under_way.pop(shard)
        if future.status == "error":
            raise self._failed(shard, future.exception(timeout=CONNECT_S))
        if future.status == "cancelled":
            raise self._lost(None)
        try:
            result = future.result(timeout=FETCH_S) if future.status == "finished" else None
        except (TimeoutError, asyncio.TimeoutError):
            result = None
        except Exception as error:
            raise self._failed(shard, error) from error
        if result is None:
            self._watch(shard, future)
            return None
        if not isinstance(result, bytes):
            raise WorkersError(f"{self.address}: a worker answered shard {shard} with {type(result).__name__}")
        return result

    def _failed(self, shard: int, error: BaseException) -> BaseException:
        """The error to raise for one that a shard or the talk with the scheduler ended in."""
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "crumple":
            return ToolMissingError(f"{self.address}: its workers lack crumple; install the same version there")
        if type(error).__name__ == "KilledWorker":
            # Dask blames whatever the dead workers held, so the culprit may be a neighbour.
            return WorkersError(
                f"{self.address}: workers died again and again at shard {shard} or one they held with it;"
                " what is done is kept, their logs may say why"
            )
        if isinstance(error, OSError | asyncio.CancelledError) or "Cancelled" in type(error).__name__:
            return self._lost(error)
        return error

    def _lost(self, error: BaseException | None) -> WorkersError:
        why = "" if error is None else f" ({type(error).__name__}: {_first_line(error)})"
        return WorkersError(f"{self.address}: the scheduler is lost{why}; what is done is kept, run again to go on")


def _context(context: bytes) -> bytes:
    """What every shard of a campaign needs, as a task's result."""
    return context


def _shard(function: ShardFunction, context: bytes, shard: int, made_by: str) -> bytes:
    return Work(function, context, shard + 1, made_by).shard(shard)


def _first_line(error: BaseException | None) -> str:
    return str(error).partition("\n")[0].rstrip()
