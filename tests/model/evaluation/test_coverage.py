"""Which set an event lies in: held against the polytopes that proofs are about, and against closed forms."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.model import deployed
from crumple.model.analysis import checker
from crumple.model.analysis.properties import Requirement, RequirementSet
from crumple.model.deployed import DeployedModel
from crumple.model.evaluation.coverage import distance, largest_swing
from crumple.model.evaluation.coverage_stage import cover_stage
from crumple.model.stages import prove_stage
from crumple.signals.corpus import MEASURED, SYNTHETIC, Corpus, Event, corpus_stage, write_corpus
from crumple.signals.sensor import SensorPair

TRACES = Path(__file__).resolve().parents[2] / "traces"
CONTACT = 100


def row(kind: str, claim: str = "never_requests_fire", **keys: str) -> dict[str, Any]:
    return {"id": "R", "claim": claim, "set": {"kind": kind, **keys}}


@pytest.fixture
def subject(small_model: DeployedModel) -> checker.Model:
    return checker.Model(small_model.payload())


def is_member(voter: checker.Voter, described: dict[str, Any], counts: list[int]) -> bool:
    """Whether some latents of the set's polytope make these counts, by linear programming and nothing else.

    Flags of corrupted samples are whole, which a linear program does not know: each choice of them is tried.
    """
    if budget := int(described.get("corrupted_samples", "0")):
        rest = {key: value for key, value in described.items() if key != "corrupted_samples"}
        chosen = itertools.combinations(range(len(counts)), min(budget, len(counts)))
        return any(is_member(voter, rest, [0 if k in c else u for k, u in enumerate(counts)]) for c in chosen)
    poly = checker.polytope(voter, "never_requests_fire", described, len(counts))
    n = len(poly.box)
    equal = np.zeros((len(counts), n))
    for k, (_, form) in enumerate(poly.samples):
        for i, a in form.items():
            equal[k, i] = float(a)
    upper = np.zeros((len(poly.rows), n))
    for k, (form, _) in enumerate(poly.rows):
        for i, a in form.items():
            upper[k, i] = float(a)
    wanted = [count - float(constant) for count, (constant, _) in zip(counts, poly.samples, strict=True)]
    limits = [float(limit) for _, limit in poly.rows]
    rows = {"A_ub": upper, "b_ub": limits} if limits else {}
    return bool(linprog(np.zeros(n), A_eq=equal, b_eq=wanted, bounds=poly.box, method="highs", **rows).success)


SETS: list[dict[str, str]] = [
    {"amplitude_g": "3"},
    {"amplitude_g": "5", "below_g": "2"},
    {"amplitude_g": "120", "velocity_range_kmh": "0.25"},
    {"amplitude_g": "4", "velocity_range_kmh": "0.25"},
    {"amplitude_g": "6", "slew_g_per_ms": "4"},
    {"amplitude_g": "3", "corrupted_samples": "2"},
]


@settings(max_examples=40)
@pytest.mark.parametrize("described", SETS, ids=lambda keys: " ".join(keys))
@given(data=st.data())
def test_a_factor_of_at_most_one_is_membership_in_the_set_of_the_proofs(
    described: dict[str, str], data: st.DataObject
) -> None:
    voter = checker.Voter([2000, 1920, 2, 2, 3], "1/16", [[[1, 1, 1]], [0], [1], 0])
    top = data.draw(st.sampled_from([10, 40, 70, 110]))
    counts = data.draw(st.lists(st.integers(-top, top), min_size=3, max_size=12))
    far = distance(
        type("Paths", (), {"stages": [voter], "arming": voter}),  # type: ignore[arg-type]
        row("signals", **described),
        np.array(counts),
        0,
    )
    assert far.at_least == far.at_most
    assert far.is_inside == is_member(voter, {"kind": "signals", **described}, counts)


def test_a_recording_may_begin_above_the_slew_as_the_signals_of_the_proofs_may() -> None:
    voter = checker.Voter([2000, 1920, 2, 2, 3], "1/16", [[[1, 1, 1]], [0], [1], 0])
    described = {"amplitude_g": "6", "slew_g_per_ms": "4"}
    for counts, is_inside in (([33, 1, 0], True), ([0, 33, 1], False)):
        paths = type("Paths", (), {"stages": [voter], "arming": voter})
        far = distance(paths, row("signals", **described), np.array(counts), 0)  # type: ignore[arg-type]
        assert far.is_inside is is_inside is is_member(voter, {"kind": "signals", **described}, counts)


@settings(max_examples=40)
@given(st.lists(st.integers(-60, 60), min_size=3, max_size=10))
def test_with_an_offset_the_factor_lies_between_bounds_that_never_contradict_the_set(counts: list[int]) -> None:
    voter = checker.Voter([2000, 1920, 2, 2, 3], "1/16", [[[1, 1, 1]], [0], [1], 0])
    described = {"amplitude_g": "2", "velocity_range_kmh": "0.2", "step_g": "1"}
    far = distance(
        type("Paths", (), {"stages": [voter], "arming": voter}),  # type: ignore[arg-type]
        row("signals", **described),
        np.array(counts),
        0,
    )
    assert far.at_least <= far.at_most
    if far.is_inside is not None:
        assert far.is_inside == is_member(voter, {"kind": "signals", **described}, counts)


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=40), st.integers(1, 12))
def test_the_largest_swing_is_that_of_every_window_tried(counts: list[int], window: int) -> None:
    padded = [0] * window + counts
    tried = max(
        max(sums) - min(sums)
        for end in range(window, len(padded) + 1)
        for sums in [np.cumsum([0, *padded[end - window : end]]).tolist()]
    )
    assert largest_swing(np.array(counts, dtype=np.int64), window) == tried


PULSE = {
    "shape": "half_sine",
    "delta_v_from_kmh": "20",
    "delta_v_to_kmh": "22",
    "duration_from_ms": "30",
    "duration_to_ms": "32",
    "offset_g": "1",
    "noise_g": "0.5",
}


def half_sine(delta_v_kmh: float, duration_ms: float, lsb_g: float) -> np.ndarray:
    """Counts of a half-sine, contact at sample CONTACT, sampled in the middle of its first period."""
    time_ms = (np.arange(400) - CONTACT + 0.5) / 2.0
    peak_g = np.pi / 2 * delta_v_kmh / 3.6 / 9.80665 / (duration_ms * 1e-3)
    inside = (time_ms >= 0) & (time_ms <= duration_ms)
    return np.rint(np.where(inside, peak_g * np.sin(np.pi * time_ms / duration_ms), 0.0) / lsb_g).astype(np.int64)


def test_a_pulse_of_the_family_is_inside_and_noise_puts_it_out_by_as_much(subject: checker.Model) -> None:
    counts = half_sine(21.0, 31.0, 1 / 16)
    asked = row("pulse", "fires_by", **PULSE)
    assert distance(subject, asked, counts, CONTACT).is_inside
    # One quiet sample 10 g off: offset takes 1 g of it, noise 0.5 g, and the others spare nothing more.
    spoilt = counts.copy()
    spoilt[CONTACT - 4] += 160
    far = distance(subject, asked, spoilt, CONTACT)
    assert not far.is_inside and far.at_least == pytest.approx(10 - 1 - 0.5, abs=0.002)


def test_another_pulse_is_outside_and_the_further_the_more_it_differs(subject: checker.Model) -> None:
    asked = row("pulse", "fires_by", **PULSE)
    outside = [distance(subject, asked, half_sine(v, 31.0, 1 / 16), CONTACT).at_least for v in (21, 25, 30, 45)]
    assert outside[0] == 0 and outside == sorted(outside) and outside[-1] > 10
    late = distance(subject, asked, half_sine(21.0, 31.0, 1 / 16), CONTACT - 10)
    assert late.at_least > 3, "contact is time zero"


def test_a_corridor_holds_what_lies_between_its_curves(subject: checker.Model) -> None:
    asked = row("corridor", "fires_by")
    asked["set"] |= {"lower": [0, 10, 20], "upper": [5, 15, 25]}
    assert distance(subject, asked, np.array([2, 12, 22]), 0).is_inside
    assert distance(subject, asked, np.array([2, 12, 41]), 0).at_least == 1.0, "16 counts of 1/16 g"


# -- the stage ------------------------------------------------------------------------------------------

RISE = Requirement("Q1", "P1", "quiet", "never_requests_fire", "w", "o", {"kind": "signals", "amplitude_g": "0.5"})
ARMS = Requirement("Q2", "P12", "quiet", "never_arms", "w", "o", {"kind": "signals", "amplitude_g": "0.5"})
FITS = Requirement("Q3", "P8", "fits", "accumulators_fit", "w", "o", {"kind": "all_inputs"})


def event(name: str, level_g: float, label: str, source: str = MEASURED) -> Event:
    main = np.full(200, round(16 * level_g), dtype=np.int16)
    nothing = np.zeros(0)
    safing = np.rint(main / 4).astype(np.int16)
    rttf_s = 0.02 if label == "must_fire" else float("nan")
    return Event(name, "made", source, label, rttf_s, 40.0, -0.02, main, safing, "made", nothing, 0.0)


@pytest.fixture
def project(small_model: DeployedModel, tmp_path: Path) -> Path:
    """Model, proof and a corpus of a quiet, a loud and a synthetic event."""
    Stage(tmp_path / "model", deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: small_model.payload())
    prove_stage(tmp_path / "model", tmp_path / "proof", RequirementSet((RISE, ARMS, FITS)))
    events = (
        event("quiet", 0.25, "no_fire"),
        event("loud", 5.0, "no_fire"),
        event("made", 0.25, "no_fire", SYNTHETIC),
        event("crash", 20.0, "must_fire"),
        event("open", 0.25, "grey"),
    )
    corpus_stage(tmp_path / "recording", {}, {}).run(lambda out: write_corpus(Corpus(SensorPair(), events), out))
    return tmp_path


def words(project: Path, *more: str) -> list[str]:
    folders = [str(project / name) for name in ("model", "proof", "recording")]
    return ["cover", *folders, "--out", str(project / "coverage"), *more]


def test_the_command_says_what_is_inside_what_is_outside_and_how_far(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(project), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["coverage"]
    by_name = {one["name"]: one for one in found["events"]}
    assert set(by_name) == {"quiet", "loud", "crash", "open"}, "synthetic events are no evidence of coverage"
    verdicts = {one["id"]: one["verdict"] for one in found["sets"]}
    assert set(verdicts) == {"Q1", "Q2"}, "what is about all inputs has no coverage"
    proved = [name for name, verdict in verdicts.items() if verdict == "proved"]
    assert by_name["quiet"]["covered_by"] == proved
    assert by_name["loud"]["covered_by"] == by_name["crash"]["covered_by"] == by_name["open"]["covered_by"] == []
    first = next(one for one in by_name["loud"]["distances"] if one["id"] == "Q1")
    assert first["at_least"] == first["at_most"] == 10.0 and first["inside"] is False
    assert (found["events_with_label"], found["covered"]) == (3, 1 if proved else 0)
    assert main(words(project)) == 0
    assert "1 of 3 labelled measured events lie in a proved set" in capsys.readouterr().out


def test_the_same_inputs_give_the_same_bytes_and_nothing_is_overwritten_unasked(project: Path) -> None:
    folders = (project / "model", project / "proof", [project / "recording"])
    one = cover_stage(*folders, project / "a")
    two = cover_stage(*folders, project / "b")
    assert one.path.read_bytes() == two.path.read_bytes()
    assert main(words(project)) == 0
    (project / "coverage" / "mine.txt").write_text("mine", "utf-8")
    assert main([*words(project), "--force"]) == 2


def test_a_proof_of_another_model_is_refused(project: Path, small_model: DeployedModel) -> None:
    from dataclasses import replace

    other = replace(small_model, output_bias=small_model.output_bias - 1)
    Stage(project / "model", deployed.FILE, deployed.SCHEMA, {}, {"other": True}).run(
        lambda _: other.payload(), replace=True
    )
    assert main(words(project)) == 3


def test_a_corpus_without_measured_events_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus_stage(project / "recording", {}, {"again": True}).run(
        lambda out: write_corpus(Corpus(SensorPair(), (event("made", 1.0, "no_fire", SYNTHETIC),)), out), replace=True
    )
    assert main(words(project)) == 3
    assert "import recordings first" in capsys.readouterr().err


def test_a_corpus_of_other_sensors_is_refused(project: Path) -> None:
    from dataclasses import replace

    sensors = replace(SensorPair(), main=replace(SensorPair().main, lsb_g="1/8"))
    corpus_stage(project / "recording", {}, {"again": True}).run(
        lambda out: write_corpus(Corpus(sensors, (event("a", 1.0, "no_fire"),)), out), replace=True
    )
    assert main(words(project)) == 3


def test_the_gravity_of_the_checker_is_ours() -> None:
    from crumple.units import G0_MPS2

    assert Fraction(str(G0_MPS2)) == checker.GRAVITY
