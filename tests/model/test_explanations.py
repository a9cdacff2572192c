"""``crumple explain --out``: numbers that add up, proofs that the lone checker accepts, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage, read_artefact
from crumple.model import deployed
from crumple.model.analysis import checker, witness
from crumple.model.analysis.explanations import FILE, SCHEMA
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=5, counts={"hammer": 2, "door_slam": 1}))


@pytest.fixture
def inputs(small_model: DeployedModel, corpus: Corpus, tmp_path: Path) -> tuple[str, str]:
    Stage(tmp_path / "model", deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: small_model.payload())
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda to: write_corpus(corpus, to))
    return str(tmp_path / "model"), str(tmp_path / "corpus")


def events(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_artefact(folder / FILE, SCHEMA).payload["events"]
    return found


def test_the_first_event_of_each_mode_is_explained_with_proofs_that_the_lone_checker_accepts(
    inputs: tuple[str, str], small_model: DeployedModel, corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "explanation"
    assert main(["explain", *inputs, "--out", str(out)]) == 0
    told = events(out)
    assert [one["name"] for one in told] == ["hammer_00000", "door_slam_00000"]
    voter = checker.Model(small_model.payload()).main
    for one in told:
        (event,) = [event for event in corpus if event.name == one["name"]]
        y = small_model.outputs(event.main_lsb)
        fires = np.flatnonzero(small_model.fire_requests(y))
        at = round((one["explained_at_ms"] / 1e3 - event.first_sample_s) * small_model.sample_rate_hz)
        assert sum(one["contributions"]) + one["constant"] == one["y"] == y[at]
        assert len(one["contributions"]) == small_model.window_samples and one["period_ms"] == 0.5
        assert one["fired_at_ms"] == (one["explained_at_ms"] if fires.size else None)
        far = one["distance"]
        if far["flips_lsb"] is not None:
            flipped = witness.first_request(voter, np.array(far["flipped_by"])) is not None
            assert flipped is not bool(fires.size) and far["holds_lsb"] < far["flips_lsb"]
    proved = {f"{one['proof']}.certificate.json" for one in told if one["proof"]}
    assert proved and {path.name for path in out.glob("*.certificate.json")} == proved
    assert {path.name for path in out.iterdir()} <= {
        FILE, deployed.FILE, *(f"D{k}.{kind}.json" for k in (1, 2) for kind in ("property", "certificate")),
    }  # fmt: skip
    done = subprocess.run([sys.executable, checker.__file__, str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("proved ") == len(proved), done.stdout
    assert "hammer_00000 (synthetic) still requests fire under noise of up to " in done.stdout
    assert main(["check", str(out)]) == 0


def test_a_proof_speaks_of_the_event_within_the_noise_it_names(
    inputs: tuple[str, str], corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "explanation"
    assert main(["explain", *inputs, "door_slam_00000", "--out", str(out)]) == 0
    (one,) = events(out)
    asked = json.loads((out / f"{one['proof']}.property.json").read_bytes())["payload"]
    (event,) = [event for event in corpus if event.name == "door_slam_00000"]
    assert asked["claim"] == "never_requests_fire" and asked["set"]["lower"] == event.main_lsb.tolist()
    noise_g = one["distance"]["holds_lsb"] * one["distance"]["lsb_g"]
    assert float(checker.rational(asked["set"]["noise_g"], "")) == noise_g
    assert f"never requests fire under noise of up to {noise_g:g} g" in asked["text"]


def test_the_same_inputs_give_the_same_bytes(inputs: tuple[str, str], tmp_path: Path) -> None:
    def written(out: Path) -> dict[str, bytes]:
        assert main(["explain", *inputs, "hammer_00001", "--out", str(out)]) == 0
        return {path.name: path.read_bytes() for path in out.iterdir()}

    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_without_distance_nothing_is_proved_and_another_result_is_replaced_only_when_asked(
    inputs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "explanation")
    assert main(["explain", *inputs, "--out", out, "--no-distance", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["explanations"]
    assert [(one["distance"], one["proof"]) for one in told] == [(None, None)] * 2
    assert [path.name for path in Path(out).iterdir()] == [FILE]
    assert main(["explain", *inputs, "hammer_00001", "--out", out, "--no-distance"]) == 2
    assert main(["explain", *inputs, "hammer_00001", "--out", out, "--no-distance", "--force"]) == 0
    assert "hammer_00001" in capsys.readouterr().out
    assert [one["name"] for one in events(Path(out))] == ["hammer_00001"]


def test_an_event_that_is_not_there_is_bad_input_and_writes_nothing(
    inputs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *inputs, "nothing", "--out", str(tmp_path / "explanation")]) == 3
    assert "holds no event 'nothing'" in capsys.readouterr().err
    assert not (tmp_path / "explanation").exists()


def test_neither_an_event_nor_a_folder_is_a_usage_error_of_one_line(
    inputs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *inputs]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "name an EVENT" in line and "--out" in line
