"""Ten thousand changes of each kind of certificate: none is accepted unless it is still a proof.

Two sorts. A changed byte is always refused: the digest says so. A changed *meaning* with its digests made right
must be refused too, unless it still proves the same property; whether it does is decided here by a second,
independent evaluation of every leaf in ``Fraction``s, from the definition of the bound in the documentation.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from crumple.artefact import envelope, sha256_bytes
from crumple.model import deployed
from crumple.model.analysis import checker
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Violated, prove
from crumple.model.deployed import DeployedModel
from crumple.model.stages import CERTIFICATE_SCHEMA

N_MUTATIONS = 10_000

SETS: dict[str, tuple[str, dict[str, Any], str]] = {
    "amplitude": ("never_requests_fire", {"kind": "signals", "amplitude_g": "3"}, ""),
    "velocity": (
        "never_requests_fire", {"kind": "signals", "amplitude_g": "120", "velocity_range_kmh": "0.09"}, "",
    ),
    "slew": (
        "never_requests_fire",
        {"kind": "signals", "amplitude_g": "5", "slew_g_per_ms": "1", "velocity_range_kmh": "0.3"}, "",
    ),
    "step": ("never_requests_fire", {"kind": "signals", "amplitude_g": "2", "step_g": "1"}, ""),
    "corrupted": ("never_requests_fire", {"kind": "signals", "amplitude_g": "0.5", "corrupted_samples": "1"}, ""),
    "joint": ("never_requests_fire", {"kind": "signals", "amplitude_g": "4"}, ""),
    "corridor": ("fires_by", {"kind": "corridor", "lower": (200,) * 12, "upper": (400,) * 12}, "5"),
    "recorded": ("fires_by", {"kind": "recorded", "counts": (300,) * 12, "gain": "0.1", "noise_g": "1"}, "5"),
    "pulse": (
        "fires_by",
        {
            "kind": "pulse", "shape": "triangle", "delta_v_from_kmh": "50", "delta_v_to_kmh": "51",
            "duration_from_ms": "40", "duration_to_ms": "41", "noise_g": "0.25", "offset_g": "0.5",
        },
        "15",
    ),
}  # fmt: skip


def proved(name: str, model: DeployedModel) -> tuple[checker.Model, dict[str, Any], dict[str, Any]]:
    """The checker's model, the property and an honest certificate of one kind."""
    claim, described, by_ms = SETS[name]
    if name == "joint":  # one window may vote, but not two of three
        model = replace(
            model,
            hidden_weight=((9, -9, 9, -9), (5, 7, 11, 13), (1, 2, 4, 8)),
            hidden_bias=(0, -2000, 10),
            output_weight=(3, 1, -2),
        )
    if name == "corrupted":
        model = replace(model, clamp_lsb=150)
    requirement = Requirement(name, "P", "text", claim, "why", "whence", described, by_ms)  # type: ignore[arg-type]
    verdict = prove(model, requirement)
    assert isinstance(verdict, Proved), verdict
    return checker.Model(model.payload()), requirement.payload(), verdict.certificate


def accepted(model: checker.Model, described: dict[str, Any], certificate: Any) -> bool:
    """Whether the checker takes it; it may only ever raise its own exception."""
    try:
        return checker.check(model, described, certificate) == "proved"
    except checker.Rejected:
        return False


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


def mutated(certificate: Any, described: Any, rng: random.Random) -> tuple[Any, Any]:
    """A copy of the certificate or of the property with one thing changed."""
    pair = [copy.deepcopy(certificate), copy.deepcopy(described)]
    target = pair[0] if rng.random() < 0.85 else pair[1]["set"]
    path = rng.choice(places(target))
    holder = target
    for step in path[:-1]:
        holder = holder[step]
    value = holder[path[-1]]
    changes: list[Callable[[], Any]] = [
        lambda: None, list, dict, lambda: "", lambda: -1, lambda: True, lambda: 10**30, lambda: [value],
        lambda: {"weights": [1], "lambda": [], "mu": []},
    ]  # fmt: skip
    if type(value) is int:
        factors = (Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(101, 100), Fraction(11, 10), 2, -1)
        changes += [lambda: value + rng.choice((-1, 1)), lambda: int(value * rng.choice(factors)), lambda: float(value)]
        changes += changes[-3:] * 3
    if isinstance(value, list) and value:
        changes += [lambda: value[:-1], lambda: [*value, value[0]], lambda: value[::-1]] * 2
    if isinstance(value, str) and value.replace(".", "").isdigit():
        changes += [lambda: str(Fraction(value) * rng.choice((2, 3, Fraction(3, 2)))), lambda: "-" + value] * 4
    if rng.random() < 0.1:
        del holder[path[-1]]
    else:
        holder[path[-1]] = rng.choice(changes)()
    return pair[0], pair[1]


