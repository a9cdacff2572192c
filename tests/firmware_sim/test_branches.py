"""Branches and conditions of the C, of controller, recorder and exported model: each both ways.

Compiled without optimisation, gcc makes a branch of each operand that ``&&`` and ``||`` evaluate, so a branch that goes
both ways is a condition that was true and false. All decisions of controller and recorder but those in ``MIXED`` join
their operands by ``&&`` alone or ``||`` alone; for such a chain, every operand both ways is masking MC/DC: the one case
in which each operand alone decides is the one in which it is evaluated and turns the result. Those in ``MIXED`` are
held to their full table of conditions by what is named there.
"""

from __future__ import annotations

import ctypes
import gzip
import json
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import DSP, EXACT16, SMALL8, Profile
from crumple.export.selftest import render_selftest
from crumple.firmware_sim.build import C_FOLDER, CONTROLLER_SOURCES, MODEL_SOURCES, RECORDER_SOURCES
from crumple.firmware_sim.recorder import TICK_DTYPE, Recorder
from crumple.firmware_sim.reference import main_word, safing_word
from crumple.firmware_sim.replay import FRAME_DATA_MAX, Controller
from crumple.model.deployed import DeployedModel
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import CorpusPlan, generate

UNMEASURED = ("drive.c", "inject.c")
"""Both drive the controller and are no part of it."""

HEADER_BYTES = 56
BODY = {"exact16": "<q3i12h3h", "dsp": "<q3i12h3h", "small8": "<q3i12b3h"}
"""An image of the tests' model: output bias, hidden biases, weights and output weights."""

FOLDER = Path(__file__).parents[1] / "c"
WHITE_BOX = FOLDER / "controller_vectors.c"
PROCESSOR = FOLDER / "processor_faults.c"
LIMITS = FOLDER / "recorder_limits.c"
WRAPPED = ("watchdog_passed", "crumple_parameters_crc32", "crumple_output", "crumple_step_with")
"""What a fault of the processor is put into, by the linker: two decisions wait for nothing else."""

WIDE_NODES = 34
WIDE = {"exact16": (2, 64, "<q34i68h34h"), "dsp": (4, 16, "<q34i136h34h"), "small8": (144, 64, "<q34i4896b34h")}
"""Inputs, samples a block and layout of a net so wide that its reader needs limits the tests' model cannot come to."""

GUARD = "if ((weight > WEIGHT_MAX) || ((weight * BLOCK_MAX) > room)) {"
UNREACHABLE = {("dsp", GUARD, 2), ("small8", GUARD, 2)}
"""Profile, code and place among the counts. The first operand keeps the product of the second within 32 bits. It is for
wide blocks under 16-bit weights: dsp takes no block above 32,767 counts, and 8 bits times the widest block there is
(64 samples of 32,767) do not overflow."""

RIGHT = "the other operator stands last, so an operand is evaluated only where it decides: each both ways is every case"

MIXED = {
    (
        "controller.c",
        "if ((fires || due) && (sum_of(self->parameters) != self->parameters_sum))",
    ): "parameters_that_change() of controller_vectors.c: every case that evaluation can tell apart",
    (
        "edr.c",
        "const bool is_over = (self->n >= MOST_SAMPLES)"
        " || ((self->end > 0u) && (self->n >= (self->end + TAIL_SAMPLES)))",
    ): RIGHT,
    (
        "edr.c",
        "if (may_go && ((found == EDR_SLOTS) || (slot->order < memory->slot[found].order)))",
    ): RIGHT,
}
"""File and code of decisions with both ``&&`` and ``||``, and where all their cases are."""

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wstrict-prototypes", "-Werror")

needs_gcov = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("gcc", "gcov")), reason="no gcc or no gcov here; CI has both"
)


def measured(exported: Path) -> list[Path]:
    """The files whose branches count: controller, recorder, model, the reader of its parameters and its self-test."""
    own = (*CONTROLLER_SOURCES, *RECORDER_SOURCES)
    paths = [*(C_FOLDER / name for name in own), *(exported / name for name in MODEL_SOURCES)]
    return [path for path in paths if path.name not in UNMEASURED]


