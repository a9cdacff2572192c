"""The compiled event data recorder: against the reference in fractions byte for byte, and its rules one at a time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.firmware_sim.build import C_FOLDER, build_controller
from crumple.firmware_sim.edr import DISPOSED, EdrEvent, decode_image
from crumple.firmware_sim.edr_reference import ReferenceRecorder
from crumple.firmware_sim.recorder import TICK_DTYPE, Recorder
from crumple.firmware_sim.reference import main_word
from crumple.firmware_sim.replay import FRAME_DATA_MAX, MODES, Controller
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import CorpusPlan, generate
from crumple.toolchain import find_compiler

RATE, COUNT_G = 2000, Fraction(1, 16)
COUNT_KMH = float(COUNT_G) * 9.80665 * 3.6 / RATE
FIRE, LOCK = MODES.index("FIRE"), MODES.index("CRASH_LOCK")


@pytest.fixture(scope="module")
def recorder(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    return Recorder(build_controller(exported, tmp_path_factory.mktemp("recorder"), find_compiler()))


def ticks(counts: np.ndarray) -> np.ndarray:
    """A controller in NORMAL that reads counts, in a car that says nothing else."""
    told: np.ndarray = np.zeros(counts.size, TICK_DTYPE)
    told["sample_lsb"] = counts
    told["is_running"] = True
    told["mode"] = MODES.index("NORMAL")
    for name in ("speed_kmh", "throttle_percent", "brake", "belt"):
        told["vehicle"][name] = 255
    return told


def bump(decel_g: float, n: int, *, before: int = 200, after: int = 900) -> np.ndarray:
    return np.r_[np.zeros(before), np.full(n, decel_g * 16), np.zeros(after)].astype(np.int16)


def deploy(told: np.ndarray, at: int, second: int) -> None:
    """Both stages for 2 ms each, FIRE for 122.5 ms, then the crash lock."""
    told["current"][at : at + 4, 0] = told["current"][at + second : at + second + 4, 1] = True
    told["is_firing"][at : at + 245] = True
    told["mode"][at : at + 245] = FIRE
    told["mode"][at + 245 :] = LOCK
    told["has_fired"][at:] = True


def events(recorder: Recorder, told: np.ndarray) -> tuple[EdrEvent, ...]:
    return decode_image(recorder.image_of(told), "image").events


@st.composite
def recordings(draw: st.DrawFn) -> np.ndarray:
    """Blows of any size on top of noise, with deployments, resets, lost samples and a talkative car."""
    n = draw(st.integers(1, 3000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = rng.normal(0, draw(st.sampled_from((0, 5, 60, 600))), n)
    counts += draw(st.sampled_from((0, 0, 17, -26)))  # -26 is more than 8 km/h in 150 ms, 17 less than 0.8 in 20
    for _ in range(draw(st.integers(0, 4))):
        at, width = int(rng.integers(0, n)), int(rng.integers(1, 400))
        counts[at : at + width] += rng.normal(0, 400)
    told = ticks(np.clip(counts, -30000, 30000).astype(np.int16))
    for name in ("speed_kmh", "throttle_percent", "brake", "belt"):
        told["vehicle"][name] = rng.integers(0, 256, n)
    told["lamp"], told["is_lost"] = rng.random(n) < 0.5, rng.random(n) < 0.1
    told["trouble"], told["mode"] = rng.integers(0, 2**13, n), rng.integers(0, 10, n)
    for _ in range(draw(st.integers(0, 2))):
        at = int(rng.integers(0, n))
        told["current"][at : at + 4, int(rng.integers(0, 2))] = True
        told["is_firing"][at : at + int(rng.integers(1, 500))] = True
        told["has_fired"][at:] = draw(st.booleans())
    for _ in range(draw(st.integers(0, 2))):
        at = int(rng.integers(0, n))
        told["is_running"][at : at + int(rng.integers(1, 3))] = False
    return told


@settings(max_examples=60, deadline=None)
@given(told=recordings())
def test_the_image_equals_the_reference_byte_for_byte(recorder: Recorder, told: np.ndarray) -> None:
    assert recorder.image_of(told) == ReferenceRecorder(COUNT_G, RATE).image_of(told)


def test_the_recorder_changes_nothing_that_the_controller_does(controller: Controller, recorder: Recorder) -> None:
    corpus = generate(CorpusPlan(seed=11, counts=dict.fromkeys(list(EVENT_MODES)[::3], 1)))
    kept = 0
    for event in corpus:
        inputs = controller.words(event.main_lsb, event.safing_lsb)
        outputs, image = recorder.run(inputs)
        timeline = controller.run_inputs(inputs)
        assert (outputs["y"] == timeline.y).all()
        assert (outputs["current_ma"] == timeline.current_ma).all()
        found = decode_image(image, "image").events
        kept += len(found)
        told = ticks(outputs["sample_lsb"])
        told["mode"], told["trouble"], told["lamp"] = outputs["mode"], outputs["trouble"], outputs["lamp"]
        told["is_firing"], told["has_fired"] = outputs["mode"] == FIRE, outputs["crash_output"]
        told["current"] = outputs["current_ma"] > 0
        assert image == ReferenceRecorder(COUNT_G, RATE).image_of(told)
        if timeline.fired and found and found[0].stage_ms[0] is not None:
            seen = found[0].zero_tick + found[0].stage_ms[0] * 2
            assert abs(seen - timeline.fire_sample) <= 1  # type: ignore[operator]
            assert found[0].is_locked
    assert kept


@pytest.mark.parametrize("seed", range(6))
def test_lost_frames_and_a_brown_out_in_mid_crash_reach_the_image_as_they_happened(
    controller: Controller, recorder: Recorder, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 1500
    wave = np.where(np.arange(n) < 100, 0, rng.integers(100, 1900, n)).astype(np.int16)
    wave[400:] = 0
    inputs: np.ndarray = controller.words(wave, np.minimum(wave, 400).astype(np.int16))
    inputs["main_word"][rng.random(n) < 0.05] = (0xFFFF_FFFF, 0x1_8000, 0x7_7FFF)[seed % 3]
    if seed % 2:
        inputs["battery_mv"][int(rng.integers(0, 120)) :] = 0  # the reserve lasts 150 ms
    outputs, image = recorder.run(inputs)
    told = ticks(outputs["sample_lsb"])
    told["mode"], told["trouble"], told["lamp"] = outputs["mode"], outputs["trouble"], outputs["lamp"]
    told["is_firing"], told["has_fired"] = outputs["mode"] == FIRE, outputs["crash_output"]
    told["is_running"] = outputs["mode"] != MODES.index("OFF_RESET")
    told["current"] = outputs["current_ma"] > 0
    counts = (inputs["main_word"] & 0xFFFF).astype(np.uint16).view(np.int16).tolist()
    told["is_lost"] = [
        word != main_word(count) or abs(count) > FRAME_DATA_MAX
        for word, count in zip(inputs["main_word"].tolist(), counts, strict=True)
    ]
    assert image == ReferenceRecorder(COUNT_G, RATE).image_of(told)
    found = decode_image(image, "image").events[0]
    assert found.lost > 0
    assert found.is_complete == (seed % 2 == 0)


def test_rest_and_a_change_below_8_kmh_are_not_kept_and_8_kmh_are(recorder: Recorder) -> None:
    assert events(recorder, ticks(np.zeros(1000, np.int16))) == ()
    enough = int(np.ceil(8.0 / COUNT_KMH / 160))  # samples of 10 g
    assert events(recorder, ticks(bump(10.0, enough - 1))) == ()
    (event,) = events(recorder, ticks(bump(10.0, enough)))
    assert event.max_delta_v_kmh == -8
    assert not event.is_locked
    assert event.is_complete
    assert event.stage_ms == (None, None)


def test_delta_v_is_negative_for_a_deceleration_and_stops_30_ms_after_the_end(recorder: Recorder) -> None:
    (event,) = events(recorder, ticks(bump(20.0, 120)))  # 60 ms of 20 g: 42.4 km/h
    assert event.zero_tick == 200
    assert event.end_ms == pytest.approx(60 + 20, abs=1)
    assert len(event.delta_v_kmh) == 11  # 0 to 100 ms, for the record stops at 110 less what the end leaves
    expected = [-20 * 9.80665 * 3.6 * min(k * 0.01, 0.06) for k in range(11)]
    assert np.abs(np.array(event.delta_v_kmh) - expected).max() <= 0.5
    assert event.max_time_ms == 60.0
    (rear,) = events(recorder, ticks(-bump(20.0, 120)))
    assert rear.delta_v_kmh == tuple(-value for value in event.delta_v_kmh)


def test_a_long_event_is_recorded_for_250_ms_its_maximum_for_300_and_counts_once(recorder: Recorder) -> None:
    (event,) = events(recorder, ticks(bump(5.0, 1400)))
    assert len(event.delta_v_kmh) == 26
    assert event.end_ms is None
    assert event.max_time_ms == 300.0
    assert event.max_delta_v_kmh == round(-5 * 9.80665 * 3.6 * 0.3)


def test_a_change_beyond_the_range_reads_as_its_limit(recorder: Recorder) -> None:
    (event,) = events(recorder, ticks(bump(120.0, 200)))
    assert event.delta_v_kmh[-1] == event.max_delta_v_kmh == -127


def test_a_deployment_is_timed_from_time_zero_locked_and_its_second_stage_told(recorder: Recorder) -> None:
    told = ticks(bump(20.0, 120))
    deploy(told, 236, second=20)
    (event,) = events(recorder, told)
    assert event.stage_ms == (18, 28)
    assert event.is_locked
    assert event.mode == "CRASH_LOCK"
    assert DISPOSED not in event.flags
    told = ticks(bump(20.0, 120))
    deploy(told, 236, second=240)
    (event,) = events(recorder, told)
    assert event.stage_ms == (18, 138)
    assert DISPOSED in event.flags


def test_a_second_stage_before_the_first_is_no_disposal(recorder: Recorder) -> None:
    told = ticks(bump(20, 300))
    told["current"][220:224, 1] = told["current"][228:232, 0] = True
    (event,) = events(recorder, told)
    assert event.stage_ms[1] is not None and event.stage_ms[0] == event.stage_ms[1] + 4
    assert DISPOSED not in event.flags


def test_a_deployment_without_any_change_of_velocity_is_kept_too(recorder: Recorder) -> None:
    told = ticks(np.zeros(1000, np.int16))
    deploy(told, 300, second=20)
    (event,) = events(recorder, told)
    assert event.zero_tick == 300
    assert event.stage_ms == (0, 10)
    assert "time zero is the first firing current" in event.flags
    assert set(event.delta_v_kmh) == {0}


def test_the_older_of_two_unlocked_events_gives_way_and_no_locked_one_ever_does(recorder: Recorder) -> None:
    blows = [bump(10.0 * k, 80) for k in (1, 2, 3, 4)]
    found = events(recorder, ticks(np.concatenate(blows[:3])))
    assert [event.order for event in found] == [3, 2]
    told = ticks(np.concatenate(blows))
    deploy(told, 240, second=20)
    image = recorder.image_of(told)
    decoded = decode_image(image, "image")
    assert [event.order for event in decoded.events] == [1, 2]
    assert all(event.is_locked for event in decoded.events)
    assert decoded.not_stored == 2
    # Whatever comes later, the bytes of both events stay.
    later = np.concatenate([told, told[-1:].repeat(10), told[200:1180]])
    assert recorder.image_of(later)[16:-4] == image[16:-4]


def test_events_within_5_s_are_one_crash_and_say_how_far_apart_they_are(recorder: Recorder) -> None:
    blow = bump(10.0, 80)
    for rest, number, gap_s in ((0, 2, 0.6), (8820, 2, 5.0), (9100, 1, None)):
        first, second = events(recorder, ticks(np.concatenate([blow, np.zeros(rest, np.int16), blow])))
        assert (first.number, first.gap_s) == (1, None)
        assert (second.number, second.gap_s) == (number, gap_s)


def test_a_reset_in_mid_event_leaves_an_incomplete_file(recorder: Recorder) -> None:
    told = ticks(bump(20.0, 120))
    deploy(told, 236, second=20)
    told["is_running"][260] = False
    event, *rest = events(recorder, told)
    assert not event.is_complete
    assert event.is_locked
    assert event.stage_ms == (18, 28)
    assert len(event.delta_v_kmh) == 4
    assert all(one.number == 2 for one in rest)


def test_what_other_units_say_is_kept_for_5_s_and_missing_where_they_do_not(recorder: Recorder) -> None:
    told = ticks(np.r_[np.zeros(11_000), bump(20.0, 120)].astype(np.int16))
    told["vehicle"]["speed_kmh"] = np.arange(told.size) // 1000
    told["vehicle"]["brake"], told["vehicle"]["belt"], told["lamp"] = 1, 0, True
    (event,) = events(recorder, told)
    assert event.speed_kmh == tuple(range(1, 12))
    assert event.brake == (1,) * 11
    assert event.throttle_percent == (None,) * 11
    assert (event.belt_before, event.lamp_before, event.lamp) == (0, 1, 1)
    (event,) = events(recorder, ticks(bump(20.0, 120)))
    assert event.speed_kmh == (None,) * 11
    assert (event.belt_before, event.lamp_before, event.lamp) == (None, None, 0)


def test_lost_samples_of_the_record_are_counted(recorder: Recorder) -> None:
    told = ticks(bump(20.0, 120))
    told["is_lost"][[10, 200, 201, 300, 1000]] = True
    (event,) = events(recorder, told)
    assert event.lost == 3


def slow_after_a_blow() -> np.ndarray:
    """6.1 km/h in 20 ms, then 0.7 in every 20: the event ends, is not kept, and makes 8 km/h in 150 ms after all."""
    blow, slow = 6.1 / (40 * COUNT_KMH), 0.7 / (40 * COUNT_KMH)
    wave = np.r_[np.zeros(200), np.full(40, blow), np.full(160, slow), np.zeros(900)]
    counts: np.ndarray = np.diff(np.floor(np.r_[0.0, np.cumsum(wave)])).astype(np.int16)
    return counts


def test_a_slow_change_after_an_event_that_was_not_kept_is_one_from_the_sample_that_makes_it_severe(
    recorder: Recorder,
) -> None:
    told = ticks(slow_after_a_blow())
    image = recorder.image_of(told)
    assert image == ReferenceRecorder(COUNT_G, RATE).image_of(told)
    (event,) = decode_image(image, "image").events
    assert 340 < event.zero_tick < 360


def fires_for_long(n: int, *, last_blow: int) -> np.ndarray:
    """FIRE for ``n`` samples, and a second stage at the end of them; a second blow keeps the event from its end."""
    told = ticks(np.r_[bump(20.0, 60, after=last_blow), bump(20.0, 40, before=0, after=n)])
    told["current"][200:204, 0] = told["current"][200 + n - 8 : 200 + n - 4, 1] = True
    told["is_firing"][200 : 200 + n] = told["has_fired"][200:] = True
    return told


def test_a_unit_that_fires_for_longer_than_a_record_closes_it_then_and_times_end_at_their_limit(
    recorder: Recorder,
) -> None:
    for n, last_blow in ((900, 300), (900, 450), (900, 600), (140_000, 300)):
        told = fires_for_long(n, last_blow=last_blow)
        image = recorder.image_of(told)
        if n < 1000:  # the reference takes fractions, and its time
            assert image == ReferenceRecorder(COUNT_G, RATE).image_of(told)
        (event, *_) = decode_image(image, "image").events
        assert event.stage_ms == (0, min((n - 8) // 2, 65_534))


def test_ticks_of_another_type_are_refused(recorder: Recorder) -> None:
    with pytest.raises(SignalError, match="expected one row"):
        recorder.image_of(np.zeros(3, np.int16))
    with pytest.raises(SignalError, match="expected one row"):
        recorder.run(np.zeros(3, np.int16))


def test_the_recorder_takes_no_memory_and_no_floating_point() -> None:
    text = "".join((C_FOLDER / name).read_text(encoding="ascii") for name in ("edr.c", "edr.h"))
    for word in ("float", "double", "malloc", "calloc", "free(", "goto", "memcpy"):
        assert word not in text
