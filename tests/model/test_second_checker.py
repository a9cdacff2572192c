"""Two checkers that share no line agree: on honest certificates, changed ones, whole sets and the last unit of a bound.

The second was written from ``docs/reference/certificates.md`` alone. Where the two differ, the page is unclear or one
of them is wrong; either is a failure here.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.model import deployed
from crumple.model.analysis import checker
from crumple.model.deployed import DeployedModel

HERE = Path(__file__).parent


def loaded(name: str) -> ModuleType:
    """A module beside this one, by its file."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # named tuples with annotations in text look their module up
    spec.loader.exec_module(module)
    return module


second = loaded("second_checker")
mutations = loaded("test_checker_mutations")

N_CHANGES = 200

REQUIREMENTS = """[[requirement]]
id = "Q1"
property = "P1"
text = "quiet"
claim = "never_requests_fire"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "signals"
amplitude_g = "3"

[[requirement]]
id = "Q2"
property = "P12"
text = "quiet, on the other sensor"
claim = "never_arms"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "signals"
amplitude_g = "20"
velocity_range_kmh = "0.3"

[[requirement]]
id = "Q3"
property = "P8"
text = "nothing overflows"
claim = "accumulators_fit"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "all_inputs"

[[requirement]]
id = "Q4"
property = "P10"
text = "nothing builds up"
claim = "resets"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "quiet"
samples = "11"

[[requirement]]
id = "Q5"
property = "P5"
text = "a cell of the must-fire family"
claim = "fires_by"
by_ms = "15"
rationale = "w"
origin = "assumed"
[requirement.set]
kind = "pulse"
shape = "half_sine"
delta_v_from_kmh = "50"
delta_v_to_kmh = "51"
duration_from_ms = "40"
duration_to_ms = "41"
noise_g = "0.25"
"""


def verdicts(model: Any, described: Any, certificate: Any) -> tuple[str, str]:
    """Why the first and the second refuse, nothing where they accept; each may only raise its own exception."""
    found = []
    for check, refusal in ((first, checker.Rejected), (second.check, second.Refused)):
        try:
            check(model, described, certificate)
            found.append("")
        except refusal as why:
            assert str(why) and "\n" not in str(why)
            found.append(str(why))
    return found[0], found[1]


def first(model: Any, described: Any, certificate: Any) -> None:
    """The first checker, of payloads."""
    checker.check(checker.Model(model), described, certificate)


@pytest.fixture
def honest(small_model: DeployedModel, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Any, Any, Any]]:
    """Payloads of model, property and an honest certificate of one kind."""

    def of(name: str) -> tuple[Any, Any, Any]:
        payloads = []
        read = checker.Model
        monkeypatch.setattr(checker, "Model", lambda payload: payloads.append(payload) or read(payload))
        _, described, certificate = mutations.proved(name, small_model)
        monkeypatch.undo()
        return payloads[-1], described, certificate

    return of


@pytest.mark.parametrize("name", mutations.SETS)
def test_both_accept_what_is_honest_and_agree_on_what_is_changed(
    name: str, honest: Callable[[str], tuple[Any, Any, Any]]
) -> None:
    model, described, certificate = honest(name)
    assert verdicts(model, described, certificate) == ("", "")
    rng, accepted = random.Random(f"second {name}"), 0
    for _ in range(N_CHANGES):
        changed, other = mutations.mutated(certificate, described, rng)
        why, too = verdicts(model, other, changed)
        assert (why == "") is (too == ""), (why, too, other, changed)
        accepted += not why
    assert 0 < accepted < N_CHANGES


@pytest.mark.parametrize("name", ["arming", "step", "corridor"])
def test_both_agree_on_changed_models_and_properties(name: str, honest: Callable[[str], tuple[Any, Any, Any]]) -> None:
    model, described, certificate = honest(name)
    rng = random.Random(f"model {name}")
    for _ in range(N_CHANGES):
        changed = [model, described]
        at = rng.randrange(2)
        while changed[at] in (model, described):
            changed[at], _ = mutations.mutated(changed[at], {"set": {"kind": "signals"}}, rng)
        why, too = verdicts(*changed, certificate)
        assert (why == "") is (too == ""), (why, too, changed)


