"""Corpora joined and varied: what is kept, what a copy is made of, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Artefact
from crumple.config import build
from crumple.errors import ConfigError, CorpusError
from crumple.signals.augmented import AugmentPlan, Variation, at_corners, augment_stage, copies, with_another
from crumple.signals.corpus import MEASURED, SYNTHETIC, Corpus, Event, corpus_stage, read_corpus, write_corpus
from crumple.signals.criteria import RttfRule, required_ttf_s
from crumple.signals.sensor import SensorPair, SensorSpec

RATE_HZ = 10_000.0
QUIET = SensorSpec(
    gain_tolerance=0.0,
    offset_tolerance_g=0.0,
    drift_tolerance_g_per_s=0.0,
    non_linearity=0.0,
    cross_axis=0.0,
    misalignment_deg=0.0,
    filter_tolerance=0.0,
    noise_rms_g=0.0,
    frame_error_rate=0.0,
    dropout_probability=0.0,
)
PERFECT = SensorPair(QUIET, QUIET)


def event(name: str, label: str, *, source: str = MEASURED, peak_g: float = 30.0) -> Event:
    """A haversine pulse of 80 ms from contact, 50 ms after the first sample."""
    time = -0.05 + np.arange(3000) / RATE_HZ
    decel = np.where((time >= 0) & (time <= 0.08), peak_g * np.sin(np.pi * time / 0.08) ** 2, 0.0)
    from_contact = decel[time >= -1e-9]
    rttf_s = float(required_ttf_s(from_contact, 1 / RATE_HZ, RttfRule())) if label == "must_fire" else math.nan
    counts = np.zeros(500, dtype=np.int16)
    measured = source == MEASURED
    physical, rate = (decel, RATE_HZ) if measured else (np.zeros(0), 0.0)
    return Event(name, "rigid_barrier", source, label, rttf_s, 50.0, -0.05, counts, counts, "test", physical, rate)


def written(folder: Path, *events: Event, sensors: SensorPair = PERFECT) -> Path:
    corpus = Corpus(sensors, events)
    corpus_stage(folder, {}, {"test": folder.name}).run(lambda out: write_corpus(corpus, out))
    return folder


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    return [
        written(tmp_path / "crashes", event("crash", "must_fire")),
        written(tmp_path / "misuse", event("kerb", "no_fire", peak_g=4.0), event("puzzle", "unlabelled")),
        written(tmp_path / "drawn", event("drawn_00001", "no_fire", source=SYNTHETIC)),
    ]


def test_every_event_is_kept_as_it_is_and_only_labelled_measured_ones_are_varied(
    parts: list[Path], tmp_path: Path
) -> None:
    made = augment_stage(parts, tmp_path / "corpus", AugmentPlan(copies=3))
    corpus, _ = read_corpus(tmp_path / "corpus")
    before = [each for part in parts for each in read_corpus(part)[0]]
    assert [e.name for e in corpus] == [
        *("crash", "crash_v001", "crash_v002", "crash_v003"),
        *("kerb", "kerb_v001", "kerb_v002", "kerb_v003"),
        *("puzzle", "drawn_00001"),
    ]
    for kept in before:
        now = next(e for e in corpus if e.name == kept.name)
        assert now.source == kept.source
        assert now.provenance == kept.provenance
        np.testing.assert_array_equal(now.main_lsb, kept.main_lsb)
        np.testing.assert_array_equal(now.physical_decel_g, kept.physical_decel_g)
    assert made.parents == {f"corpus_{n}": read_corpus(part)[1].sha256 for n, part in enumerate(parts, 1)}


def test_a_copy_is_synthetic_and_says_what_it_is_made_of() -> None:
    for copy in copies(event("crash", "must_fire"), SensorPair(), AugmentPlan(copies=2)):
        assert copy.source == SYNTHETIC
        assert copy.physical_decel_g.size == 0
        assert copy.provenance.startswith("synthetic; made of the measured crash: scaled by ")
        assert "label must_fire: that of crash" in copy.provenance


@pytest.mark.parametrize("label", ["must_fire", "no_fire"])
def test_by_default_a_crash_gets_no_softer_and_misuse_no_harder(label: str) -> None:
    """Against arithmetic: at the same shape velocity change is level times length."""
    plan = AugmentPlan(copies=20)
    original = event("it", label)
    [same] = copies(original, PERFECT, replace(plan, copies=1, must_fire=STILL, no_fire=STILL))
    for copy in copies(original, PERFECT, plan):
        ratio = copy.main_lsb.sum() / same.main_lsb.sum()
        scale, stretch = factors(copy)
        assert ratio == pytest.approx(scale * stretch, rel=0.01)
        low, high = (1.0, 1.32) if label == "must_fire" else (0.72, 1.0)
        assert low - 1e-9 <= scale * stretch <= high + 1e-9


STILL = Variation(scale=(1.0, 1.0), stretch=(1.0, 1.0))


def factors(copy: Event) -> tuple[float, float]:
    words = copy.provenance.splitlines()[0].replace(",", "").split()
    return float(words[words.index("scaled") + 2]), float(words[words.index("stretched") + 2])


def test_contact_stays_at_time_zero_whatever_the_stretch_and_the_phase() -> None:
    """The peak of the pulse is 40 ms after contact, times the stretch."""
    wide = Variation(scale=(1.0, 1.0), stretch=(0.9, 1.1))
    for copy in copies(event("it", "must_fire"), PERFECT, AugmentPlan(copies=10, must_fire=wide)):
        time = copy.first_sample_s + np.arange(copy.main_lsb.size) / 2000
        centre = float((time * copy.main_lsb).sum() / copy.main_lsb.sum())
        delay_s = 0.002  # of the sensor's filter, at most
        assert 0 <= centre - 0.04 * factors(copy)[1] < delay_s


def test_required_times_are_computed_anew_and_a_harder_crash_is_due_earlier() -> None:
    harder = Variation(scale=(1.2, 1.2), stretch=(1.0, 1.0))
    original = event("it", "must_fire")
    [copy] = copies(original, PERFECT, AugmentPlan(copies=1, must_fire=harder))
    expected = float(required_ttf_s(1.2 * original.physical_decel_g[500:], 1 / RATE_HZ, RttfRule()))
    assert copy.rttf_s == pytest.approx(expected, abs=2e-4)
    assert copy.rttf_s < original.rttf_s


def test_a_copy_depends_on_seed_name_and_number_alone(parts: list[Path], tmp_path: Path) -> None:
    def bytes_of(name: str, folders: list[Path], seed: int) -> tuple[Artefact, dict[str, bytes]]:
        artefact = augment_stage(folders, tmp_path / name, AugmentPlan(seed=seed))
        return artefact, {e.name: e.main_lsb.tobytes() for e in read_corpus(tmp_path / name)[0]}

    first, events = bytes_of("a", parts, 0)
    again, _ = bytes_of("b", parts, 0)
    assert again.sha256 == first.sha256
    _, fewer = bytes_of("c", parts[1:2], 0)
    assert fewer == {name: events[name] for name in fewer}
    _, other = bytes_of("d", parts, 1)
    assert other["crash"] == events["crash"] and other["crash_v001"] != events["crash_v001"]


def test_both_sensors_see_the_same_signal() -> None:
    for copy in copies(event("it", "must_fire"), PERFECT, AugmentPlan(copies=3)):
        np.testing.assert_array_equal(copy.main_lsb, copy.safing_lsb)


def test_a_crash_scaled_until_nothing_is_required_is_refused() -> None:
    soft = Variation(scale=(0.01, 0.02), stretch=(1.0, 1.0))
    with pytest.raises(CorpusError, match=r"never reached; narrow must_fire\.scale"):
        list(copies(event("it", "must_fire"), PERFECT, AugmentPlan(must_fire=soft)))


def test_different_sensors_and_shared_names_are_refused(parts: list[Path], tmp_path: Path) -> None:
    foreign = written(tmp_path / "foreign", event("other", "no_fire"), sensors=SensorPair())
    with pytest.raises(CorpusError, match=r"crashes and .*foreign were seen by different sensors"):
        augment_stage([parts[0], foreign], tmp_path / "out", AugmentPlan())
    twin = written(tmp_path / "twin", event("crash", "no_fire"))
    with pytest.raises(CorpusError, match="both hold an event called 'crash'"):
        augment_stage([parts[0], twin], tmp_path / "out", AugmentPlan())
    assert not (tmp_path / "out").exists()


def test_ranges_are_checked_with_their_key() -> None:
    with pytest.raises(ConfigError, match=r"no_fire: scale = \[1.2, 0.8\]: the smallest factor comes first"):
        build(AugmentPlan, {"no_fire": {"scale": [1.2, 0.8], "stretch": [1, 1]}}, where="a.toml")
    with pytest.raises(ConfigError, match=r"a.toml: must_fire.scale"):
        build(AugmentPlan, {"must_fire": {"scale": [0.0, 1.0], "stretch": [1, 1]}}, where="a.toml")
    with pytest.raises(ConfigError, match="did you mean 'copies'"):
        build(AugmentPlan, {"copys": 3}, where="a.toml")


# -- corners of the tolerances, and two events at once ----------------------------------------------------

TWO_CORNERS = SensorPair(replace(QUIET, gain_tolerance=0.1), replace(QUIET, gain_tolerance=0.05))


def test_at_the_corners_each_sensor_has_its_largest_error_and_nothing_else_changes() -> None:
    original = event("crash", "must_fire")
    [plain] = copies(original, PERFECT, AugmentPlan(copies=1, must_fire=STILL))
    found = list(at_corners(original, TWO_CORNERS, AugmentPlan(corners=True)))
    assert [copy.name for copy in found] == [f"crash_c{n:03d}" for n in (1, 2, 3, 4)]  # two gains, two phases
    gains = [
        (copy.main_lsb.sum() / plain.main_lsb.sum(), copy.safing_lsb.sum() / plain.safing_lsb.sum()) for copy in found
    ]
    for (first, second), sign in zip(gains, (-1, -1, 1, 1), strict=True):
        assert first == pytest.approx(1 + 0.1 * sign, abs=0.003) and second == pytest.approx(1 + 0.05 * sign, abs=0.003)
    assert {copy.rttf_s for copy in found} == {original.rttf_s} and {copy.source for copy in found} == {SYNTHETIC}
    assert "sensors at corner 1 of 4 of their tolerances" in found[0].provenance
    assert len({copy.first_sample_s for copy in found}) == 2, "the phase moves the first sample, never the contact"


def test_the_corners_of_a_usual_sensor_are_all_sixteen_and_pair_or_are_refused() -> None:
    assert len(list(at_corners(event("it", "no_fire"), SensorPair(), AugmentPlan(corners=True)))) == 16
    with pytest.raises(CorpusError, match="do not pair"):
        list(at_corners(event("it", "no_fire"), SensorPair(SensorSpec(), QUIET), AugmentPlan(corners=True)))


def test_two_events_at_once_are_the_sum_of_what_each_gives_alone() -> None:
    crash, kerb = event("crash", "must_fire"), event("kerb", "no_fire", peak_g=4.0)
    plan = AugmentPlan(copies=1, superposed=6, must_fire=STILL, no_fire=STILL)
    [alone], [other] = copies(crash, PERFECT, plan), copies(kerb, PERFECT, plan)
    found = list(with_another(crash, [crash, kerb], PERFECT, plan))
    assert [copy.name for copy in found] == [f"crash_s{n:03d}" for n in range(1, 7)]
    assert len({copy.provenance for copy in found}) == 6
    for copy in found:
        total = int(alone.main_lsb.sum()) + int(other.main_lsb.sum())
        assert int(copy.main_lsb.sum()) == pytest.approx(total, rel=0.005)
        assert (copy.label, copy.rttf_s, copy.source) == ("must_fire", crash.rttf_s, SYNTHETIC)
        assert "with the measured kerb added, contact " in copy.provenance
        delay_s = float(copy.provenance.split("contact ")[1].split(" ms")[0]) * 1e-3
        assert -0.5 <= delay_s <= 0.5
        time = copy.first_sample_s + np.arange(copy.main_lsb.size) / 2000
        if not -0.1 < delay_s < 0.1:  # the kerb stands apart: its lobe lies in its own 80 ms
            there = (time > delay_s) & (time < delay_s + 0.085)
            assert int(copy.main_lsb[there].sum()) == pytest.approx(int(other.main_lsb.sum()), rel=0.02)


def test_an_event_is_never_added_to_itself_and_without_another_the_plan_is_refused() -> None:
    kerb = event("kerb", "no_fire", peak_g=4.0)
    with pytest.raises(CorpusError, match="no other measured no-fire event to add; set superposed = 0"):
        list(with_another(kerb, [kerb], PERFECT, AugmentPlan(superposed=1)))
    with pytest.raises(ConfigError, match="the earliest comes first"):
        build(AugmentPlan, {"added_after_s": [0.5, 0.0]}, where="a.toml")


@pytest.mark.parametrize("label", ["grey", "unlabelled"])
def test_what_has_no_label_to_keep_is_neither_cornered_nor_added_to(label: str) -> None:
    plan = AugmentPlan(corners=True, superposed=3)
    it, kerb = event("it", label), event("kerb", "no_fire")
    assert [*at_corners(it, PERFECT, plan), *with_another(it, [kerb], PERFECT, plan)] == []


def test_the_command_makes_corners_and_sums_and_keeps_earlier_copies_as_they_were(
    parts: list[Path], tmp_path: Path
) -> None:
    folders = [*map(str, parts), str(written(tmp_path / "more", event("hole", "no_fire", peak_g=3.0)))]
    assert main(["augment", *folders, "--out", str(tmp_path / "few"), "--copies", "2"]) == 0
    wide = ["augment", *folders, "--out", str(tmp_path / "all"), "--copies", "2", "--corners", "--superposed", "2"]
    assert main(wide) == 0
    few, everything = ({e.name: e for e in read_corpus(tmp_path / name)[0]} for name in ("few", "all"))
    assert set(few) < set(everything)
    for name, kept in few.items():
        np.testing.assert_array_equal(kept.main_lsb, everything[name].main_lsb)
    added = set(everything) - set(few)
    assert {name for name in added if "_c" in name and name.startswith("crash")} == {"crash_c001", "crash_c002"}
    assert {"crash_s001", "crash_s002", "kerb_s001", "hole_s002"} <= added


def test_the_command_counts_by_source_and_label(
    parts: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["augment", *map(str, parts), "--out", str(tmp_path / "corpus"), "--copies", "2", "--json"]
    assert main(arguments) == 0
    document: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert document["counts"]["measured"] == {"must_fire": 1, "no_fire": 1, "grey": 0, "unlabelled": 1}
    assert document["counts"]["synthetic"] == {"must_fire": 2, "no_fire": 3, "grey": 0, "unlabelled": 0}


def test_what_is_no_corpus_is_refused_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", str(tmp_path), "--out", str(tmp_path / "corpus")]) == 3
    assert len(capfd.readouterr().err.strip().splitlines()) == 1
