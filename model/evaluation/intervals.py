"""What a count of failures allows one to claim: exact binomial bounds after Clopper and Pearson (1934).

``n_failures`` of ``n_trials`` independent trials failed; ``confidence`` lies between 0 and 1. The bounds hold for
events drawn like those that were counted, and say nothing of events of another kind.
"""

from __future__ import annotations

import math

from crumple.errors import ConfigError, CorpusError


def clopper_pearson(n_failures: int, n_trials: int, confidence: float) -> tuple[float, float]:
    """Two-sided exact interval of the failure probability.

    Parameters
    ----------
    n_failures, n_trials : int
    confidence : float
        Of the whole interval; each side errs with at most half of the rest.

    Raises
    ------
    CorpusError
        No trials at all, or more failures than trials.
    ConfigError
        The confidence is not between 0 and 1.
    """
    from scipy.stats import beta

    _check(n_failures, n_trials, confidence)
    side = (1.0 - confidence) / 2
    low = 0.0 if n_failures == 0 else float(beta.ppf(side, n_failures, n_trials - n_failures + 1))
    high = 1.0 if n_failures == n_trials else float(beta.ppf(1 - side, n_failures + 1, n_trials - n_failures))
    return low, high


def upper_bound(n_failures: int, n_trials: int, confidence: float) -> float:
    """One-sided exact upper bound of the failure probability; about 3 / n_trials at 0.95 without a failure.

    The parameters ``n_failures``, ``n_trials``, ``confidence`` and the errors are those of ``clopper_pearson``.
    """
    from scipy.stats import beta

    _check(n_failures, n_trials, confidence)
    return 1.0 if n_failures == n_trials else float(beta.ppf(confidence, n_failures + 1, n_trials - n_failures))


def trials_needed(probability: float, confidence: float) -> int:
    """Trials without a failure that it takes to claim a failure probability below ``probability`` at ``confidence``.

    From ``(1 - p)^n <= 1 - confidence``.

    Raises
    ------
    ConfigError
        Either is not between 0 and 1.
    """
    if not (0.0 < probability < 1.0 and 0.0 < confidence < 1.0):
        raise ConfigError(f"probability {probability} and confidence {confidence} must lie between 0 and 1")
    return math.ceil(math.log1p(-confidence) / math.log1p(-probability))


def refuse_unsupported_claim(probability: float, n_trials: int, confidence: float, what: str) -> None:
    """Raise CorpusError if ``n_trials`` could not support a claim even without a single failure.

    Parameters
    ----------
    probability : float
        Claimed: ``what`` happens less often than this.
    n_trials : int
    confidence : float
    what : str
        Named in the message.
    """
    needed = trials_needed(probability, confidence)
    if n_trials < needed:
        raise CorpusError(
            f"{what} below {probability:g} at {100 * confidence:g} % confidence takes {needed} events without one,"
            f" the corpus has {n_trials}; generate more events or claim less"
        )


def _check(n_failures: int, n_trials: int, confidence: float) -> None:
    if n_trials < 1 or not 0 <= n_failures <= n_trials:
        raise CorpusError(f"{n_failures} failures in {n_trials} events: no probability can be estimated")
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence {confidence}: expected a number between 0 and 1, such as 0.95")
