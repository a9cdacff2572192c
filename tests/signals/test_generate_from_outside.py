"""Generation, from outside: one plan is one corpus, and a plan that cannot be is refused in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from crumple.config import build, plain
from crumple.errors import ConfigError
from crumple.signals.corpus import SYNTHETIC, Corpus, Event
from crumple.signals.criteria import RttfRule
from crumple.signals.events import MODES
from crumple.signals.generate import CorpusPlan, generate

Bare = Callable[[Iterable[Event]], object]

SMALL = {"rigid_barrier": 3, "rough_road": 2, "hammer": 2}


def made(seed: int = 0, counts: dict[str, int] | None = None) -> Corpus:
    return generate(CorpusPlan(seed=seed, counts=counts or SMALL))


def test_the_same_plan_gives_the_same_bytes(bare: Bare) -> None:
    assert bare(made()) == bare(made())


def test_another_seed_gives_other_events() -> None:
    for one, other in zip(made(0), made(1), strict=True):
        assert (one.main_lsb != other.main_lsb).any()


def test_no_event_repeats_another() -> None:
    rows = {event.main_lsb.tobytes() for event in made(counts={"rigid_barrier": 6, "hammer": 6})}
    assert len(rows) == 12


def test_the_order_in_which_a_plan_is_written_does_not_matter(bare: Bare) -> None:
    turned = dict(reversed(SMALL.items()))
    assert bare(made(counts=turned)) == bare(made())


def test_one_modes_events_do_not_depend_on_the_others() -> None:
    alone = {event.name: event for event in made(counts={"hammer": 2})}
    for event in made():
        if event.name in alone:
            np.testing.assert_array_equal(event.main_lsb, alone[event.name].main_lsb)


def test_every_mode_can_be_made_and_says_what_it_is() -> None:
    events = made(counts=dict.fromkeys(MODES, 1)).events
    assert [event.mode for event in events] == list(MODES)
    assert {event.source for event in events} == {SYNTHETIC}
    assert all("synthetic" in event.provenance for event in events)
    for event in events:
        assert event.main_lsb.size > 100
        assert np.abs(event.main_lsb).max() <= CorpusPlan().sensors.main.clamp_lsb
        assert event.label == "must_fire" or math.isnan(event.rttf_s)


def test_a_crash_that_must_fire_has_a_required_time() -> None:
    for event in made(counts={"rigid_barrier": 8}):
        if event.label == "must_fire":
            assert -0.03 < event.rttf_s < 0.12
            assert event.first_sample_s <= 0


def test_more_inflation_time_requires_an_earlier_decision() -> None:
    slow = generate(CorpusPlan(counts={"rigid_barrier": 3}, rttf=RttfRule(inflation_s=0.040)))
    for one, other in zip(made(counts={"rigid_barrier": 3}), slow, strict=True):
        np.testing.assert_array_equal(one.main_lsb, other.main_lsb)
        if math.isfinite(one.rttf_s):
            assert other.rttf_s == pytest.approx(one.rttf_s - 0.010)


def test_progress_ends_at_the_whole() -> None:
    told: list[int] = []
    generate(CorpusPlan(counts=SMALL), lambda done, status: told.append(done))
    assert told == sorted(told)
    assert told[-1] == sum(SMALL.values())


def test_an_unknown_mode_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"counts\.rigid_barier: unknown mode; did you mean 'rigid_barrier'\?"):
        CorpusPlan(counts={"rigid_barier": 1})
    with pytest.raises(ConfigError, match=r"^plan\.toml: counts\.rigid_barier: .*did you mean 'rigid_barrier'\?"):
        build(CorpusPlan, {"counts": {"rigid_barier": 1}}, where="plan.toml")


def test_a_mode_like_no_other_lists_them_all() -> None:
    with pytest.raises(ConfigError, match="known modes") as caught:
        CorpusPlan(counts={"xyzzy": 1})
    assert all(mode in str(caught.value) for mode in MODES)


@pytest.mark.parametrize("counts", [{}, {"hammer": 0}])
def test_a_plan_for_nothing_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="no events"):
        CorpusPlan(counts=counts)


def test_a_plan_survives_being_recorded() -> None:
    plan = CorpusPlan(seed=7, counts=SMALL, rttf=RttfRule(distance_m=0.125))
    assert build(CorpusPlan, plain(plan), where="record") == plan
