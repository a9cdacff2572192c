"""The export as a stage: what its files say they belong to, and what may lie beside them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import onnx
import pytest

from crumple.artefact import canonical_json, envelope, sha256_bytes, sha256_file
from crumple.errors import ModelError, WouldOverwriteError
from crumple.export.profiles import DSP, SMALL8, Profile
from crumple.export.stages import export_stage
from crumple.model import deployed
from crumple.model.analysis.properties import Requirement, RequirementSet
from crumple.model.deployed import DeployedModel
from crumple.model.stages import NET_FILE, prove_stage
from crumple.toolchain import find_compiler

QUIET = Requirement(
    "R1", "P1", "Quiet.", "never_requests_fire", "why", "assumed", {"kind": "signals", "amplitude_g": "1"}
)
FITS = Requirement("R2", "P8", "Fits.", "accumulators_fit", "why", "assumed", {"kind": "all_inputs"})


def written(model: DeployedModel, folder: Path, requirements: tuple[Requirement, ...] = (QUIET, FITS)) -> Path:
    """A model folder as training writes it; the float net is the integers themselves."""
    folder.mkdir()
    net = {
        "hidden_weight": [list(row) for row in model.hidden_weight],
        "hidden_bias": list(model.hidden_bias),
        "output_weight": list(model.output_weight),
        "output_bias": [model.output_bias],
        "unit_lsb": 1.0,
    }
    (folder / NET_FILE).write_bytes(canonical_json(net))
    config: dict[str, Any] = {"requirements": [each.payload() for each in requirements]}
    files = {NET_FILE: sha256_file(folder / NET_FILE)}
    document = envelope(deployed.SCHEMA, model.payload(), config=config, files=files)
    (folder / deployed.FILE).write_bytes(document)
    return folder


def props(path: Path) -> dict[str, str]:
    return {p.key: p.value for p in onnx.load(str(path)).metadata_props}


@pytest.mark.parametrize("name", ["crumple_integer.onnx", "crumple_float.onnx", "question_R1.onnx"])
def test_the_metadata_of_every_onnx_file_holds_the_hash_of_all_it_belongs_to(
    small_model: DeployedModel, tmp_path: Path, name: str
) -> None:
    source = written(small_model, tmp_path / "model")
    out = export_stage(source, tmp_path / "export", prefix="side").path.parent
    prove_stage(source, tmp_path / "proof", RequirementSet((QUIET, FITS)))
    told = props(out / name)
    assert told.pop("crumple_model_sha256") == sha256_file(source / deployed.FILE)
    listed = canonical_json([QUIET.payload(), FITS.payload()])
    assert told.pop("crumple_sha256_requirements") == sha256_bytes(listed)
    asked = (told.pop("crumple_property", "R1"), told.pop("crumple_property_sha256", None))
    assert asked == ("R1", sha256_file(tmp_path / "proof" / "R1.property.json") if name.startswith("q") else None)
    named = {key.removeprefix("crumple_sha256_"): value for key, value in told.items()}
    sources = {path.name for path in out.glob("*.[ch]")}
    assert set(named) == {*sources, "side_parameters.bin", "net.json", "R1.property.json", "R2.property.json"}
    for file, digest in named.items():
        (holder,) = [folder for folder in (out, source, tmp_path / "proof") if (folder / file).is_file()]
        assert sha256_file(holder / file) == digest


def test_a_model_without_requirements_is_exported_with_no_question(small_model: DeployedModel, tmp_path: Path) -> None:
    artefact = export_stage(written(small_model, tmp_path / "model", ()), tmp_path / "export")
    assert (artefact.path.parent / "questions.json").read_bytes() == b"[]\n"
    assert not [name for name in artefact.files if name.startswith("question_")]


def test_a_requirement_that_the_model_makes_no_sense_of_is_listed_with_the_reason(
    small_model: DeployedModel, tmp_path: Path
) -> None:
    pulse = {"kind": "pulse", "shape": "half_sine", "gain": "0.08", "offset_g": "1", "noise_g": "0.25"}
    pulse |= {"delta_v_from_kmh": "56", "delta_v_to_kmh": "58", "duration_from_ms": "60", "duration_to_ms": "62"}
    noise = Requirement("R1", "P6", "Fires.", "fires_by", "why", "assumed", pulse, by_ms="30")
    coarse = replace(small_model, lsb_g=Fraction(1000))
    out = export_stage(written(coarse, tmp_path / "model", (noise,)), tmp_path / "export").path.parent
    (told,) = json.loads((out / "questions.json").read_bytes())
    assert (told["files"], told["meaning"]) == ([], "no files: noise_g must be half a count or more")


def build(tool: str, out: Path) -> None:
    """Build and run the self-tests as the export's own Makefile or CMakeLists.txt says."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    commands = {
        "make": [["make", "test", f"CC={' '.join(find_compiler().command)}"]],
        "cmake": [["cmake", "-B", "build"], ["cmake", "--build", "build"], ["ctest", "--test-dir", "build"]],
    }
    for command in commands[tool]:
        subprocess.run(command, cwd=out, capture_output=True, check=True)


@pytest.mark.parametrize("tool", ["make", "cmake"])
def test_what_the_export_builds_by_itself_does_not_stand_in_the_way_of_a_new_export(
    small_model: DeployedModel, tmp_path: Path, tool: str
) -> None:
    source, out = written(small_model, tmp_path / "model"), tmp_path / "export"
    export_stage(source, out)
    build(tool, out)
    assert export_stage(source, out).config["prefix"] == "crumple"  # still current: left as it is
    assert (out / "build").is_dir()
    with pytest.raises(WouldOverwriteError, match="removes what was built in 'build'"):
        export_stage(source, out, prefix="side")
    assert export_stage(source, out, prefix="side", force=True).config["prefix"] == "side"
    assert not (out / "build").exists()


def test_a_foreign_file_beside_the_export_is_refused(small_model: DeployedModel, tmp_path: Path) -> None:
    source, out = written(small_model, tmp_path / "model"), tmp_path / "export"
    export_stage(source, out)
    (out / "main.c").write_text("int main(void) { return 0; }\n", encoding="ascii")
    with pytest.raises(WouldOverwriteError, match=r"holds 'main\.c'"):
        export_stage(source, out, prefix="side", force=True)
    assert (out / "main.c").is_file()


@pytest.mark.parametrize(
    ("change", "profile", "message"),
    [
        ({"hidden_weight": ((128, 0, 0, 0),) * 3}, SMALL8, "a hidden weight is 128, 8 bits hold 127"),
        ({"hidden_weight": ((1, 2, 3),) * 3}, DSP, "takes inputs in pairs, the net has 3"),
    ],
)
def test_a_model_that_does_not_fit_the_profile_is_refused_and_what_was_exported_stays(
    small_model: DeployedModel, tmp_path: Path, change: dict[str, Any], profile: Profile, message: str
) -> None:
    out = export_stage(written(small_model, tmp_path / "model"), tmp_path / "export").path.parent
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = written(replace(small_model, **change), tmp_path / "other")
    with pytest.raises(ModelError, match=message):
        export_stage(other, out, profile=profile, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(ModelError, match=message):
        export_stage(other, tmp_path / "new", profile=profile)
    assert not (tmp_path / "new").exists()
