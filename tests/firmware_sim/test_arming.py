"""The arming path: silent within its bound whatever comes, no tighter and no looser; in time, or named as late."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.artefact import Stage
from crumple.export.exported import FILE as EXPORT_FILE
from crumple.export.exported import SCHEMA as EXPORT_SCHEMA
from crumple.firmware_sim.arming import ArmingEvidence, ArmingRule
from crumple.firmware_sim.commands import arming_table
from crumple.firmware_sim.outcome import outcome
from crumple.firmware_sim.replay import Controller
from crumple.firmware_sim.stages import simulate_stage
from crumple.model.deployed import Arming, DeployedModel
from crumple.signals.corpus import Corpus, Event, corpus_stage, write_corpus
from crumple.signals.sensor import SensorPair

RATE_HZ, CONTACT = 2000, 40


def rule(deployed: DeployedModel) -> ArmingRule:
    return ArmingRule.of_export(deployed.payload())


def event(name: str, label: str, main: np.ndarray, safing: np.ndarray, rttf_s: float = 0.02) -> Event:
    return Event(
        name=name, mode=name.rstrip("_0123456789"), source="synthetic", label=label,
        rttf_s=rttf_s if label == "must_fire" else np.nan, speed_kmh=np.nan, first_sample_s=-CONTACT / RATE_HZ,
        main_lsb=main.astype(np.int16), safing_lsb=safing.astype(np.int16), provenance="made by a test",
        physical_decel_g=np.zeros(0), physical_rate_hz=0.0,
    )  # fmt: skip


def crash(*, safing_from: int = CONTACT) -> tuple[np.ndarray, np.ndarray]:
    k = np.arange(300)
    return np.where(k < CONTACT, 0, 1900 - k % 7), np.where(k < safing_from, 0, 475 - k % 7)


def shown(controller: Controller, deployed: DeployedModel, *events: Event) -> dict[str, Any]:
    evidence = ArmingEvidence(rule(deployed))
    for one in events:
        timeline = controller.run(one.main_lsb, one.safing_lsb)
        evidence.add(one, timeline, outcome(one, timeline, 1 / RATE_HZ))
    return evidence.as_json()


@given(window=st.integers(1, 40), threshold=st.integers(1, 3000), clamp=st.integers(1, 200), seed=st.integers(0, 2**16))
def test_counts_within_the_bound_never_arm_and_one_more_in_a_row_does(
    window: int, threshold: int, clamp: int, seed: int
) -> None:
    made = ArmingRule(Fraction(1, 4), clamp, window, threshold, 0, RATE_HZ)
    arming = Arming(made.lsb_g, clamp, window, threshold, hold_samples=0)
    model = DeployedModel(RATE_HZ, Fraction(1, 16), 100, 1, ((1,),), (0,), (1,), 0, 1, 1, arming)
    bound = made.silent_lsb
    if bound is None:
        assert not model.armed(np.full(3 * window, clamp)).any()
        return
    noise = np.random.default_rng(seed).integers(-32768, bound + 1, 200)
    assert not model.armed(np.where(noise % 3 == 0, noise, bound)).any()
    assert not model.armed(np.full(3 * window, bound)).any()
    assert model.armed(np.full(window, bound + 1)).tolist()[-1]


def test_the_compiled_controller_is_silent_at_the_bound_and_arms_one_count_above(
    controller: Controller, deployed: DeployedModel
) -> None:
    bound = rule(deployed).silent_lsb
    assert bound == (100 - 1) // 4
    for count, arms in ((bound, False), (bound + 1, True)):
        safing = np.full(500, count, np.int16)
        assert bool(controller.run(np.zeros_like(safing), safing).armed.any()) == arms


def test_a_crash_that_arms_before_its_request_and_its_required_time_is_in_time(
    controller: Controller, deployed: DeployedModel
) -> None:
    found = shown(controller, deployed, event("wall_0", "must_fire", *crash()))
    assert found["against"] == []
    (row,) = found["events"]
    assert (row["must_fire"], row["in_time"]) == (1, 1)
    assert 18.0 <= row["margin_ms"] <= 20.0


def test_a_crash_that_arms_late_never_or_after_the_request_is_named_with_the_reason(
    controller: Controller, deployed: DeployedModel
) -> None:
    main, safing = crash()
    found = shown(
        controller,
        deployed,
        event("wall_0", "must_fire", main, crash(safing_from=CONTACT + 20)[1], rttf_s=0.02),
        event("wall_1", "must_fire", np.zeros_like(main), crash(safing_from=CONTACT + 60)[1], rttf_s=0.02),
        event("wall_2", "must_fire", main, np.zeros_like(safing)),
    )
    assert found["against"] == [
        "wall_0: not armed when the net first requests",
        "wall_1: arms 10 ms after fire is required",
        "wall_2: not armed when the net first requests",
        "wall_2: never arms",
    ]
    assert found["events"][0]["in_time"] == 0
    assert found["events"][0]["margin_ms"] == -10.0


def test_quiet_events_are_those_within_the_bound_and_one_that_arms_speaks_against(
    controller: Controller, deployed: DeployedModel
) -> None:
    zero, quiet = np.zeros(300), np.full(300, 24)
    road, bump = event("road_0", "no_fire", zero, quiet), event("bump_0", "no_fire", zero, quiet + 30)
    found = shown(controller, deployed, road, bump)
    assert [(row["mode"], row["quiet"], row["quiet_arm"], row["arm"]) for row in found["events"]] == [
        ("road", 1, 0, 0),
        ("bump", 0, 0, 1),
    ]
    assert found["against"] == []
    evidence = ArmingEvidence(rule(deployed))
    armed = controller.run(bump.main_lsb, bump.safing_lsb)
    evidence.add(road, armed, outcome(road, armed, 1 / RATE_HZ))
    assert evidence.as_json()["against"] == ["road_0: arms though no count exceeds 24"]


def test_a_simulation_carries_the_rule_its_proof_and_what_the_events_show(
    exported: Path, deployed: DeployedModel, tmp_path: Path
) -> None:
    def files(out: Path) -> dict[str, Any]:
        for path in exported.iterdir():
            shutil.copy(path, out / path.name)
        return {"model": deployed.payload()}

    main, safing = crash()
    corpus = Corpus(
        SensorPair(),
        (event("wall_0", "must_fire", main, safing), event("bump_0", "no_fire", np.zeros_like(main), main * 0 + 20)),
    )
    Stage(tmp_path / "export", EXPORT_FILE, EXPORT_SCHEMA, {}, {}).run(files)
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    arming = simulate_stage(tmp_path / "export", tmp_path / "corpus", tmp_path / "out").payload["arming"]
    assert arming["rule"]["largest_silent_sum_lsb"] == 96 < arming["rule"]["threshold_lsb"] == 100
    assert arming["rule"]["silent_within_g"] == 6.0
    assert arming["rule"]["delta_v_mps"] == pytest.approx(100 * 0.25 * 9.80665 / 2000, abs=1e-6)
    said = arming_table({**arming, "against": ["wall_0: never arms"]})
    assert "at most 6 g (4 samples of 24 counts sum to 96 < 100)" in said
    assert said.endswith("against: wall_0: never arms")
