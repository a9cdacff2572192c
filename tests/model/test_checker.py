"""The checker against certificates broken in every way we can think of; and alone, without crumple."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crumple.artefact import canonical_json, envelope, sha256_bytes
from crumple.model import deployed
from crumple.model.analysis import checker, witness
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, prove
from crumple.model.deployed import DeployedModel
from crumple.model.stages import CERTIFICATE_SCHEMA, check_folder

QUIET = Requirement("R1", "P1", "quiet stays quiet", "never_requests_fire", "why", "whence",
                    {"kind": "signals", "amplitude_g": "3"})  # fmt: skip
IMPULSE = Requirement("R2", "P2", "a hammer is no crash", "never_requests_fire", "why", "whence",
                      {"kind": "signals", "amplitude_g": "120", "velocity_range_kmh": "0.09"})  # fmt: skip


def write_proof(folder: Path, model: DeployedModel, requirement: Requirement) -> dict[str, Path]:
    """A folder with one model, one property and its certificate."""
    verdict = prove(model, requirement)
    assert isinstance(verdict, Proved)
    files = {
        "model": folder / "model.json",
        "property": folder / f"{requirement.id}.property.json",
        "certificate": folder / f"{requirement.id}.certificate.json",
    }
    files["model"].write_bytes(envelope(deployed.SCHEMA, model.payload()))
    files["property"].write_bytes(envelope(PROPERTY_SCHEMA, requirement.payload()))
    write_certificate(files, verdict.certificate)
    return files


def write_certificate(files: dict[str, Path], payload: Any) -> None:
    """A certificate document, its own digest right, so that only its content is on trial."""
    parents = {name: sha256_bytes(files[name].read_bytes()) for name in ("model", "property")}
    files["certificate"].write_bytes(envelope(CERTIFICATE_SCHEMA, payload, parents=parents))


@pytest.fixture(params=[QUIET, IMPULSE], ids=["amplitude", "velocity_range"])
def proof(request: pytest.FixtureRequest, tmp_path: Path, small_model: DeployedModel) -> dict[str, Path]:
    return write_proof(tmp_path, small_model, request.param)


def verdicts(folder: Path) -> list[str]:
    return [verdict for _, verdict, _ in checker.check_folder(folder)]


def reasons(folder: Path) -> list[str]:
    return [told for _, verdict, told in checker.check_folder(folder) if verdict != "proved"]


def test_an_honest_certificate_is_accepted(proof: dict[str, Path]) -> None:
    assert verdicts(proof["model"].parent) == ["proved"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_any_byte_of_any_file_is_accepted(proof: dict[str, Path], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(proof)))
    original = proof[name].read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != original[at]))
    try:
        proof[name].write_bytes(original[:at] + bytes([byte]) + original[at + 1 :])
        assert "proved" not in verdicts(proof["model"].parent)
    finally:
        proof[name].write_bytes(original)
    assert verdicts(proof["model"].parent) == ["proved"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_truncation_insertion_or_appending_is_accepted(proof: dict[str, Path], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(proof)))
    original = proof[name].read_bytes()
    at = data.draw(st.integers(0, len(original)))
    changed = data.draw(st.sampled_from([original[:at], original[:at] + b" " + original[at:], original + b"\n"]))
    if changed == original:
        return
    try:
        proof[name].write_bytes(changed)
        assert "proved" not in verdicts(proof["model"].parent)
    finally:
        proof[name].write_bytes(original)


def leaves(tree: Any) -> Iterator[dict[str, Any]]:
    if "goals" not in tree:
        for branch in ("in", "out", "low", "high"):
            if branch in tree:
                yield from leaves(tree[branch])
    else:
        yield tree


def leaf(*goals: Any, prices: Any = ()) -> dict[str, Any]:
    """A leaf as JSON would give it: for each goal its weight and three factors."""
    return {"goals": list(goals), "prices": list(prices) if isinstance(prices, tuple) else prices}


NOTHING = leaf([1, 0, 0, 0])


def tree(payload: dict[str, Any], value: Any) -> None:
    """Put a tree into a certificate of one question."""
    payload["trees"] = [value]


def test_a_factor_above_one_is_refused(proof: dict[str, Path]) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    for leaf in leaves(payload["trees"][0]):
        leaf["goals"][0][3] = leaf["goals"][0][0] + 1
    write_certificate(proof, payload)
    assert reasons(proof["model"].parent) == ["a factor exceeds its goal's weight"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: tree(p, leaf([1, 0, 0, 2])), "exceeds its goal's weight"),
        (
            lambda p: tree(p, leaf([1, 0, 0, 0], [1, 0, 0, 0])),
            "one list of factors for each goal",
        ),  # there is no goal 1
        (lambda p: tree(p, leaf([1, 0, 0, -1])), "integer from 0"),
        (lambda p: tree(p, leaf([1, 0, 0, 0.5])), "integer from 0"),
        (lambda p: tree(p, leaf([1, 0, 0, True])), "integer from 0"),
        (lambda p: tree(p, leaf([1, 0, 0])), "list of 4"),
        (lambda p: tree(p, leaf([1, 0, 0, 0, 0])), "list of 4"),
        (lambda p: tree(p, leaf(7)), "list of 4"),
        (lambda p: tree(p, leaf([0, 0, 0, 0])), "does not exclude"),
        (lambda p: tree(p, leaf([-1, 0, 0, 0])), "integer from 0"),
        (lambda p: tree(p, leaf([1, 0, 0, 0], prices=([10**6, 1],))), "not there"),
        (lambda p: tree(p, leaf([1, 0, 0, 0], prices=([0, -1],))), "integer from 0"),
        (lambda p: tree(p, leaf([1, 0, 0, 0], prices=([0],))), "list of 2"),
        (lambda p: tree(p, leaf([1, 0, 0, 0], prices=7)), "prices must be pairs"),
        (lambda p: tree(p, {"goals": [[1, 0, 0, 0]]}), "unknown or missing"),
        (lambda p: tree(p, {"goals": 3, "prices": []}), "one list of factors"),
        (lambda p: tree(p, {"goal": 0, "node": 2, "in": NOTHING, "out": NOTHING}), "cannot branch"),  # negative node
        (lambda p: tree(p, {"goal": 1, "node": 0, "in": NOTHING, "out": NOTHING}), "goal must be"),
        (lambda p: tree(p, {"goal": 0, "node": 3, "in": NOTHING, "out": NOTHING}), "node must be"),
        (lambda p: tree(p, {"goal": 0, "node": 0, "in": NOTHING}), "unknown or missing"),  # a branch is missing
        (lambda p: tree(p, {"whole": 10**6, "at": 0, "low": NOTHING, "high": NOTHING}), "not there"),
        (lambda p: tree(p, {"whole": -1, "at": 0, "low": NOTHING, "high": NOTHING}), "not there"),
        (lambda p: tree(p, {"whole": 0, "at": 0.5, "low": NOTHING, "high": NOTHING}), "whole must be"),
        (lambda p: tree(p, {"window": 7, "votes": NOTHING, "silent": NOTHING}), "window must be"),  # it votes already
        (lambda p: tree(p, None), "leave the claim open"),
        (lambda p: tree(p, []), "unknown or missing"),
        (lambda p: p.update(trees=[]), "1 trees are needed"),
        (lambda p: p["trees"].append(p["trees"][0]), "1 trees are needed"),
        (lambda p: p.update(trees={}), "no proof"),
        (lambda p: p.update(length=3), "shorter than a window"),
        (lambda p: p.update(length=10**6), "length must be"),
        (lambda p: p.update(length=True), "length must be"),
        (lambda p: p.update(verdict="unknown"), "no proof"),
        (lambda p: p.update(verdict="Proved"), "no proof"),
        (lambda p: p.update(verdict="violated"), "no proof"),
        (lambda p: p.update(extra=1), "unknown or missing"),
        (lambda p: p.pop("witness"), "unknown or missing"),
    ],
)
def test_a_malformed_certificate_is_refused_with_its_reason(proof: dict[str, Path], change: Any, words: str) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    change(payload)
    write_certificate(proof, payload)
    ((_, verdict, told),) = checker.check_folder(proof["model"].parent)
    assert verdict == "rejected"
    assert words in told


def test_splitting_twice_on_the_same_node_is_refused(proof: dict[str, Path]) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    twice = {"goal": 0, "node": 0, "in": NOTHING, "out": NOTHING}
    tree(payload, {"goal": 0, "node": 0, "in": twice, "out": NOTHING})
    write_certificate(proof, payload)
    assert "cannot branch here" in reasons(proof["model"].parent)[0]


def test_a_proof_of_one_model_does_not_serve_another(proof: dict[str, Path], small_model: DeployedModel) -> None:
    other = small_model.payload() | {"output_bias": small_model.output_bias + 10**9}
    proof["model"].write_bytes(envelope(deployed.SCHEMA, other))
    assert verdicts(proof["model"].parent) == ["rejected"]
    assert "another model" in reasons(proof["model"].parent)[0]
    # Even with its parent's hash forged, the tree does not prove the other model.
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    write_certificate(proof, payload)
    assert "does not exclude" in reasons(proof["model"].parent)[0]


def test_a_larger_set_is_not_proved_by_the_same_tree(tmp_path: Path, small_model: DeployedModel) -> None:
    files = write_proof(tmp_path, small_model, QUIET)
    payload = json.loads(files["certificate"].read_bytes())["payload"]
    wider = copy.deepcopy(QUIET.payload()) | {"set": {"kind": "signals", "amplitude_g": "60"}}
    files["property"].write_bytes(envelope(PROPERTY_SCHEMA, wider))
    write_certificate(files, payload)
    assert "does not exclude" in reasons(tmp_path)[0]


def test_a_set_that_could_be_left_empty_is_refused(small_model: DeployedModel) -> None:
    described = {"kind": "corridor", "lower": [0, 100], "upper": [0, 100], "slew_g_per_ms": "1"}
    with pytest.raises(checker.Rejected, match="belongs to signals"):
        checker.polytope(checker.Model(small_model.payload()).main, "never_requests_fire", described, 0)


def test_a_property_without_certificate_is_not_passed_over(proof: dict[str, Path]) -> None:
    proof["certificate"].unlink()
    ((_, verdict, told),) = checker.check_folder(proof["model"].parent)
    assert verdict == "rejected" and "cannot be read" in told


LOUD = Requirement(
    "R1", "P1", "loud", "never_requests_fire", "why", "whence", {"kind": "signals", "amplitude_g": "120"}
)
TRUE = {"counts": [0] + [1920] * 19, "latents": ["0"] + ["1920"] * 19}


@pytest.mark.parametrize(
    ("length", "told", "words"),
    [
        (20, {"counts": [0] * 20, "latents": ["0"] * 20}, "does not break"),
        (20, {"counts": [0] + [1921] * 19, "latents": ["0"] + ["1921"] * 19}, "integer from"),
        (1, {"counts": [99999], "latents": ["99999"]}, "integer from"),
        (20, {"counts": [1] * 20, "latents": ["0"] * 20}, "do not make"),
        (20, {"counts": [1920] * 20, "latents": ["1920"] * 20}, "does not break"),  # not from rest
        (1, {"counts": [0], "latents": ["1/2"]}, "whole"),
        (1, {"counts": [0], "latents": ["0", "0"]}, "expected 1"),
        (1, {"counts": [0], "latents": ["nil"]}, "no number"),
        (1, {"counts": [0], "latents": [0]}, "text"),
        (0, {"counts": [], "latents": []}, "one count or more"),
        (20, {"counts": [0]}, "unknown or missing"),
        (20, None, "unknown or missing"),
        (19, TRUE, "list of 19"),
    ],
)
def test_a_false_counterexample_is_refused(small_model: DeployedModel, length: int, told: Any, words: str) -> None:
    certificate = {"verdict": "violated", "length": length, "trees": [], "witness": told}
    with pytest.raises(checker.Rejected, match=words):
        witness.check(checker.Model(small_model.payload()), LOUD.payload(), certificate)


def test_a_violated_property_is_told_as_such_by_replay_and_is_no_proof(
    tmp_path: Path, small_model: DeployedModel
) -> None:
    files = write_proof(tmp_path, small_model, QUIET)
    files["property"].write_bytes(envelope(PROPERTY_SCHEMA, LOUD.payload()))
    write_certificate(files, {"verdict": "violated", "length": 20, "trees": [], "witness": TRUE})
    assert verdicts(tmp_path) == ["rejected"]
    assert checker.main([str(tmp_path)]) == 1
    assert [result.verdict for result in check_folder(tmp_path).results] == ["violated"]
    write_certificate(files, {"verdict": "violated", "length": 20, "trees": [], "witness": TRUE | {"counts": [0] * 20}})
    assert [result.verdict for result in check_folder(tmp_path).results] == ["rejected"]


def test_the_checker_is_short_enough_to_be_read_in_one_sitting() -> None:
    assert len(Path(checker.__file__).read_text(encoding="utf-8").splitlines()) <= 400


def test_the_checker_runs_alone_as_a_plain_script(proof: dict[str, Path], tmp_path: Path) -> None:
    folder = proof["model"].parent
    script = tmp_path.parent / f"{tmp_path.name}-checker.py"
    shutil.copy(checker.__file__, script)
    # -I: no user site, no environment; -S: no site-packages at all, so nothing but the standard library exists.
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("proved")
    proof["certificate"].write_bytes(proof["certificate"].read_bytes()[:-2] + b" }\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1


def test_the_checker_imports_only_the_standard_library() -> None:
    import ast

    tree = ast.parse(Path(checker.__file__).read_text(encoding="utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {
        "__future__",
        "collections.abc",
        "hashlib",
        "itertools",
        "json",
        "math",
        "re",
        "sys",
        "fractions",
        "pathlib",
        "typing",
    }


def test_a_tree_as_deep_as_a_well_is_refused_not_crashed_on(proof: dict[str, Path]) -> None:
    deep = '{"goal":0,"node":0,"in":' * 5000 + "{}" + ',"out":{}}' * 5000
    proof["certificate"].write_text(deep, encoding="ascii")
    assert "proved" not in verdicts(proof["model"].parent)


def test_a_folder_without_certificates_is_not_a_success(tmp_path: Path) -> None:
    assert checker.main([str(tmp_path)]) == 1
    assert checker.main([]) == 1


@pytest.mark.parametrize(
    "parents", [None, [], {}, {"model": "x"}, {"model": ["x"], "property": {}}, {"model": 1, "property": 2}]
)
def test_parents_that_are_no_digests_are_refused(proof: dict[str, Path], parents: Any) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    document = json.loads(envelope(CERTIFICATE_SCHEMA, payload)) | {"parents": parents}
    content = {key: value for key, value in document.items() if key != "sha256"}
    document["sha256"] = sha256_bytes(canonical_json(content))
    proof["certificate"].write_bytes(canonical_json(document))
    assert "proved" not in verdicts(proof["model"].parent)
