"""Long work in independent shards: the same results, byte for byte, whoever does them and however often it stops.

A shard is done by a function of two things, the context (what all shards share) and the shard's number, and comes to
bytes. Nothing else may enter: no clock, no order of shards, no count of workers. So workers on this machine or on
others may do them in any order, and a shard whose worker died is simply done again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from . import MADE_BY
from .errors import ConfigError
from .journal import Journal
from .progress import Advance, quietly

ShardFunction = Callable[[bytes, int], bytes]
"""Context and shard number to the shard's result. A function of a module, so that processes find it by name."""

Results = Generator[tuple[int, bytes], None, None]
"""Shard numbers and results, in any order; closing it lets go of all workers."""


@dataclass(frozen=True, slots=True)
class Work:
    """Work in shards.

    Attributes
    ----------
    function : callable
    context : bytes
        Given to every worker once.
    n_shards : int
    made_by : str
        The version of crumple that asks; workers of another one refuse.
    """

    function: ShardFunction
    context: bytes
    n_shards: int
    made_by: str = MADE_BY

    def shard(self, number: int) -> bytes:
        """Do one shard, here. Raises ConfigError where this is another version of crumple than the one that asks.

        Parameters
        ----------
        number : int
            From 0 to ``n_shards - 1``.
        """
        if self.made_by != MADE_BY:
            raise ConfigError(f"a worker runs {MADE_BY}, the campaign {self.made_by}; install the same everywhere")
        return self.function(self.context, number)


class Workers(Protocol):
    """Whoever does shards."""

    def results(self, work: Work, shards: Iterable[int]) -> Results:
        """Each of ``shards`` of ``work`` once with its result, as they get done; only a few are under way at a time."""


class ThisProcess:
    """Does shards one after the other, here."""

    def results(self, work: Work, shards: Iterable[int]) -> Results:
        """The ``shards`` of ``work`` in their order."""
        for shard in shards:
            yield shard, work.shard(shard)


def finish(work: Work, journal: Journal, workers: Workers, advance: Advance = quietly) -> None:
    """Do every shard that a journal lacks.

    Parameters
    ----------
    work : Work
    journal : Journal
        Gets each result as it comes, so memory holds only what is under way.
    workers : Workers
    advance : callable
        Told shards done and how many there are.

    Raises
    ------
    OutputError
        The journal cannot be written. Errors of a shard pass through; those done are on file.
    """
    advance(len(journal), f"{len(journal)} of {work.n_shards} shards")
    if len(journal) == work.n_shards:
        return
    with closing(workers.results(work, journal.missing())) as results:  # so that no worker outlives a failure
        for shard, payload in results:
            journal.append(shard, payload)
            advance(len(journal), f"{len(journal)} of {work.n_shards} shards")
