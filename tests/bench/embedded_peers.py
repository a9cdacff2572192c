"""Other people's code generators, as pip installs them (the extra ``peers``), given the common 32-15-1 float net.

Each prints C for the same net; it is built, run and counted by the same harness as ours. A generator that takes
calibration data gets the test vectors themselves, which flatters it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

PROLOGUE = "void infer(const void *x, void *y);\nvoid infer_init(void);\nvoid infer_init(void) { }\n"


@dataclass(frozen=True, slots=True)
class Peer:
    """What a generator printed: sources, flags, inputs in its own type, and what its answer's 8 bytes say.

    ``answer`` gives a logit, or the probability where ``probability`` is true.
    """

    name: str
    sources: list[Path]
    flags: tuple[str, ...]
    inputs: np.ndarray
    answer: Callable[[bytes], float]
    probability: bool = False


@dataclass(frozen=True, slots=True)
class FloatNet:
    """The common net: weights of shape (n_inputs, n_nodes) and (n_nodes, 1), biases, inputs of shape (n, n_inputs)."""

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray
    inputs: np.ndarray


def emlearn_float(net: FloatNet, folder: Path) -> Peer:
    """emlearn, ``loadable``: which answers the probability of the second class."""
    import emlearn
    from sklearn.neural_network import MLPClassifier

    fitted = MLPClassifier()
    fitted.coefs_, fitted.intercepts_ = [net.hidden, net.output], [net.hidden_bias, net.output_bias]
    fitted.n_layers_, fitted.activation, fitted.out_activation_ = 3, "relu", "logistic"
    with working_in(folder):  # it builds a program of its own in ./tmp
        emlearn.convert(fitted, method="loadable").save(file=str(folder / "net.h"), name="net")
    source = folder / "emlearn.c"
    source.write_text(
        f'#include "net.h"\n{PROLOGUE}void infer(const void *x, void *y)\n'
        "{ float p[2]; (void)eml_net_predict_proba(&net, x, 32, p, 2); *(float *)y = p[1]; }\n"
    )

    def probability(answer: bytes) -> float:
        return float(np.frombuffer(answer[:4], "<f4")[0])

    flags = (f"-I{Path(emlearn.__file__).parent}", f"-I{folder}")
    return Peer("emlearn, f32 loadable", [source], flags, net.inputs.astype(np.float32), probability, probability=True)


def emx_float(net: FloatNet, folder: Path) -> Peer:
    """emx-onnx-cgen, from a float ONNX graph of two Gemm."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tables = {"W1": net.hidden, "b1": net.hidden_bias, "W2": net.output, "b2": net.output_bias}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "W1", "b1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "W2", "b2"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(table.astype(np.float32), name) for name, table in tables.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "net.onnx")
    program = Path(sys.executable).with_name("emx-onnx-cgen")
    words = [program, "compile", "net.onnx", "net.c", "--model-name", "model"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    source = folder / "emx.c"
    source.write_text(
        f'#include "net.c"\n{PROLOGUE}void infer(const void *x, void *y)\n'
        "{ model((const float (*)[32])x, (float (*)[1])y); }\n"
    )

    def logit(answer: bytes) -> float:
        return float(np.frombuffer(answer[:4], "<f4")[0])

    return Peer("emx-onnx-cgen, f32", [source], (), net.inputs.astype(np.float32), logit)


def bakenn_int8(net: FloatNet, folder: Path) -> Peer:
    """BakeNN, int8 after training, portable C."""
    import bakenn

    layers = (
        bakenn.FloatLinear(net.hidden.T, net.hidden_bias, relu=True, name="hidden"),
        bakenn.FloatLinear(net.output.T, net.output_bias, name="output"),
    )
    graph = bakenn.quantize_ptq(bakenn.FloatMLP(layers, name="net"), net.inputs.astype(np.float32))
    plan = bakenn.compile(graph, folder / "bakenn", model_name="net").plan
    inputs = np.stack([np.asarray(bakenn.quantize_input(plan, row[None])).ravel() for row in net.inputs])
    source = folder / "bakenn.c"
    source.write_text(
        '#include "bknn_net.h"\nstatic uint8_t arena[16] __attribute__((aligned(16)));\n'
        f"{PROLOGUE}void infer(const void *x, void *y) {{ bknn_net_infer(arena, x, y); }}\n"
    )

    def logit(answer: bytes) -> float:
        return float(np.ravel(bakenn.dequantize_output(plan, np.frombuffer(answer[:1], np.int8)[None]))[0])

    sources = [source, *sorted((folder / "bakenn").glob("*.c"))]
    return Peer("BakeNN, int8", sources, (f"-I{folder / 'bakenn'}",), inputs.astype(np.int8), logit)


PEERS: dict[str, Callable[[FloatNet, Path], Peer]] = {
    "emlearn": emlearn_float,
    "emx-onnx-cgen": emx_float,
    "bakenn": bakenn_int8,
}
"""Package on the index: its generator."""


def version_of(package: str) -> str | None:
    """Version of an installed package, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The working folder for as long as the context lasts."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
