"""The compiled controller: its rules one at a time. Its agreement with the reference is tested next door."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import SignalError
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.reference import main_word
from crumple.firmware_sim.replay import MODES, TROUBLES, Controller, Timeline
from crumple.model.deployed import DeployedModel
from crumple.toolchain import CompileError, find_compiler

FIRE_SAMPLES = 4  # 2 ms at 2 kHz
RESET = 2 + 8 + 3  # the tick that resets, OFF_RESET, and INIT until window and votes are filled
SECOND_STAGE, DISPOSAL = 20, 240  # 10 and 120 ms
LOUD, ARMING = 1900, 400


def crash(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Rest, then a deceleration that both sensors see and that never holds still."""
    wave = np.where(np.arange(n) < 40, 0, LOUD - np.arange(n) % 7)
    return wave.astype(np.int16), np.minimum(wave, ARMING).astype(np.int16)


def modes(timeline: Timeline) -> list[str]:
    names = [MODES[mode] for mode in timeline.mode]
    return [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]


def troubles(timeline: Timeline) -> set[str]:
    return {name for bit, name in enumerate(TROUBLES) if int(timeline.trouble[-1]) >> bit & 1}


def test_what_the_net_reads_and_says_equals_the_deployed_integers_until_it_is_locked(
    controller: Controller, deployed: DeployedModel
) -> None:
    rng = np.random.default_rng(3)
    for top, safing_top in ((40, 10), (400, 90), (1920, 480)):
        main = rng.integers(-300, top, 200).astype(np.int16)
        safing = rng.integers(-60, safing_top, 200).astype(np.int16)
        timeline = controller.run(main, safing)
        assert (timeline.sample_lsb == main).all()
        assert (timeline.y == deployed.outputs(main)).all()
        assert (timeline.fire_request == deployed.fire_requests(deployed.outputs(main))).all()
        assert (timeline.armed == deployed.armed(safing)).all()


def test_a_fire_request_alone_does_not_fire(controller: Controller) -> None:
    main, safing = crash()
    timeline = controller.run(main, np.zeros_like(safing))
    assert timeline.fire_request.any()
    assert not timeline.fired
    assert modes(timeline) == ["NORMAL", "ALGO_ACTIVE"]


def test_arming_alone_does_not_fire(controller: Controller) -> None:
    main, safing = crash()
    timeline = controller.run(np.zeros_like(main), safing)
    assert timeline.armed.any()
    assert not timeline.fired
    assert modes(timeline) == ["NORMAL", "ARMED"]


def test_a_crash_passes_through_every_state_in_order_and_locks_for_good(controller: Controller) -> None:
    timeline = controller.run(*crash(700))
    passed = modes(timeline)
    assert passed[0] == "NORMAL"
    assert passed[-3:] == ["FIRE", "POST_CRASH", "CRASH_LOCK"]
    assert timeline.lamp[-1]


def test_each_stage_carries_its_profile_once_and_the_second_follows_the_first_by_ten_milliseconds(
    controller: Controller,
) -> None:
    timeline = controller.run(*crash(700))
    assert timeline.fire_sample is not None
    for stage, delay in ((0, 0), (1, SECOND_STAGE)):
        flows = np.flatnonzero(timeline.current_ma[:, stage])
        first = timeline.fire_sample + delay
        assert flows.tolist() == list(range(first, first + FIRE_SAMPLES))
        assert (timeline.current_ma[flows, stage] == 1200).all()


def test_the_second_stage_is_disposed_of_late_when_the_request_does_not_last(controller: Controller) -> None:
    main, safing = crash(700)
    main[50:] = 0
    timeline = controller.run(main, safing)
    assert timeline.fire_sample is not None
    assert int(np.flatnonzero(timeline.current_ma[:, 1])[0]) == timeline.fire_sample + DISPOSAL


def test_every_run_starts_from_power_on(controller: Controller) -> None:
    first = controller.run(*crash())
    quiet = np.zeros(60, np.int16)
    assert not controller.run(quiet, quiet).fired
    assert (controller.run(*crash()).mode == first.mode).all()


@pytest.mark.parametrize("spoiled", ["main_word", "safing_word"])
def test_seven_missing_frames_are_borne_and_eight_are_a_fault(controller: Controller, spoiled: str) -> None:
    quiet = np.zeros(100, np.int16)
    for n, mode in ((7, "NORMAL"), (8, "FAULT")):
        inputs = controller.words(quiet, quiet)
        inputs[spoiled][20 : 20 + n] = 0xFFFF_FFFF
        timeline = controller.run_inputs(inputs)
        assert MODES[timeline.mode[-1]] == mode
        assert bool(timeline.lamp[-1]) == (mode == "FAULT")


