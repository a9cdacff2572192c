"""Recordings by the thousand: the same results as one by one, whoever shares the work."""

from __future__ import annotations

import numpy as np
import pytest

from crumple.errors import SignalError
from crumple.firmware_sim.reference import main_word
from crumple.firmware_sim.replay import FRAME_DATA_MAX, TROUBLES, Controller

N, LENGTH = 60, 300


@pytest.fixture(scope="module")
def counts() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    tops = np.array([[40], [200], [600], [1920]] * (N // 4))
    main = rng.integers(-tops // 4, tops, (N, LENGTH)).astype(np.int16)
    safing = rng.integers(-20, tops // 4, (N, LENGTH)).astype(np.int16)
    return main, safing


@pytest.mark.parametrize("n_threads", [2, 3, 7, 100])
def test_threads_change_nothing(controller: Controller, counts: tuple[np.ndarray, np.ndarray], n_threads: int) -> None:
    expected = controller.run_batch(*counts)
    assert (controller.run_batch(*counts, n_threads=n_threads) == expected).all()
    assert (expected["stage"][:, 0] >= 0).any()
    assert (expected["stage"][:, 0] < 0).any()


def test_a_batch_of_nothing_comes_to_nothing(controller: Controller) -> None:
    none = np.zeros((0, LENGTH), np.int16)
    assert controller.run_batch(none, none, n_threads=2).shape == (0,)


def test_lost_frames_come_to_what_missing_words_come_to(
    controller: Controller, counts: tuple[np.ndarray, np.ndarray]
) -> None:
    main, safing = counts
    rng = np.random.default_rng(9)
    rate = np.array([[0.0], [0.05], [0.3], [0.8]] * (N // 4))[rng.permutation(N)]
    main_lost, safing_lost = rng.random(main.shape) < rate, rng.random(main.shape) < rate
    results = controller.run_batch(main, safing, main_lost=main_lost, safing_lost=safing_lost, n_threads=2)
    for k, result in enumerate(results):
        inputs = controller.words(main[k], safing[k])
        inputs["main_word"][main_lost[k]] = inputs["safing_word"][safing_lost[k]] = 0xFFFF_FFFF
        single = controller.run_inputs(inputs)
        found = [None if at < 0 else int(at) for at in (result["request"], result["arming"], result["stage"][0])]
        assert found == [single.request_sample, single.arming_sample, single.fire_sample]
        assert (result["mode"], result["trouble"]) == (single.mode[-1], single.trouble[-1])
    dropouts = 1 << TROUBLES.index("main sensor dropout") | 1 << TROUBLES.index("safing sensor dropout")
    assert (results["trouble"] & dropouts).any()


def test_a_count_does_not_matter_where_its_frame_is_lost(
    controller: Controller, counts: tuple[np.ndarray, np.ndarray]
) -> None:
    main, safing = counts
    lost = np.random.default_rng(10).random(main.shape) < 0.1
    other = np.where(lost, np.int16(77), main)
    assert (
        controller.run_batch(main, safing, main_lost=lost) == controller.run_batch(other, safing, main_lost=lost)
    ).all()


def test_lost_frames_of_another_shape_are_refused(
    controller: Controller, counts: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises(SignalError, match="lost safing frames are bool of shape"):
        controller.run_batch(*counts, safing_lost=np.zeros((N, LENGTH - 1), np.bool_))


def test_the_crc_of_every_payload_is_that_of_polynomial_division(controller: Controller) -> None:
    payloads = np.arange(-FRAME_DATA_MAX, FRAME_DATA_MAX + 1, dtype=np.int16)
    words = controller.words(payloads, np.zeros_like(payloads))["main_word"]
    assert words.tolist() == [main_word(int(payload)) for payload in payloads]
