"""The ONNX graphs: exact integers in ONNX Runtime, a float graph that is the float net."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from crumple.export.onnx_graphs import float_graph, integer_graph
from crumple.export.validate import onnx_outputs
from crumple.model.deployed import DeployedModel


def test_the_integer_graph_equals_the_unbounded_integer_reference(small_model: DeployedModel) -> None:
    rng = np.random.default_rng(0)
    windows = rng.integers(-32768, 32768, (500, small_model.window_samples))
    expected = [small_model.output_of_window(row.tolist()) for row in windows]
    assert onnx_outputs(integer_graph(small_model, "0" * 64))(windows).tolist() == expected


def test_the_vote_is_y_above_zero(small_model: DeployedModel) -> None:
    windows = np.random.default_rng(1).integers(-200, 1920, (300, small_model.window_samples))
    session = onnxruntime.InferenceSession(integer_graph(small_model, "0" * 64), providers=["CPUExecutionProvider"])
    y, vote = session.run(["y", "vote"], {"window_lsb": windows})
    assert (vote == (y > 0)).all()
    assert vote.any()
    assert not vote.all()


def test_the_graph_is_deterministic_and_names_the_model_it_came_from(small_model: DeployedModel) -> None:
    image = integer_graph(small_model, "ab" * 32)
    assert image == integer_graph(small_model, "ab" * 32)
    props = {p.key: p.value for p in onnx.load_from_string(image).metadata_props}
    assert props == {"crumple_model_sha256": "ab" * 32}


def test_the_float_graph_computes_the_float_net_from_raw_counts(small_model: DeployedModel) -> None:
    rng = np.random.default_rng(2)
    net = {
        "hidden_weight": rng.normal(size=(3, 4)).tolist(),
        "hidden_bias": rng.normal(size=3).tolist(),
        "output_weight": rng.normal(size=3).tolist(),
        "output_bias": [0.25],
        "unit_lsb": 320.0,
    }
    windows = rng.integers(-500, 500, (50, 8)).astype(np.float32)
    session = onnxruntime.InferenceSession(float_graph(net, small_model, "0" * 64), providers=["CPUExecutionProvider"])
    blocks = windows.reshape(50, 4, 2).sum(axis=2) / 320.0
    hidden = np.maximum(blocks @ np.array(net["hidden_weight"]).T + np.array(net["hidden_bias"]), 0)
    expected = hidden @ np.array(net["output_weight"]) + 0.25
    np.testing.assert_allclose(session.run(["y"], {"window_lsb": windows})[0], expected, rtol=2e-5, atol=2e-5)