@pytest.mark.parametrize("spoiled", ["main_word", "safing_word"])
def test_every_single_bit_error_of_every_word_reads_as_no_sample(controller: Controller, spoiled: str) -> None:
    quiet = np.zeros(2, np.int16)
    for count in (0, 1, -1, 700, -700, 30720, -30720):
        for bit in range(32):
            inputs = controller.words(np.full(2, count, np.int16), quiet)
            inputs[spoiled] = controller.words(*(np.full(2, count, np.int16),) * 2)[spoiled] ^ (1 << bit)
            timeline = controller.run_inputs(inputs)
            if spoiled == "main_word":
                assert (timeline.sample_lsb == 0).all()
            else:
                assert not timeline.armed.any()


def test_an_error_code_of_the_sensor_reads_as_no_sample(controller: Controller) -> None:
    inputs = controller.words(np.zeros(9, np.int16), np.zeros(9, np.int16))
    inputs["main_word"] = main_word(30721)
    timeline = controller.run_inputs(inputs)
    assert (timeline.sample_lsb == 0).all()
    assert troubles(timeline) == {"main sensor dropout"}


def test_a_sensor_stuck_far_from_rest_is_a_fault_after_fifty_milliseconds(controller: Controller) -> None:
    stuck = np.full(120, 500, np.int16)
    timeline = controller.run(stuck, np.zeros(120, np.int16))
    assert not timeline.fired
    assert troubles(timeline) == {"main sensor stuck", "sensors disagree"}
    assert int(np.argmax([MODES[m] == "FAULT" for m in timeline.mode])) == 100


def test_a_fault_inhibits_a_crash_that_follows(controller: Controller) -> None:
    inputs = controller.words(*crash())
    inputs["main_word"][10:18] = 0xFFFF_FFFF
    timeline = controller.run_inputs(inputs)
    assert not timeline.fired
    assert MODES[timeline.mode[-1]] == "FAULT"


def test_the_offset_follows_slowly_stops_at_its_limit_and_is_frozen_when_awake(controller: Controller) -> None:
    n = 1024 * 18
    quiet = np.zeros(n, np.int16)
    drifted = controller.run(np.full(n, 20, np.int16), quiet)
    assert drifted.sample_lsb[1023] == 20
    assert drifted.sample_lsb[1024] == 19
    assert drifted.sample_lsb[-1] == 20 - 16
    loud = np.where(np.arange(n) % 20 < 2, 40, 20).astype(np.int16)
    frozen = controller.run(loud, quiet)
    assert frozen.awake[10:].all()
    assert (frozen.sample_lsb == loud).all()


@pytest.mark.parametrize("jitter_us", [-101, 101, 400, -500])
def test_a_tick_outside_the_watchdogs_window_resets_and_fires_nothing_meanwhile(
    controller: Controller, jitter_us: int
) -> None:
    inputs = controller.words(*crash())
    inputs["clock_us"][41:] += np.uint32(jitter_us % 2**32)
    timeline = controller.run_inputs(inputs)
    assert "OFF_RESET" in modes(timeline)
    assert "watchdog" in troubles(timeline)
    assert not timeline.current_ma[41 : 41 + RESET].any()
    assert [MODES[mode] for mode in timeline.mode[41 : 41 + RESET]] == ["OFF_RESET", *["INIT"] * 11, "NORMAL"]


def test_after_a_reset_in_mid_event_the_net_reads_what_it_would_have_read_without(controller: Controller) -> None:
    main = np.where(np.arange(200) < 40, 0, 150 + np.arange(200) % 7).astype(np.int16)
    inputs = controller.words(main, np.zeros_like(main))
    plain = controller.run_inputs(inputs)
    inputs["clock_us"][80:] += np.uint32(5000)
    reset = controller.run_inputs(inputs)
    assert (reset.y[80:89] != plain.y[80:89]).all()
    assert (reset.y[80 + RESET - 1 :] == plain.y[80 + RESET - 1 :]).all()
    assert (reset.fire_request[80 + RESET - 1 :] == plain.fire_request[80 + RESET - 1 :]).all()


