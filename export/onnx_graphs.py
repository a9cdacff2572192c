"""Print a model as ONNX: the shipped integers, and the float net they came from.

Both read a window of raw counts, oldest first, so that either can replace the other in a tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crumple.model.deployed import DeployedModel

OPSET = 17
IR_VERSION = 9


def integer_graph(model: DeployedModel, model_sha256: str, provenance: Mapping[str, str] | None = None) -> bytes:
    """The deployed net as an ONNX graph in int64, equal to the C code for every window.

    Input ``window_lsb`` is int64 of shape (n, window_samples); outputs are ``y``, int64 of shape (n,), and
    ``vote``, bool. Confirmation over time is not in the graph: it has no memory.
    ``model_sha256`` goes into its metadata, and so does ``provenance``: text by key, such as other hashes.
    """
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "clamp_low": np.array(-model.clamp_lsb, dtype=np.int64),
        "clamp_high": np.array(model.clamp_lsb, dtype=np.int64),
        "block_shape": np.array([-1, model.n_blocks, model.block_samples], dtype=np.int64),
        "block_axis": np.array([2], dtype=np.int64),
        "hidden_weight": np.array(model.hidden_weight, dtype=np.int64).T.copy(),
        "hidden_bias": np.array(model.hidden_bias, dtype=np.int64),
        "zero": np.array(0, dtype=np.int64),
        "output_weight": np.array(model.output_weight, dtype=np.int64),
        "output_bias": np.array(model.output_bias, dtype=np.int64),
    }
    nodes = [
        helper.make_node("Clip", ["window_lsb", "clamp_low", "clamp_high"], ["clamped"]),
        helper.make_node("Reshape", ["clamped", "block_shape"], ["grouped"]),
        helper.make_node("ReduceSum", ["grouped", "block_axis"], ["block"], keepdims=0),
        helper.make_node("MatMul", ["block", "hidden_weight"], ["product"]),
        helper.make_node("Add", ["product", "hidden_bias"], ["z"]),
        helper.make_node("Max", ["z", "zero"], ["h"]),
        helper.make_node("MatMul", ["h", "output_weight"], ["sum"]),
        helper.make_node("Add", ["sum", "output_bias"], ["y"]),
        helper.make_node("Greater", ["y", "zero"], ["vote"]),
    ]
    return _finish(
        helper.make_graph(
            nodes,
            "crumple_integer_net",
            [helper.make_tensor_value_info("window_lsb", TensorProto.INT64, ["n", model.window_samples])],
            [
                helper.make_tensor_value_info("y", TensorProto.INT64, ["n"]),
                helper.make_tensor_value_info("vote", TensorProto.BOOL, ["n"]),
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        {"crumple_model_sha256": model_sha256, **(provenance or {})},
    )


def float_graph(
    net: Mapping[str, Any], model: DeployedModel, model_sha256: str, provenance: Mapping[str, str] | None = None
) -> bytes:
    """The float net before rounding, in float32, for comparison and for third-party verifiers.

    Parameters
    ----------
    net : mapping
        As written by training: ``hidden_weight``, ``hidden_bias``, ``output_weight``, ``output_bias`` and
        ``unit_lsb``, the block sum that its input 1.0 stands for.
    model : DeployedModel
        Gives the shape of the window.
    model_sha256 : str
        Goes into the metadata.
    provenance : mapping
        Text by key, such as other hashes; goes into the metadata too.
    """
    from onnx import TensorProto, helper, numpy_helper

    # Spread each block weight over its samples, so that the graph reads raw counts.
    kernel = np.repeat(np.array(net["hidden_weight"]), model.block_samples, axis=1) / net["unit_lsb"]
    constants = {
        "hidden_weight": kernel.T.astype(np.float32).copy(),
        "hidden_bias": np.array(net["hidden_bias"], dtype=np.float32),
        "output_weight": np.array(net["output_weight"], dtype=np.float32),
        "output_bias": np.array(net["output_bias"][0], dtype=np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["window_lsb", "hidden_weight"], ["product"]),
        helper.make_node("Add", ["product", "hidden_bias"], ["z"]),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("MatMul", ["h", "output_weight"], ["sum"]),
        helper.make_node("Add", ["sum", "output_bias"], ["y"]),
    ]
    return _finish(
        helper.make_graph(
            nodes,
            "crumple_float_net",
            [helper.make_tensor_value_info("window_lsb", TensorProto.FLOAT, ["n", model.window_samples])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        {"crumple_model_sha256": model_sha256, **(provenance or {})},
    )


def _finish(graph: Any, provenance: dict[str, str]) -> bytes:
    """Wrap a graph as a checked model with its provenance, in deterministic bytes."""
    import onnx
    from onnx import helper

    made = helper.make_model(
        graph,
        producer_name="crumple",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(made, provenance)
    onnx.checker.check_model(made, full_check=True)
    image: bytes = made.SerializeToString(deterministic=True)
    return image
