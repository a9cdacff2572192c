"""The exported C: whole golden files, and strict compilation."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from crumple.errors import ModelError
from crumple.export.c99 import render_c, render_template
from crumple.export.profiles import DSP, EXACT16, PROFILES, SMALL8, Profile
from crumple.model.deployed import DeployedModel, SecondStage
from crumple.toolchain import STRICT_FLAGS, Compiler, find_compiler

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


def written(model: DeployedModel, folder: Path, profile: Profile = EXACT16) -> Path:
    for name, text in render_c(model, "0" * 64, profile).items():
        (folder / name).write_text(text, encoding="ascii")
    return folder


@every_profile
@pytest.mark.parametrize("name", ["crumple_model.h", "crumple_model.c", "crumple_arming.h"])
def test_the_exported_file_equals_its_golden_file(
    name: str, profile: Profile, small_model: DeployedModel, golden: Callable[[str, bytes], None]
) -> None:
    golden(f"{profile.name}/{name}", render_c(small_model, "0" * 64, profile)[name].encode("ascii"))


@every_profile
def test_the_exported_c_has_no_floats_no_heap_and_no_mutable_globals(
    small_model: DeployedModel, profile: Profile
) -> None:
    text = render_c(small_model, "0" * 64, profile)["crumple_model.c"]
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for word in ("float", "double", "malloc", "free(", "goto"):
        assert word not in code
    objects = [
        line for line in code.splitlines() if re.match(r"(static |const )?[a-z_0-9]+ [a-z_0-9]+(\[.*\])* = ", line)
    ]
    assert objects == ["const crumple_parameters crumple_built_in = {"]


@every_profile
@pytest.mark.parametrize("defines", [(), ("-DCRUMPLE_SHORT_MULTIPLY=1",)], ids=["long multiply", "short multiply"])
def test_the_exported_c_compiles_without_a_warning_under_strict_flags(
    small_model: DeployedModel, tmp_path: Path, profile: Profile, defines: tuple[str, ...]
) -> None:
    compiler = find_compiler()
    folder = written(small_model, tmp_path, profile)
    Compiler((*compiler.command, *defines), compiler.name).shared_library(
        [folder / "crumple_model.c"], tmp_path / "m.so", include=[tmp_path]
    )


@pytest.mark.parametrize(
    ("change", "profile", "message"),
    [
        ({"hidden_weight": ((128, 0, 0, 0),) * 3}, SMALL8, "a hidden weight is 128, 8 bits hold 127"),
        ({"clamp_lsb": 32767}, DSP, "a block could reach 65534 counts"),
        ({"hidden_weight": ((1, 2, 3),) * 3}, DSP, "takes inputs in pairs, the net has 3"),
        (
            {"hidden_weight": ((1,),) * 64, "hidden_bias": (0,) * 64, "output_weight": (32767,) * 64},
            EXACT16,
            "a sum of digits could reach",
        ),
    ],
)
def test_a_model_whose_sums_or_weights_do_not_fit_the_profile_is_refused(
    small_model: DeployedModel, change: dict[str, Any], profile: Profile, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        render_c(replace(small_model, **change), "0" * 64, profile)


def test_undefined_behaviour_is_not_reached_on_extreme_inputs(small_model: DeployedModel, tmp_path: Path) -> None:
    written(small_model, tmp_path)
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


@every_profile
def test_a_second_stage_is_refused_as_long_as_it_cannot_be_printed(
    small_model: DeployedModel, profile: Profile
) -> None:
    both = replace(small_model, second_stage=SecondStage(small_model.output_weight, 7))
    with pytest.raises(ModelError, match="second stage, which is not exported yet"):
        render_c(both, "0" * 64, profile)