@pytest.mark.parametrize("jitter_us", [-100, 100])
def test_a_tick_within_the_watchdogs_window_changes_nothing(controller: Controller, jitter_us: int) -> None:
    inputs = controller.words(*crash())
    plain = controller.run_inputs(inputs)
    inputs["clock_us"][41:] += np.uint32(jitter_us % 2**32)
    assert (controller.run_inputs(inputs).mode == plain.mode).all()


def test_a_reset_after_the_first_current_leaves_the_unit_locked(controller: Controller) -> None:
    inputs = controller.words(*crash())
    fired = controller.run_inputs(inputs).fire_sample
    assert fired is not None
    inputs["clock_us"][fired + 2 :] += np.uint32(5000)
    timeline = controller.run_inputs(inputs)
    assert modes(timeline)[-3:] == ["FIRE", "OFF_RESET", "CRASH_LOCK"]
    assert int((timeline.current_ma[:, 0] > 0).sum()) == 2


def test_the_reserve_carries_a_crash_for_150_ms_after_the_battery_is_lost_and_no_reset_refills_it(
    controller: Controller,
) -> None:
    main, safing = crash(900)
    main[:440], safing[:440] = 0, 0
    for lost_at, fires in ((450 - 299, True), (450 - 330, False)):
        inputs = controller.words(main, safing)
        inputs["battery_mv"][lost_at:] = 0
        timeline = controller.run_inputs(inputs)
        assert timeline.fired == fires
        assert "battery" in troubles(timeline)


@pytest.mark.parametrize(
    ("resistance_mohm", "leakage", "fires"),
    [(1500, 0, True), (3700, 0, True), (3701, 0, True), (1499, 0, True), (2200, 1, False), (2200, 2, False)],
)
def test_a_loop_out_of_range_warns_and_a_shorted_one_is_inhibited(
    controller: Controller, resistance_mohm: int, leakage: int, fires: bool
) -> None:
    inputs = controller.words(*crash(700))
    inputs["loops"]["resistance_mohm"][:, 0] = resistance_mohm
    inputs["loops"]["leakage"][:, 0] = leakage
    timeline = controller.run_inputs(inputs)
    assert bool((timeline.current_ma[:, 0] > 0).any()) == fires
    assert (timeline.current_ma[:, 1] > 0).any()
    good = 1500 <= resistance_mohm <= 3700 and leakage == 0
    assert troubles(timeline) == (set() if good else {"loop 1"})


def test_a_loop_too_high_for_the_profile_is_reported_as_weak(controller: Controller) -> None:
    inputs = controller.words(*crash(700))
    inputs["loops"]["resistance_mohm"][:, 0] = 65535
    timeline = controller.run_inputs(inputs)
    assert timeline.current_ma[:, 0].max() == 25_000_000 // 65535
    assert troubles(timeline) == {"loop 1", "weak current"}


def test_a_batch_comes_to_what_single_runs_come_to(controller: Controller) -> None:
    rng = np.random.default_rng(5)
    main = rng.integers(-300, [[40], [200], [600], [1920]] * 5, (20, 300)).astype(np.int16)
    safing = rng.integers(-60, [[10], [40], [90], [480]] * 5, (20, 300)).astype(np.int16)
    results = controller.run_batch(main, safing)
    for k, result in enumerate(results):
        single = controller.run(main[k], safing[k])
        never = [None if at < 0 else int(at) for at in (result["request"], result["arming"], result["stage"][0])]
        assert never == [single.request_sample, single.arming_sample, single.fire_sample]
        assert result["mode"] == single.mode[-1]
        assert result["trouble"] == single.trouble[-1]


def test_rows_of_different_length_are_refused(controller: Controller) -> None:
    with pytest.raises(SignalError, match="expected one length"):
        controller.run(np.zeros(5, np.int16), np.zeros(6, np.int16))


def test_counts_that_no_word_carries_are_refused(controller: Controller) -> None:
    with pytest.raises(SignalError, match="main counts leave"):
        controller.run(np.full(5, 30721, np.int16), np.zeros(5, np.int16))


def test_inputs_of_another_layout_are_refused(controller: Controller) -> None:
    with pytest.raises(SignalError, match="INPUT_DTYPE"):
        controller.run_inputs(np.zeros(5))


def test_c_that_does_not_compile_says_so_in_the_compilers_words(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    (copy / "crumple_model.c").write_text("int broken = ;\n", encoding="ascii")
    with pytest.raises(CompileError, match="broken"):
        build_controller(copy, tmp_path, find_compiler())
