"""Generate a corpus from a plan: which modes, how many of each, one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError

from .corpus import SYNTHETIC, Corpus, Event
from .criteria import RttfRule
from .events import MODES, PHYSICAL_RATE_HZ, PRETRIGGER_S
from .sensor import SensorPair, Tolerances, sense

SHARD_EVENTS = 256
"""Events drawn from one seed; fixed, so that any number of workers draws the same events."""

EMPTY = np.zeros(0)


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """What a corpus holds."""

    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0, description="one seed; split by mode and shard")] = 0
    counts: dict[str, Annotated[int, Field(ge=0, le=10_000_000)]] = field(
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


def generate(plan: CorpusPlan, advance: Callable[[int, str], None] = lambda done, status: None) -> Corpus:
    """Draw every event of a plan and run it through both sensors.

    Parameters
    ----------
    plan : CorpusPlan
    advance : callable
        Told the number of events done.

    Returns
    -------
    Corpus
        The same plan gives the same corpus, event for event.
    """
    events: list[Event] = []
    for mode, n_events in sorted(plan.counts.items(), key=lambda item: list(MODES).index(item[0])):
        for shard in range(-(-n_events // SHARD_EVENTS)):
            n_shard = min(SHARD_EVENTS, n_events - shard * SHARD_EVENTS)
            events.extend(_shard(plan, mode, shard, n_shard))
            advance(len(events), mode)
    return Corpus(plan.sensors, tuple(events))


def _shard(plan: CorpusPlan, mode: str, shard: int, n_events: int) -> Iterator[Event]:
    """Draw one shard of a mode. A short last shard draws the same first events as a full one would."""
    seed = np.random.SeedSequence(plan.seed, spawn_key=(list(MODES).index(mode), shard))
    for_events, for_main, for_safing, for_phase = (np.random.default_rng(s) for s in seed.spawn(4))
    batch = MODES[mode](SHARD_EVENTS, for_events, plan.rttf)
    phase = for_phase.uniform(0.0, 1.0, SHARD_EVENTS)
    main_box = Tolerances.drawn(plan.sensors.main, SHARD_EVENTS, for_main)
    safing_box = Tolerances.drawn(plan.sensors.safing, SHARD_EVENTS, for_safing)
    main = sense(
        batch.decel_g,
        PHYSICAL_RATE_HZ,
        plan.sensors.main,
        Tolerances(main_box.gain_error, main_box.offset_g, phase),
        for_main,
    )
    safing = sense(
        batch.decel_g,
        PHYSICAL_RATE_HZ,
        plan.sensors.safing,
        Tolerances(safing_box.gain_error, safing_box.offset_g, phase),
        for_safing,
    )
    for k in range(n_events):
        yield Event(
            name=f"{mode}_{shard * SHARD_EVENTS + k:05d}",
            mode=mode,
            source=SYNTHETIC,
            label=batch.labels[k],
            rttf_s=float(batch.rttf_s[k]),
            speed_kmh=float(batch.speed_kmh[k]),
            first_sample_s=float(phase[k]) / plan.sensors.main.sample_rate_hz - PRETRIGGER_S,
            main_lsb=main[k],
            safing_lsb=safing[k],
            provenance=(
                f"synthetic; main sensor gain {main_box.gain_error[k]:+.3f}, offset {main_box.offset_g[k]:+.2f} g; "
                f"safing gain {safing_box.gain_error[k]:+.3f}, offset {safing_box.offset_g[k]:+.2f} g"
            ),
            physical_decel_g=EMPTY,
            physical_rate_hz=0.0,
        )
