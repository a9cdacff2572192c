"""The compiled controller against the reference in plain integers, every field of every tick."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import ArtefactError
from crumple.firmware_sim.exported import read_exported_model
from crumple.firmware_sim.reference import ReferenceController
from crumple.firmware_sim.replay import INPUT_DTYPE, Controller, Timeline
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import CorpusPlan, generate


def assert_equal(controller: Controller, exported: Path, inputs: np.ndarray) -> Timeline:
    compiled = controller.run_inputs(inputs)
    expected = Timeline.from_outputs(ReferenceController(read_exported_model(exported)).run(inputs))
    for name in Timeline.__slots__:
        assert (getattr(compiled, name) == getattr(expected, name)).all(), name
    return compiled


def test_every_field_is_equal_on_an_event_of_every_mode(controller: Controller, exported: Path) -> None:
    corpus = generate(CorpusPlan(seed=11, counts=dict.fromkeys(EVENT_MODES, 1)))
    fired = [
        assert_equal(controller, exported, controller.words(event.main_lsb, event.safing_lsb)).fired for event in corpus
    ]
    assert any(fired)
    assert not all(fired)


@pytest.mark.parametrize("seed", range(60))
def test_every_field_is_equal_on_noise_with_faults_of_everything(
    controller: Controller, exported: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 700
    main = rng.integers(-(2 ** rng.integers(1, 11)), 2 ** rng.integers(1, 12), n)
    safing = rng.integers(-60, 2 ** rng.integers(1, 9), n)
    main[: rng.integers(0, n)] = rng.integers(-3, 700)
    inputs: np.ndarray = controller.words(main.astype(np.int16), safing.astype(np.int16))
    spoilt = rng.random(n) < (0.0, 0.02, 0.5)[seed % 3]
    for name in ("main_word", "safing_word"):
        hit = spoilt & (rng.random(n) < 0.5)
        inputs[name][hit] = rng.choice(
            np.array([0xFFFF_FFFF, 0, 0x7FFF, 0x1_8000, 0x7_7FFF], np.uint32), int(hit.sum())
        )
    steps = np.full(n, 500) + rng.integers(-100, 101, n)
    if seed % 5 == 4:
        steps[rng.integers(0, n, 2)] = rng.integers(0, 5000, 2)
    inputs["clock_us"] = np.cumsum(steps) - 500
    if seed % 4 == 3:
        inputs["battery_mv"][rng.integers(0, n) :] = rng.integers(0, 10_000)
    inputs["loops"]["resistance_mohm"][rng.integers(0, n) :] = rng.choice((0, 1499, 1500, 3700, 3701, 65535), 2)
    inputs["loops"]["leakage"][rng.integers(0, n) :] = rng.integers(0, 4, 2)
    assert inputs.dtype == INPUT_DTYPE
    assert_equal(controller, exported, inputs)


def test_the_offset_is_followed_alike(controller: Controller, exported: Path) -> None:
    counts = np.repeat(np.array([3, -9, 9], np.int16), 1024 * 3)
    assert_equal(controller, exported, controller.words(counts, np.zeros_like(counts)))


def test_an_export_that_is_missing_or_damaged_is_refused(exported: Path, tmp_path: Path) -> None:
    exported = Path(shutil.copytree(exported, tmp_path / "copy"))
    image = exported / "crumple_parameters.bin"
    whole = image.read_bytes()
    image.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ArtefactError, match="damaged"):
        read_exported_model(exported)
    image.unlink()
    with pytest.raises(ArtefactError, match="run crumple export first"):
        read_exported_model(exported)
    image.write_bytes(whole)
    (exported / "crumple_arming.h").write_text("/* nothing */\n", encoding="ascii")
    with pytest.raises(ArtefactError, match="no constant"):
        read_exported_model(exported)
