"""Training ends in integers whose requirements are proved, the same on every run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import ConfigError, CorpusError
from crumple.model.analysis.properties import Requirement, RequirementSet, read_requirements
from crumple.model.analysis.prover import Proved, prove
from crumple.model.checkpoint import Checkpoint
from crumple.model.training import INSIST_MOST, TrainingPlan, confirmed_level, insisted, train
from crumple.signals.corpus import Corpus
from crumple.signals.generate import CorpusPlan, generate

PLAN = TrainingPlan(n_steps=150)


def quietly(done: int, status: str) -> None:
    """No progress wanted."""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    counts = {"rigid_barrier": 20, "low_speed_bump": 12, "rough_road": 8, "hammer": 8}
    return generate(CorpusPlan(counts=counts))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_the_seed_every_requirement_is_proved_and_no_training_event_fires_falsely(
    corpus: Corpus, seed: int
) -> None:
    trained = train(corpus, read_requirements(None), replace(PLAN, seed=seed), quietly)
    # Training enforces the no-fire claims; timeliness it only learns, and this small plan learns too little for it.
    enforced = [requirement for requirement in read_requirements(None) if requirement.claim != "fires_by"]
    assert all(isinstance(prove(trained.model, requirement), Proved) for requirement in enforced)
    for event in corpus:
        if event.label == "no_fire":
            assert not trained.model.fire_requests(trained.model.outputs(event.main_lsb)).any()


def severity_pulse(stage_id: str, claim: str, speed: tuple[str, str], duration: tuple[str, str]) -> Requirement:
    cell: dict[str, str | tuple[int, ...]] = {
        "kind": "pulse", "shape": "half_sine", "delta_v_from_kmh": speed[0], "delta_v_to_kmh": speed[1],
        "duration_from_ms": duration[0], "duration_to_ms": duration[1], "noise_g": "0.25",
    }  # fmt: skip
    by_ms = "45" if claim == "fires_by" else ""
    return Requirement(stage_id, "P5", "text", claim, "why", "whence", cell, by_ms, stage=2)  # type: ignore[arg-type]


SEVERITY = (
    severity_pulse("S1", "fires_by", ("56", "57"), ("60", "61")),
    severity_pulse("S2", "never_requests_fire", ("36", "37"), ("100", "101")),
)


def test_a_second_stage_is_proved_too_and_changes_nothing_of_the_first(corpus: Corpus) -> None:
    plan = replace(PLAN, n_steps=600)
    alone = train(corpus, read_requirements(None), plan, quietly)
    both = train(corpus, with_more(*SEVERITY), replace(plan, second_stage=True), quietly)
    assert both.model.of_stage(1) == alone.model
    assert both.model.n_stages == 2
    assert both.model.of_stage(2) != alone.model
    assert all(isinstance(prove(both.model, requirement), Proved) for requirement in SEVERITY)
    # What is proved of the second stage is not true of the first: the severity is what tells them apart.
    assert not isinstance(prove(alone.model, replace(SEVERITY[1], stage=1)), Proved)
    for event in corpus:
        if event.label == "no_fire":
            second = both.model.of_stage(2)
            assert not second.fire_requests(second.outputs(event.main_lsb)).any()


def test_a_requirement_about_a_second_stage_needs_one_and_severe_crashes(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="S1 is about stage 2"):
        train(corpus, with_more(*SEVERITY), PLAN, quietly)
    mild = Corpus(corpus.sensors, tuple(replace(event, severity="unstated") for event in corpus))
    with pytest.raises(CorpusError, match="must_fire_stage2"):
        train(mild, read_requirements(None), replace(PLAN, second_stage=True), quietly)


def test_an_interrupted_training_of_a_second_stage_goes_on_to_the_same_integers(corpus: Corpus, tmp_path: Path) -> None:
    plan, requirements = replace(PLAN, n_steps=300, second_stage=True), with_more(*SEVERITY)
    whole = train(corpus, requirements, plan, quietly)
    checkpoint = Checkpoint(tmp_path / "state.npz", "this training")

    def interrupt(done: int, status: str) -> None:
        if status.startswith("second stage"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, requirements, plan, interrupt, checkpoint)
    seen: list[str] = []
    resumed = train(corpus, requirements, plan, lambda done, status: seen.append(status), checkpoint)
    first = sum("stage" not in entry for entry in whole.history)
    assert sum(not status.startswith("second stage") for status in seen) < first  # it did go on, and not begin again
    assert resumed.model == whole.model
    assert list(tmp_path.iterdir()) == []


def test_the_same_plan_gives_the_same_integers(corpus: Corpus) -> None:
    first = train(corpus, read_requirements(None), PLAN, quietly)
    again = train(corpus, read_requirements(None), PLAN, quietly)
    assert first.model == again.model
    assert first.history == again.history


@pytest.mark.parametrize("stop_at", [250, 450])
def test_an_interrupted_training_goes_on_to_the_same_integers(corpus: Corpus, tmp_path: Path, stop_at: int) -> None:
    plan, requirements = replace(PLAN, n_steps=500), read_requirements(None)
    whole = train(corpus, requirements, plan, quietly)
    checkpoint = Checkpoint(tmp_path / "state.npz", "this training")
    looked: list[int] = []

    def interrupt(done: int, status: str) -> None:
        looked.append(done)
        if done >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(corpus, requirements, plan, interrupt, checkpoint)
    looked.clear()
    resumed = train(corpus, requirements, plan, lambda done, status: looked.append(done), checkpoint)
    assert looked[0] > 200  # it did go on, and not begin again
    assert resumed.model == whole.model
    assert resumed.history == whole.history
    assert not checkpoint.path.exists()


def test_the_state_of_another_training_or_a_damaged_one_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.npz"
    Checkpoint(path, "one").save({"step": 3}, {"a": np.arange(3)})
    kept = Checkpoint(path, "one").load()
    assert kept is not None
    assert (kept.facts["step"], kept.arrays["a"].tolist()) == (3, [0, 1, 2])
    assert Checkpoint(path, "other").load() is None
    path.write_bytes(path.read_bytes()[:50])
    assert Checkpoint(path, "one").load() is None
    assert "starts anew" in caplog.text
    assert Checkpoint(tmp_path / "none.npz", "one").load() is None


def with_more(*more: Requirement) -> RequirementSet:
    return RequirementSet((*read_requirements(None).requirement, *more))


def soft_pulse(by_ms: str) -> Requirement:
    cell: dict[str, str | tuple[int, ...]] = {
        "kind": "pulse", "shape": "haversine", "delta_v_from_kmh": "40", "delta_v_to_kmh": "42",
        "duration_from_ms": "70", "duration_to_ms": "72", "gain": "0.08", "offset_g": "1", "noise_g": "0.25",
    }  # fmt: skip
    return Requirement("M1", "P5", "text", "fires_by", "why", "whence", cell, by_ms)


@pytest.mark.parametrize("seed", [0, 2])
def test_a_recording_that_must_not_fire_within_tolerances_is_learned(corpus: Corpus, seed: int) -> None:
    bumps = [event for event in corpus if event.name.startswith("low_speed_bump")]
    loud = max(bumps, key=lambda event: float(np.convolve(event.main_lsb, np.ones(96)).max()))
    counts = tuple(int(count) for count in loud.main_lsb[:240])
    described: dict[str, str | tuple[int, ...]] = {
        "kind": "recorded", "counts": counts, "gain": "0.2", "offset_g": "1", "noise_g": "0.5",
    }  # fmt: skip
    wanted = Requirement("N1", "P6", "text", "never_requests_fire", "why", "whence", described)
    model = train(corpus, with_more(wanted), replace(PLAN, n_steps=1000, seed=seed), quietly).model
    assert isinstance(prove(model, wanted), Proved)


@pytest.mark.slow
def test_a_must_fire_set_whose_proof_fails_is_pressed_until_it_holds(corpus: Corpus) -> None:
    wanted = soft_pulse("19")
    trained = train(corpus, with_more(wanted), replace(PLAN, n_steps=1000, seed=1), quietly)
    assert trained.history[-1]["step"] > 1000  # the first round did not do
    assert isinstance(prove(trained.model, wanted), Proved)


def test_a_training_interrupted_while_it_presses_a_must_fire_set_ends_in_the_same_integers(
    corpus: Corpus, tmp_path: Path
) -> None:
    plan, requirements = replace(PLAN, n_steps=900, n_rounds=2), with_more(soft_pulse("12"))
    whole = train(corpus, requirements, plan, quietly)
    checkpoint = Checkpoint(tmp_path / "state.npz", "this training")

    def interrupt(done: int, status: str) -> None:
        told.append(status)
        if sum(status.startswith("late") for status in told) == 23:  # 250 steps into the second round
            raise KeyboardInterrupt

    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(corpus, requirements, plan, interrupt, checkpoint)
    saved = checkpoint.load()
    assert saved is not None and saved.facts["pressed"] == ["M1"]
    assert train(corpus, requirements, plan, quietly, checkpoint).model == whole.model


@pytest.mark.parametrize("label", ["must_fire", "no_fire"])
def test_a_corpus_of_one_class_is_refused(corpus: Corpus, label: str) -> None:
    one_class = Corpus(corpus.sensors, tuple(event for event in corpus if event.label == label))
    with pytest.raises(CorpusError, match="needs must-fire and no-fire events"):
        train(one_class, read_requirements(None), PLAN, quietly)


def test_a_crash_without_a_required_time_is_refused_by_name(corpus: Corpus) -> None:
    first = next(event for event in corpus if event.label == "must_fire")
    events = tuple(replace(event, rttf_s=np.nan) if event is first else event for event in corpus)
    with pytest.raises(CorpusError, match=f"{first.name}.* has no required time to fire"):
        train(Corpus(corpus.sensors, events), read_requirements(None), PLAN, quietly)


def test_k_above_m_is_refused() -> None:
    with pytest.raises(ConfigError, match="K exceeds M"):
        TrainingPlan(confirm_votes=5, confirm_window=4)


def test_the_confirmed_level_decides_exactly_when_fire_is_requested(corpus: Corpus) -> None:
    model = train(corpus, read_requirements(None), PLAN, quietly).model
    rng = np.random.default_rng(0)
    outputs = rng.integers(-5, 6, 200)
    assert ((confirmed_level(model, outputs) > 0) == model.fire_requests(outputs)).all()


def test_a_no_fire_event_that_stays_loud_weighs_more_and_more_and_is_forgiven_when_it_is_silent() -> None:
    weight = np.ones(2)
    for _ in range(40):
        weight = insisted(weight, np.array([True, False]))
    assert weight.tolist() == [INSIST_MOST, 1.0]
    for _ in range(40):
        weight = insisted(weight, np.array([False, False]))
    assert weight.tolist() == [1.0, 1.0]