def proves(model: checker.Model, described: dict[str, Any], certificate: dict[str, Any]) -> bool:
    """A second opinion on every leaf: the bound from its definition, over the box, in Fractions."""
    claim, sets = described["claim"], described["set"]
    sign = -1 if claim == "fires_by" else 1
    longest = max(max(case["windows"]) for case in certificate["cases"])
    poly = checker.polytope(model.main, sets, longest + 1)
    for case in certificate["cases"]:
        forms = []
        for end in case["windows"]:
            inputs: list[tuple[Fraction, dict[int, Fraction]]] = []
            for block in range(model.n_blocks):
                constant, factors = Fraction(0), dict[int, Fraction]()
                for k in range(model.block):
                    at = end - model.window + 1 + block * model.block + k
                    if at >= 0:
                        constant += poly.samples[at][0]
                        for latent, a in poly.samples[at][1].items():
                            factors[latent] = factors.get(latent, Fraction(0)) + a
                inputs.append((constant, factors))
            forms.append(inputs)

        def leaf_ok(leaf: Any, box: list[tuple[int, int]], chosen: dict[Any, bool], forms: Any = forms) -> bool:
            slope, level = [Fraction(0)] * len(box), Fraction(0)
            lam = {(g, j): Fraction(t) for g, j, t in leaf["lambda"]}
            for g, (weight, inputs) in enumerate(zip(leaf["weights"], forms, strict=True)):
                level += weight * (sign * model.out_bias - (sign > 0))
                for j, row in enumerate(model.weight):
                    v = sign * model.out[j]
                    bias = model.bias[j] + sum(w * c for w, (c, _) in zip(row, inputs, strict=True))
                    gains = [
                        sum(w * f.get(i, 0) for w, (_, f) in zip(row, inputs, strict=True)) for i in range(len(box))
                    ]
                    high = bias + sum(max(a * lo, a * hi) for a, (lo, hi) in zip(gains, box, strict=True))
                    low = bias + sum(min(a * lo, a * hi) for a, (lo, hi) in zip(gains, box, strict=True))
                    if v < 0:
                        share, shift = lam.get((g, j), Fraction(0)), Fraction(0)
                        if not 0 <= share <= weight:
                            return False
                    elif (g, j) in chosen or low >= 0 or high <= 0:
                        share, shift = Fraction(weight * chosen.get((g, j), low >= 0)), Fraction(0)
                    else:  # the exact chord, a little tighter than the checker's rounded one
                        share = weight * Fraction(high) / (high - low)
                        shift = -share * low
                    level += v * (share * bias + shift)
                    slope = [s + v * share * a for s, a in zip(slope, gains, strict=True)]
            for number, price in leaf["mu"]:
                row_factors, limit = poly.rows[number]
                level += price * limit
                for i, a in row_factors.items():
                    slope[i] -= price * a
            return level + sum(max(s * lo, s * hi) for s, (lo, hi) in zip(slope, box, strict=True)) < 0

        def tree_ok(node: Any, box: list[tuple[int, int]], chosen: dict[Any, bool], leaf_ok: Any = leaf_ok) -> bool:
            if "weights" in node:
                return bool(leaf_ok(node, box, chosen))
            if "goal" in node:
                key = (node["goal"], node["node"])
                return tree_ok(node["in"], box, chosen | {key: True}) and tree_ok(
                    node["out"], box, chosen | {key: False}
                )
            i, at = node["latent"], node["at"]
            low, high = list(box), list(box)
            low[i], high[i] = (box[i][0], at), (at + 1, box[i][1])
            return tree_ok(node["low"], low, chosen) and tree_ok(node["high"], high, chosen)

        if not tree_ok(case["tree"], poly.box, {}):
            return False
    return True


@pytest.mark.parametrize("name", SETS)
def test_a_few_hundred_changes_of_each_kind_are_refused_or_still_proofs(name: str, small_model: DeployedModel) -> None:
    hold(name, small_model, 300)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_ten_thousand_changes_of_each_kind_are_refused_or_still_proofs(name: str, small_model: DeployedModel) -> None:
    hold(name, small_model, N_MUTATIONS)


def hold(name: str, deployed_model: DeployedModel, number: int) -> None:
    """Change a certificate that often; whatever is accepted must prove its property by the second opinion."""
    model, described, certificate = proved(name, deployed_model)
    assert proves(model, described, certificate)
    rng = random.Random(name)
    for _ in range(number):
        changed, other = mutated(certificate, described, rng)
        if (changed, other) != (certificate, described) and accepted(model, other, changed):
            assert proves(model, other, changed), (changed, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["amplitude", "slew", "corridor"])
def test_ten_thousand_changed_bytes_are_all_refused(name: str, small_model: DeployedModel, tmp_path: Path) -> None:
    _, described, certificate = proved(name, small_model)
    files = {"model.json": envelope(deployed.SCHEMA, small_model.payload())}
    files["p.property.json"] = envelope(PROPERTY_SCHEMA, described)
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    parents = {"model": sha256_bytes(files["model.json"]), "property": sha256_bytes(files["p.property.json"])}
    path = tmp_path / "p.certificate.json"
    original = envelope(CERTIFICATE_SCHEMA, certificate, parents=parents)
    rng = random.Random(1)
    for _ in range(N_MUTATIONS):
        at, byte = rng.randrange(len(original)), rng.randrange(256)
        if byte != original[at]:
            path.write_bytes(original[:at] + bytes([byte]) + original[at + 1 :])
            with pytest.raises(checker.Rejected):
                checker.read(path, CERTIFICATE_SCHEMA)
    path.write_bytes(original)
    assert [result.verdict for result in checker.check_folder(tmp_path)] == ["proved"]


@pytest.mark.slow
def test_ten_thousand_changed_counterexamples_are_refused_or_still_true(small_model: DeployedModel) -> None:
    wanted = Requirement("R", "P", "t", "never_requests_fire", "w", "o", {"kind": "signals", "amplitude_g": "50"})
    verdict = prove(small_model, wanted)
    assert isinstance(verdict, Violated)
    model, rng = checker.Model(small_model.payload()), random.Random(2)
    for _ in range(N_MUTATIONS):
        changed, described = mutated(verdict.certificate, wanted.payload(), rng)
        try:
            claimed = checker.check(model, described, changed)
        except checker.Rejected:
            continue
        assert claimed == "violated"
        counts = json.loads(json.dumps(changed["witness"]["counts"]))
        assert max(map(abs, counts)) <= min(Fraction(described["set"]["amplitude_g"]) * 16, 1920)
        assert model.requests_fire(counts)
