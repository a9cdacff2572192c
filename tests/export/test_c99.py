"""The exported C: whole golden files, and strict compilation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from crumple.export.c99 import render_c, render_template
from crumple.model.deployed import DeployedModel
from crumple.toolchain import STRICT_FLAGS, find_compiler


@pytest.mark.parametrize("name", ["crumple_model.h", "crumple_model.c", "crumple_arming.h"])
def test_the_exported_file_equals_its_golden_file(
    name: str, small_model: DeployedModel, golden: Callable[[str, bytes], None]
) -> None:
    golden(name, render_c(small_model, "0" * 64)[name].encode("ascii"))


def test_the_exported_c_has_no_floats_no_heap_and_no_mutable_globals(small_model: DeployedModel) -> None:
    text = render_c(small_model, "0" * 64)["crumple_model.c"]
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("/*", "*")))
    for word in ("float", "double", "malloc", "free(", "goto", "memcpy"):
        assert word not in code
    for line in code.splitlines():
        if line.startswith("static") and "(" not in line.split("=")[0]:
            assert line.startswith("static const")


def test_the_exported_c_compiles_without_a_warning_under_strict_flags(
    small_model: DeployedModel, tmp_path: Path
) -> None:
    for name, text in render_c(small_model, "0" * 64).items():
        (tmp_path / name).write_text(text, encoding="ascii")
    find_compiler().shared_library([tmp_path / "crumple_model.c"], tmp_path / "m.so", include=[tmp_path])


def test_undefined_behaviour_is_not_reached_on_extreme_inputs(small_model: DeployedModel, tmp_path: Path) -> None:
    for name, text in render_c(small_model, "0" * 64).items():
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "main.c").write_text(
        '#include "crumple_model.h"\n'
        "int main(void) { crumple_state s; crumple_init(&s); int16_t u = -32768;\n"
        "for (uint32_t k = 0; k < 200000u; ++k) { crumple_status r = crumple_step(&s, u); (void)r;\n"
        "  u = (int16_t)((k * 2654435761u) >> 16); if ((k & 1023u) < 64u) { u = (k & 1024u) ? 32767 : -32768; } }\n"
        "return 0; }\n",
        encoding="ascii",
    )
    program = tmp_path / "ub"
    flags = [flag for flag in STRICT_FLAGS if "conversion" not in flag]  # the driver narrows on purpose
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    sources = [str(tmp_path / "crumple_model.c"), str(tmp_path / "main.c")]
    built = subprocess.run(
        [*find_compiler().command, *flags, *sources, "-o", str(program)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_the_template_does_not_know_is_an_error(small_model: DeployedModel) -> None:
    with pytest.raises(UndefinedError):
        render_template("crumple_model.h.in", {"model_sha256": "0"})
