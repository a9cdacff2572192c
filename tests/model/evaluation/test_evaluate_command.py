"""``crumple evaluate`` from the outside: what it writes, and what it refuses with which exit code."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.model import deployed
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, Event, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

PLAN = "immunity_events = 2\ncorner_events = 1\nsuperposition_events = 1\nmap_steps = 3\n"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=5, counts={"rigid_barrier": 6, "rigid_threshold": 6, "hammer": 6}))


@pytest.fixture
def model(small_model: DeployedModel, tmp_path: Path) -> Path:
    Stage(tmp_path / "model", deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: small_model.payload())
    return tmp_path / "model"


@pytest.fixture
def folder(corpus: Corpus, tmp_path: Path) -> Path:
    return written(corpus, tmp_path / "corpus")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def written(corpus: Corpus, folder: Path) -> Path:
    corpus_stage(folder, {}, {}).run(lambda out: write_corpus(corpus, out))
    return folder


def evaluate(model: Path, folder: Path, config: Path, *more: str) -> Sequence[str]:
    out = str(config.parent / "evaluation")
    return ["evaluate", str(model), "--corpus", str(folder), "--config", str(config), "--out", out, *more]


def test_it_writes_every_event_and_prints_one_document(
    model: Path, folder: Path, config: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*evaluate(model, folder, config, "--json")]) == 0
    found = json.loads(capsys.readouterr().out)["evaluation"]
    total = found["sources"]["synthetic"]["total"]
    assert total["events"] == len(corpus) and not found["seen_in_training"]
    with (config.parent / "evaluation" / "outcomes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [event.name for event in corpus]
    assert sum(row["verdict"] == "missed" for row in rows) == total["missed"]
    assert set(found["threshold_maps"]) == {"half-sine", "haversine", "triangle", "damped sine"}
    assert {row["mode"] for row in found["tolerance_corners"]} == {event.mode for event in corpus}


def test_the_same_evaluation_gives_the_same_bytes(model: Path, folder: Path, config: Path) -> None:
    out = config.parent / "evaluation"
    assert main([*evaluate(model, folder, config)]) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main([*evaluate(model, folder, config, "--force")]) == 0
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}
    assert first["evaluation.svg"].startswith(b"<?xml") and b"<dc:date>" not in first["evaluation.svg"]


def test_a_corpus_that_was_trained_on_is_said_to_be(
    small_model: DeployedModel, folder: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from crumple.signals.batches import open_corpus

    parents = {"corpus": open_corpus(folder).artefact.sha256}
    trained = config.parent / "trained"
    Stage(trained, deployed.FILE, deployed.SCHEMA, parents, {}).run(lambda _: small_model.payload())
    assert main([*evaluate(trained, folder, config)]) == 0
    assert "SEEN IN TRAINING" in capsys.readouterr().out


def with_events(corpus: Corpus, *events: Event) -> Corpus:
    return Corpus(corpus.sensors, events)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: with_events(c, *(e for e in c if e.label == "must_fire")), "needs must-fire and no-fire"),
        (lambda c: with_events(c, *(e for e in c if e.label == "no_fire")), "needs must-fire and no-fire"),
        (lambda c: with_events(c, *(replace(e, label="unlabelled") for e in c)), "no event is labelled"),
        (lambda c: with_events(c, *(replace(e, label="grey") for e in c)), "none of its"),
        (lambda c: with_events(c, *(replace(e, first_sample_s=np.nan) for e in c)), "not finite"),
        (lambda c: Corpus(replace(c.sensors, main=replace(c.sensors.main, lsb_g="1/8")), c.events), "main lsb_g is"),
    ],
)
def test_a_corpus_that_cannot_serve_is_refused_with_the_reason(
    model: Path,
    corpus: Corpus,
    config: Path,
    change: object,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = written(change(corpus), config.parent / "odd")  # type: ignore[operator]
    assert main([*evaluate(model, folder, config)]) == 3
    assert reason in capsys.readouterr().err
    assert not (config.parent / "evaluation").exists()


def test_a_corpus_of_two_rates_is_refused(model: Path, folder: Path, config: Path) -> None:
    manifest = folder / "corpus.json"
    document = json.loads(manifest.read_bytes())
    document["payload"]["sensors"]["safing"]["sample_rate_hz"] = 1000
    from crumple.artefact import envelope

    del document["made_by"], document["sha256"]
    schema, payload = document.pop("schema"), document.pop("payload")
    manifest.write_bytes(envelope(schema, payload, **document))
    assert main([*evaluate(model, folder, config)]) == 3


def test_one_class_is_evaluated_when_asked_for(model: Path, corpus: Corpus, config: Path) -> None:
    folder = written(with_events(corpus, *(e for e in corpus if e.label == "no_fire")), config.parent / "quiet")
    assert main([*evaluate(model, folder, config, "--allow-one-class")]) == 0


def test_a_claim_too_strong_for_the_events_is_refused(
    model: Path, folder: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*evaluate(model, folder, config, "--claim", "0.001")]) == 3
    assert "takes 2995 events" in capsys.readouterr().err
    assert main([*evaluate(model, folder, config, "--claim", "0.6")]) == 0
    assert "supported" in capsys.readouterr().out
    assert main([*evaluate(model, folder, config, "--claim", "2")]) == 2


def test_a_model_that_is_none_is_refused(folder: Path, config: Path) -> None:
    assert main([*evaluate(folder, folder, config)]) == 3


SHARED = Path(__file__).resolve().parents[4] / "shared"


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared recordings are not here")
def test_measured_events_get_corners_and_superposition_of_their_own(
    model: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recording,) = (SHARED / "data" / "real").glob("*10146*")
    assert main(["import", str(recording), "--out", str(config.parent / "recording")]) == 0
    assert main([*evaluate(model, config.parent / "recording", config)]) == 3
    assert "--allow-one-class" in capsys.readouterr().err
    assert main([*evaluate(model, config.parent / "recording", config, "--allow-one-class", "--json")]) == 0
    found = json.loads(capsys.readouterr().out)["evaluation"]
    assert set(found["sources"]) == {"measured"}
    assert {row["source"] for row in found["tolerance_corners"]} == {"measured"}
    assert {row["added"] for row in found["superposition"]} == {"rough_road", "abs_braking", "hammer"}