# Sets drawn at random: read alike, and bounded alike.


def some_number(rng: random.Random, low: int, high: int) -> str:
    return str(Fraction(rng.randint(low, high), rng.choice((1, 2, 4, 8, 10, 16))))


def some_model(rng: random.Random) -> dict[str, Any]:
    """A small net of any shape."""

    def some(count: int, most: int) -> list[int]:
        return [rng.randint(-most, most) for _ in range(count)]

    blocks, nodes, window = rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3)
    return {
        "sample_rate_hz": rng.choice((1000, 2000, 3000, 4321)), "lsb_g": rng.choice(("1/16", "1/8", "3/50", "1/4")),
        "polarity": "positive counts are deceleration", "clamp_lsb": rng.choice((30, 100, 500, 1920)),
        "block_samples": rng.randint(1, 3), "hidden_weight": [some(blocks, 99) for _ in range(nodes)],
        "hidden_bias": some(nodes, 3000), "output_weight": some(nodes, 300), "output_bias": 0,
        "confirm_votes": rng.randint(1, window), "confirm_window": window,
        "arming": {"lsb_g": "1/4", "clamp_lsb": 80, "window_samples": rng.randint(1, 5), "threshold_lsb": 10,
                   "hold_samples": 3},
    }  # fmt: skip


def some_set(rng: random.Random, claim: str) -> dict[str, Any]:
    """A set of any kind that the claim may be about, with any of its keys."""
    ends = claim in ("fires_by", "arms_by")
    kind = "signals" if claim == "monotone" else rng.choice(("corridor", "pulse", *["signals"] * (not ends)))
    described: dict[str, Any] = {"kind": kind}
    added: dict[str, str] = {"step_g": some_number(rng, 2, 60), "corrupted_samples": str(rng.randint(1, 3))}
    added |= {"gain": f"0.{rng.randint(1, 40)}", "offset_g": some_number(rng, 1, 30)}
    if kind == "signals":
        described |= {"amplitude_g": some_number(rng, 5, 150)}
        del added["gain"], added["offset_g"]
        added |= {"slew_g_per_ms": some_number(rng, 1, 20), "velocity_range_kmh": some_number(rng, 1, 10)}
        added = {"below_g": some_number(rng, 5, 150)} | (added if claim != "monotone" else {})
    elif kind == "corridor":
        lower = [rng.randint(-30, 20) for _ in range(rng.randint(2, 9))]
        described |= {"lower": lower, "upper": [u + rng.randint(0, 9) for u in lower]}
        added |= {"noise_g": some_number(rng, 1, 30), "phase_samples": "1"}
    else:
        speed, duration = rng.randint(1, 60), rng.randint(2, 20)
        described |= {
            "shape": rng.choice(("half_sine", "haversine", "triangle")), "noise_g": some_number(rng, 4, 30),
            "delta_v_from_kmh": str(speed), "delta_v_to_kmh": str(speed + Fraction(rng.randint(0, 8), 4)),
            "duration_from_ms": str(duration), "duration_to_ms": str(duration + Fraction(rng.randint(0, 30), 10)),
        }  # fmt: skip
    return described | {key: value for key, value in added.items() if rng.random() < 0.4}


CLAIMS = ("never_requests_fire", "never_arms", "fires_by", "arms_by", "monotone")