def run_tool(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Built:
    """A ``library`` that counts its branches, and the ``folder`` with its objects and counts."""

    library: ctypes.CDLL
    folder: Path


def compiled(exported: Path, folder: Path, sources: list[Path], *options: str) -> Built:
    """A library of ``sources``, of which those that count their branches are measured."""
    for source in sources:
        counted = ["--coverage"] if source in measured(exported) else []
        include = [f"-I{exported}", f"-I{C_FOLDER}"]
        flags = ["-std=c99", "-O0", "-fPIC", *WARNINGS, *counted, *include]
        run_tool(["gcc", *flags, "-c", str(source), "-o", f"{source.stem}.o"], folder)
    (folder / "dump.c").write_text(
        "void __gcov_dump(void);\nvoid coverage_dump(void);\nvoid coverage_dump(void) { __gcov_dump(); }\n"
    )
    objects = [f"{source.stem}.o" for source in sources]
    run_tool(["gcc", "--coverage", "-fPIC", "-shared", *options, "dump.c", *objects, "-o", "counted.so"], folder)
    return Built(ctypes.CDLL(str(folder / "counted.so")), folder)


@pytest.fixture(
    scope="module", params=[EXACT16, *(pytest.param(one, marks=pytest.mark.slow) for one in (SMALL8, DSP))],
    ids=lambda profile: profile.name,
)  # fmt: skip
def profile(request: pytest.FixtureRequest) -> Profile:
    return request.param  # type: ignore[no-any-return]


def print_export(model: DeployedModel, profile: Profile, folder: Path) -> Path:
    """Everything of an export that the controller reads, in ``folder``."""
    calibration, image = render_calibration(model, "0" * 64, profile)
    files = {**render_c(model, "0" * 64, profile), **calibration, **render_selftest(model, "0" * 64, profile)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_parameters.bin").write_bytes(image)
    return folder


@pytest.fixture(scope="module")
def printed(deployed: DeployedModel, profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' model as the profile prints it."""
    return print_export(deployed, profile, tmp_path_factory.mktemp("printed"))


@pytest.fixture(scope="module")
def built(printed: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Controller and model as one library; what is measured counts its branches."""
    sources = [
        *(C_FOLDER / name for name in (*CONTROLLER_SOURCES, *RECORDER_SOURCES)),
        *(printed / name for name in MODEL_SOURCES),
        WHITE_BOX,
        PROCESSOR,
        LIMITS,
    ]
    wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
    return compiled(printed, tmp_path_factory.mktemp("branches"), sources, *wraps)


@pytest.fixture(scope="module")
def wide(deployed: DeployedModel, profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, Path]:
    """The reader of the parameters of a net at the edge of what an export takes, and that export."""
    n_blocks, block_samples, _ = WIDE[profile.name]
    model = replace(
        deployed,
        block_samples=block_samples,
        hidden_weight=((1,) * n_blocks,) * WIDE_NODES,
        hidden_bias=(0,) * WIDE_NODES,
        output_weight=(1,) * WIDE_NODES,
    )
    exported = print_export(model, profile, tmp_path_factory.mktemp("wide_export"))
    folder = tmp_path_factory.mktemp("wide")
    sources = [exported / "crumple_model.c", exported / "crumple_calibration.c"]
    return compiled(exported, folder, sources), exported


def drive(controller: Controller) -> None:
    """Everything that comes from outside: events, frames, clocks, supply and loops."""
    for event in generate(CorpusPlan(seed=11, counts=dict.fromkeys(EVENT_MODES, 1))):
        controller.run(event.main_lsb, event.safing_lsb)
    n = 700
    k = np.arange(n)
    crash = np.where(k < 40, 0, 1900 - 8 * (k % 7)).astype(np.int16)
    for main, safing in (
        (crash, crash // 4),
        (crash[:60], crash[:60] // 4),
        (-crash, -2 * crash),
        (crash * 0 + 500,) * 2,
    ):
        controller.run(main, safing)
    inputs = controller.words(crash, crash // 4)
    for name, encode in (("main_word", main_word), ("safing_word", safing_word)):
        for words in ([0xFFFF_FFFF], [encode(30721)], [encode(-30721)], [encode(0) ^ (1 << 16)], [encode(5)] * 9):
            for length in (len(words), 9):
                spoilt = inputs.copy()
                spoilt[name][10 : 10 + length] = (words * 9)[:length]
                controller.run_inputs(spoilt)
    for step_us in (10, 5000):
        spoilt = inputs.copy()
        spoilt["clock_us"][100:] += np.uint32(step_us)
        controller.run_inputs(spoilt)
    for begin in (0, 300):
        spoilt = inputs.copy()
        spoilt["battery_mv"][begin:] = 0
        controller.run_inputs(spoilt)
    for resistance_mohm, leakage in ((0, 0), (1499, 0), (3701, 0), (65535, 0), (2200, 1), (2200, 2), (2200, 3)):
        for length in (3, n):
            spoilt = inputs.copy()
            spoilt["loops"]["resistance_mohm"][:length] = resistance_mohm
            spoilt["loops"]["leakage"][:length] = leakage
            controller.run_inputs(spoilt)
    for level in (20, -20):
        counts = np.full(1024 * 18, level, np.int16)
        controller.run(counts, np.zeros_like(counts))


def told(counts: NDArray[Any]) -> NDArray[Any]:
    """A controller that runs and reads ``counts``, as its recorder is told of it."""
    found = np.zeros(counts.size, TICK_DTYPE)
    found["sample_lsb"], found["is_running"] = counts, True
    return found


def record(recorder: Recorder, controller: Controller) -> None:
    """Blows, deployments, resets and lost samples at random, and what chance does not bring about."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        n = 3000
        counts = rng.normal(0, rng.choice([0, 5, 60]), n) + rng.choice([0, 0, 17, -26])
        for at in rng.integers(0, n, 3):
            counts[at : at + int(rng.integers(1, 400))] += rng.normal(0, 400)
        ticks = told(np.clip(counts, -30000, 30000).astype(np.int16))
        ticks["lamp"], ticks["is_lost"] = rng.random(n) < 0.5, rng.random(n) < 0.1
        at = int(rng.integers(0, n))
        ticks["current"][at : at + 4, int(rng.integers(0, 2))] = True
        ticks["is_firing"][at : at + int(rng.integers(1, 1500))] = True
        ticks["has_fired"][at:] = rng.random() < 0.5
        ticks["is_running"][int(rng.integers(0, n))] = rng.random() < 0.5
        recorder.image_of(ticks)
    for second_blow, n in ((500, 900), (500, 140_000), (2000, 900)):  # an event that is held open beyond its record
        ticks = told(np.zeros(n + 1000, np.int16))
        ticks["sample_lsb"][200:260] = ticks["sample_lsb"][second_blow : second_blow + 60] = 320
        ticks["current"][200, 0] = ticks["current"][200 + n, 1] = ticks["is_firing"][200 : 200 + n] = True
        recorder.image_of(ticks)
    blow = np.r_[np.zeros(200), np.full(120, 320)]
    recorder.image_of(told(np.r_[blow, np.zeros(11_000), blow, np.zeros(900)].astype(np.int16)))  # two crashes, not one
    late_end = told(np.r_[np.zeros(200), np.full(530, 40), np.zeros(600)].astype(np.int16))
    late_end["is_firing"][200:1200] = True
    recorder.image_of(late_end)
    for second in (20, 240):
        ticks = told(np.r_[np.zeros(200), np.full(120, 320), np.zeros(900)].astype(np.int16))
        ticks["current"][236, 0] = ticks["current"][236 + second, 1] = ticks["is_firing"][236:500] = True
        recorder.image_of(ticks)
    short = told(np.r_[np.zeros(200), np.full(40, 138), np.full(160, 16), np.zeros(900)].astype(np.int16))
    recorder.image_of(short)  # 8 km/h by a slow change, after an event that was not kept
    recorder.image_of(told(np.zeros(500, np.int16)))
    inputs = controller.words(np.zeros(100, np.int16), np.zeros(100, np.int16))
    inputs["main_word"][50:53] = [0xFFFF_FFFF, main_word(FRAME_DATA_MAX + 1), main_word(-FRAME_DATA_MAX - 1)]
    recorder.flips(recorder.told(inputs, recorder.run(inputs)[0]), 50, 0, 2)


def read(library: ctypes.CDLL, data: bytes, size: int | None = None) -> int:
    """The reader's verdict on an image."""
    parameters = ctypes.create_string_buffer(2**14)
    return int(library.crumple_calibration_read(data, ctypes.c_size_t(size or len(data)), parameters))


def resealed(image: bytes, layout: str, changes: dict[int, int]) -> bytes:
    """The ``image`` with some numbers of its body, by their place, replaced, and a CRC that says so."""
    body = list(struct.unpack(layout, image[HEADER_BYTES:-4]))
    for at, number in changes.items():
        body[at] = number
    data = image[:HEADER_BYTES] + struct.pack(layout, *body)
    return data + struct.pack("<I", zlib.crc32(data))


def read_images(library: ctypes.CDLL, image: bytes, layout: str) -> list[int]:
    """Verdicts of the reader on the ``image`` of the model, and on it spoilt in each way that it tells apart."""
    verdicts = [read(library, image), read(library, image, len(image) - 1)]
    for at in (0, 4, 8, len(image) - 1):
        verdicts.append(read(library, image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]))
    for at, number in ((0, 2**62 + 1), (0, -(2**62) - 1), (1, -(2**31)), (1, 2**31 - 1)):
        verdicts.append(read(library, resealed(image, layout, {at: number})))
    return verdicts


Lines = list[tuple[str, list[int]]]
"""Code of each line that was compiled, and how often it and each of its branches ran."""


def counts(folder: Path, source: Path) -> Lines:
    """What gcov says of a ``source`` whose object is in ``folder``."""
    run_tool(["gcov", "--json-format", "--branch-probabilities", f"{source.stem}.gcda"], folder)
    with gzip.open(next(folder.glob(f"{source.stem}.*gcov.json.gz"))) as stream:
        (found,) = [one for one in json.load(stream)["files"] if Path(one["file"]).name == source.name]
    text = source.read_text(encoding="ascii").splitlines()
    return [
        (text[line["line_number"] - 1].strip(), [line["count"], *(branch["count"] for branch in line["branches"])])
        for line in found["lines"]
    ]


def together(one: Lines, other: Lines) -> Lines:
    """Counts of the same code in two builds, added."""
    assert [text for text, _ in one] == [text for text, _ in other]
    return [
        (text, [a + b for a, b in zip(first, second, strict=True)])
        for (text, first), (_, second) in zip(one, other, strict=True)
    ]


@needs_gcov
def test_every_branch_and_condition_of_controller_recorder_and_export_is_taken_both_ways(
    built: Built, wide: tuple[Built, Path], printed: Path, profile: Profile
) -> None:
    controller = Controller(built.library)
    drive(controller)
    record(Recorder(built.library), controller)
    assert built.library.recorder_limits() == 0, "the line of recorder_limits.c that does not hold"
    assert built.library.controller_vectors() == 0, "the line of controller_vectors.c that does not hold"
    assert built.library.processor_faults() == 0, "the line of processor_faults.c that does not hold"
    verdicts = read_images(built.library, (printed / "crumple_parameters.bin").read_bytes(), BODY[profile.name])
    assert verdicts[0] == 0
    assert all(verdicts[1:])
    assert len(set(verdicts)) == 7, "accepted, and six reasons to refuse"
    reader, wide_export = wide
    image = (wide_export / "crumple_parameters.bin").read_bytes()
    n_blocks, _, layout = WIDE[profile.name]
    largest = 2 ** (profile.weight_bits - 1) - 1
    too_heavy = {1 + WIDE_NODES + k: largest for k in range(n_blocks)}
    too_much = {1 + WIDE_NODES + n_blocks * WIDE_NODES + j: 32767 for j in range(WIDE_NODES)}
    assert read(reader.library, image) == 0
    for changes in (too_heavy, too_much):
        assert read(reader.library, resealed(image, layout, changes)) == verdicts[-1], "out of range"
    built.library.coverage_dump()
    reader.library.coverage_dump()
    n_branches, missed = 0, []
    for source in measured(printed):
        lines = counts(built.folder, source)
        if source.name == "crumple_calibration.c":
            lines = together(lines, counts(reader.folder, wide_export / source.name))
        n_branches += sum(len(ran) - 1 for _, ran in lines)
        missed += [(profile.name, text, k) for text, ran in lines for k, count in enumerate(ran) if count == 0]
    assert set(missed) == {one for one in UNREACHABLE if one[0] == profile.name}
    assert n_branches > 540


def decisions(exported: Path) -> list[tuple[str, str]]:
    """File and code of every line that joins conditions by both operators; a decision may span two lines."""
    found = []
    for source in measured(exported):
        text = source.read_text(encoding="ascii")
        for statement in re.split(r"[;{}]", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)):
            if "&&" in statement and "||" in statement:
                found.append((source.name, " ".join(statement.split())))
    return found


def test_decisions_that_mix_both_operators_are_those_whose_cases_are_named(exported: Path) -> None:
    assert sorted(decisions(exported)) == sorted(MIXED)
