"""Reachable patterns against enumeration, and the stage that draws the kernels which decide events."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.model import deployed
from crumple.model.analysis import checker, explain, regions
from crumple.model.analysis.regions import reachable_patterns
from crumple.model.deployed import Arming, DeployedModel
from crumple.signals.corpus import corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate


def flat_model(weight: tuple[tuple[int, ...], ...], bias: tuple[int, ...], clamp: int) -> DeployedModel:
    return DeployedModel(
        sample_rate_hz=2000, lsb_g=Fraction(1, 16), clamp_lsb=clamp, block_samples=1, hidden_weight=weight,
        hidden_bias=bias, output_weight=(1,) * len(bias), output_bias=-90, confirm_votes=1, confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


def enumerated(model: DeployedModel) -> set[str]:
    reach = range(-model.clamp_lsb, model.clamp_lsb + 1)
    return {
        "".join(
            "1" if sum(w * u for w, u in zip(row, x, strict=True)) + b > 0 else "0"
            for row, b in zip(model.hidden_weight, model.hidden_bias, strict=True)
        )
        for x in itertools.product(reach, repeat=model.n_blocks)
    }


@settings(max_examples=60)
@given(
    weight=st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=1, max_size=5),
    bias=st.lists(st.integers(-30, 30), min_size=5, max_size=5),
    clamp=st.integers(1, 9),
)
def test_the_count_is_that_of_enumeration(weight: list[tuple[int, ...]], bias: list[int], clamp: int) -> None:
    model = flat_model(tuple(weight), tuple(bias[: len(weight)]), clamp)
    found, there = reachable_patterns(model), enumerated(model)
    assert found.is_complete
    assert set(found.patterns) <= there  # each has a window that shows it
    missing = there - set(found.patterns)  # only what rounding missed, and then it says so
    assert all(any(all(a in ("?", b) for a, b in zip(o, bits, strict=True)) for o in found.open_) for bits in missing)
    for bits, window in found.patterns.items():
        active = explain.pattern_of(checker.Model(model.payload()).main, np.array(window))
        assert "".join("1" if on else "0" for on in active) == bits


def test_a_wide_box_leaves_nothing_open() -> None:
    rng = np.random.default_rng(3)
    weight = tuple(tuple(int(w) for w in row) for row in rng.integers(-30, 31, (7, 4)))
    model = flat_model(weight, tuple(int(b) for b in rng.integers(-900, 900, 7)), 1920)
    found = reachable_patterns(model)
    assert found.is_complete and not found.open_
    sampled = explain.pattern_of(checker.Model(model.payload()).main, rng.integers(-1920, 1921, (20_000, 4)))
    assert {"".join("1" if on else "0" for on in row) for row in np.unique(sampled, axis=0)} <= set(found.patterns)


def test_a_count_that_is_given_up_says_so(small_model: DeployedModel) -> None:
    assert not reachable_patterns(small_model, most=1).is_complete


def test_lying_floats_make_nothing_empty(small_model: DeployedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the linear programme to call everything empty, each pattern would stay open or be shown; none would go."""
    there = set(reachable_patterns(small_model).patterns)
    honest = regions._Net.is_empty
    rng = np.random.default_rng(0)
    monkeypatch.setattr(regions._Net, "is_empty", lambda self, s, w: honest(self, s, rng.uniform(0, 1, len(w))))
    found = reachable_patterns(small_model)
    assert there <= set(found.patterns) | set(found.open_)


def test_the_command_draws_the_kernels_and_names_what_no_event_visits(
    small_model: DeployedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, folder, out = tmp_path / "model", tmp_path / "corpus", tmp_path / "kernels"
    Stage(model, deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: small_model.payload())
    corpus = generate(CorpusPlan(seed=5, counts={"rigid_barrier": 3, "hammer": 3}))
    corpus_stage(folder, {}, {}).run(lambda to: write_corpus(corpus, to))
    assert main(["kernels", str(model), str(folder), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["kernels"]
    assert told["is_complete"] and told["events"] == len(corpus) == told["decided_by_drawn"]
    named = [name for kernel in told["kernels"] for name in kernel["events"]]
    assert sorted(named) == sorted(event.name for event in corpus)
    assert told["reachable"] == told["visited"] + len(told["unvisited"])
    for kernel in told["kernels"]:
        active = np.array([bit == "1" for bit in kernel["pattern"]])
        expected, constant = explain.kernel_of(checker.Model(small_model.payload()).main, active)
        assert (kernel["kernel"], kernel["constant"]) == (expected.tolist(), constant)
    picture = (out / "kernels.svg").read_bytes()
    assert main(["kernels", str(model), str(folder), "--out", str(out), "--force"]) == 0
    assert (out / "kernels.svg").read_bytes() == picture
    assert "reachable patterns" in capsys.readouterr().out
    assert main(["kernels", str(replace_model(small_model, tmp_path)), str(folder), "--out", str(out)]) != 0


def replace_model(model: DeployedModel, folder: Path) -> Path:
    """Another model's folder: a result of this one is not replaced unasked."""
    Stage(folder / "other", deployed.FILE, deployed.SCHEMA, {}, {}).run(
        lambda _: replace(model, output_bias=-1).payload()
    )
    return folder / "other"
