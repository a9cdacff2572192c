"""One command, one table: the net beside baselines, and the corpora that it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import ConfigError
from crumple.model import deployed
from crumple.model.baselines.compare import Compared, ComparePlan, families, net_detector, run, trade_off
from crumple.model.deployed import DeployedModel
from crumple.model.evaluation.judge import judge
from crumple.progress import quietly
from crumple.signals.batches import CorpusInMemory, open_corpus
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

COUNTS = {"rigid_barrier": 12, "low_speed_bump": 9, "hammer": 6}
PLAN = 'n_candidates = 2\nonly = ["1 ", "logistic"]\n'


def written(corpus: Corpus, folder: Path) -> Path:
    corpus_stage(folder, {}, {}).run(lambda out: write_corpus(corpus, out))
    return folder


@pytest.fixture(scope="module")
def training() -> Corpus:
    return generate(CorpusPlan(seed=1, counts=COUNTS))


@pytest.fixture(scope="module")
def test_corpus() -> Corpus:
    return generate(CorpusPlan(seed=2, counts=COUNTS))


@pytest.fixture
def place(small_model: DeployedModel, training: Corpus, test_corpus: Corpus, tmp_path: Path) -> Path:
    written(training, tmp_path / "train")
    written(test_corpus, tmp_path / "test")
    parents = {"corpus": open_corpus(tmp_path / "train").artefact.sha256}
    Stage(tmp_path / "model", deployed.FILE, deployed.SCHEMA, parents, {}).run(lambda _: small_model.payload())
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def command(place: Path, train: str = "train", test: str = "test", *more: str) -> list[str]:
    where = [str(place / "model"), "--train", str(place / train), "--test", str(place / test)]
    return ["compare", *where, "--config", str(place / "plan.toml"), "--out", str(place / "comparison"), *more]


def test_it_prints_and_plots_every_detector(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(place, "train", "test", "--json")) == 0
    rows = json.loads(capsys.readouterr().out)["comparison"]["sources"]["synthetic"]
    assert [row["name"] for row in rows] == ["crumple net", "1 fixed delta-V", "logistic regression"]
    assert {row["n_candidates"] for row in rows[1:]} == {2}
    assert all(row["must_fire"] == 12 and row["no_fire"] == 15 for row in rows)
    assert (place / "comparison" / "comparison.svg").stat().st_size > 1000
    first = {path.name: path.read_bytes() for path in (place / "comparison").iterdir()}
    assert main(command(place, "train", "test", "--force")) == 0
    assert "at none" in capsys.readouterr().out
    assert first == {path.name: path.read_bytes() for path in (place / "comparison").iterdir()}


@pytest.mark.parametrize(("train", "test", "reason"), [("test", "train", "another corpus"), ("train", "train", "seen")])
def test_only_the_training_corpus_trains_and_only_an_unseen_one_tests(
    place: Path, train: str, test: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(place, train, test)) == 3
    assert reason in capsys.readouterr().err


def test_a_one_class_test_corpus_is_refused(
    place: Path, test_corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = Corpus(test_corpus.sensors, tuple(e for e in test_corpus if e.label == "no_fire"))
    written(quiet, place / "quiet")
    assert main(command(place, "train", "quiet")) == 3
    assert "needs must-fire and no-fire" in capsys.readouterr().err


def test_a_corpus_of_another_sensor_is_refused(place: Path, test_corpus: Corpus) -> None:
    other = replace(test_corpus.sensors, main=replace(test_corpus.sensors.main, lsb_g="1/8"))
    written(Corpus(other, test_corpus.events), place / "other")
    assert main(command(place, "train", "other")) == 3


def test_a_baseline_that_nobody_knows_is_refused(small_model: DeployedModel) -> None:
    with pytest.raises(ConfigError, match="no baseline 'fuzzy'"):
        families(small_model, ComparePlan(only=("fuzzy",)))
    assert len(families(small_model, ComparePlan())) == 12


def test_the_net_requests_fire_here_when_evaluation_says_so(small_model: DeployedModel, test_corpus: Corpus) -> None:
    events = CorpusInMemory.of(test_corpus)
    (found,) = run([net_detector(small_model)], events, ComparePlan(), quietly)
    np.testing.assert_array_equal(found.request_s, judge(small_model, events).request_s)


def test_the_trade_off_counts_what_each_threshold_would_do(small_model: DeployedModel) -> None:
    rng = np.random.default_rng(5)
    overall = rng.integers(0, 12, 40).astype(float)
    in_time = np.minimum(overall, rng.integers(0, 12, 40).astype(float))
    must = np.arange(40) < 20
    found = Compared(net_detector(small_model), in_time, overall, np.full(40, -np.inf), np.full(40, np.nan))
    false_fires, late = trade_off(found, must, ~must)
    assert false_fires.tolist() == list(range(21))
    for n, threshold in enumerate(np.sort(overall[~must])[::-1]):
        assert (overall[~must] > threshold).sum() <= n
        assert late[n] == (in_time[must] <= threshold).sum()
    assert late[-1] == 0 and (np.diff(late) <= 0).all()
