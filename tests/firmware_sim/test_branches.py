"""Branches and conditions of the C, of controller and exported model: each both ways, or a reason why not.

Compiled without optimisation, gcc makes a branch of each operand that ``&&`` and ``||`` evaluate, so a branch that goes
both ways is a condition that was true and false. All decisions of the controller but those in ``MIXED`` join their
operands by ``&&`` alone or ``||`` alone; for such a chain, every operand both ways is masking MC/DC: the one case in
which each operand alone decides is the one in which it is evaluated and turns the result. Those in ``MIXED`` are held
to their full table of conditions by the cases named there.
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
from pathlib import Path

import numpy as np
import pytest

from crumple.firmware_sim.build import C_FOLDER, CONTROLLER_SOURCES, MODEL_SOURCES
from crumple.firmware_sim.reference import main_word, safing_word
from crumple.firmware_sim.replay import Controller
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import CorpusPlan, generate

UNMEASURED = ("drive.c", "inject.c", "crumple_selftest.c")
"""Two drive the controller and are no part of it; the self-test compares constants and can only pass."""

HEADER_BYTES, BODY = 56, "<q3i12h3h"
"""An image of the tests' model: its header, and output bias, hidden biases, weights and output weights."""

WHITE_BOX = Path(__file__).parents[1] / "c" / "controller_vectors.c"

ONLY_WITHIN_A_TICK = "parts of a tick are straight code: only a fault of the processor within the tick leaves one out"
ONLY_OTHER_CODE = "the self-test runs on constants alone: only other code, or a fault of the processor, fails it"

TOO_SMALL = "a net of three nodes and 16-bit weights cannot come to that; the check is for larger ones"

UNREACHABLE = {
    ("controller.c", "if (!watchdog_flow_is_right(&self->dog, N_PARTS)) {"): ONLY_WITHIN_A_TICK,
    ("controller.c", "reset_with(self, TROUBLE_FLOW, &output);"): ONLY_WITHIN_A_TICK,
    ("controller.c", "if (crumple_selftest() != CRUMPLE_SELFTEST_PASSED) {"): ONLY_OTHER_CODE,
    ("controller.c", "trouble |= TROUBLE_SELFTEST;"): ONLY_OTHER_CODE,
    ("crumple_calibration.c", "if ((weight > WEIGHT_MAX) || ((weight * BLOCK_MAX) > room)) {"): TOO_SMALL,
    (
        "crumple_calibration.c",
        "return (sum <= OUTPUT_WEIGHT_SUM_MAX) && (bias >= -OUTPUT_BIAS_MAX) && (bias <= OUTPUT_BIAS_MAX);",
    ): TOO_SMALL,
}
"""File and line of code to the reason why one way out of it is never taken."""

UNTAKEN = 4
"""Branches of those lines that are never taken: one of each decision."""

MIXED = {
    (
        "controller.c",
        "if ((fires || due) && (sum_of(self->parameters) != self->parameters_sum))",
    ): "parameters_that_change() of controller_vectors.c: every case that evaluation can tell apart",
}
"""File and code of decisions with both ``&&`` and ``||``, and where all their cases are."""

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wstrict-prototypes", "-Werror")

needs_gcov = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("gcc", "gcov")), reason="no gcc or no gcov here; CI has both"
)


def measured(exported: Path) -> list[Path]:
    """The files whose branches count: the controller's own, the model and the reader of its parameters."""
    paths = [*(C_FOLDER / name for name in CONTROLLER_SOURCES), *(exported / name for name in MODEL_SOURCES)]
    return [path for path in paths if path.name not in UNMEASURED]


def run_tool(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, Path]:
    """Controller and model as one library; what is measured counts its branches."""
    folder = tmp_path_factory.mktemp("branches")
    sources = [
        *(C_FOLDER / name for name in CONTROLLER_SOURCES),
        *(exported / name for name in MODEL_SOURCES),
        WHITE_BOX,
    ]
    for source in sources:
        counted = ["--coverage"] if source in measured(exported) else []
        include = [f"-I{exported}", f"-I{C_FOLDER}"]
        words = [
            "gcc",
            "-std=c99",
            "-O0",
            "-fPIC",
            *WARNINGS,
            *counted,
            *include,
            "-c",
            str(source),
            "-o",
            f"{source.stem}.o",
        ]
        run_tool(words, folder)
    (folder / "dump.c").write_text(
        "void __gcov_dump(void);\nvoid coverage_dump(void);\nvoid coverage_dump(void) { __gcov_dump(); }\n"
    )
    objects = [f"{source.stem}.o" for source in sources]
    run_tool(["gcc", "--coverage", "-fPIC", "-shared", "dump.c", *objects, "-o", "counted.so"], folder)
    return ctypes.CDLL(str(folder / "counted.so")), folder


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


def read_images(library: ctypes.CDLL, image: bytes) -> list[int]:
    """Verdicts of the reader on the ``image`` of the model, and on it spoilt in each way that it tells apart."""
    body = list(struct.unpack(BODY, image[HEADER_BYTES:-4]))
    verdicts = []

    def read(data: bytes, size: int | None = None) -> None:
        parameters = ctypes.create_string_buffer(4096)
        verdicts.append(library.crumple_calibration_read(data, ctypes.c_size_t(size or len(data)), parameters))

    def sealed(data: bytes) -> bytes:
        return data + struct.pack("<I", zlib.crc32(data))

    read(image)
    read(image, len(image) - 1)
    for at in (0, 4, 8, len(image) - 1):
        read(image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :])
    for at, number in ((0, 2**62 + 1), (0, -(2**62) - 1), (1, -(2**31)), (1, 2**31 - 1)):
        spoilt = [*body[:at], number, *body[at + 1 :]]
        read(sealed(image[:HEADER_BYTES] + struct.pack(BODY, *spoilt)))
    return verdicts


def uncovered(folder: Path, sources: list[Path]) -> tuple[set[tuple[str, str]], int, int]:
    """File and code of the lines where a branch was not taken or nothing ran; branches in all, and taken."""
    missed, n_branches, n_taken = set(), 0, 0
    for source in sources:
        run_tool(["gcov", "--json-format", "--branch-probabilities", f"{source.stem}.gcda"], folder)
        with gzip.open(next(folder.glob(f"{source.stem}.*gcov.json.gz"))) as stream:
            (found,) = [one for one in json.load(stream)["files"] if Path(one["file"]).name == source.name]
        text = source.read_text(encoding="ascii").splitlines()
        for line in found["lines"]:
            taken = [branch["count"] > 0 for branch in line["branches"]]
            n_branches, n_taken = n_branches + len(taken), n_taken + sum(taken)
            if line["count"] == 0 or not all(taken):
                missed.add((source.name, text[line["line_number"] - 1].strip()))
    return missed, n_branches, n_taken


@needs_gcov
def test_every_branch_and_condition_is_taken_both_ways_or_it_is_said_why_not(
    built: tuple[ctypes.CDLL, Path], exported: Path
) -> None:
    library, folder = built
    drive(Controller(library))
    assert library.controller_vectors() == 0, "the line of controller_vectors.c that does not hold"
    verdicts = read_images(library, (exported / "crumple_parameters.bin").read_bytes())
    assert verdicts[0] == 0
    assert all(verdicts[1:])
    assert len(set(verdicts)) == 7, "accepted, and six reasons to refuse"
    library.coverage_dump()
    missed, n_branches, n_taken = uncovered(folder, measured(exported))
    assert missed == set(UNREACHABLE)
    assert n_branches > 300
    assert n_branches - n_taken == UNTAKEN


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
