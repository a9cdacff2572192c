"""Mutants of the C of controller and recorder: each differs from the reference on stated vectors, or it is said why."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import pickle
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import EXACT16
from crumple.export.selftest import render_selftest
from crumple.firmware_sim.build import C_FOLDER, CONTROLLER_SOURCES, MODEL_SOURCES, RECORDER_SOURCES
from crumple.model.deployed import Arming, DeployedModel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest.importorskip("pycparser")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="each mutant runs in a fork")

HERE = Path(__file__).parent
UNMUTATED = ("drive.c", "inject.c")
"""They drive the controller and are no part of it."""

RECORDER = "edr.c"
LIMITS = HERE.parent / "c" / "recorder_limits.c"
"""Counters of the recorder at limits that vectors would take years to reach; not mutated."""

MIRROR = "mirror.c"
"""In a library of its own: it touches every word of the state three times a tick, which its mutants make slow."""


def sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


c_mutants = sibling("c_mutants")

SOURCE = """
#include <stdint.h>
#include <stdbool.h>
#define LIMIT 3
static const int32_t TABLE[2] = {1, 2};
int32_t judged(int32_t a, bool b)
{
    int32_t found = 0;
    if (b && (a < LIMIT)) {
        found = a + TABLE[1];
    } else if (!b) {
        found = -a;
    } else {
        switch (a) {
        case 7:
            found = 1;
            break;
        default:
            break;
        }
    }
    return found;
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, list[Any]]:
    folder = tmp_path_factory.mktemp("small")
    (folder / "judged.c").write_text(SOURCE, encoding="ascii")
    mutants = c_mutants.build([folder / "judged.c"], [], [], folder)
    return ctypes.CDLL(str(folder / "mutants.so")), mutants


def answers(library: ctypes.CDLL, number: int) -> list[int]:
    switch = ctypes.c_int.in_dll(library, "crumple_mutant")
    switch.value = number
    found = [library.judged(a, ctypes.c_bool(b)) for a in (-9, 0, 1, 2, 3, 4, 7) for b in (False, True)]
    switch.value = 0
    return found


def original(a: int, b: bool) -> int:
    return a + 2 if b and a < 3 else -a if not b else int(a == 7)


def test_mutant_zero_is_the_original(small: tuple[ctypes.CDLL, list[Any]]) -> None:
    assert answers(small[0], 0) == [original(a, b) for a in (-9, 0, 1, 2, 3, 4, 7) for b in (False, True)]


def test_every_kind_of_change_is_made_once_and_does_what_it_says(small: tuple[ctypes.CDLL, list[Any]]) -> None:
    library, mutants = small
    assert [m.number for m in mutants] == list(range(1, len(mutants) + 1))
    by_change = {m.change: m.number for m in mutants}
    expected = {
        "judged: b && (a < 3) with ||": lambda a, b: a + 2 if b or a < 3 else -a,
        "judged: b && (a < 3) left alone": lambda a, b: a + 2 if b else -a,
        "judged: b && (a < 3) right alone": lambda a, b: a + 2 if a < 3 else -a if not b else int(a == 7),
        "judged: a < 3 with <=": lambda a, b: a + 2 if b and a <= 3 else -a if not b else int(a == 7),
        "judged: a < 3 with >=": lambda a, b: a + 2 if b and a >= 3 else -a if not b else int(a == 7),
        "judged: a + TABLE[1] with -": lambda a, b: a - 2 if b and a < 3 else -a if not b else int(a == 7),
        "judged: without found = -a": lambda a, b: 0 if not b else original(a, b),
        "judged: -a without -": lambda a, b: a if not b else original(a, b),
        "judged: !b without !": lambda a, b: a + 2 if b and a < 3 else -a if b else int(a == 7),
    }
    for change, law in expected.items():
        wanted = [law(a, b) for a in (-9, 0, 1, 2, 3, 4, 7) for b in (False, True)]
        assert answers(library, by_change[change]) == wanted, change


def test_constant_expressions_stay(small: tuple[ctypes.CDLL, list[Any]]) -> None:
    assert not [m for m in small[1] if "7" in m.change or "{" in m.change]


def deployed() -> DeployedModel:
    """Two nodes for firing and one against, 2 of 3 votes."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=2,
        hidden_weight=((5, 7, 11, 13), (1, 2, 4, 8), (9, -9, 9, -9)),
        hidden_bias=(-2000, -100, 50),
        output_weight=(3, 2, -4),
        output_bias=-9000,
        confirm_votes=2,
        confirm_window=3,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


def exported(folder: Path) -> Path:
    folder.mkdir()
    calibration, image = render_calibration(deployed(), "0" * 64, EXACT16)
    files = {**render_c(deployed(), "0" * 64), **calibration, **render_selftest(deployed(), "0" * 64, EXACT16)}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "crumple_parameters.bin").write_bytes(image)
    return folder


def survivors(folder: Path, mutated: tuple[str, ...], which: str) -> tuple[list[Any], list[Any]]:
    """All mutants of these sources, and those that behave like the original on the vectors called ``which``."""
    export = exported(folder / "export")
    plain = [C_FOLDER / name for name in (*CONTROLLER_SOURCES, *RECORDER_SOURCES) if name not in mutated]
    plain += [LIMITS, *(export / name for name in MODEL_SOURCES)]
    mutants = c_mutants.build([C_FOLDER / name for name in mutated], plain, [export, C_FOLDER], folder)
    library = folder / "mutants.so"
    module = "recorder_vectors" if which == "recorder_vectors" else "vectors"
    vectors = getattr(sibling(module), which)(export, ctypes.CDLL(str(library)))
    (folder / "vectors.pickle").write_bytes(pickle.dumps(vectors))
    script = [sys.executable, str(HERE / "run_mutants.py"), str(library), str(folder / "vectors.pickle")]
    subprocess.run([*script, str(folder / "alike.json"), str(len(mutants))], check=True)
    alike = json.loads((folder / "alike.json").read_text())
    assert alike[:1] == [0], "the original itself differs from the reference on the vectors"
    return mutants, [mutants[number - 1] for number in alike[1:]]


def explained() -> Counter[str]:
    listed = tomllib.loads((HERE / "survivors.toml").read_text(encoding="utf-8"))["survivor"]
    assert all(one["reason"] for one in listed)
    found: Counter[str] = Counter()
    for one in listed:
        for change in one["changes"]:
            found[f"{one['file']}: {one['function']}: {change}"] += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutated", "which"),
    [
        (tuple(n for n in CONTROLLER_SOURCES if n not in (*UNMUTATED, MIRROR)), "all_vectors"),
        ((MIRROR,), "memory_vectors"),
        ((RECORDER,), "recorder_vectors"),
    ],
    ids=["controller", "mirror", "recorder"],
)
def test_no_mutant_survives_without_a_reason(tmp_path: Path, mutated: tuple[str, ...], which: str) -> None:
    mutants, alive = survivors(tmp_path, mutated, which)
    names = {m.name for m in mutants}
    listed = Counter({name: n for name, n in explained().items() if name.partition(":")[0] in mutated})
    found = Counter(m.name for m in alive)
    lines = {m.name: m.line for m in alive}
    assert len(mutants) > 50
    assert {f"{name} (line {lines[name]})" for name in found - listed} == set()
    assert sorted(set(listed) - names) == [], "listed, but there is no such mutant"
    assert sorted((listed - found).elements()) == [], "listed as surviving, but the vectors kill them"
