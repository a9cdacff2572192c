"""``CrashNet``: the project's net as a scikit-learn estimator of windows, for pipelines, searches and teaching.

It separates windows, each on its own; `crumple train` is what trains on events, towards requirements, and quantises.
The front end is the controller's: samples are whole counts, clamped, summed in blocks. One hidden ReLU layer, its
gradient by backpropagation, Adam on the mean log-loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from crumple.errors import ConfigError, CorpusError, SignalError
from crumple.integers import INT16_MAX

from .net import Float, Net

MOMENTUM, SQUARES, SMALLEST = 0.9, 0.999, 1e-8
"""Adam's constants as its authors state them (Kingma and Ba 2015)."""


MOST_STAGES = 2


def log_loss(net: Net, inputs: Float, targets: Float, alpha: float) -> tuple[float, tuple[Float, Float, Float, Float]]:
    """Mean log-loss plus ``alpha / (2 n)`` times the squared weights, and its gradient; biases are not penalised.

    Parameters
    ----------
    net : Net
    inputs : ndarray, shape (n_windows, n_blocks)
    targets : ndarray, shape (n_windows,)
        1 for windows that should vote, 0 for others.
    alpha : float
        As in scikit-learn's MLPClassifier.

    Returns
    -------
    loss : float
    gradients : tuple of ndarray
        In the order of ``Net.parameters``.
    """
    n = len(inputs)
    output, hidden = net.forward(inputs)
    loss = float(np.mean(np.logaddexp(0.0, output) - targets * output))
    loss += alpha / (2 * n) * float(np.sum(net.hidden_weight**2) + np.sum(net.output_weight**2))
    weight, bias, out_weight, out_bias = net.backward(inputs, hidden, (_sigmoid(output) - targets) / n)
    return loss, (weight + alpha / n * net.hidden_weight, bias, out_weight + alpha / n * net.output_weight, out_bias)


class CrashNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A net of one hidden layer on block sums of a window's samples.

    Parameters
    ----------
    n_hidden : int, default 15
        Hidden nodes, 1 to 64.
    n_stages : int, default 1
        Outputs, one a stage of the bag, 1 or 2. The second is learned last, on the hidden layer that the first has
        left, so that the first is the same with it as without.
    block_samples : int, default 3
        Samples summed into one input, counted back from the newest; the oldest block holds what is left.
    clamp_lsb : int, default 1920
        Counts are clamped to ``[-clamp_lsb, clamp_lsb]``.
    lsb_g : float or None, default None
        None: ``X`` holds whole counts, and anything else is refused. A number: ``X`` holds g, which become counts
        by rounding to this step, as in the sensor.
    alpha : float, default 1e-4
        L2 penalty, as in MLPClassifier.
    learning_rate : float, default 0.01
    batch_size : int, default 200
    max_iter : int, default 200
        Epochs at most.
    tol : float, default 1e-4
        Learning ends when the loss has not improved by this for ``n_iter_no_change`` epochs.
    n_iter_no_change : int, default 10
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    classes_ : ndarray, shape (n_stages + 1,)
        The output of stage s, from 1, votes for the classes from index s on.
    n_features_in_ : int
        Samples in a window.
    nets_ : tuple of Net
        One a stage, on block sums divided by ``unit_lsb_``; they share their hidden layer.
    unit_lsb_ : float
    loss_curve_ : list of float
        Of all outputs, one after the other.
    n_iter_ : int
        Epochs of the first stage.
    """

    def __init__(
        self,
        n_hidden: int = 15,
        n_stages: int = 1,
        block_samples: int = 3,
        clamp_lsb: int = 1920,
        lsb_g: float | None = None,
        alpha: float = 1e-4,
        learning_rate: float = 0.01,
        batch_size: int = 200,
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_hidden = n_hidden
        self.n_stages = n_stages
        self.block_samples = block_samples
        self.clamp_lsb = clamp_lsb
        self.lsb_g = lsb_g
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """As many classes as ``n_stages`` says, and no others."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any) -> CrashNet:
        """Learn to tell windows that ask for no stage, one or both apart.

        Parameters
        ----------
        X : array, shape (n_windows, n_samples)
            Counts, or g if ``lsb_g`` is given; positive for deceleration, oldest first.
        y : array, shape (n_windows,)
            ``n_stages + 1`` classes in the order of their severity; the first asks for nothing.

        Raises
        ------
        ConfigError
            A parameter out of its range.
        CorpusError
            Not as many classes as outputs ask for.
        SignalError
            Counts that are not whole.
        """
        self._check_parameters()
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if self.classes_.size != self.n_stages + 1:
            tells = (
                "two classes apart: Only binary classification is supported" if self.n_stages == 1 else "three apart"
            )
            raise CorpusError(
                f"CrashNet with n_stages = {self.n_stages} tells {tells}, y has"
                f" {self.classes_.size} class{'es' if self.classes_.size != 1 else ''}"
            )
        sums = self.block_sums(X)
        self.unit_lsb_ = max(1.0, float(np.sqrt(np.mean(np.square(sums, dtype=np.float64)))))
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
        inputs = sums / self.unit_lsb_
        self.loss_curve_: list[float] = []
        net = Net.drawn(self.n_hidden, inputs.shape[1], rng)
        self.n_iter_ = self._learn(net, net.parameters(), inputs, (targets > 0).astype(np.float64), rng)
        self.nets_: tuple[Net, ...] = (net,)
        if self.n_stages == 2:
            later = replace(net, output_weight=net.output_weight.copy(), output_bias=net.output_bias.copy())
            self._learn(later, later.parameters()[2:], inputs, (targets > 1).astype(np.float64), rng)
            self.nets_ = net, later
        return self

    def _learn(self, net: Net, moved: Sequence[Float], inputs: Float, targets: Float, rng: np.random.Generator) -> int:
        """Adam on the last parameters of a net, those ``moved``, over shuffled batches until nothing improves.

        Returns the number of epochs.
        """
        moment = [np.zeros_like(p) for p in moved]
        square = [np.zeros_like(p) for p in moved]
        best, stale, step, n_epochs = np.inf, 0, 0, 0
        while n_epochs < self.max_iter:
            n_epochs += 1
            order, total = rng.permutation(len(inputs)), 0.0
            for start in range(0, len(inputs), self.batch_size):
                rows = order[start : start + self.batch_size]
                loss, gradients = log_loss(net, inputs[rows], targets[rows], self.alpha)
                total += loss * rows.size
                step += 1
                for p, g, m, s in zip(moved, gradients[-len(moved) :], moment, square, strict=True):
                    m += (1 - MOMENTUM) * (g - m)
                    s += (1 - SQUARES) * (g * g - s)
                    p -= self.learning_rate * (m / (1 - MOMENTUM**step)) / (np.sqrt(s / (1 - SQUARES**step)) + SMALLEST)
            self.loss_curve_.append(total / len(inputs))
            stale = 0 if self.loss_curve_[-1] < best - self.tol else stale + 1
            best = min(best, self.loss_curve_[-1])
            if stale > self.n_iter_no_change:
                break
        return n_epochs

    def block_sums(self, X: Any) -> NDArray[np.int64]:
        """Whole, clamped counts of ``X`` summed in blocks, oldest first; shape (n_windows, n_blocks).

        Raises
        ------
        SignalError
            Counts that are not whole.
        """
        samples = np.asarray(X, dtype=np.float64) / (1.0 if self.lsb_g is None else self.lsb_g)
        counts = np.rint(samples)
        if self.lsb_g is None and not np.array_equal(counts, samples):
            where = np.argwhere(counts != samples)[0]
            raise SignalError(
                f"window {where[0]}, sample {where[1]} is {samples[tuple(where)]!r}, expected a whole count;"
                " give lsb_g if X holds g"
            )
        clamped = np.clip(counts, -self.clamp_lsb, self.clamp_lsb).astype(np.int64)
        missing = -clamped.shape[1] % self.block_samples
        sums: NDArray[np.int64] = (
            np.pad(clamped, ((0, 0), (missing, 0))).reshape(len(clamped), -1, self.block_samples).sum(axis=2)
        )
        return sums

    def decision_function(self, X: Any) -> Float:
        """The outputs for windows ``X``, a vote where positive.

        Of shape (n_windows,) with one stage, as scikit-learn has it for two classes, else (n_windows, n_stages).
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self.n_stages == 1 else outputs

    def _outputs(self, X: Any) -> Float:
        check_is_fitted(self)
        inputs = self.block_sums(validate_data(self, X, reset=False)) / self.unit_lsb_
        return np.stack([net.score(inputs) for net in self.nets_], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each window of ``X``, shape (n_windows,). A stage counts only where those before it vote."""
        votes = np.logical_and.accumulate(self._outputs(X) > 0, axis=1)
        chosen: NDArray[Any] = self.classes_[votes.sum(axis=1)]
        return chosen

    def predict_proba(self, X: Any) -> Float:
        """What the log-loss makes of the outputs for windows ``X``; shape (n_windows, n_classes), not calibrated.

        A stage is at most as probable as the one before it.
        """
        share = np.minimum.accumulate(_sigmoid(self._outputs(X)), axis=1)
        return -np.diff(share, axis=1, prepend=1.0, append=0.0)

    def _check_parameters(self) -> None:
        for name, low, high in (
            ("n_hidden", 1, 64),
            ("n_stages", 1, MOST_STAGES),
            ("block_samples", 1, 64),
            ("clamp_lsb", 1, INT16_MAX),
            ("batch_size", 1, np.inf),
            ("max_iter", 1, np.inf),
            ("n_iter_no_change", 1, np.inf),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigError(f"{name} = {value!r}: expected a whole number from {low} to {high}")
        for name, positive in (("alpha", False), ("learning_rate", True), ("tol", False), ("lsb_g", True)):
            value = getattr(self, name)
            if name == "lsb_g" and value is None:
                continue
            if not (np.isfinite(value) and (value > 0 if positive else value >= 0)):
                raise ConfigError(f"{name} = {value!r}: expected a {'positive' if positive else 'non-negative'} number")


def _sigmoid(x: Float) -> Float:
    """Logistic function, safe for large arguments of either sign."""
    return np.exp(-np.logaddexp(0.0, -x))