def test_both_read_the_same_samples_rows_and_whole_forms_from_a_description() -> None:
    rng, read = random.Random(5), 0
    for _ in range(150):
        model, claim = some_model(rng), rng.choice(CLAIMS)
        described = some_set(rng, claim)
        side = "arming" if claim in ("never_arms", "arms_by") else "main"
        voter = getattr(second.read_model(model), side)
        length = 2 * voter.n if claim == "monotone" else voter.n + rng.randint(0, 8)
        try:
            mine = second.space_of(voter, claim, second.read_set(voter, described), length)
        except second.Refused:
            with pytest.raises(checker.Rejected):
                checker.polytope(getattr(checker.Model(model), side), claim, described, length)
            continue
        other = checker.polytope(getattr(checker.Model(model), side), claim, described, length)
        unit = mine.unit
        forms = [[{i: Fraction(a, unit) for i, a in form.items()} for form in kind]
                 for kind in (mine.samples, mine.slacks, mine.whole_forms)]  # fmt: skip
        as_read = [
            [summed(constant, form, 1) for constant, form in other.samples],
            [summed(-limit, form, -1) for form, limit in other.rows],
            [summed(constant, form, 1) for constant, form in other.whole],
        ]
        assert forms == as_read, (claim, described)
        assert [mine.box[i] for i in range(len(mine.box) - 1)] == list(other.box)
        assert mine.sample_unit == other.exact[0]
        read += 1
    assert read > 120


def summed(constant: Any, form: dict[int, Any], sign: int) -> dict[int, Fraction]:
    """A form of the first checker as one of the second, zeros left out."""
    both = {second.ONE: constant, **form}
    return {i: sign * Fraction(a) for i, a in both.items() if a}


def some_tree(
    rng: random.Random, votes: dict[int, bool], space: Any, model: dict[str, Any], depth: int = 0, splits: int = 0
) -> Any:
    """A tree that may prove nothing, but is well formed but for a node split on twice; goals are those of ``votes``."""
    rows = len(space.slacks) + splits
    helping = [(g, j) for g, vote in enumerate(votes.values()) for j, v in enumerate(model["output_weight"])
               if (v if vote else -v) > 0]  # fmt: skip
    way = rng.random() if depth < 2 else 1.0
    if way < 0.3 and helping:
        g, j = rng.choice(helping)
        inside, outside = (some_tree(rng, votes, space, model, depth + 1, splits) for _ in range(2))
        return {"goal": g, "node": j, "in": inside, "out": outside}
    if way < 0.6:
        low, high = (some_tree(rng, votes, space, model, depth + 1, splits + 1) for _ in range(2))
        return {"whole": rng.randrange(len(space.whole_forms)), "at": rng.randint(-9, 9), "low": low, "high": high}
    prices = [[rng.randrange(rows), rng.randint(0, 50) * 10 ** rng.randint(0, 5)] for _ in range(rng.randint(0, 4))
              if rows]  # fmt: skip
    goals = []
    for _ in votes:
        weight = rng.choice((1, 5, 16, 128))
        goals.append([weight, *(rng.randint(0, weight) for _ in model["output_weight"])])
    return {"goals": goals, "prices": prices}


def test_both_bound_a_leaf_alike_to_the_last_unit() -> None:
    """How large the output's bias may be until a certificate is refused, by bisection: the same for both."""
    rng, measured = random.Random(6), 0
    for _ in range(40):
        model = {**some_model(rng), "confirm_votes": 1, "confirm_window": 1}
        claim = rng.choice(("never_requests_fire", "fires_by"))
        described = some_set(rng, claim)
        by_ms = some_number(rng, 1, 20) if claim == "fires_by" else ""
        asked = {"id": "x", "property": "", "text": "", "claim": claim, "rationale": "", "origin": "",
                 "set": described, "by_ms": by_ms}  # fmt: skip
        voter = second.read_model(model).main
        length = voter.n + rng.randint(0, 3)
        try:
            space = second.space_of(voter, claim, second.read_set(voter, described), length)
            questions = [*second.questions_of(voter, claim, described, Fraction(by_ms or 0), len(space.samples))]
        except second.Refused:
            continue
        if claim == "fires_by":
            w, v = rng.sample(range(questions[0].splits.stop + 1), 2)
            if max(w, v) == questions[0].splits.stop:
                inner = some_tree(rng, {w: False}, space, model)
            else:
                inner = {"window": v, "votes": None, "silent": some_tree(rng, {w: False, v: False}, space, model)}
            trees = [{"window": w, "votes": None, "silent": inner}]
        else:
            trees = [some_tree(rng, dict(question.goals), space, model) for question in questions]
        certificate = {"verdict": "proved", "length": length, "trees": trees, "witness": None}
        sign, good, bad = (-1 if claim == "fires_by" else 1), -(2**50), 2**50
        if accepts(good, sign, model, asked, certificate):
            while bad - good > 1:
                middle = (good + bad) // 2
                good, bad = (middle, bad) if accepts(middle, sign, model, asked, certificate) else (good, middle)
            second.check({**model, "output_bias": sign * good}, asked, certificate)
            measured += 1
        else:
            bad = good
        with pytest.raises(second.Refused):
            second.check({**model, "output_bias": sign * bad}, asked, certificate)
    assert measured > 15


