"""No event is judged by a net that saw it, and every split trains on both classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crumple.__main__ import main
from crumple.errors import ConfigError, CorpusError
from crumple.model.crossvalidation import CrossPlan, joined, splits
from crumple.model.training import TrainingPlan
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

COUNTS = {"rigid_barrier": 9, "offset_barrier": 6, "low_speed_bump": 7, "hammer": 6}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=1, counts=COUNTS))


@pytest.fixture(scope="module")
def other() -> Corpus:
    return generate(CorpusPlan(seed=2, counts=COUNTS))


def names(corpus: Corpus) -> set[str]:
    return {event.name for event in corpus}


@pytest.mark.parametrize("by", ["mode", "fold", "vehicle"])
def test_every_event_is_held_out_once_and_never_trained_on_then(corpus: Corpus, other: Corpus, by: str) -> None:
    plan = CrossPlan(by=by, n_folds=3)  # type: ignore[arg-type]
    made = list(splits({"a": corpus, "b": other}, plan))
    held = [name for split in made for name in names(split.held)]
    assert len(held) == len(set(held)) == len(corpus) + len(other)
    for split in made:
        assert not names(split.training) & names(split.held)
        assert len(split.training) + len(split.held) == len(held)
    assert len(made) == {"mode": 4, "fold": 3, "vehicle": 2}[by]


def test_a_mode_or_a_vehicle_is_left_out_whole(corpus: Corpus, other: Corpus) -> None:
    for split in splits({"a": corpus, "b": other}, CrossPlan(by="mode")):
        assert {event.mode for event in split.held} == {split.name}
        assert split.name not in {event.mode for event in split.training}
    for split in splits({"a": corpus, "b": other}, CrossPlan(by="vehicle")):
        assert {name.split("/")[0] for name in names(split.held)} == {split.name}


def test_folds_share_every_mode_evenly_and_repeat(corpus: Corpus) -> None:
    plan = CrossPlan(by="fold", n_folds=3)
    made = list(splits({"a": corpus}, plan))
    for mode, n in COUNTS.items():
        shares = [sum(event.mode == mode for event in split.held) for split in made]
        assert sum(shares) == n and max(shares) - min(shares) <= 1
    assert [names(s.held) for s in made] == [names(s.held) for s in splits({"a": corpus}, plan)]
    assert [names(s.held) for s in made] != [names(s.held) for s in splits({"a": corpus}, replace(plan, seed=1))]


def test_seeds_train_on_everything_and_differ_in_nothing_else(corpus: Corpus, other: Corpus) -> None:
    plan = CrossPlan(by="seed", n_seeds=3, training=TrainingPlan(seed=4))
    made = list(splits({"a": corpus}, plan, other))
    assert [split.plan.seed for split in made] == [4, 5, 6]
    assert all(len(s.training) == len(corpus) and len(s.held) == len(other) for s in made)


def test_a_split_that_leaves_one_class_is_refused_by_name(corpus: Corpus) -> None:
    few = Corpus(corpus.sensors, tuple(e for e in corpus if e.mode in ("rigid_barrier", "hammer", "low_speed_bump")))
    with pytest.raises(CorpusError, match="without 'rigid_barrier' there are 0 must-fire"):
        list(splits({"a": few}, CrossPlan(by="mode")))


def test_corpora_of_two_rates_or_sensors_are_refused(corpus: Corpus) -> None:
    slow = replace(
        corpus.sensors,
        main=replace(corpus.sensors.main, sample_rate_hz=1000),
        safing=replace(corpus.sensors.safing, sample_rate_hz=1000),
    )
    with pytest.raises(CorpusError, match="sample_rate_hz is 1000"):
        joined({"a": corpus, "b": Corpus(slow, corpus.events)})
    coarse = replace(corpus.sensors, main=replace(corpus.sensors.main, lsb_g="1/8"))
    with pytest.raises(CorpusError, match="lsb_g is 1/8"):
        joined({"a": corpus, "b": Corpus(coarse, corpus.events)})


def test_what_cannot_be_split_is_refused(corpus: Corpus, other: Corpus) -> None:
    with pytest.raises(ConfigError, match="only 'a'"):
        list(splits({"a": corpus}, CrossPlan(by="vehicle")))
    with pytest.raises(ConfigError, match="test corpus"):
        list(splits({"a": corpus}, CrossPlan(by="seed")))
    with pytest.raises(ConfigError, match="test corpus"):
        list(splits({"a": corpus}, CrossPlan(by="fold"), other))
    with pytest.raises(ConfigError, match="some fold"):
        list(splits({"a": Corpus(corpus.sensors, corpus.events[:3])}, CrossPlan(by="fold", n_folds=20)))


def test_the_command_prints_every_split_and_its_spread(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    (tmp_path / "plan.toml").write_text(
        "n_folds = 2\n[training]\nn_steps = 10\nn_rounds = 1\nn_hidden = 2\npenalty_weight = 0.0\n"
    )
    # One requirement, so that training has next to nothing to prove.
    (tmp_path / "requirements.toml").write_text(
        '[[requirement]]\nid = "Q"\nproperty = "P1"\ntext = "Quiet."\nclaim = "never_requests_fire"\n'
        'rationale = "test"\norigin = "test"\n[requirement.set]\nkind = "signals"\namplitude_g = "1"\n'
    )
    command = ["crossvalidate", str(tmp_path / "corpus"), "--config", str(tmp_path / "plan.toml")]
    command += ["--requirements", str(tmp_path / "requirements.toml"), "--out", str(tmp_path / "cv")]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["crossvalidation"]["sources"]["synthetic"]
    assert [row["split"] for row in rows] == ["fold 1 of 2", "fold 2 of 2"]
    assert sum(row["events"] for row in rows) == len(corpus)
    assert main(command) == 0
    assert "min/med/max" in capsys.readouterr().out
    assert main([*command, "--by", "seed"]) == 2
