"""The two sensors hold each other to account: a wrong one does not fire, and healthy ones are never held back."""

from __future__ import annotations

import numpy as np
import pytest

from crumple.firmware_sim.replay import MODES, TROUBLES, Controller, Timeline
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.events import MUST_FIRE
from crumple.signals.generate import CorpusPlan, generate

N = 240  # shorter than firing takes: afterwards nothing is compared
UNTIL_STUCK = slice(56, 130)
DISAGREE = 1 << TROUBLES.index("sensors disagree")


def run(controller: Controller, main_g: np.ndarray | float, safing_g: np.ndarray | float) -> Timeline:
    def counts(g: np.ndarray | float, lsb_g: float) -> np.ndarray:
        return np.rint(np.where(np.arange(N) < 40, 0, g) / lsb_g).astype(np.int16)

    return controller.run(counts(main_g, 1 / 16), counts(safing_g, 1 / 4))


WAVE = 10 + np.arange(N) % 3


def test_sensors_that_say_the_same_fire(controller: Controller) -> None:
    timeline = run(controller, WAVE, WAVE)
    assert timeline.fired
    assert timeline.sensors_agree.all()


@pytest.mark.parametrize("main_g", [WAVE * 2.0, WAVE * 5.0, np.full(N, 120.0)])
def test_a_main_sensor_that_says_far_more_than_the_other_does_not_fire(
    controller: Controller, main_g: np.ndarray
) -> None:
    timeline = run(controller, main_g, WAVE)
    assert (timeline.fire_request & timeline.armed).any()
    assert not timeline.fired
    assert int(timeline.trouble[-1]) & DISAGREE


def test_the_limit_is_a_sixth_of_the_safing_sensors_sum_and_one_g_throughout(controller: Controller) -> None:
    for main_g, agree in ((12 + 2 + 1, True), (12 + 2 + 1 + 1 / 16, False), (12 - 2 - 1, True), (12 - 3.0625, False)):
        timeline = run(controller, float(main_g), 12.0)
        assert timeline.sensors_agree[UNTIL_STUCK].all() == agree
        assert timeline.sensors_agree[UNTIL_STUCK].any() == agree


def test_beyond_what_the_arming_rule_heeds_they_may_differ(controller: Controller) -> None:
    assert run(controller, 119.9375 - np.arange(N) % 2, 120.0).sensors_agree.all()


def test_a_count_that_either_owes_counts_for_neither(controller: Controller) -> None:
    main = np.where(np.arange(N) < 40, 0, WAVE * 16).astype(np.int16)
    safing = np.where(np.arange(N) < 40, 0, WAVE * 4).astype(np.int16)
    for column in ("main_word", "safing_word"):
        inputs = controller.words(main, safing)
        inputs[column][42:49] = 0xFFFF_FFFF
        assert controller.run_inputs(inputs).sensors_agree.all()


def test_disagreement_is_a_trouble_code_after_fifty_milliseconds_and_inhibits_only_while_it_lasts(
    controller: Controller,
) -> None:
    main_g = np.where(np.arange(N) < 40 + 120, WAVE * 3.0, WAVE)
    timeline = run(controller, main_g, WAVE)
    first = int(np.argmin(timeline.sensors_agree))
    assert int(np.argmax((timeline.trouble & DISAGREE) > 0)) == first + 99
    assert MODES[timeline.mode[first + 99]] == "ARMED"
    assert timeline.fire_sample is not None
    assert timeline.fire_sample >= 160
    assert timeline.sensors_agree[timeline.fire_sample]


def test_healthy_sensors_are_never_held_back_in_a_crash_of_any_mode(controller: Controller) -> None:
    both = []
    for event in generate(CorpusPlan(seed=4, counts=dict.fromkeys(EVENT_MODES, 4))):
        timeline = controller.run(event.main_lsb, event.safing_lsb)
        wanted = timeline.fire_request & timeline.armed
        if wanted.any() and event.label == MUST_FIRE and np.argmax(wanted) * 0.0005 + event.first_sample_s > 0:
            both.append((event.mode, timeline.fire_sample, int(np.argmax(wanted))))
        assert not int(timeline.trouble[-1]) & DISAGREE, event.name
    assert len(both) >= 10
    assert [late for late in both if late[1] != late[2]] == []