def accepts(bias: int, sign: int, *payloads: Any) -> bool:
    """Whether the first checker accepts with another bias of the output."""
    model, asked, certificate = payloads
    try:
        first({**model, "output_bias": sign * bias}, asked, certificate)
    except checker.Rejected:
        return False
    return True


# Folders.


@pytest.fixture
def folder(small_model: DeployedModel, tmp_path: Path) -> Path:
    """What ``crumple prove`` writes of five requirements, and the model, in one folder."""
    (tmp_path / "r.toml").write_text(REQUIREMENTS)
    made = tmp_path / "made"
    Stage(made / "model", deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: small_model.payload())
    asked = str(tmp_path / "r.toml")
    assert main(["prove", str(made / "model"), "--requirements", asked, "--out", str(made / "proof")]) == 0
    return made


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the second checker as a script of its own, without site packages."""
    script = [sys.executable, "-I", "-S", str(HERE / "second_checker.py"), str(folder)]
    return subprocess.run(script, capture_output=True, text=True, check=False)


def test_it_accepts_a_folder_that_prove_wrote(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"Q{i}: proved\n" for i in range(1, 6))


@pytest.mark.parametrize("name", ["proof/Q1.property.json", "proof/Q2.certificate.json", "model/model.json"])
def test_it_refuses_a_folder_with_any_one_byte_changed(name: str, folder: Path) -> None:
    path = folder / name
    data, rng = path.read_bytes(), random.Random(name)
    for _ in range(40):
        at, byte = rng.randrange(len(data)), rng.randrange(256)
        if byte == data[at]:
            continue
        path.write_bytes(data[:at] + bytes([byte]) + data[at + 1 :])
        try:
            assert any(reason for _, reason in second.check_folder(folder))
        except second.Refused as refusal:
            assert "model.json" in str(refusal)


def test_a_property_without_its_certificate_and_a_folder_with_neither_are_refused(folder: Path) -> None:
    (folder / "proof" / "Q3.certificate.json").unlink()
    done = run(folder)
    assert done.returncode == 1 and "Q3: rejected: Q3.certificate.json cannot be read\n" in done.stdout
    shutil.rmtree(folder / "proof")
    assert run(folder).stdout == "rejected: there is no property in the folder\n"


def test_a_certificate_of_another_property_or_model_is_refused(folder: Path) -> None:
    proof = folder / "proof"
    shutil.copy(proof / "Q1.certificate.json", proof / "Q3.certificate.json")
    assert ("Q3", "the certificate is of another property") in second.check_folder(folder)
    document = json.loads((folder / "model" / "model.json").read_bytes())
    del document["sha256"]
    document["payload"]["output_bias"] -= 1
    document["sha256"] = second.hashlib.sha256(second.canonical(document)).hexdigest()
    (folder / "model" / "model.json").write_bytes(second.canonical(document))
    assert dict(second.check_folder(folder))["Q1"] == "the certificate is of another model"


def test_it_imports_nothing_but_the_standard_library() -> None:
    imported = set()
    for node in ast.walk(ast.parse((HERE / "second_checker.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None
            imported.add(node.module.partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)
    assert not imported & {"importlib", "runpy", "subprocess"}
