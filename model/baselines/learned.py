"""Learned baselines on the net's own inputs: block sums of the last window, no other knowledge.

A logistic regression, a linear rule on Haar coefficients, and two ceilings that no controller would run: gradient
boosted trees and a large multi-layer perceptron. Windows of must-fire events around the required time are positive,
the loudest and some others of no-fire events negative; after a first fit the windows that the fit finds loudest
join, and it is fitted again. A family has a ``name``, a ``source`` and ``spans`` as ``search.Family`` says.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crumple.signals.events import MUST_FIRE, NO_FIRE

from .rules import Setting, Span
from .search import Bool, Family, Scorer, Seen, Training

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]

INPUT_UNIT_G = 10.0
LOUDEST = 16
"""Windows of each no-fire event by each measure of loudness, and as many evenly spread over it."""

SCORE_WINDOWS = 65_536
"""Windows scored at a time; bounds memory."""


class Learner(Protocol):
    """What scikit-learn's classifiers have in common."""

    def fit(self, X: Float, y: Int64, sample_weight: Float | None = None) -> Any:
        """Learn from inputs ``X``, classes ``y`` and weights ``sample_weight``."""


@dataclass(frozen=True, slots=True)
class WindowFamily:
    """A learner of windows.

    Attributes
    ----------
    name, source : str
    n_blocks, block_samples : int
        Inputs, as the net's.
    own_spans : mapping
        The learner's settings; all families share which windows are positive.
    make : callable
        Settings to a learner.
    level : callable
        Learner and inputs to scores that do not saturate, shape (n_windows,).
    features : callable
        Block sums to inputs.
    takes_weight : bool
        Whether the learner knows weights.
    """

    name: str
    source: str
    n_blocks: int
    block_samples: int
    own_spans: Mapping[str, Span]
    make: Callable[[Setting], Learner]
    level: Callable[[Any, Float], Float]
    features: Callable[[Float], Float]
    takes_weight: bool = True

    @property
    def spans(self) -> Mapping[str, Span]:
        """Setting to where it is looked for."""
        shared = {
            "reach_ms": Span(0.5, 8.0, 4.0),
            "after_ms": Span(0.0, 10.0, 5.0),
            "positive_weight": Span(0.1, 10.0, 1.0, is_log=True),
        }
        if not self.takes_weight:
            del shared["positive_weight"]
        return {**self.own_spans, **shared}

    def fitted(self, setting: Setting, events: Training, use: Bool) -> Scorer:
        """The learner with a ``setting``, learned from those of the training ``events`` that ``use`` marks."""
        learner = self.make(setting)

        def scorer(seen: Seen) -> Float:
            return self._scores(learner, seen)

        wanted = self._positive(setting, events, use)
        unwanted = self._negative(events, use, None)
        self._fit(learner, setting, wanted, unwanted)
        louder = self._negative(events, use, scorer)
        self._fit(learner, setting, wanted, np.concatenate([unwanted, louder]))
        return scorer

    def _fit(self, learner: Learner, setting: Setting, wanted: Float, unwanted: Float) -> None:
        from sklearn.exceptions import ConvergenceWarning

        inputs = self.features(np.concatenate([wanted, unwanted]))
        labels = np.repeat([1, 0], [len(wanted), len(unwanted)])
        with warnings.catch_warnings():  # how long to learn is a setting
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.takes_weight:
                weight = np.where(labels == 1, setting["positive_weight"] * len(unwanted) / len(wanted), 1.0)
                learner.fit(inputs, labels, sample_weight=weight)
            else:
                learner.fit(inputs, labels)

    def _positive(self, setting: Setting, events: Training, use: Bool) -> Float:
        """Windows of must-fire events from shortly before their required time to shortly after."""
        reach, after = (round(1e-3 * setting[key] / events.dt_s) for key in ("reach_ms", "after_ms"))
        parts = []
        for seen in events.seen:
            sums = self._blocks(seen)
            for k in np.flatnonzero((events.table.label[seen.rows] == MUST_FIRE) & use[seen.rows]):
                due = int(events.due[seen.rows][k])
                parts.append(sums[k, max(0, due - reach) : max(0, due + after + 1)])
        return np.concatenate(parts)

    def _negative(self, events: Training, use: Bool, scorer: Scorer | None) -> Float:
        """The loudest windows of no-fire events: by ``scorer``, or by mean, recent mean, and some others."""
        parts = []
        for seen in events.seen:
            quiet = np.flatnonzero((events.table.label[seen.rows] == NO_FIRE) & use[seen.rows])
            if not quiet.size:
                continue
            sums = self._blocks(seen)[quiet]
            if scorer is not None:
                measures = [scorer(seen)[quiet]]
            else:
                measures = [sums.sum(axis=2), sums[:, :, -max(1, self.n_blocks // 4) :].sum(axis=2)]
            for measure in measures:
                loudest = np.argsort(-measure, axis=1, kind="stable")[:, :LOUDEST]
                parts.append(np.take_along_axis(sums, loudest[:, :, None], axis=1).reshape(-1, self.n_blocks))
            if scorer is None:
                parts.append(sums[:, :: max(1, sums.shape[1] // LOUDEST)].reshape(-1, self.n_blocks))
        return np.concatenate(parts)

    def _blocks(self, seen: Seen) -> Float:
        """Inputs at every sample; shape (n_events, n_samples, n_blocks), a view that is costly to copy whole."""
        spec = seen.spec
        counts = np.clip(np.asarray(seen.main_lsb, dtype=np.float64), -spec.clamp_lsb, spec.clamp_lsb)
        span = self.n_blocks * self.block_samples
        running = np.cumsum(np.pad(counts, ((0, 0), (span, 0))), axis=1)
        unit = INPUT_UNIT_G / float(spec.lsb) * self.block_samples
        sums = (running[:, self.block_samples :] - running[:, : -self.block_samples]) / unit
        return np.lib.stride_tricks.sliding_window_view(sums, span - self.block_samples + 1, axis=1)[
            :, :, :: self.block_samples
        ]

    def _scores(self, learner: Any, seen: Seen) -> Float:
        sums = self._blocks(seen)
        n_events, n_samples = sums.shape[:2]
        result = np.empty((n_events, n_samples))
        step = max(1, SCORE_WINDOWS // n_samples)
        for start in range(0, n_events, step):
            rows = slice(start, start + step)
            inputs = self.features(sums[rows].reshape(-1, self.n_blocks))
            result[rows] = self.level(learner, inputs).reshape(-1, n_samples)
        return result


def haar(sums: Float) -> Float:
    """Haar coefficients of the newest blocks, a power of two of them, and the magnitudes of the details.

    Parameters
    ----------
    sums : ndarray, shape (n_windows, n_blocks)
    """
    level = sums[:, -(1 << (sums.shape[1].bit_length() - 1)) :]
    details = []
    while level.shape[1] > 1:
        older, newer = level[:, 0::2], level[:, 1::2]
        details.append((newer - older) / np.sqrt(2.0))
        level = (newer + older) / np.sqrt(2.0)
    return np.concatenate([level, *details, *(np.abs(detail) for detail in details)], axis=1)


def _as_they_are(sums: Float) -> Float:
    return sums


def _logistic(setting: Setting) -> Learner:
    from sklearn.linear_model import LogisticRegression

    learner: Learner = LogisticRegression(C=setting["inverse_penalty"], max_iter=300)
    return learner


def _trees(setting: Setting) -> Learner:
    from sklearn.ensemble import HistGradientBoostingClassifier

    learner: Learner = HistGradientBoostingClassifier(
        learning_rate=setting["learning_rate"],
        max_iter=int(setting["trees"]),
        max_leaf_nodes=int(setting["leaves"]),
        l2_regularization=setting["penalty"],
        early_stopping=False,
        random_state=0,
    )
    return learner


def _perceptron(setting: Setting) -> Learner:
    from sklearn.neural_network import MLPClassifier

    learner: Learner = MLPClassifier(
        hidden_layer_sizes=PERCEPTRON_NODES,
        alpha=setting["penalty"],
        learning_rate_init=setting["learning_rate"],
        max_iter=int(setting["epochs"]),
        batch_size=256,
        random_state=0,
    )
    return learner


PERCEPTRON_NODES = (128, 64)
"""Some 12,500 weights on 32 inputs, 25 times those of a 15-node net."""


def _decision(learner: Any, inputs: Float) -> Float:
    level: Float = learner.decision_function(inputs)
    return level


def _before_the_sigmoid(learner: Any, inputs: Float) -> Float:
    """The perceptron's output before it saturates."""
    value = inputs
    layers = list(zip(learner.coefs_, learner.intercepts_, strict=True))
    for depth, (weight, bias) in enumerate(layers):
        value = value @ weight + bias
        if depth < len(layers) - 1:
            value = np.maximum(value, 0.0)
    return value[:, 0]


def learned_families(n_blocks: int, block_samples: int) -> tuple[Family, ...]:
    """The learned baselines on ``n_blocks`` sums of ``block_samples`` samples each."""
    penalty = Span(1e-6, 1e-1, 1e-4, is_log=True)
    inverse = {"inverse_penalty": Span(1e-3, 1e3, 1.0, is_log=True)}
    make = partial(WindowFamily, n_blocks=n_blocks, block_samples=block_samples)
    return (
        make(
            name="14 Haar coefficients, linear",
            source="common practice",
            own_spans=inverse,
            make=_logistic,
            level=_decision,
            features=haar,
        ),
        make(
            name="logistic regression",
            source="scikit-learn",
            own_spans=inverse,
            make=_logistic,
            level=_decision,
            features=_as_they_are,
        ),
        make(
            name="gradient-boosted trees",
            source="scikit-learn, a ceiling",
            own_spans={
                "learning_rate": Span(0.03, 0.3, 0.1, is_log=True),
                "trees": Span(50.0, 250.0, 150.0, is_whole=True),
                "leaves": Span(7.0, 63.0, 31.0, is_whole=True),
                "penalty": penalty,
            },
            make=_trees,
            level=_decision,
            features=_as_they_are,
        ),
        make(
            name=f"large perceptron {PERCEPTRON_NODES[0]}-{PERCEPTRON_NODES[1]}",
            source="scikit-learn, a ceiling",
            own_spans={
                "learning_rate": Span(3e-4, 5e-3, 1e-3, is_log=True),
                "epochs": Span(10.0, 40.0, 20.0, is_whole=True),
                "penalty": penalty,
            },
            make=_perceptron,
            level=_before_the_sigmoid,
            features=_as_they_are,
            takes_weight=False,
        ),
    )
