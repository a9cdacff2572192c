"""An ablation changes one thing at a time, keeps finished trials, and judges on events that no trial saw."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from crumple.__main__ import main
from crumple.errors import ConfigError
from crumple.model.ablation import AblationPlan, trials
from crumple.signals.corpus import corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

COUNTS = {"rigid_barrier": 8, "low_speed_bump": 6, "hammer": 4}
PLAN = """
n_hidden = [2]
inputs = [[8, 4]]
weight_bits = [4]
confirmation = []
penalty = false
[training]
n_steps = 10
n_rounds = 1
n_hidden = 3
n_blocks = 16
"""
REQUIREMENTS = """
[[requirement]]
id = "Q"
property = "P1"
text = "Quiet."
claim = "never_requests_fire"
rationale = "test"
origin = "test"
[requirement.set]
kind = "signals"
amplitude_g = "1"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, seed in (("train", 1), ("test", 2)):
        corpus = generate(CorpusPlan(seed=seed, counts=COUNTS))
        corpus_stage(tmp_path / name, {}, {}).run(lambda out, corpus=corpus: write_corpus(corpus, out))
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "requirements.toml").write_text(REQUIREMENTS)
    return tmp_path


def command(place: Path, *more: str, test: str = "test") -> list[str]:
    options = {"train": "train", "test": test, "config": "plan.toml", "requirements": "requirements.toml", "out": "out"}
    return ["ablate", *(word for key, value in options.items() for word in (f"--{key}", str(place / value))), *more]


def test_each_trial_differs_from_the_base_in_one_choice_only() -> None:
    plan = AblationPlan()
    one_choice = {
        "hidden nodes": {"n_hidden"},
        "inputs": {"n_blocks", "block_samples"},
        "weight bits": {"weight_bits"},
        "confirmation": {"confirm_votes", "confirm_window"},
        "penalty": {"penalty_weight"},
    }
    made = trials(plan)
    assert {trial.choice for trial in made} == set(one_choice)
    for trial in made:
        names = [f.name for f in fields(plan.training)]
        changed = {name for name in names if getattr(trial.plan, name) != getattr(plan.training, name)}
        assert changed <= one_choice[trial.choice]
    assert len({trial.folder for trial in made}) == len(made)
    hidden = [trial.plan.n_hidden for trial in made if trial.choice == "hidden nodes"]
    assert min(hidden) == 3 and max(hidden) == 64


def test_a_value_that_training_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="weight bits 40"):
        trials(AblationPlan(weight_bits=(40,)))
    with pytest.raises(ConfigError, match="changes nothing"):
        trials(AblationPlan(n_hidden=(), inputs=(), weight_bits=(), confirmation=(), penalty=False))


def test_the_command_prints_and_plots_every_trial_and_goes_on_where_it_stopped(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(place, "--json")) == 0
    rows = json.loads(capsys.readouterr().out)["ablation"]["trials"]
    assert [(row["choice"], row["value"]) for row in rows] == [
        ("hidden nodes", "2"),
        ("inputs", "8 x 4"),
        ("weight bits", "4"),
    ]
    for row in rows:
        assert row["sources"]["synthetic"]["events"] == 18 and row["requirements"] == 1
    assert rows[0]["n_parameters"] == 2 * (16 + 2) + 1
    assert (place / "out" / "table" / "ablation.svg").stat().st_size > 1000
    kept = (place / "out" / "hidden-nodes-2" / "model" / "model.json").stat().st_mtime_ns
    (place / "plan.toml").write_text(PLAN.replace("weight_bits = [4]", "weight_bits = [6]"))
    assert main(command(place)) == 0
    assert "wrong at none" in capsys.readouterr().out
    assert (place / "out" / "hidden-nodes-2" / "model" / "model.json").stat().st_mtime_ns == kept


def test_the_training_corpus_judges_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(place, test="train")) == 3
    assert "is trained on" in capsys.readouterr().err
