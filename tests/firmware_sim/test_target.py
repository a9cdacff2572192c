"""The controller as machine code on an emulated board: equal to the host and the reference, and exactly counted."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from crumple.artefact import Stage, read_artefact
from crumple.errors import CheckFailedError, CompileError, CorpusError, SignalError, ToolMissingError
from crumple.export.exported import FILE as EXPORT_FILE
from crumple.export.exported import SCHEMA as EXPORT_SCHEMA
from crumple.firmware_sim import target as module
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.commands import target_command
from crumple.firmware_sim.edr_reference import ReferenceRecorder
from crumple.firmware_sim.exported import read_exported_model
from crumple.firmware_sim.recorder import TICK_DTYPE, Recorder
from crumple.firmware_sim.reference import ReferenceController
from crumple.firmware_sim.replay import OUTPUT_DTYPE, Controller
from crumple.firmware_sim.target import CORE, FLAGS, TARGET_FOLDER, Program, link_program, run_program
from crumple.firmware_sim.target_stage import (
    FILE,
    SCHEMA,
    loop_share,
    require_equal,
    require_same_image,
    target_stage,
    with_rest,
)
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate
from crumple.signals.sensor import SensorPair
from crumple.toolchain import find_compiler

TOOLS = (module.COMPILER, module.SIZE, module.EMULATOR)
needs_board = pytest.mark.skipif(
    any(shutil.which(name) is None for name in TOOLS), reason="no cross compiler or no emulator here; CI has both"
)


@pytest.fixture(scope="module")
def program(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return link_program(exported, tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=5, counts={"rigid_barrier": 2, "hammer": 1, "rough_road": 1}))


@pytest.fixture(scope="module")
def folders(
    exported: Path, deployed: DeployedModel, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """An export folder and a corpus folder, as the other commands write them."""
    root = tmp_path_factory.mktemp("project")

    def files(out: Path) -> dict[str, Any]:
        for path in exported.iterdir():
            shutil.copy(path, out / path.name)
        return {"model": deployed.payload()}

    Stage(root / "export", EXPORT_FILE, EXPORT_SCHEMA, {}, {}).run(files)
    corpus_stage(root / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    return root / "export", root / "corpus"


def spoiled(controller: Controller, seed: int) -> np.ndarray:
    """A crash, or none every fourth time, with bad frames, a jump of the clock, a brown-out and a bad loop."""
    rng = np.random.default_rng(seed)
    n = 500
    wave = np.where(np.arange(n) < 200, 0, rng.integers(0, 40 if seed % 4 == 0 else 1900, n)).astype(np.int16)
    inputs: np.ndarray = controller.words(wave, np.minimum(wave, 400).astype(np.int16))
    for name in ("main_word", "safing_word"):
        hit = rng.random(n) < 0.05
        inputs[name][hit] = rng.choice(np.array([0xFFFF_FFFF, 0x1_8000, 0x7_7FFF], np.uint32), int(hit.sum()))
    if seed % 2:
        inputs["clock_us"][int(rng.integers(1, n)) :] += np.uint32(5000)
    inputs["battery_mv"][int(rng.integers(0, n)) :] = 8999
    inputs["loops"]["resistance_mohm"][int(rng.integers(0, n)) :, 0] = 65535
    return inputs


@needs_board
def test_every_output_is_equal_on_three_ways_to_run_it_with_faults_too(
    program: Program, controller: Controller, exported: Path
) -> None:
    recordings = [spoiled(controller, seed) for seed in range(12)]
    run = run_program(program, recordings)
    reference = read_exported_model(exported)
    fired = 0
    for k, (given, record) in enumerate(zip(recordings, run.records, strict=True)):
        require_equal(str(k), CORE, record["output"], "this machine", controller.outputs(given))
        expected = ReferenceController(reference).run(given)
        require_equal(str(k), CORE, record["output"], "the reference", expected)
        fired += bool(record["output"]["current_ma"].any())
    assert 0 < fired < len(recordings)


@needs_board
def test_every_byte_of_the_recorders_image_is_equal_on_three_ways_to_run_it_with_faults_too(
    program: Program, controller: Controller, exported: Path, tmp_path: Path
) -> None:
    recordings = [spoiled(controller, seed) for seed in range(12)]
    run = run_program(program, recordings)
    recorder = Recorder(build_controller(exported, tmp_path, find_compiler()))
    locked = lost = 0
    for given, rest, image in zip(recordings, run.rests, run.images, strict=True):
        ticks = with_rest(recorder.told(given, controller.outputs(given)), rest.size)
        assert image == recorder.image_of(ticks)
        assert image == ReferenceRecorder(Fraction(1, 16), 2000).image_of(ticks)
        locked += image[16] >> 1 & 1
        lost += image[36]
    assert 0 < locked < len(recordings)
    assert lost > 0
    assert run.recorder_state_bytes == recorder.n_bytes
    assert 0 < run.recorder_stack_bytes < 1000


@needs_board
def test_what_the_recorder_costs_is_counted_apart_from_the_controller(
    exported: Path, program: Program, controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = Path(shutil.copytree(module.C_FOLDER, tmp_path / "c"))
    source = slower / "edr.c"
    text = source.read_text(encoding="ascii")
    head = "void edr_step(edr_recorder *self, const edr_tick *tick)\n{\n"
    sled = head + '    __asm__ volatile(".rept 137\\n nop\\n .endr");\n    whole_step(self, tick);\n}\n'
    padded = text.replace(head, f"__attribute__((noinline)) static {head.replace('edr_step', 'whole_step')}") + sled
    assert padded != text
    source.write_text(padded, encoding="ascii")
    monkeypatch.setattr(module, "C_FOLDER", slower)
    inputs = spoiled(controller, 2)
    longer = run_program(link_program(exported, tmp_path), [inputs])
    plain = run_program(program, [inputs])
    jump = 1
    assert (longer.records[0]["recorder"].astype(int) - plain.records[0]["recorder"] == 137 + jump).all()
    assert (longer.rests.astype(int) - plain.rests == 137 + jump).all()
    assert (longer.records[0]["instructions"] == plain.records[0]["instructions"]).all()
    assert longer.images == plain.images


@needs_board
def test_counts_are_exact_so_one_tick_more_or_another_run_changes_none(
    program: Program, controller: Controller
) -> None:
    inputs = spoiled(controller, 1)
    whole = run_program(program, [inputs])
    again = run_program(program, [inputs[:300], inputs])
    assert (whole.records[0]["instructions"] == again.records[1]["instructions"]).all()
    assert (whole.records[0]["instructions"][:300] == again.records[0]["instructions"]).all()
    assert (whole.start_ticks, whole.start_total, whole.start_most) == (
        again.start_ticks,
        again.start_total,
        again.start_most,
    )


@needs_board
def test_a_sled_of_nops_in_the_tick_costs_what_it_is_long(
    exported: Path, program: Program, controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = Path(shutil.copytree(module.C_FOLDER, tmp_path / "c"))
    source = slower / "mirror.c"
    text = source.read_text(encoding="ascii")
    padded = text.replace(
        "    controller_output output;\n    if (!is_intact",
        '    controller_output output;\n    __asm__ volatile(".rept 137\\n nop\\n .endr");\n    if (!is_intact',
    )
    assert padded != text
    source.write_text(padded, encoding="ascii")
    monkeypatch.setattr(module, "C_FOLDER", slower)
    inputs = spoiled(controller, 2)
    longer = run_program(link_program(exported, tmp_path), [inputs]).records[0]["instructions"]
    plain = run_program(program, [inputs]).records[0]["instructions"]
    assert (longer.astype(int) - plain == 137).all()


@needs_board
def test_the_stack_mark_grows_with_what_a_tick_puts_on_the_stack(
    exported: Path, program: Program, controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deeper = Path(shutil.copytree(module.C_FOLDER, tmp_path / "c"))
    source = deeper / "mirror.c"
    text = source.read_text(encoding="ascii")
    source.write_text(
        text.replace(
            "    controller_output output;\n    if (!is_intact",
            "    controller_output output;\n    volatile uint32_t pad[100] = {1u};\n    (void)pad[99];\n"
            "    if (!is_intact",
        ),
        encoding="ascii",
    )
    monkeypatch.setattr(module, "C_FOLDER", deeper)
    inputs = spoiled(controller, 2)
    more = run_program(link_program(exported, tmp_path), [inputs]).stack_bytes
    assert more - run_program(program, [inputs]).stack_bytes in range(392, 417)


@needs_board
def test_a_controller_that_fails_its_self_test_on_the_board_is_a_failure(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    source = copy / "crumple_model.c"
    text = source.read_text(encoding="ascii")
    wrong = text.replace("(-9000)", "(-8999)")
    assert wrong != text
    source.write_text(wrong, encoding="ascii")
    with pytest.raises(CheckFailedError, match="the controller does not start"):
        run_program(link_program(copy, tmp_path), [])


@needs_board
def test_code_that_does_not_compile_says_so_in_the_compilers_words(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    (copy / "crumple_model.c").write_text("int broken = ;\n", encoding="ascii")
    with pytest.raises(CompileError, match="broken"):
        link_program(copy, tmp_path)


@needs_board
def test_the_command_writes_an_artefact_that_is_the_same_every_time(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "target"
    done = CliRunner().invoke(target_command, [*map(str, folders), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    payload = read_artefact(out / FILE, SCHEMA).payload
    assert json.loads(done.stdout)["target"] == payload
    count = payload["instructions"]
    assert 0 < count["least"] <= count["mean"] <= count["most"]
    worst = next(event for event in payload["events"] if event["event"] == count["worst"]["event"])
    assert (worst["most"], worst["worst_tick"]) == (count["most"], count["worst"]["tick"])
    assert sum(row["ticks"] for row in count["by_state"]) == payload["ticks"]
    assert payload["fields"] == list(OUTPUT_DTYPE.names or ())
    assert payload["static_bytes"] == 0
    assert payload["loop"]["share_percent"] == round(count["most"] / 80 / 500 * 100, 2)
    assert 0 < payload["stack_bytes"] < payload["start"]["stack_bytes"] + 1000
    heard = payload["recorder"]
    assert heard["ticks"] == payload["ticks"] + 700 * len(payload["events"])
    assert 0 < heard["mean"] < heard["most"]
    assert heard["images"] == len(payload["events"])
    assert heard["records"] >= 2
    assert (heard["stack_bytes"] > 0, heard["flash_bytes"] > 0) == (True, True)
    again = target_stage(*folders, tmp_path / "again")
    assert again.path.read_bytes() == (out / FILE).read_bytes()


@needs_board
def test_inputs_of_another_layout_are_refused(program: Program) -> None:
    with pytest.raises(SignalError, match="INPUT_DTYPE"):
        run_program(program, [np.zeros(5)])


@needs_board
def test_a_board_that_never_ends_is_ended(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.001)
    with pytest.raises(CheckFailedError, match="no end after"):
        run_program(program, [])


def test_outputs_that_differ_name_event_tick_and_output() -> None:
    one, other = np.zeros(9, OUTPUT_DTYPE), np.zeros(9, OUTPUT_DTYPE)
    require_equal("wall", CORE, one, "this machine", other)
    other["current_ma"][7, 1] = 1200
    with pytest.raises(CheckFailedError, match=rf"wall: tick 7: current_ma is \[0, 0\] on {CORE} and \[0, 1200\]"):
        require_equal("wall", CORE, one, "this machine", other)


def test_images_that_differ_name_event_and_byte() -> None:
    require_same_image("wall", CORE, b"abc", "the reference", b"abc")
    with pytest.raises(CheckFailedError, match=f"wall: byte 1 of the recorder's image is 98 on {CORE}, 100 on the ref"):
        require_same_image("wall", CORE, b"abc", "the reference", b"adc")
    with pytest.raises(CheckFailedError, match="3 bytes"):
        require_same_image("wall", CORE, b"abc", "the reference", b"abcd")


def test_rest_after_a_recording_holds_no_event_and_no_news() -> None:
    ticks = np.ones(2, TICK_DTYPE)
    after = with_rest(ticks, 3)
    assert (after[:2] == ticks).all()
    for name in ("sample_lsb", "is_lost", "is_firing", "current"):
        assert not after[name][2:].any()
    for name in ("has_fired", "is_running", "lamp", "trouble", "mode"):
        assert after[name][2:].all()


def test_the_share_of_the_loop_is_instructions_times_cycles_by_the_clock() -> None:
    share = loop_share(8000, 500.0, 80, 2)
    assert (share["longest_tick_us"], share["share_percent"]) == (200.0, 40.0)
    assert "80 MHz, 2 cycle(s)" in share["assumed"]


def test_an_absent_tool_is_named_and_ends_the_command_with_code_four(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EMULATOR", "qemu-of-nowhere")
    with pytest.raises(ToolMissingError, match="qemu-of-nowhere not on the PATH") as caught:
        target_stage(*folders, tmp_path / "out")
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@needs_board
def test_a_corpus_of_other_sensors_is_refused(folders: tuple[Path, Path], corpus: Corpus, tmp_path: Path) -> None:
    pair = SensorPair()
    others = Corpus(SensorPair(main=pair.safing, safing=pair.safing), tuple(corpus))
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(others, out))
    with pytest.raises(CorpusError):
        target_stage(folders[0], tmp_path / "corpus", tmp_path / "out")


def test_what_the_board_needs_is_part_of_the_package() -> None:
    assert {"target.c", "target.ld"} <= {path.name for path in TARGET_FOLDER.iterdir()}
    assert f"-mcpu={CORE}" in FLAGS
