"""Generate a corpus from a plan: which modes, how many of each, one seed."""

from __future__ import annotations

import os
import signal
import zlib
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import accumulate
from typing import Annotated, overload

import numpy as np
from pydantic import Field

from crumple.config import STRICT, build, read_toml
from crumple.errors import ConfigError
from crumple.progress import Advance, quietly

from .corpus import SYNTHETIC, Corpus, Event
from .criteria import RttfRule
from .events import MODES, PHYSICAL_RATE_HZ
from .sensor import Frames, SensorPair, Tolerances, sense_frames
from .trace import Float

SHARD_EVENTS = 256
"""Events drawn from one seed; fixed, so that any number of workers draws the same events."""

WORTH_WORKERS = 4096
"""Events from which processes of their own pay: some thousand events are drawn while they start; assumed."""

PLANS = ("all_modes",)
"""Plans that come with crumple."""

EMPTY = np.zeros(0)


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """What a corpus holds."""

    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0, description="one seed; split by mode and shard; any will do (assumed)")] = 0
    counts: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=10_000_000)]],
        Field(description="events by mode; defaults are a choice for a quick demo, not a frequency on roads; assumed"),
    ] = field(
        default_factory=lambda: {
            "rigid_barrier": 160,
            "offset_barrier": 120,
            "low_speed_bump": 160,
            "rough_road": 100,
            "hammer": 100,
        }
    )
    sensors: SensorPair = field(default_factory=SensorPair)
    rttf: RttfRule = field(default_factory=RttfRule)

    def __post_init__(self) -> None:
        import difflib

        for mode in self.counts:
            if mode not in MODES:
                near = difflib.get_close_matches(mode, MODES, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; known modes: {', '.join(MODES)}"
                raise ConfigError(f"counts.{mode}: unknown mode{hint}")
        if sum(self.counts.values()) == 0:
            raise ConfigError("counts: the plan asks for no events at all")


def full_plan(n_events: int, seed: int = 0) -> CorpusPlan:
    """A plan of ``n_events`` spread evenly over every mode there is; the first modes take what is left over."""
    share, more = divmod(n_events, len(MODES))
    return CorpusPlan(seed=seed, counts={mode: share + (k < more) for k, mode in enumerate(MODES)})


def shipped_plan(name: str) -> CorpusPlan:
    """A plan that comes with crumple.

    Parameters
    ----------
    name : str
        One of ``PLANS``.

    Raises
    ------
    ConfigError
        No such plan.
    """
    if name not in PLANS:
        raise ConfigError(f"no plan {name!r} comes with crumple; expected one of {', '.join(PLANS)}")
    # A folder of data, not a package: reached through the package that it lies in.
    with as_file(files("crumple.signals") / "plans" / f"{name}.toml") as path:
        return build(CorpusPlan, read_toml(path), where=path.name)


def workers_that_pay(plan: CorpusPlan) -> int:
    """Processes to draw ``plan`` with: every core, or one where starting others takes longer than drawing."""
    return n_cores() if sum(plan.counts.values()) >= WORTH_WORKERS else 1


def n_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def generate(plan: CorpusPlan, advance: Advance = quietly, n_workers: int | None = 1) -> Corpus:
    """Draw every event of a plan and run it through both sensors, all in memory.

    Parameters
    ----------
    plan : CorpusPlan
    advance : callable
        Told the number of events done.
    n_workers : int or None
        Processes to use; None is as many as pay. The result does not depend on it.

    Returns
    -------
    Corpus
        The same plan gives the same corpus, event for event and byte for byte.
    """
    events = [event for shard in watched(shards(plan, n_workers), advance) for event in shard]
    return Corpus(plan.sensors, tuple(events))


def watched(drawn: Iterable[tuple[Event, ...]], advance: Advance) -> Iterator[tuple[Event, ...]]:
    """The shards of ``drawn``, telling ``advance`` the number of events done and their mode as each is taken up."""
    done = 0
    for shard in drawn:
        yield shard
        done += len(shard)
        advance(done, shard[-1].mode)


def shards(plan: CorpusPlan, n_workers: int | None = 1) -> Generator[tuple[Event, ...], None, None]:
    """The events of a plan, at most ``SHARD_EVENTS`` at a time, in the order of the corpus.

    Memory holds the shards that are under way and no others, so a corpus of any size can be streamed.

    Raises
    ------
    ConfigError
        ``n_workers`` is not a positive number.
    """
    n_workers = workers_that_pay(plan) if n_workers is None else n_workers
    if n_workers < 1:
        raise ConfigError(f"n_workers = {n_workers}: expected at least 1")
    jobs = [(plan, *piece) for piece in Pieces(plan)]
    if n_workers == 1 or len(jobs) == 1:
        results = (draw(*job) for job in jobs)
    else:
        from joblib import Parallel, delayed

        # One shard at a time to each worker, two in waiting: what is under way stays bounded.
        pool = Parallel(n_jobs=n_workers, return_as="generator", batch_size=1, pre_dispatch="2*n_jobs")
        results = pool(delayed(_draw_elsewhere)(*job) for job in jobs)
    for (_, mode, shard, n_events), drawn in zip(jobs, results, strict=True):
        yield tuple(_event(plan, mode, shard * SHARD_EVENTS + k, k, drawn) for k in range(n_events))


class Pieces(Sequence[tuple[str, int, int]]):
    """What a ``plan`` is drawn in: mode, number of the shard within the mode, and events, in the corpus's order.

    Nothing is held but the plan's counts, however many there are.
    """

    def __init__(self, plan: CorpusPlan) -> None:
        self._counts = sorted(plan.counts.items(), key=lambda item: list(MODES).index(item[0]))
        self._ends = list(accumulate(-(-n_events // SHARD_EVENTS) for _, n_events in self._counts))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> tuple[str, int, int]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, int, int]]: ...

    def __getitem__(self, index: int | slice) -> tuple[str, int, int] | list[tuple[str, int, int]]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        k = bisect_right(self._ends, index)
        mode, n_events = self._counts[k]
        shard = index - (self._ends[k - 1] if k else 0)
        return mode, shard, min(SHARD_EVENTS, n_events - shard * SHARD_EVENTS)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shard as it travels between processes: arrays, not events.

    Attributes
    ----------
    labels, severities : tuple of str
    rttf_s, speed_kmh, first_sample_s : ndarray, shape (n_events,)
        As in `crumple.signals.corpus.Event`.
    main, safing : Frames
        What each sensor sent, shape (n_events, n_samples).
    main_box, safing_box : Tolerances
        Where each sensor sits in its box.
    """

    labels: tuple[str, ...]
    severities: tuple[str, ...]
    rttf_s: Float
    speed_kmh: Float
    first_sample_s: Float
    main: Frames
    safing: Frames
    main_box: Tolerances
    safing_box: Tolerances


def _draw_elsewhere(plan: CorpusPlan, mode: str, shard: int, n_events: int) -> Drawn:
    """``draw`` in a process of its own, which leaves it to the parent to answer an interrupt from the keyboard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return draw(plan, mode, shard, n_events)


def draw(plan: CorpusPlan, mode: str, shard: int, n_events: int) -> Drawn:
    """Draw one shard of a mode; a last shard that is shorter is drawn at its own length.

    Parameters
    ----------
    plan : CorpusPlan
    mode : str
    shard, n_events : int
        As ``Pieces`` gives them: the same ones give the same events, wherever and in whatever order.
    """
    seed = np.random.SeedSequence(plan.seed, spawn_key=(zlib.crc32(mode.encode()), shard))
    for_events, for_main, for_safing, for_phase = (np.random.default_rng(s) for s in seed.spawn(4))
    batch = MODES[mode](n_events, for_events, plan.rttf)
    phase = for_phase.uniform(0.0, 1.0, n_events)
    main_box = Tolerances.drawn(plan.sensors.main, n_events, for_main, phase)
    safing_box = Tolerances.drawn(plan.sensors.safing, n_events, for_safing, phase)
    rate = PHYSICAL_RATE_HZ
    return Drawn(
        labels=batch.labels,
        severities=batch.severities,
        rttf_s=batch.rttf_s,
        speed_kmh=batch.speed_kmh,
        first_sample_s=phase / plan.sensors.main.sample_rate_hz - batch.contact_s,
        main=sense_frames(batch.decel_g, rate, plan.sensors.main, main_box, for_main, batch.cross_g),
        safing=sense_frames(batch.decel_g, rate, plan.sensors.safing, safing_box, for_safing, batch.cross_g),
        main_box=main_box,
        safing_box=safing_box,
    )


def _event(plan: CorpusPlan, mode: str, number: int, row: int, drawn: Drawn) -> Event:
    """One event of a shard; its counts are rows of the shard's."""
    boxes = (("main", drawn.main_box, drawn.main), ("safing", drawn.safing_box, drawn.safing))
    said = "; ".join(
        f"{name} sensor gain {box.gain_error[row]:+.3f}, offset {box.offset_g[row]:+.2f} g"
        + (f", {lost} frames lost" if (lost := int(frames.is_lost[row].sum())) else "")
        for name, box, frames in boxes
    )
    return Event(
        name=f"{mode}_{number:05d}",
        mode=mode,
        source=SYNTHETIC,
        label=drawn.labels[row],
        rttf_s=float(drawn.rttf_s[row]),
        speed_kmh=float(drawn.speed_kmh[row]),
        first_sample_s=float(drawn.first_sample_s[row]),
        main_lsb=drawn.main.counts_lsb[row],
        safing_lsb=drawn.safing.counts_lsb[row],
        provenance=f"synthetic; {said}",
        physical_decel_g=EMPTY,
        physical_rate_hz=0.0,
        severity=drawn.severities[row],
    )
