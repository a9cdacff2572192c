"""Proofs in shards: the very files that `crumple prove` writes, whoever did the work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crumple.__main__ import main
from crumple.artefact import envelope
from crumple.campaign import FILE as CAMPAIGN_FILE
from crumple.campaign import campaign_stage
from crumple.config import build, read_toml
from crumple.errors import ConfigError
from crumple.model import deployed
from crumple.model.analysis.maps import FILE as MAP_FILE
from crumple.model.analysis.maps import MapsPlan, firemap_stage
from crumple.model.analysis.properties import Requirement, read_requirements
from crumple.model.deployed import DeployedModel
from crumple.model.stages import check_folder, prove_stage, verdict_on
from crumple.processes import Processes

REQUIREMENTS = """
[[requirement]]
id = "A"
property = "P0"
text = "No sum leaves its word."
claim = "accumulators_fit"
rationale = "test"
origin = "test"
set = { kind = "all_inputs" }

[[requirement]]
id = "B"
property = "P1 quiescent"
text = "Rest never fires."
claim = "never_requests_fire"
rationale = "test"
origin = "test"
set = { kind = "signals", amplitude_g = "1/2" }

[[requirement]]
id = "C"
property = "P1 quiescent"
text = "Heavy shaking never fires."
claim = "never_requests_fire"
rationale = "test"
origin = "test"
set = { kind = "signals", amplitude_g = "60" }
"""


@pytest.fixture
def plan(small_model: DeployedModel, tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / deployed.FILE).write_bytes(envelope(deployed.SCHEMA, small_model.payload()))
    (tmp_path / "requirements.toml").write_text(REQUIREMENTS, encoding="utf-8")
    text = 'kind = "proofs"\nmodel = "model"\nrequirements = "requirements.toml"\n'
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    return tmp_path / "plan.toml"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_campaign_of_proofs_writes_what_prove_writes(plan: Path, tmp_path: Path) -> None:
    requirements = read_requirements(tmp_path / "requirements.toml")
    proof = prove_stage(tmp_path / "model", tmp_path / "proof", requirements)
    found = campaign_stage(plan, tmp_path / "out")
    assert {row["verdict"] for row in found.payload["requirements"]} == {"proved", "violated"}
    assert found.payload == {"kind": "proofs", **proof.payload}
    theirs, ours = content(tmp_path / "proof"), content(tmp_path / "out")
    same = {name for name in theirs if name.endswith((".property.json", ".certificate.json"))}
    assert len(same) == 6
    assert all(ours[name] == theirs[name] for name in same)
    checked = {result.property_id: result.verdict for result in check_folder(tmp_path / "out").results}
    assert checked == {"A": "proved", "B": "proved", "C": "violated"}


def test_any_number_of_workers_writes_the_same_bytes(plan: Path, tmp_path: Path) -> None:
    campaign_stage(plan, tmp_path / "alone")
    campaign_stage(plan, tmp_path / "two", workers=Processes(2))
    assert content(tmp_path / "alone") == content(tmp_path / "two")


def test_an_interrupted_proof_keeps_its_verdicts_and_ends_the_same(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = read_requirements(tmp_path / "requirements.toml")
    whole = prove_stage(tmp_path / "model", tmp_path / "whole", requirements, workers=Processes(2))
    asked, told = list[str](), list[str]()

    def interrupted(model: DeployedModel, requirement: Requirement) -> Any:
        asked.append(requirement.id)
        if asked == ["A", "B"]:
            raise KeyboardInterrupt
        return verdict_on(model, requirement)

    monkeypatch.setattr("crumple.model.analysis.campaigns.verdict_on", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prove_stage(tmp_path / "model", tmp_path / "proof", requirements)
    assert not (tmp_path / "proof").exists()
    resumed = prove_stage(
        tmp_path / "model", tmp_path / "proof", requirements, advance=lambda done, status: told.append(status)
    )
    assert asked == ["A", "B", "B", "C"]
    assert told[0] == "1 proved, 0 violated, 0 unknown"
    assert told[-1] == "2 proved, 1 violated, 0 unknown"
    assert resumed.payload == whole.payload
    assert content(tmp_path / "proof") == content(tmp_path / "whole")
    assert not (tmp_path / ".proof.proofs").exists()


def test_the_command_exits_as_prove_does(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["campaign", str(plan), "--out", str(tmp_path / "out"), "--workers", "1", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["campaign"]["proved"] == 2
    assert "a requirement is violated" in told.err
    assert main(["check", str(tmp_path / "out")]) == 1


def test_requirements_that_are_not_there_are_named(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "requirements.toml").unlink()
    assert main(["campaign", str(plan), "--out", str(tmp_path / "out")]) == 2
    assert "requirements.toml: cannot read" in capsys.readouterr().err


SMALL_MAPS = """
kind = "firemap"
model = "model"
[maps.pulses]
delta_v_from_kmh = 2.0
delta_v_to_kmh = 60.0
duration_from_ms = 40.0
duration_to_ms = 120.0
n_delta_v = 3
n_duration = 22
halvings = 0
[maps.bursts]
n_frequency = 3
n_amplitude = 3
"""


def test_a_campaign_over_a_fire_map_writes_what_firemap_writes(plan: Path, tmp_path: Path) -> None:
    plan.write_text(SMALL_MAPS, encoding="utf-8")
    maps = read_toml(plan)["maps"]
    there = firemap_stage(tmp_path / "model", tmp_path / "map", build(MapsPlan, maps, where="maps"), n_processes=1)
    alone = campaign_stage(plan, tmp_path / "alone")
    campaign_stage(plan, tmp_path / "two", workers=Processes(2))
    assert content(tmp_path / "alone") == content(tmp_path / "two")
    assert alone.payload == {"kind": "firemap", **there.payload}
    assert alone.payload["pulses"]["proofs"] > 0
    theirs, ours = content(tmp_path / "map"), content(tmp_path / "alone")
    assert {name: data for name, data in ours.items() if name != CAMPAIGN_FILE} == {
        name: data for name, data in theirs.items() if name != MAP_FILE
    }
    assert check_folder(tmp_path / "alone").accepted


def test_an_impossible_map_is_refused(plan: Path, tmp_path: Path) -> None:
    plan.write_text(SMALL_MAPS.replace("duration_to_ms = 120.0", "duration_to_ms = 12.0"), encoding="utf-8")
    with pytest.raises(ConfigError, match="expected rising ranges"):
        campaign_stage(plan, tmp_path / "out")
    plan.write_text(SMALL_MAPS.replace("n_duration", "n_durations"), encoding="utf-8")
    with pytest.raises(ConfigError, match="did you mean 'n_duration'"):
        campaign_stage(plan, tmp_path / "out")
