"""Exact binomial bounds against the binomial distribution itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from crumple.errors import ConfigError, CorpusError
from crumple.model.evaluation.intervals import clopper_pearson, refuse_unsupported_claim, trials_needed, upper_bound

cases = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(cases, st.floats(0.5, 0.999))
def test_at_each_end_the_observed_count_is_as_unlikely_as_the_confidence_says(
    case: tuple[int, int], confidence: float
) -> None:
    k, n = case
    low, high = clopper_pearson(k, n, confidence)
    side = (1 - confidence) / 2
    assert 0 <= low <= k / n <= high <= 1
    if k > 0:
        assert binom.sf(k - 1, n, low) == pytest.approx(side, rel=1e-6)
    if k < n:
        assert binom.cdf(k, n, high) == pytest.approx(side, rel=1e-6)
        assert binom.cdf(k, n, upper_bound(k, n, confidence)) == pytest.approx(1 - confidence, rel=1e-6)


@given(cases)
def test_more_failures_never_lower_the_bound(case: tuple[int, int]) -> None:
    k, n = case
    if k:
        assert upper_bound(k - 1, n, 0.95) <= upper_bound(k, n, 0.95)


def test_no_failure_in_a_hundred_thousand_is_the_rule_of_three() -> None:
    assert upper_bound(0, 100_000, 0.95) == pytest.approx(3e-5, rel=0.002)


@given(st.floats(1e-5, 0.5), st.floats(0.5, 0.999))
def test_the_trials_needed_suffice_and_one_fewer_does_not(probability: float, confidence: float) -> None:
    n = trials_needed(probability, confidence)
    assert upper_bound(0, n, confidence) <= probability * (1 + 1e-9)
    if n > 1:
        assert upper_bound(0, n - 1, confidence) > probability * (1 - 1e-9)


def test_a_claim_that_the_events_cannot_support_is_refused_with_the_number_it_takes() -> None:
    refuse_unsupported_claim(1e-3, 2995, 0.95, "false fires")
    with pytest.raises(CorpusError, match=r"takes 2995 events.*has 2994"):
        refuse_unsupported_claim(1e-3, 2994, 0.95, "false fires")


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_counts_that_are_none_are_refused(k: int, n: int) -> None:
    with pytest.raises(CorpusError):
        clopper_pearson(k, n, 0.95)
    with pytest.raises(CorpusError):
        upper_bound(k, n, 0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigError):
        clopper_pearson(0, 10, confidence)
    with pytest.raises(ConfigError):
        trials_needed(0.1, confidence)
