"""``crumple explain``, ``limits`` and ``diff`` from the outside: numbers that are right, and exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import CrumpleError
from crumple.model import deployed
from crumple.model.analysis import checker, witness
from crumple.model.analysis.properties import read_requirements
from crumple.model.commands import refuse_unproved
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

TOML = """[[requirement]]
id = "Q"
property = "P1"
text = "quiet"
claim = "never_requests_fire"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "signals"
amplitude_g = "1"
"""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=5, counts={"rigid_barrier": 1, "hammer": 1}))


@pytest.fixture
def folder(corpus: Corpus, tmp_path: Path) -> Path:
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    return tmp_path / "corpus"


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    (tmp_path / "r.toml").write_text(TOML)
    return tmp_path / "r.toml"


def written(model: DeployedModel, folder: Path) -> str:
    Stage(folder, deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: model.payload())
    return str(folder)


def test_explain_tells_each_sample_and_a_distance_that_a_replay_confirms(
    small_model: DeployedModel, corpus: Corpus, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(small_model, tmp_path / "model")
    voter = checker.Model(small_model.payload()).main
    for event in corpus:
        assert main(["explain", model, str(folder), event.name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert sum(told["contributions"]) + told["constant"] == told["y"]
        assert told["y_trace"] == small_model.outputs(event.main_lsb).tolist()
        fires = bool(small_model.fire_requests(small_model.outputs(event.main_lsb)).any())
        assert (told["fired_at_ms"] is not None) is fires
        far = told["distance"]
        if far["flips_lsb"] is not None:
            flipped = np.array(far["flipped_by"])
            assert (witness.first_request(voter, flipped) is not None) is not fires
            clamped = np.clip(event.main_lsb, -voter.clamp, voter.clamp)
            assert np.abs(flipped - clamped).max() <= far["flips_lsb"] and far["holds_lsb"] < far["flips_lsb"]


def test_explain_as_text_names_the_event_and_skips_the_distance_when_told(
    small_model: DeployedModel, corpus: Corpus, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (name, *_) = [event.name for event in corpus]
    assert main(["explain", written(small_model, tmp_path / "model"), str(folder), name, "--no-distance"]) == 0
    text = capsys.readouterr().out
    assert f"Why {name} (synthetic)" in text and "activation pattern" in text and "flip" not in text
    assert "this vote turns if output_" in text


def test_an_event_that_is_not_there_is_bad_input(
    small_model: DeployedModel, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", written(small_model, tmp_path / "model"), str(folder), "nothing"]) == 3
    assert "holds no event 'nothing'" in capsys.readouterr().err


def test_limits_proves_below_and_shows_above(
    small_model: DeployedModel, requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(small_model, tmp_path / "model")
    assert main(["limits", model, "Q", "amplitude_g", "--requirements", str(requirements), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["limits"]
    assert found["is_exact"] and found["required"] == "1"
    (asked,) = read_requirements(requirements)
    trusted = checker.Model(small_model.payload())
    there = replace(asked, set={"kind": "signals", "amplitude_g": found["proved"]})
    checker.check(trusted, there.payload(), found["proof"])
    beyond = replace(asked, set={"kind": "signals", "amplitude_g": found["violated"]})
    witness.check(trusted, beyond.payload(), found["counterexample"])


def test_limits_of_an_unknown_requirement_or_key_says_so(
    small_model: DeployedModel, requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(small_model, tmp_path / "model")
    assert main(["limits", model, "Z", "--requirements", str(requirements)]) == 3
    assert "no requirement 'Z'" in capsys.readouterr().err
    assert main(["limits", model, "Q", "phase_samples", "--requirements", str(requirements)]) == 2
    assert "has no limit" in capsys.readouterr().err


def test_diff_exits_1_when_a_property_is_lost_and_0_when_one_is_gained(
    small_model: DeployedModel, requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = written(small_model, tmp_path / "good")
    bad = written(replace(small_model, output_bias=5), tmp_path / "bad")
    assert main(["diff", good, bad, "--requirements", str(requirements), "--json"]) == 1
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert (told["lost"], told["gained"], told["is_same"]) == (["Q"], [], False) and "no longer proved: Q" in out.err
    assert main(["diff", bad, good, "--requirements", str(requirements), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gained"] == ["Q"]
    assert main(["diff", good, good, "--requirements", str(requirements)]) == 0
    assert "0 gained, 0 lost" in capsys.readouterr().out


def test_prove_exits_1_on_a_claim_about_mere_silence_and_says_why(
    small_model: DeployedModel, requirements: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(small_model, tmp_path / "model")
    requirements.write_text(TOML.replace('"1"\n', '"0.01"\n'))
    asked = ["prove", model, "--requirements", str(requirements), "--out", str(tmp_path / "proof"), "--json"]
    assert main(asked) == 1
    printed = capsys.readouterr()
    told = json.loads(printed.out)["requirements"]
    assert told["proved"] == 0 and [row["verdict"] for row in told["requirements"]] == ["vacuous"]
    assert "vacuous" in printed.err and "nothing but silence: amplitude_g = 0.01" in printed.err


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["proved", "proved"], 0),
        (["proved", "violated"], 1),
        (["proved", "vacuous"], 1),
        (["proved", "unknown"], 5),
        (["unknown", "vacuous"], 1),
        (["unknown", "violated"], 1),
    ],
)
def test_only_proved_requirements_exit_0(verdicts: list[str], code: int) -> None:
    payload = {"requirements": [{"id": "Q", "verdict": verdict, "detail": "why"} for verdict in verdicts]}
    try:
        refuse_unproved(payload, "proof")
    except CrumpleError as refused:
        assert refused.exit_code == code
    else:
        assert code == 0
