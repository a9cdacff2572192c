"""CrashNet: a scikit-learn estimator whose gradient is right and whose front end is the controller's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from crumple.errors import ConfigError, CorpusError, SignalError
from crumple.model.deployed import DeployedModel
from crumple.model.estimator import CrashNet, log_loss
from crumple.model.net import Net


def windows(n: int = 300, n_samples: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Counts: rising ones vote, noise does not."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.normal(0, 60, (n, n_samples)) + y[:, None] * np.linspace(0, 200, n_samples)
    return np.rint(x), y


def test_the_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(1)
    net = Net(rng.normal(size=(5, 7)), rng.normal(size=5), rng.normal(size=5), rng.normal(size=1))
    inputs, targets = rng.normal(size=(20, 7)), rng.integers(0, 2, 20).astype(float)
    _, gradients = log_loss(net, inputs, targets, 0.3)
    step = 1e-6
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        for at in np.ndindex(parameter.shape):
            kept = parameter[at]
            parameter[at] = kept + step
            above = log_loss(net, inputs, targets, 0.3)[0]
            parameter[at] = kept - step
            below = log_loss(net, inputs, targets, 0.3)[0]
            parameter[at] = kept
            assert gradient[at] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_loss_and_gradient_are_those_of_scikit_learns_perceptron(alpha: float) -> None:
    # One full-batch step of plain gradient descent at rate 1 moves each parameter by its gradient.
    rng = np.random.default_rng(2)
    inputs, targets = rng.normal(size=(40, 6)), rng.integers(0, 2, 40)
    other = MLPClassifier((4,), solver="sgd", alpha=alpha, batch_size=40, learning_rate_init=1.0, momentum=0.0)
    other.set_params(max_iter=1, shuffle=False, random_state=0, nesterovs_momentum=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.partial_fit(inputs, targets, classes=[0, 1])
    net = Net(other.coefs_[0].T.copy(), other.intercepts_[0].copy(), other.coefs_[1][:, 0].copy(), other.intercepts_[1])
    net.output_bias = net.output_bias.copy()
    loss, gradients = log_loss(net, inputs, targets.astype(float), alpha)
    before = [p.copy() for p in net.parameters()]
    np.testing.assert_allclose(1 / (1 + np.exp(-net.score(inputs))), other.predict_proba(inputs)[:, 1], rtol=1e-12)
    other.partial_fit(inputs, targets)
    after = (other.coefs_[0].T, other.intercepts_[0], other.coefs_[1][:, 0], other.intercepts_[1])
    for old, new, gradient in zip(before, after, gradients, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-9, atol=1e-12)
    assert other.loss_ == pytest.approx(loss, rel=1e-12)


def test_scikit_learns_own_checks_pass_where_they_apply_to_windows() -> None:
    # In g with a fine step, since the checks hand over small real numbers.
    check_estimator(CrashNet(lsb_g=2**-12, clamp_lsb=32767, block_samples=1, max_iter=60, random_state=0), on_skip=None)


def test_the_front_end_is_that_of_the_deployed_model(small_model: DeployedModel) -> None:
    counts = np.random.default_rng(4).integers(-3000, 3000, (6, small_model.window_samples))
    net = CrashNet(block_samples=small_model.block_samples, clamp_lsb=small_model.clamp_lsb)
    for window, sums in zip(counts, net.block_sums(counts), strict=True):
        np.testing.assert_array_equal(sums, small_model.block_sums(window)[-1])


def test_a_window_that_is_no_multiple_of_a_block_leaves_the_oldest_block_short() -> None:
    assert CrashNet(block_samples=3).block_sums(np.array([[1, 10, 20, 30, 1, 2, 3]])).tolist() == [[1, 60, 6]]


def test_g_become_counts_by_rounding_and_clamping() -> None:
    net = CrashNet(block_samples=1, clamp_lsb=100, lsb_g=0.25)
    assert net.block_sums(np.array([[0.1, 0.2, -0.4, 30.0, -99.0]])).tolist() == [[0, 1, -2, 100, -100]]


def test_it_learns_repeats_and_can_be_cloned() -> None:
    x, y = windows()
    net = CrashNet(random_state=3, max_iter=40).fit(x, y)
    fresh, labels = windows(seed=9)
    assert net.score(fresh, labels) > 0.97
    again = clone(net).fit(x, y)
    np.testing.assert_array_equal(net.decision_function(fresh), again.decision_function(fresh))
    np.testing.assert_array_equal(net.predict(fresh), (net.decision_function(fresh) > 0).astype(int))
    np.testing.assert_allclose(net.predict_proba(fresh).sum(axis=1), 1.0)
    assert net.loss_curve_[-1] < net.loss_curve_[0] and len(net.loss_curve_) == net.n_iter_


def severe_windows(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Noise, rising counts, and such that rise three times as far."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    level = np.array([0.0, 1.0, 3.0])[y]
    return np.rint(rng.normal(0, 60, (n, 24)) + level[:, None] * np.linspace(0, 200, 24)), y


def test_a_second_stage_tells_severe_from_light_and_leaves_the_first_as_it_is() -> None:
    x, y = severe_windows()
    net = CrashNet(n_stages=2, random_state=0, max_iter=60).fit(x, y)
    alone = CrashNet(random_state=0, max_iter=60).fit(x, (y > 0).astype(int))
    fresh_x, fresh_y = severe_windows(seed=1)
    assert net.score(fresh_x, fresh_y) > 0.95
    assert np.array_equal(net.decision_function(fresh_x)[:, 0], alone.decision_function(fresh_x))
    assert net.decision_function(fresh_x).shape == (600, 2)
    assert net.n_iter_ == alone.n_iter_
    shares = net.predict_proba(fresh_x)
    assert shares.shape == (600, 3)
    assert (shares >= 0).all()
    assert np.allclose(shares.sum(axis=1), 1.0)
    assert clone(net).get_params()["n_stages"] == 2


def test_a_stage_counts_only_where_the_one_before_it_votes() -> None:
    x, y = severe_windows()
    net = CrashNet(n_stages=2, random_state=0, max_iter=5).fit(x, y)
    net.nets_[0].output_bias[:] = -1e9
    assert (net.decision_function(x)[:, 1] > 0).any()
    assert (net.predict(x) == 0).all()
    assert (net.predict_proba(x)[:, 0] == 1).all()


def test_two_stages_need_three_classes() -> None:
    x, y = windows()
    with pytest.raises(CorpusError, match="n_stages = 2 tells three apart, y has 2 classes"):
        CrashNet(n_stages=2).fit(x, y)


def test_it_stops_when_nothing_improves() -> None:
    x, y = windows()
    assert CrashNet(random_state=0, max_iter=400, tol=0.1, n_iter_no_change=2).fit(x, y).n_iter_ < 30


def test_it_works_in_pipelines_and_searches() -> None:
    x, y = windows(120)
    chain = make_pipeline(FunctionTransformer(np.negative), CrashNet(max_iter=10, random_state=0))
    search = GridSearchCV(chain, {"crashnet__n_hidden": [2, 8]}, cv=2).fit(-x, y)
    assert search.best_score_ > 0.8


@pytest.mark.parametrize(
    "change",
    [
        {"n_hidden": 0},
        {"n_hidden": 65},
        {"n_hidden": 2.5},
        {"block_samples": 0},
        {"clamp_lsb": 40_000},
        {"alpha": -1.0},
        {"learning_rate": 0.0},
        {"lsb_g": float("nan")},
        {"max_iter": True},
    ],
)
def test_parameters_out_of_range_are_refused_by_name(change: dict[str, object]) -> None:
    x, y = windows(20)
    with pytest.raises(ConfigError, match=next(iter(change))):
        CrashNet(**change).fit(x, y)  # type: ignore[arg-type]


def test_what_is_no_count_is_refused_with_its_place() -> None:
    x, y = windows(20)
    x[3, 5] += 0.25
    with pytest.raises(SignalError, match="window 3, sample 5"):
        CrashNet().fit(x, y)


@pytest.mark.parametrize("classes", [1, 3])
def test_anything_but_two_classes_is_refused(classes: int) -> None:
    x, _ = windows(30)
    with pytest.raises(CorpusError, match="two classes"):
        CrashNet().fit(x, np.arange(30) % classes)


def test_nan_is_refused() -> None:
    x, y = windows(20)
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        CrashNet().fit(x, y)
