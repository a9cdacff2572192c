"""The compiled controller against an independent Python state machine, sample by sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crumple.errors import SignalError
from crumple.export.c99 import render_c
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.replay import MODES, Controller
from crumple.model.deployed import DeployedModel
from crumple.toolchain import CompileError, find_compiler

FIRE_SAMPLES = 4  # 2 ms at 2 kHz


@pytest.fixture
def controller(small_model: DeployedModel, tmp_path: Path) -> Controller:
    for name, text in render_c(small_model, "0" * 64).items():
        (tmp_path / name).write_text(text, encoding="ascii")
    return Controller(build_controller(tmp_path, tmp_path, find_compiler()))


def expected_modes(model: DeployedModel, main: np.ndarray, safing: np.ndarray) -> list[str]:
    """The state machine as its description says, from the reference's requests and arming."""
    requests = model.fire_requests(model.outputs(main))
    armed = model.armed(safing)
    mode, since, result = "NORMAL", 0, []
    for k in range(main.size):
        since += 1
        if mode in ("NORMAL", "ARMED"):
            following = "FIRE" if requests[k] and armed[k] else "ARMED" if armed[k] else "NORMAL"
        elif mode == "FIRE":
            following = "CRASH_LOCK" if since >= FIRE_SAMPLES else "FIRE"
        else:
            following = "CRASH_LOCK"
        if following != mode:
            mode, since = following, 0
        result.append(mode)
    return result


@pytest.mark.parametrize("seed", range(40))
def test_every_mode_at_every_sample_equals_the_independent_state_machine(
    controller: Controller, small_model: DeployedModel, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    main = rng.integers(-300, (40, 120, 400, 1920)[seed % 4], 120).astype(np.int16)
    safing = rng.integers(-60, (10, 40, 90, 480)[(seed // 4) % 4], 120).astype(np.int16)
    timeline = controller.run(main, safing)
    expected = expected_modes(small_model, main, safing)
    assert [MODES[m] for m in timeline.mode] == expected
    running = np.array([m in ("NORMAL", "ARMED") for m in ["NORMAL", *expected[:-1]]])
    assert (timeline.y[running] == small_model.outputs(main)[running]).all()
    assert (timeline.armed[running] == small_model.armed(safing)[running]).all()
    assert timeline.squib_on.tolist() == [mode == "FIRE" for mode in expected]


def test_a_fire_request_alone_does_not_fire(controller: Controller) -> None:
    timeline = controller.run(np.full(60, 1900, np.int16), np.zeros(60, np.int16))
    assert timeline.fire_request.any()
    assert not timeline.fired


def test_arming_alone_does_not_fire(controller: Controller) -> None:
    timeline = controller.run(np.zeros(60, np.int16), np.full(60, 400, np.int16))
    assert timeline.armed.any()
    assert not timeline.fired
    assert MODES[timeline.mode[-1]] == "ARMED"


def test_a_crash_fires_for_two_milliseconds_once_and_locks_for_good(controller: Controller) -> None:
    loud = np.concatenate([np.full(60, 1900), np.zeros(100), np.full(60, 1900)]).astype(np.int16)
    timeline = controller.run(loud, np.minimum(loud, 480))
    assert int(timeline.squib_on.sum()) == FIRE_SAMPLES
    assert MODES[timeline.mode[-1]] == "CRASH_LOCK"
    first = timeline.fire_sample
    assert first is not None
    assert timeline.squib_on[first : first + FIRE_SAMPLES].all()


def test_every_run_starts_from_power_on(controller: Controller) -> None:
    loud, quiet = np.full(60, 1900, np.int16), np.zeros(60, np.int16)
    first = controller.run(loud, np.full(60, 480, np.int16))
    assert not controller.run(quiet, quiet).fired
    again = controller.run(loud, np.full(60, 480, np.int16))
    assert (first.mode == again.mode).all()


def test_rows_of_different_length_are_refused(controller: Controller) -> None:
    with pytest.raises(SignalError, match="expected one length"):
        controller.run(np.zeros(5, np.int16), np.zeros(6, np.int16))


def test_c_that_does_not_compile_says_so_in_the_compilers_words(small_model: DeployedModel, tmp_path: Path) -> None:
    for name, text in render_c(small_model, "0" * 64).items():
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "crumple_model.c").write_text("int broken = ;\n", encoding="ascii")
    with pytest.raises(CompileError, match="broken"):
        build_controller(tmp_path, tmp_path, find_compiler())
