"""A plan and a seed are the corpus: any number of workers, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from crumple.errors import ConfigError
from crumple.signals.corpus import Event
from crumple.signals.events import LABELS, MODES, SEVERITIES
from crumple.signals.generate import (
    PLANS,
    SHARD_EVENTS,
    WORTH_WORKERS,
    CorpusPlan,
    full_plan,
    generate,
    n_cores,
    shards,
    shipped_plan,
    workers_that_pay,
)

Bare = Callable[[Iterable[Event]], object]

SMALL = CorpusPlan(seed=3, counts={"rigid_barrier": SHARD_EVENTS + 20, "hammer": 30, "rough_road": 10})


def test_one_worker_and_two_give_identical_bytes(bare: Bare) -> None:
    assert bare(generate(SMALL)) == bare(generate(SMALL, n_workers=2))


def test_the_same_plan_gives_the_same_bytes_and_another_seed_does_not(bare: Bare) -> None:
    plan = CorpusPlan(counts={"rigid_barrier": 20})
    other = CorpusPlan(seed=1, counts={"rigid_barrier": 20})
    assert bare(generate(plan)) == bare(generate(plan))
    assert bare(generate(plan)) != bare(generate(other))


def test_a_mode_does_not_depend_on_the_others_in_the_plan(bare: Bare) -> None:
    alone = generate(CorpusPlan(counts={"hammer": 12}))
    among = [e for e in generate(CorpusPlan(counts={"rigid_barrier": 5, "hammer": 12})) if e.mode == "hammer"]
    assert bare(alone) == bare(among)


def test_every_mode_can_be_planned_and_every_event_is_labelled() -> None:
    corpus = generate(full_plan(3 * len(MODES)))
    assert len(corpus) == 3 * len(MODES) and {event.mode for event in corpus} == set(MODES)
    for event in corpus:
        assert event.label in LABELS and event.severity in SEVERITIES and event.source == "synthetic"
        assert np.isfinite(event.rttf_s) == (event.label == "must_fire")
        assert np.abs(event.main_lsb).max() <= corpus.sensors.main.clamp_lsb


def test_the_default_plan_keeps_its_five_modes() -> None:
    counts = CorpusPlan().counts
    assert list(counts) == ["rigid_barrier", "offset_barrier", "low_speed_bump", "rough_road", "hammer"]
    assert sum(counts.values()) == 640


def test_shards_are_bounded_and_add_up() -> None:
    sizes = [len(shard) for shard in shards(SMALL)]
    assert max(sizes) <= SHARD_EVENTS and sum(sizes) == sum(SMALL.counts.values())


def test_progress_ends_at_the_number_of_events() -> None:
    told: list[int] = []
    generate(SMALL, lambda done, mode: told.append(done))
    assert told == sorted(told) and told[-1] == sum(SMALL.counts.values())


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'hammer'"):
        CorpusPlan(counts={"hamer": 3})
    with pytest.raises(ConfigError, match="at least 1"):
        list(shards(SMALL, 0))
    with pytest.raises(ConfigError, match="no events"):
        full_plan(0)


def test_the_plan_of_all_modes_names_every_mode_alike() -> None:
    plan = shipped_plan("all_modes")
    assert plan == CorpusPlan(counts=dict.fromkeys(MODES, 200)) and list(plan.counts) == list(MODES)


def test_every_shipped_plan_can_be_read_and_no_other() -> None:
    for name in PLANS:
        assert sum(shipped_plan(name).counts.values()) > 0
    with pytest.raises(ConfigError, match="expected one of all_modes"):
        shipped_plan("../all_modes")


def test_a_small_plan_starts_no_processes() -> None:
    assert workers_that_pay(CorpusPlan()) == 1
    assert workers_that_pay(CorpusPlan(counts={"hammer": WORTH_WORKERS})) == n_cores() >= 1
