"""Single flipped bits of memory: the mirror bears those of the state, the sum those of the parameters."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import SignalError
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.inject import IMAGE_VERDICTS, Injector
from crumple.firmware_sim.replay import MODES, TROUBLES, Controller
from crumple.toolchain import find_compiler

MEMORY = 1 << TROUBLES.index("memory")
PARAMETERS = 1 << TROUBLES.index("parameters")
N = 400


@pytest.fixture(scope="module")
def library(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build_controller(exported, tmp_path_factory.mktemp("inject"), find_compiler())


@pytest.fixture(scope="module")
def injector(library: ctypes.CDLL) -> Injector:
    return Injector(library)


@pytest.fixture(scope="module")
def crash(controller: Controller) -> np.ndarray:
    main = np.where(np.arange(N) < 40, 0, 1900 - np.arange(N) % 7).astype(np.int16)
    return controller.words(main, np.minimum(main, 400).astype(np.int16))


@pytest.fixture(scope="module")
def quiet(controller: Controller) -> np.ndarray:
    still = (np.arange(N) % 3 - 1).astype(np.int16)
    return controller.words(still, still)


def test_any_flipped_bit_of_the_state_its_copy_or_the_seal_changes_nothing_but_the_lamp(
    injector: Injector, crash: np.ndarray
) -> None:
    expected = injector.run(crash)
    fired = int(np.argmax(expected["current_ma"][:, 0] > 0))
    n_bits = 8 * injector.n_state_bytes
    for when in (0, fired - 1, fired, fired + 2):
        results = injector.state_flips(crash, expected, when, 0, n_bits)
        assert (results["differs"] == -1).all()
        named = [injector.field_of(bit // 8) != "padding" for bit in range(n_bits)]
        assert (results["noticed"][named] == when).all()
        assert (results["trouble"][named] == MEMORY).all()


def test_nearly_all_of_the_state_has_a_name(injector: Injector) -> None:
    names = [injector.field_of(byte) for byte in range(injector.n_state_bytes)]
    assert names.count("padding") < 160
    assert {"mode", "copy of mode", "seal", "discrimination.votes", "loops"} <= set(names)


def test_two_flips_that_spoil_state_and_copy_reset_the_controller(
    library: ctypes.CDLL, injector: Injector, crash: np.ndarray
) -> None:
    outputs = injector.run(crash[:1])
    state = ctypes.create_string_buffer(injector.n_state_bytes)
    library.drive_start(state, None)
    names = [injector.field_of(byte) for byte in range(injector.n_state_bytes)]
    for name in ("mode", "copy of samples_in_mode"):
        at = names.index(name)
        state[at] = bytes([state.raw[at] ^ 4])
    library.drive_inputs(state, crash[:1].ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(1),
                         outputs.ctypes.data_as(ctypes.c_void_p))  # fmt: skip
    assert MODES[outputs["mode"][0]] == "INIT"
    assert outputs["trouble"][0] == MEMORY


def test_every_flipped_bit_of_the_parameters_is_found_before_it_can_fire(
    injector: Injector, crash: np.ndarray, exported: Path
) -> None:
    expected = injector.run(crash)
    fired = int(np.argmax(expected["current_ma"][:, 0] > 0))
    n_bits = 8 * injector.n_parameter_bytes
    for when in (None, 0, 30, fired):
        results = injector.parameter_flips(crash, expected, when, 0, n_bits)
        seen = results["trouble"] == PARAMETERS
        assert not results["stage"][seen].max() >= 0
        unseen = np.flatnonzero(~seen)
        # What is left is the tail of the struct behind the last parameter.
        assert (unseen >= 8 * (8 + 4 * 3 + 2 * 12 + 2 * 3)).all()
        assert (results["differs"][unseen] == -1).all()


def test_a_flipped_parameter_is_found_while_nothing_happens(injector: Injector, quiet: np.ndarray) -> None:
    results = injector.parameter_flips(quiet, injector.run(quiet), 5, 0, 8)
    assert (results["noticed"] == 63).all()
    assert {MODES[mode] for mode in results["mode"]} == {"FAULT"}


def test_every_flipped_bit_of_an_image_is_refused(injector: Injector, exported: Path) -> None:
    image = (exported / "crumple_parameters.bin").read_bytes()
    verdicts = injector.image_flips(image)
    assert verdicts.size == 8 * len(image)
    assert "accepted" not in {IMAGE_VERDICTS[v] for v in verdicts}


def test_results_of_unspoilt_inputs_hold_no_difference(injector: Injector, crash: np.ndarray) -> None:
    expected = injector.run(crash)
    spoilt = np.stack([crash, crash])
    spoilt["main_word"][1, 41] = 0xFFFF_FFFF
    results = injector.spoilt(spoilt, expected)
    assert results["differs"].tolist() == [-1, 41]
    assert results["noticed"].tolist() == [-1, -1]
    assert results["stage"][0, 0] == np.argmax(expected["current_ma"][:, 0] > 0)
    assert results["full"].tolist() == [[4, 4], [4, 4]]


def test_what_does_not_fit_is_refused(injector: Injector, crash: np.ndarray) -> None:
    expected = injector.run(crash)
    with pytest.raises(SignalError, match="no such tick"):
        injector.state_flips(crash, expected, N, 0, 1)
    with pytest.raises(SignalError, match="bit"):
        injector.state_flips(crash, expected, 0, 8 * injector.n_state_bytes, 1)
    with pytest.raises(SignalError, match="dimension"):
        injector.run(np.zeros(3))
    with pytest.raises(SignalError, match="samples"):
        injector.spoilt(crash[None], expected[:-1])
