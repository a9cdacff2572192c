"""Flipped bits of the recorder's memory: they stay in it, whatever it holds, and never reach the controller."""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import SignalError
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.inject import Injector
from crumple.firmware_sim.recorder import TICK_DTYPE, Recorder
from crumple.firmware_sim.recorder_faults import IMAGES, OTHER, SAME, flipped, goal, images_of, summary, told
from crumple.firmware_sim.replay import Controller
from crumple.firmware_sim.scenes import CRASH, QUIET, Scene
from crumple.toolchain import find_compiler

N = 400


@pytest.fixture(scope="module")
def library(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_controller(exported, tmp_path_factory.mktemp("recorder_faults"), find_compiler())


@pytest.fixture(scope="module")
def recorder(library: ctypes.CDLL) -> Recorder:
    return Recorder(library)


@pytest.fixture(scope="module")
def crash(library: ctypes.CDLL, controller: Controller) -> Scene:
    main = np.where(np.arange(N) < 40, 0, np.where(np.arange(N) < 150, 1900, 0) - np.arange(N) % 7).astype(np.int16)
    safing = np.minimum(main, 400).astype(np.int16)
    inputs = controller.words(main, safing)
    expected = Injector(library).run(inputs)
    fired = int(np.argmax(expected["current_ma"][:, 0] > 0))
    moments = (("the start", 0), ("firing", fired))
    return Scene("wall_0", "wall", CRASH, main, safing, inputs, expected, 40, 80, moments, 2000)


@pytest.fixture(scope="module")
def rest(library: ctypes.CDLL, controller: Controller) -> Scene:
    still = np.zeros(N, np.int16)
    inputs = controller.words(still, still)
    return Scene("rest", "rest", QUIET, still, still, inputs, Injector(library).run(inputs), None, None, (), 2000)


def test_what_the_recorder_is_told_is_what_it_hears_beside_a_controller(
    recorder: Recorder, controller: Controller, crash: Scene
) -> None:
    outputs, image = recorder.run(crash.inputs)
    assert recorder.image_of(recorder.told(crash.inputs, outputs)) == image
    assert (outputs == controller.outputs(crash.inputs)).all()


def test_a_record_that_is_under_way_when_a_scene_ends_is_closed_in_the_rest_after_it(
    recorder: Recorder, controller: Controller, crash: Scene
) -> None:
    image = recorder.image_of(told(crash, controller, recorder))
    assert image[16] & 0x0F == 0x0F  # used, locked, complete, deployed
    short = replace(crash, main_lsb=crash.main_lsb[:60], safing_lsb=crash.safing_lsb[:60])
    assert recorder.image_of(told(short, controller, recorder))[16] & 0x0F == 0x0F


def test_no_flipped_bit_of_the_recorder_is_felt_outside_of_it(
    recorder: Recorder, controller: Controller, crash: Scene
) -> None:
    ticks = told(crash, controller, recorder)
    for when in (0, 41, crash.moments[1][1], 300, ticks.size):
        images, is_outside = recorder.flips(ticks, when, 0, 8 * recorder.n_bytes)
        assert images.shape == (8 * recorder.n_bytes, len(recorder.image_of(ticks)))
        assert not is_outside.any()


def test_a_controller_does_the_same_whatever_the_memory_of_its_recorder_holds(
    library: ctypes.CDLL, recorder: Recorder, crash: Scene
) -> None:
    """Stronger than one bit: every byte of it is random. The recorder's memory is between bytes that must stay."""
    rng = np.random.default_rng(0)
    fence = bytes(range(256)) * 4
    assert (crash.expected["current_ma"] > 0).any()
    for _ in range(200):
        memory = ctypes.create_string_buffer(fence + rng.bytes(recorder.n_bytes) + fence)
        state = ctypes.create_string_buffer(int(library.drive_controller_size()))
        library.drive_start(state, None)
        outputs = np.zeros_like(crash.expected)
        library.record_inputs(
            state,
            ctypes.c_void_p(ctypes.addressof(memory) + len(fence)),
            crash.inputs.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(crash.inputs.size),
            outputs.ctypes.data_as(ctypes.c_void_p),
        )
        assert (outputs == crash.expected).all()
        after = memory.raw
        assert after[: len(fence)] == fence
        assert after[len(fence) + recorder.n_bytes : -1] == fence


def test_a_flip_before_the_download_is_that_bit_of_the_image_and_its_checksum_or_nothing(
    recorder: Recorder, controller: Controller, crash: Scene
) -> None:
    """The checksum is made at the download, of what the memory then holds: it does not notice."""
    ticks = told(crash, controller, recorder)
    expected = np.frombuffer(recorder.image_of(ticks), np.uint8)
    images, _ = recorder.flips(ticks, ticks.size, 0, 8 * recorder.n_bytes)
    bits = np.unpackbits(images[:, :-4] ^ expected[:-4], axis=1).sum(axis=1)
    # Two places of 89 bytes that are told, ignition cycle, order and the number of those not stored; nothing else.
    assert Counter(bits.tolist()) == {0: 8 * recorder.n_bytes - 8 * (2 * 89 + 6), 1: 8 * (2 * 89 + 6)}


def test_every_image_is_counted_once_and_a_missing_or_invented_event_is_told(
    recorder: Recorder, controller: Controller, crash: Scene, rest: Scene
) -> None:
    rows = []
    for scene in (crash, rest):
        for begins, when in (*scene.moments, ("before the download", None)):
            rows += flipped(scene, controller, recorder, begins, when, 0, 8 * recorder.n_bytes)
    for row in rows:
        assert row["faults"] == 8 * recorder.n_bytes == sum(row[name] for name in IMAGES)
        assert 0 < row[OTHER] < row[SAME]
    found = summary(rows)
    assert [row["class"] for row in found["table"]] == ["crash", "quiet"]
    assert found["total"]["faults"] == 4 * 8 * recorder.n_bytes
    assert goal(rows) == {
        "goal": "no flipped bit of the event data recorder reaches beyond its own memory",
        "figure": f"0 of {4 * 8 * recorder.n_bytes} runs",
        "holds": True,
    }
    assert not goal([{**rows[0], "written outside": 1}])["holds"]


def test_images_are_told_apart_by_their_events() -> None:
    expected = np.zeros(204, np.uint8)
    expected[16] = 1
    images = np.stack([expected] * 4)
    images[1, 20], images[2, 16], images[3, 108] = 7, 0, 1
    assert [IMAGES[k] for k in images_of(images, expected)] == list(IMAGES)


def test_what_does_not_fit_is_refused(recorder: Recorder, crash: Scene) -> None:
    ticks = np.zeros(5, TICK_DTYPE)
    with pytest.raises(SignalError, match="no such tick"):
        recorder.flips(ticks, 6, 0, 1)
    with pytest.raises(SignalError, match="bits"):
        recorder.flips(ticks, 0, 8 * recorder.n_bytes, 1)
    with pytest.raises(SignalError, match="ticks are"):
        recorder.flips(np.zeros(5), 0, 0, 1)
    with pytest.raises(SignalError, match="one of each a tick"):
        recorder.told(crash.inputs, crash.expected[:-1])
