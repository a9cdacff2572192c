"""The float net: forward against scikit-learn, gradient against finite differences."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.net import Net


def test_forward_equals_scikit_learns_on_the_same_weights() -> None:
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 6))
    reference = MLPRegressor(hidden_layer_sizes=(5,), max_iter=1, random_state=0, solver="lbfgs")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration does not converge, and need not
        reference.fit(inputs, inputs[:, 0])
    net = Net(
        reference.coefs_[0].T.copy(), reference.intercepts_[0], reference.coefs_[1][:, 0], reference.intercepts_[1]
    )
    np.testing.assert_allclose(net.forward(inputs)[0], reference.predict(inputs), rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gradient_equals_finite_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net, inputs = Net.drawn(4, 5, rng), rng.normal(size=(7, 5))
    weights = rng.normal(size=7)
    output, hidden = net.forward(inputs)
    gradients = net.backward(inputs, hidden, weights)
    margin = np.abs(inputs @ net.hidden_weight.T + net.hidden_bias).min()
    if margin < 1e-4:  # a kink within the step has no derivative to compare with
        return
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        flat, flat_gradient = parameter.reshape(-1), np.broadcast_to(gradient, parameter.shape).reshape(-1)
        for k in range(flat.size):
            kept, step = flat[k], 1e-6
            flat[k] = kept + step
            up = weights @ net.forward(inputs)[0]
            flat[k] = kept - step
            down = weights @ net.forward(inputs)[0]
            flat[k] = kept
            assert abs((up - down) / (2 * step) - flat_gradient[k]) < 1e-5 * (1 + abs(flat_gradient[k]))
    assert output.shape == (7,)
