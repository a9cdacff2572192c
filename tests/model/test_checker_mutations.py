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

import numpy as np
import pytest

from crumple.artefact import envelope, sha256_bytes
from crumple.model import deployed
from crumple.model.analysis import checker, witness
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Violated, prove
from crumple.model.deployed import DeployedModel, SecondStage
from crumple.model.stages import CERTIFICATE_SCHEMA

N_MUTATIONS = 10_000

SETS: dict[str, tuple[str, dict[str, Any], str]] = {
    "monotone": ("monotone", {"kind": "signals", "amplitude_g": "3"}, ""),
    "arming": ("never_arms", {"kind": "signals", "amplitude_g": "20", "velocity_range_kmh": "0.3"}, ""),
    "whole": ("never_requests_fire", {"kind": "corridor", "lower": (0,) * 4, "upper": (1,) * 4}, ""),
    "quiet_after": ("never_requests_fire", {"kind": "recorded", "counts": (30,) * 9, "gain": "0.1"}, ""),
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
    "second": ("never_requests_fire", {"kind": "signals", "amplitude_g": "3"}, ""),
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
    if name == "whole":  # y > 0 between whole counts only
        model = replace(
            model, block_samples=1, confirm_votes=1, confirm_window=1, output_bias=-2, output_weight=(4, -4, 0),
            hidden_weight=((2, 0, 0, 0), (4, 0, 0, 0), (0, 0, 0, 1)), hidden_bias=(0, -2, 0),
        )  # fmt: skip
    if name == "corrupted":
        model = replace(model, clamp_lsb=150)
    if name == "second":  # the first stage's output would not do
        second = SecondStage(model.output_weight, model.output_bias)
        model = replace(model, output_weight=(9, 9, 9), output_bias=1, second_stage=second)
    stage: Any = 2 if name == "second" else 1
    requirement = Requirement(name, "P", "text", claim, "why", "whence", described, by_ms, stage)  # type: ignore[arg-type]
    verdict = prove(model, requirement)
    assert isinstance(verdict, Proved), verdict
    payload = json.loads(json.dumps(verdict.certificate))
    assert ("whole" in json.dumps(payload)) == (name == "whole")
    return checker.Model(model.payload()), requirement.payload(), payload


def accepted(model: checker.Model, described: dict[str, Any], certificate: Any) -> bool:
    """Whether the checker takes it; it may only ever raise its own exception."""
    try:
        checker.check(model, described, certificate)
    except checker.Rejected:
        return False
    return True


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
        lambda: {"goals": [[1, 0, 0, 0]], "prices": []},
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
    """A second opinion on every leaf and every way of voting: from the definitions, over the box, in Fractions."""
    claim, sets = described["claim"], described["set"]
    voter = witness.voter_of(model, claim, int(described.get("stage", "1")))
    poly = checker.polytope(voter, claim, sets, certificate["length"])
    size, n, endless = len(poly.samples), voter.window, sets["kind"] == "signals"

    def goal(end: int, votes: bool) -> tuple[list[tuple[int, list[Fraction], Fraction]], int]:
        """The goal as forms of the latents, window by window."""
        sign, nodes = (1 if votes else -1), []
        for row, bias, v in zip(voter.weight, voter.bias, voter.out, strict=True):
            gains, constant = [Fraction(0)] * len(poly.box), Fraction(bias)
            for k in range(n):
                at = end - n + 1 + k
                if at >= 0:
                    constant += row[k // voter.block] * Fraction(poly.samples[at][0])
                    for latent, a in poly.samples[at][1].items():
                        gains[latent] += row[k // voter.block] * Fraction(a)
            nodes.append((sign * v, gains, constant))
        return nodes, sign * voter.out_bias - votes

    def leaf_ok(leaf: Any, goals: list[Any], rows: list[Any], chosen: dict[Any, bool]) -> bool:
        slope, level = [Fraction(0)] * len(poly.box), Fraction(0)
        unit = [Fraction(1)] * len(goals)
        for g, ((nodes, constant), (weight, *factors)) in enumerate(zip(goals, leaf["goals"], strict=True)):
            # The checker counts a goal in units that make its numbers whole.
            for at in range(max(0, ends_of[g][0] - n + 1), ends_of[g][0] + 1):
                for number in (poly.samples[at][0], *poly.samples[at][1].values()):
                    unit[g] *= Fraction(number * unit[g]).denominator
            weight = weight * unit[g]
            level += weight * constant
            for j, ((v, gains, bias), factor) in enumerate(zip(nodes, factors, strict=True)):
                share, shift = factor * unit[g], Fraction(0)
                if share > weight or share < 0:
                    return False
                if (g, j) in chosen:
                    share = weight * chosen[g, j]
                elif v > 0:
                    high = bias + sum(max(a * lo, a * hi) for a, (lo, hi) in zip(gains, poly.box, strict=True))
                    low = bias + sum(min(a * lo, a * hi) for a, (lo, hi) in zip(gains, poly.box, strict=True))
                    corners = [low, high, *([Fraction(0)] if low < 0 < high else [])]
                    shift = max(weight * max(Fraction(0), z) - share * z for z in corners)
                level += v * (share * bias + shift)
                slope = [s + v * share * a for s, a in zip(slope, gains, strict=True)]
        for number, price in leaf["prices"]:
            form, limit = rows[number]
            level += price * limit
            for i, a in form.items():
                slope[i] -= price * a
        return level + sum(max(s * lo, s * hi) for s, (lo, hi) in zip(slope, poly.box, strict=True)) < 0

    ends_of: list[tuple[int, bool]] = []

    def tree_ok(node: Any, votes: list[tuple[int, bool]], rows: list[Any], chosen: dict[Any, bool]) -> bool:
        if node is None:
            known = dict(votes)
            if claim in ("fires_by", "arms_by"):  # however the others vote, fire was requested in time
                return any(
                    sum(known.get(w, False) for w in range(end - voter.m + 1, end + 1)) >= voter.k
                    for end in range(last + 1)
                )
            end = votes[0][0]  # however the others vote, not enough of the last M do
            return claim != "monotone" and voter.k > sum(
                known.get(w, endless or w >= 0) for w in range(end - voter.m + 1, end + 1)
            )
        if "goals" in node:
            ends_of[:] = votes
            return leaf_ok(node, [goal(*vote) for vote in votes], rows, chosen)
        if "window" in node:
            at = node["window"]
            return all(tree_ok(node[key], [*votes, (at, vote)], rows, chosen)
                       for key, vote in (("votes", True), ("silent", False)))  # fmt: skip
        if "goal" in node:
            key = (node["goal"], node["node"])
            return all(tree_ok(node[side], votes, rows, {**chosen, key: side == "in"}) for side in ("in", "out"))
        constant, form = poly.whole[node["whole"]]
        low = (form, node["at"] - constant)
        high = ({i: -a for i, a in form.items()}, constant - node["at"] - 1)
        return tree_ok(node["low"], votes, [*rows, low], chosen) and tree_ok(node["high"], votes, [*rows, high], chosen)

    if claim == "monotone":
        asked = [[(n - 1, True), (2 * n - 1, False)]]
    elif claim in ("fires_by", "arms_by"):
        steps = Fraction(described["by_ms"]) * voter.rate // 1000
        last = int(steps) + (n + voter.m - 2 if sets["kind"] == "pulse" else -1 if "phase_samples" in sets else 0)
        asked = [[]]
    else:
        asked = [[(end, True)] for end in ([size - 1] if endless else range(size))]
    return len(certificate["trees"]) == len(asked) and all(
        tree_ok(tree, votes, list(poly.rows), {}) for tree, votes in zip(certificate["trees"], asked, strict=True)
    )


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
    assert [verdict for _, verdict, _ in checker.check_folder(tmp_path)] == ["proved"]


@pytest.mark.slow
def test_ten_thousand_changed_counterexamples_are_refused_or_still_true(small_model: DeployedModel) -> None:
    wanted = Requirement("R", "P", "t", "never_requests_fire", "w", "o", {"kind": "signals", "amplitude_g": "50"})
    verdict = prove(small_model, wanted)
    assert isinstance(verdict, Violated)
    model, rng = checker.Model(small_model.payload()), random.Random(2)
    for _ in range(N_MUTATIONS):
        changed, described = mutated(verdict.certificate, wanted.payload(), rng)
        try:
            witness.check(model, described, changed)
        except checker.Rejected:
            continue
        counts = json.loads(json.dumps(changed["witness"]["counts"]))
        assert max(map(abs, counts)) <= min(Fraction(described["set"]["amplitude_g"]) * 16, 1920)
        assert small_model.fire_requests(small_model.outputs(np.array(counts))).any()
