"""The search is the same for all, looks at no test event, and sets the threshold that no training event exceeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from crumple.errors import ConfigError
from crumple.model.baselines.front import FrontPlan
from crumple.model.baselines.learned import haar, learned_families
from crumple.model.baselines.rules import RULES
from crumple.model.baselines.search import (
    RuleFamily,
    Seen,
    Training,
    candidates,
    choosing,
    confirmed,
    contact_samples,
    due_samples,
    peaks_of,
    tune,
)
from crumple.progress import quietly
from crumple.signals.batches import CorpusInMemory
from crumple.signals.corpus import Corpus
from crumple.signals.generate import CorpusPlan, generate


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As `crumple compare` runs them; threads that wait for each other are slow on a busy machine."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=3, counts={"rigid_barrier": 15, "low_speed_bump": 12, "hammer": 9}))


@pytest.fixture(scope="module")
def training(corpus: Corpus) -> Training:
    return Training.of(CorpusInMemory.of(corpus), FrontPlan())


def test_confirmation_takes_the_least_of_the_last_samples() -> None:
    score = np.array([[5.0, 1.0, 4.0, 3.0, 9.0]])
    assert confirmed(score, 1).tolist() == score.tolist()
    assert confirmed(score, 2).tolist() == [[-np.inf, 1.0, 1.0, 3.0, 3.0]]
    assert confirmed(score, 4).tolist() == [[-np.inf, -np.inf, -np.inf, 1.0, 1.0]]


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20), st.integers(0, 20), st.integers(-1, 19))
def test_peaks_are_those_before_contact_in_time_and_from_contact_on(score: list[float], contact: int, due: int) -> None:
    peaks = peaks_of(np.array([score]), np.array([contact]), np.array([due]))
    assert peaks.before[0] == max(score[:contact], default=-np.inf)
    assert peaks.overall[0] == max(score[contact:], default=-np.inf)
    assert peaks.in_time[0] == max(score[contact : due + 1], default=-np.inf)


def test_contact_is_the_first_sample_not_before_it_and_no_fire_events_count_whole(corpus: Corpus) -> None:
    table = CorpusInMemory.of(corpus).table
    contact = contact_samples(table, corpus.sample_period_s)
    must = table.label == "must_fire"
    at = table.first_sample_s + contact * corpus.sample_period_s
    assert (at[must] >= -1e-9).all() and (at[must] - corpus.sample_period_s < 0).all()
    assert (contact[~must] == 0).all()


def test_the_last_sample_in_time_is_at_or_before_the_required_time(corpus: Corpus) -> None:
    table = CorpusInMemory.of(corpus).table
    due = due_samples(table, corpus.sample_period_s)
    must = table.label == "must_fire"
    at = table.first_sample_s + due * corpus.sample_period_s
    assert (at[must] <= table.rttf_s[must] + 1e-9).all()
    assert (at[must] + corpus.sample_period_s > table.rttf_s[must]).all()
    assert (due[~must] == table.n_samples[~must] - 1).all()


def test_settings_are_the_usual_one_and_then_draws_that_repeat() -> None:
    spans = RULES[3].spans
    tried = candidates(spans, 6, 1, "a")
    assert tried == candidates(spans, 6, 1, "a") and tried[1:] != candidates(spans, 6, 2, "a")[1:]
    assert tried[0] == {**{name: span.usual for name, span in spans.items()}, "confirm": 3.0}
    assert all(
        spans[name].low <= value <= spans[name].high for s in tried for name, value in s.items() if name in spans
    )
    with pytest.raises(ConfigError, match="at least 1"):
        candidates(spans, 0, 1, "a")


def test_a_third_of_each_mode_is_kept_to_choose_by(corpus: Corpus) -> None:
    table = CorpusInMemory.of(corpus).table
    held = choosing(table)
    assert {mode: int(held[table.mode == mode].sum()) for mode in np.unique(table.mode)} == {
        "hammer": 3,
        "low_speed_bump": 4,
        "rigid_barrier": 5,
    }


@pytest.mark.parametrize("rule", RULES[:2], ids=lambda rule: rule.name)
def test_no_training_event_fires_and_the_chosen_setting_is_the_best_of_those_tried(
    rule: object, training: Training
) -> None:
    family = RuleFamily(rule)  # type: ignore[arg-type]
    tuned = tune(family, training, 5, 0, quietly)
    quiet = training.table.label == "no_fire"
    held = choosing(training.table) & (training.table.label == "must_fire")
    (seen,) = training.seen
    assert tuned.scores(seen)[quiet].max() == tuned.threshold
    errors = []
    for setting in candidates(family.spans, 5, 0, family.name):
        score = confirmed(family.fitted(setting, training, held)(seen), int(setting["confirm"]))
        peaks = peaks_of(score, training.contact, training.due)
        errors.append(int((peaks.in_time[held] <= peaks.overall[quiet].max()).sum()))
    assert tuned.chosen_by["late or missed"] == min(errors)


def test_a_test_corpus_cannot_change_what_is_tuned(training: Training) -> None:
    one, other = (tune(RuleFamily(RULES[0]), training, 3, 0, quietly) for _ in range(2))
    assert (one.threshold, one.setting) == (other.threshold, other.setting)


@pytest.mark.parametrize("family", learned_families(8, 4), ids=lambda family: family.name)
def test_learned_baselines_learn_are_causal_and_repeat(family: object, training: Training) -> None:
    setting = candidates(family.spans, 1, 0, "x")[0]  # type: ignore[attr-defined]
    setting |= {"trees": 10.0, "epochs": 5.0}
    use = np.ones(len(training.table), dtype=np.bool_)
    scorer = family.fitted(setting, training, use)  # type: ignore[attr-defined]
    (seen,) = training.seen
    score = scorer(seen)
    must, quiet = training.table.label == "must_fire", training.table.label == "no_fire"
    assert np.median(score[must].max(axis=1)) > np.median(score[quiet].max(axis=1))
    cut = Seen(seen.main_lsb[:3, :90], slice(0, 3), seen.spec, seen.front_plan)
    np.testing.assert_allclose(scorer(cut), score[:3, :90], rtol=1e-6, atol=1e-6)
    again = family.fitted(setting, training, use)(seen)  # type: ignore[attr-defined]
    np.testing.assert_allclose(again, score, rtol=1e-9)


@given(st.integers(0, 1000))
def test_haar_coefficients_keep_the_energy_of_the_window(seed: int) -> None:
    sums = np.random.default_rng(seed).normal(size=(3, 8))
    coefficients = haar(sums)
    assert coefficients.shape == (3, 8 + 7)
    np.testing.assert_allclose((coefficients[:, :8] ** 2).sum(axis=1), (sums**2).sum(axis=1))
    np.testing.assert_allclose(coefficients[:, 0], sums.sum(axis=1) / np.sqrt(8))
    np.testing.assert_array_equal(coefficients[:, 8:], np.abs(coefficients[:, 1:8]))


def test_haar_takes_the_newest_power_of_two_of_the_blocks() -> None:
    sums = np.arange(11.0)[None, :]
    np.testing.assert_array_equal(haar(sums), haar(sums[:, 3:]))
