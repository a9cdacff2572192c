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
from crumple.model.analysis import checker
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, prove
from crumple.model.deployed import DeployedModel
from crumple.model.stages import CERTIFICATE_SCHEMA

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
    return [result.verdict for result in checker.check_folder(folder)]


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
    if "weights" not in tree:
        for branch in ("in", "out", "low", "high"):
            if branch in tree:
                yield from leaves(tree[branch])
    else:
        yield tree


def leaf(weights: Any = (1,), lam: Any = (), mu: Any = ()) -> dict[str, Any]:
    """A leaf as JSON would give it."""
    parts = {"weights": weights, "lambda": lam, "mu": mu}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in parts.items()}


def tree(payload: dict[str, Any], value: Any) -> None:
    """Put a tree into a certificate of one case."""
    payload["cases"][0]["tree"] = value


def test_a_factor_above_one_is_refused(proof: dict[str, Path]) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    for leaf in leaves(payload["cases"][0]["tree"]):
        leaf["lambda"] = [[0, 2, leaf["weights"][0] + 1]]
    write_certificate(proof, payload)
    assert checker.check_folder(proof["model"].parent)[0].reason == "a factor in lambda exceeds its goal's weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: tree(p, leaf(lam=[[0, 0, 1]])), "out of place"),  # node 0 is positive
        (lambda p: tree(p, leaf(lam=[[1, 2, 1]])), "out of place"),  # there is no goal 1
        (lambda p: tree(p, leaf(lam=[[0, 2, 1], [0, 2, 1]])), "twice"),
        (lambda p: tree(p, leaf(lam=[[0, 2, -1]])), "integer from 0"),
        (lambda p: tree(p, leaf(lam=[[0, 2, 0.5]])), "integer from 0"),
        (lambda p: tree(p, leaf(lam=[[0, 2, True]])), "integer from 0"),
        (lambda p: tree(p, leaf(lam=[[0, 99, 1]])), "out of place"),
        (lambda p: tree(p, leaf(lam=[[0, 2]])), "lambda"),
        (lambda p: tree(p, leaf(lam=7)), "lambda"),
        (lambda p: tree(p, leaf(mu=[[10**6, 1]])), "not there"),
        (lambda p: tree(p, leaf(weights=[0])), "not all zero"),
        (lambda p: tree(p, leaf(weights=[1, 1])), "one a goal"),
        (lambda p: tree(p, leaf(weights=[-1])), "integer from 0"),
        (lambda p: tree(p, leaf(weights=3)), "weights"),
        (lambda p: tree(p, {"goal": 0, "node": 2, "in": {}, "out": {}}), "cannot branch"),  # negative node
        (lambda p: tree(p, {"goal": 1, "node": 0, "in": {}, "out": {}}), "goal must be"),
        (lambda p: tree(p, {"goal": 0, "node": 0, "in": leaf()}), "just weights"),  # a branch is missing
        (lambda p: tree(p, {"latent": 0, "at": 10**6, "low": leaf(), "high": leaf()}), "at must be"),
        (lambda p: tree(p, {"latent": -1, "at": 0, "low": leaf(), "high": leaf()}), "latent must be"),
        (lambda p: tree(p, None), "must be an object"),
        (lambda p: tree(p, []), "must be an object"),
        (lambda p: p.update(cases=[]), "needs cases"),
        (lambda p: p.update(cases=[{}]), "other keys"),
        (lambda p: p["cases"].append(p["cases"][0]), "twice"),
        (lambda p: p["cases"][0].update(windows=[]), "windows must be"),
        (lambda p: p["cases"][0].update(windows=[7, 7]), "ascend"),
        (lambda p: p["cases"][0].update(windows=[3]), "begins before"),
        (lambda p: p["cases"][0].update(windows=[7, 8, 9]), "left open"),  # three votes where two suffice
        (lambda p: p.update(verdict="unknown"), "is not evidence"),
        (lambda p: p.update(verdict="Proved"), "is not evidence"),
        (lambda p: p.update(witness=[1]), "no witness"),
        (lambda p: p.update(extra=1), "other keys"),
        (lambda p: p.pop("cases"), "other keys"),
    ],
)
def test_a_malformed_certificate_is_refused_with_its_reason(proof: dict[str, Path], change: Any, words: str) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    change(payload)
    write_certificate(proof, payload)
    (result,) = [r for r in checker.check_folder(proof["model"].parent) if r.certificate.endswith("certificate.json")]
    assert result.verdict == "rejected"
    assert words in result.reason


