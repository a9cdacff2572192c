"""Questions about windows as ONNX and VNN-LIB 1.0, so that other verifiers can answer them.

The network's inputs are the set's latents (see ``certificates.md``), its outputs the goals of the question, in double
precision; the query asks for latents in box and rows at which every goal of some case is >= 0. ``unsat`` over the reals
proves the question; ``sat`` may still have no whole sequence. It fits if all its numbers are exact in double precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from crumple.errors import ModelError
from crumple.model.analysis import checker

VNNLIB_VERSION = "1.0"
OPSET = 13
EXACT = 2**53


def render_query(
    poly: checker.Polytope,
    goals: Sequence[checker.Goal],
    cases: Sequence[Sequence[int]] | None = None,
    *,
    name: str = "query",
    provenance: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Two files: ``NAME.onnx`` and ``NAME.vnnlib``.

    Parameters
    ----------
    poly : checker.Polytope
    goals : sequence of checker.Goal
        From ``checker.goal_of``: the outputs of the network.
    cases : sequence of sequences of int
        Each lists goals that hold together; the query is whether any case is possible. One case of all goals if None.
    name : str
        Of the files, without their ending.
    provenance : mapping
        Text by key: metadata of the ONNX and comments of the VNN-LIB file, such as hashes.

    Raises
    ------
    ModelError
        A number, or the magnitude of an output, is not exact in double precision.
    """
    chosen = [list(range(len(goals)))] if cases is None else [list(case) for case in cases]
    told = dict(provenance or {})
    return {f"{name}.onnx": _onnx(poly, goals, told), f"{name}.vnnlib": _vnnlib(poly, len(goals), chosen, told)}


def fits(poly: checker.Polytope, goals: Sequence[checker.Goal]) -> bool:
    """Whether all numbers of a question, and every sum on the way to its ``goals``, are whole and exact in doubles.

    Parameters
    ----------
    poly : checker.Polytope
    goals : sequence of checker.Goal
    """
    whole = all(Fraction(a).denominator == 1 for row, limit in poly.rows for a in (limit, *row.values()))
    reach = [max(abs(low), abs(high)) for low, high in poly.box]
    largest = 0
    for nodes, constant in goals:
        total = abs(constant)
        for v, gains, bias in nodes:
            z = abs(bias) + sum(abs(a) * reach[i] for i, a in gains.items())
            total += abs(v) * z
            largest = max(largest, z)
        largest = max(largest, total)
    return whole and largest < EXACT


def _onnx(poly: checker.Polytope, goals: Sequence[checker.Goal], provenance: Mapping[str, str]) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if not fits(poly, goals):
        raise ModelError("the question has numbers that are not exact in double precision: it does not fit VNN-LIB")
    n_nodes = sum(len(nodes) for nodes, _ in goals)
    hidden, bias = np.zeros((len(poly.box), n_nodes)), np.zeros(n_nodes)
    out, constant = np.zeros((n_nodes, len(goals))), np.zeros(len(goals))
    column = 0
    for g, (nodes, least) in enumerate(goals):
        constant[g] = least
        for v, gains, offset in nodes:
            hidden[list(gains), column] = [float(a) for a in gains.values()]
            bias[column], out[column, g] = offset, v
            column += 1
    tensors = {"hidden_weight": hidden, "hidden_bias": bias, "output_weight": out, "output_bias": constant}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["X", "hidden_weight"], ["s"]),
            helper.make_node("Add", ["s", "hidden_bias"], ["z"]),
            helper.make_node("Relu", ["z"], ["h"]),
            helper.make_node("MatMul", ["h", "output_weight"], ["t"]),
            helper.make_node("Add", ["t", "output_bias"], ["Y"]),
        ],
        "goals",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [1, len(poly.box)])],
        [helper.make_tensor_value_info("Y", TensorProto.DOUBLE, [1, len(goals)])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="crumple")
    model.ir_version = 8
    if provenance:
        helper.set_model_props(model, dict(provenance))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _vnnlib(
    poly: checker.Polytope, n_goals: int, cases: Sequence[Sequence[int]], provenance: Mapping[str, str]
) -> bytes:
    lines = [f"; VNN-LIB {VNNLIB_VERSION}. Latents of a set, and goals that must not all be >= 0."]
    lines += [f"; {key} {value}" for key, value in sorted(provenance.items())]
    lines += [f"(declare-const X_{i} Real)" for i in range(len(poly.box))]
    lines += [f"(declare-const Y_{g} Real)" for g in range(n_goals)]
    for i, (low, high) in enumerate(poly.box):
        lines += [f"(assert (>= X_{i} {_number(low)}))", f"(assert (<= X_{i} {_number(high)}))"]
    for row, limit in poly.rows:
        terms = " ".join(f"(* {_number(a)} X_{i})" for i, a in row.items() if a)
        lines.append(f"(assert (<= (+ {terms} 0.0) {_number(limit)}))")
    if len(cases) == 1:
        lines += [f"(assert (>= Y_{g} 0.0))" for g in cases[0]]
    else:
        together = [f"(and {' '.join(f'(>= Y_{g} 0.0)' for g in case)})" for case in cases]
        lines.append(f"(assert (or {' '.join(together)}))")
    return ("\n".join(lines) + "\n").encode("ascii")


def _number(value: Any) -> str:
    """A whole number as VNN-LIB writes decimals."""
    return f"{int(value)}.0" if value >= 0 else f"(- {-int(value)}.0)"
