"""Verdicts on events: by hand, and as the compiled controller gives them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from crumple.errors import CorpusError
from crumple.export.c99 import render_c
from crumple.export.calibration_files import render_calibration
from crumple.export.profiles import EXACT16
from crumple.export.selftest import render_selftest
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.outcome import outcome
from crumple.firmware_sim.replay import Controller
from crumple.model.deployed import Arming, DeployedModel
from crumple.model.evaluation.judge import (
    by_source,
    grey_zone,
    judge,
    refuse_one_class,
    same_sensors,
    spread,
    verdicts,
)
from crumple.signals.batches import CorpusInMemory
from crumple.signals.corpus import MEASURED, Corpus, Event
from crumple.signals.generate import CorpusPlan, generate
from crumple.signals.sensor import SensorPair
from crumple.toolchain import find_compiler


def step_detector() -> DeployedModel:
    """Fires 4 samples after the block sum passes 1600 counts (100 g samples): by hand."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=2,
        hidden_weight=((0, 1),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-1600,
        confirm_votes=2,
        confirm_window=2,
        arming=Arming(Fraction(1, 4), 480, 2, 100, 4),
    )


def event(name: str, label: str, onset: int | None, **changes: object) -> Event:
    """50 g, 801 counts on the main and 200 on the safing sensor, from sample ``onset`` on; first sample at 1 ms."""
    main, safing = np.zeros(30, dtype=np.int16), np.zeros(30, dtype=np.int16)
    if onset is not None:
        main[onset:], safing[onset:] = 801, 200
    made = Event(
        name=name,
        mode="by_hand",
        source="synthetic",
        label=label,
        rttf_s=0.005 if label == "must_fire" else float("nan"),
        speed_kmh=30.0,
        first_sample_s=0.001,
        main_lsb=main,
        safing_lsb=safing,
        provenance="",
        physical_decel_g=np.zeros(0),
        physical_rate_hz=0.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def corpus_of(*events: Event) -> CorpusInMemory:
    return CorpusInMemory.of(Corpus(SensorPair(), events))


def test_times_and_verdicts_are_those_worked_out_by_hand() -> None:
    # Two full samples from the onset, then a second vote: request at onset + 2, that is 1 ms + 0.5 ms (onset + 2).
    judged = judge(
        step_detector(),
        corpus_of(
            event("in time", "must_fire", 6),
            event("late", "must_fire", 7),
            event("missed", "must_fire", None),
            event("no requirement", "must_fire", 7, rttf_s=float("nan")),
            event("silent", "no_fire", None),
            event("false fire", "no_fire", 9),
            event("grey", "grey", 9),
        ),
    )
    assert judged.verdict.tolist() == ["in time", "late", "missed", "in time", "silent", "false fire", "not scored"]
    np.testing.assert_allclose(judged.fire_s[:2], [0.005, 0.0055])
    np.testing.assert_allclose(judged.delta_ttf_s[:2], [0.0, 0.0005], atol=1e-12)
    assert np.isnan(judged.fire_s[[2, 4]]).all()


def test_a_fire_before_the_contact_that_demands_it_is_premature() -> None:
    judged = judge(step_detector(), corpus_of(event("on what came before", "must_fire", 6, first_sample_s=-0.1)))
    assert judged.verdict.tolist() == ["premature"]
    total = by_source(judged, 0.95)["synthetic"]["total"]
    assert total["premature"] == 1 and total["in time"] == total["late"] == total["missed"] == 0
    assert total["delta_ttf_ms"] is None


def test_without_arming_there_is_a_request_but_no_fire() -> None:
    unarmed = event("unarmed", "no_fire", 6, safing_lsb=np.zeros(30, dtype=np.int16))
    row = by_source(judge(step_detector(), corpus_of(unarmed)), 0.95)["synthetic"]["total"]
    assert row["silent"] == 1 and row["false requests"] == 1 and row["requests without arming"] == 1


def test_sensors_that_tell_of_different_motions_hold_the_fire_back_as_the_controller_does() -> None:
    """50 g against 25 g that arm as well: requested, armed, and never fired."""
    apart = event("apart", "must_fire", 6, safing_lsb=np.where(np.arange(30) < 6, 0, 100).astype(np.int16))
    judged = judge(step_detector(), corpus_of(apart))
    assert not np.isnan(judged.request_s[0]) and not np.isnan(judged.arming_s[0])
    assert judged.verdict.tolist() == ["missed"]


def test_synthetic_and_measured_events_are_counted_apart() -> None:
    judged = judge(step_detector(), corpus_of(event("a", "must_fire", 6), event("b", "must_fire", 7, source=MEASURED)))
    tables = by_source(judged, 0.95)
    assert tables["synthetic"]["total"]["in time"] == 1 and tables["synthetic"]["total"]["late"] == 0
    assert tables["measured"]["total"]["in time"] == 0 and tables["measured"]["total"]["late"] == 1


def test_the_compiled_controller_gives_the_same_verdicts_and_times(tmp_path: Path) -> None:
    corpus = generate(CorpusPlan(counts={"rigid_barrier": 12, "low_speed_bump": 6, "hammer": 6}))
    model = replace(step_detector(), output_bias=-300, hidden_weight=((2, 1),))
    calibration, image = render_calibration(model, "0" * 64, EXACT16)
    files = {**render_c(model, "0" * 64), **calibration, **render_selftest(model, "0" * 64, EXACT16)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "crumple_parameters.bin").write_bytes(image)
    (tmp_path / "build").mkdir()
    controller = Controller(build_controller(tmp_path, tmp_path / "build", find_compiler()))
    judged = judge(model, CorpusInMemory.of(corpus))
    said = set()
    for k, each in enumerate(corpus):
        seen = outcome(each, controller.run(each.main_lsb, each.safing_lsb), corpus.sample_period_s)
        assert judged.verdict[k] == seen.verdict
        for ours, theirs in ((judged.fire_s[k], seen.ttf_ms), (judged.arming_s[k], seen.arming_ms)):
            assert np.isnan(ours) if theirs is None else 1e3 * ours == pytest.approx(theirs, abs=1e-6)
        said.add(seen.verdict)
    assert len(said) > 2  # a test of one verdict would show little


def test_a_corpus_of_another_sensor_is_refused_and_the_difference_named() -> None:
    model = step_detector()
    for changed, what in (
        (replace(model, lsb_g=Fraction(1, 8)), "main lsb_g"),
        (replace(model, sample_rate_hz=1000), "sample_rate_hz"),
        (replace(model, clamp_lsb=1000), "main clamp_lsb"),
        (replace(model, arming=replace(model.arming, clamp_lsb=481)), "safing clamp_lsb"),
    ):
        with pytest.raises(CorpusError, match=what):
            same_sensors(changed, corpus_of(event("a", "grey", None)))


@pytest.mark.parametrize("labels", [["must_fire"], ["no_fire"], ["grey", "unlabelled"]])
def test_a_corpus_that_lacks_a_class_is_refused(labels: list[str]) -> None:
    events = corpus_of(*(event(label, label, None) for label in labels))
    with pytest.raises(CorpusError, match="needs"):
        refuse_one_class(events, "evaluation")


def test_the_grey_zone_is_reported_by_speed_with_its_dips() -> None:
    fires = {10.0: False, 13.0: True, 15.0: False, 17.0: True}
    judged = judge(
        step_detector(),
        corpus_of(*(event(f"{v}", "grey", 6 if fire else None, speed_kmh=v) for v, fire in fires.items())),
    )
    (row,) = grey_zone(judged, np.ones(4, dtype=np.bool_))
    assert [(step["from_kmh"], step["fired"]) for step in row["bins"]] == [(10, 0), (12, 1), (14, 0), (16, 1)]
    assert row["dips"] == 1 and row["grey"] == 4 and row["grey_fired"] == 2


def test_a_spread_of_nothing_is_nothing() -> None:
    assert spread(np.array([np.nan])) is None
    assert spread(np.array([3.0, np.nan, 1.0])) == {
        "min": 1.0,
        "q25": 3.0,
        "median": 3.0,
        "q75": 3.0,
        "q99": 3.0,
        "max": 3.0,
    }


def test_a_required_time_kept_up_to_rounding_is_kept() -> None:
    table = corpus_of(event("a", "must_fire", None)).table
    assert verdicts(table, table.rttf_s + 1e-12).tolist() == ["in time"]
    assert verdicts(table, table.rttf_s + 1e-6).tolist() == ["late"]