def test_splitting_twice_on_the_same_node_is_refused(proof: dict[str, Path]) -> None:
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    twice = {"goal": 0, "node": 0, "in": leaf(), "out": leaf()}
    tree(payload, {"goal": 0, "node": 0, "in": twice, "out": leaf()})
    write_certificate(proof, payload)
    assert "cannot branch here" in checker.check_folder(proof["model"].parent)[0].reason


def test_a_proof_of_one_model_does_not_serve_another(proof: dict[str, Path], small_model: DeployedModel) -> None:
    other = small_model.payload() | {"output_bias": small_model.output_bias + 10**9}
    proof["model"].write_bytes(envelope(deployed.SCHEMA, other))
    results = checker.check_folder(proof["model"].parent)
    assert {result.verdict for result in results} == {"rejected"}
    assert "another model" in results[0].reason
    # Even with its parent's hash forged, the tree does not prove the other model.
    payload = json.loads(proof["certificate"].read_bytes())["payload"]
    write_certificate(proof, payload)
    assert "does not exclude" in checker.check_folder(proof["model"].parent)[0].reason


def test_a_larger_set_is_not_proved_by_the_same_tree(tmp_path: Path, small_model: DeployedModel) -> None:
    files = write_proof(tmp_path, small_model, QUIET)
    payload = json.loads(files["certificate"].read_bytes())["payload"]
    wider = copy.deepcopy(QUIET.payload()) | {"set": {"kind": "signals", "amplitude_g": "60"}}
    files["property"].write_bytes(envelope(PROPERTY_SCHEMA, wider))
    write_certificate(files, payload)
    assert "does not exclude" in checker.check_folder(tmp_path)[0].reason


def test_a_property_without_certificate_is_not_passed_over(proof: dict[str, Path]) -> None:
    proof["certificate"].unlink()
    (result,) = checker.check_folder(proof["model"].parent)
    assert (result.verdict, result.reason) == ("rejected", "no accepted certificate")


@pytest.mark.parametrize(
    ("witness", "words"),
    [
        ({"counts": [0] * 20, "latents": ["0"] * 20}, "requests no fire"),
        ({"counts": [0] + [1920] * 19, "latents": ["0"] + ["1920"] * 19}, "not in the set"),
        ({"counts": [99999], "latents": ["99999"]}, "integer from"),
        ({"counts": [1] * 20, "latents": ["0"] * 20}, "do not make"),
        ({"counts": [1] * 20, "latents": ["1"] * 20}, "at rest"),
        ({"counts": [0], "latents": ["1/2"]}, "whole"),
        ({"counts": [0], "latents": ["0", "0"]}, "wrong number"),
        ({"counts": [0], "latents": ["nil"]}, "no number"),
        ({"counts": [0], "latents": [0]}, "number in text"),
        ({"counts": [], "latents": []}, "1 to 4096"),
        ({"counts": [0]}, "counts and latents"),
        (None, "counts and latents"),
    ],
)
def test_a_false_counterexample_is_refused(
    tmp_path: Path, small_model: DeployedModel, witness: Any, words: str
) -> None:
    files = write_proof(tmp_path, small_model, QUIET)
    write_certificate(files, {"verdict": "violated", "cases": [], "witness": witness})
    assert words in checker.check_folder(tmp_path)[0].reason


def test_a_violated_property_is_not_counted_as_proved(tmp_path: Path, small_model: DeployedModel) -> None:
    files = write_proof(tmp_path, small_model, QUIET)
    loud = QUIET.payload() | {"set": {"kind": "signals", "amplitude_g": "120"}}
    files["property"].write_bytes(envelope(PROPERTY_SCHEMA, loud))
    witness = {"counts": [0] + [1920] * 19, "latents": ["0"] + ["1920"] * 19}
    write_certificate(files, {"verdict": "violated", "cases": [], "witness": witness})
    assert verdicts(tmp_path) == ["violated"]
    assert checker.main([str(tmp_path)]) == 1


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
    assert imported == {"__future__", "hashlib", "itertools", "json", "math", "sys", "fractions", "pathlib", "typing"}


def test_a_tree_as_deep_as_a_well_is_refused_not_crashed_on(proof: dict[str, Path]) -> None:
    deep = '{"goal":0,"node":0,"in":' * 5000 + "{}" + ',"out":{}}' * 5000
    proof["certificate"].write_text(deep, encoding="ascii")
    assert "proved" not in verdicts(proof["model"].parent)


def test_a_folder_without_certificates_is_not_a_success(tmp_path: Path) -> None:
    assert checker.main([str(tmp_path)]) == 3
    assert checker.main([]) == 2


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
