"""Corridors of bi-slope pulses and tipped square waves hold every sample of every pulse, and are provable."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import ConfigError
from crumple.model import deployed
from crumple.model.analysis import checker
from crumple.model.analysis.profiles import Profile, bi_slope, corridor, exact_range, tipped_square
from crumple.model.analysis.properties import read_requirements
from crumple.model.analysis.prover import Proved, Violated, prove
from crumple.model.deployed import DeployedModel
from crumple.signals import families

SHARE = st.floats(0, 1)
LEVEL = st.tuples(st.integers(1, 60), st.integers(0, 10)).map(lambda pair: (Fraction(pair[0]), Fraction(sum(pair))))
LENGTH = st.tuples(st.integers(1, 20), st.integers(0, 5)).map(lambda pair: (Fraction(pair[0]), Fraction(sum(pair))))


def within(both: tuple[Fraction, Fraction], share: float) -> float:
    return float(both[0]) + share * float(both[1] - both[0])


def assert_holds(model: DeployedModel, profile: Profile, pulse: families.Pulse, phase: float) -> None:
    """Counts of a pulse, sampled from ``phase`` of a period after impact on, lie in the corridor."""
    by_ms = "20"
    described = corridor(model, profile, by_ms).payload()["set"]
    lower, upper = (np.array(described[key]) for key in ("lower", "upper"))
    period_s = 1 / model.sample_rate_hz
    time_s = (np.arange(lower.size) + phase) * period_s
    counts = np.minimum(pulse.decel_g(time_s) / float(model.lsb_g), model.clamp_lsb)
    assert lower.size == 41 and (lower - 1e-6 <= counts).all() and (counts <= upper + 1e-6).all()


@given(LEVEL, LENGTH, LEVEL, LENGTH, st.tuples(SHARE, SHARE, SHARE, SHARE, SHARE))
def test_no_bi_slope_pulse_of_the_cell_leaves_its_corridor(
    first_g: tuple[Fraction, Fraction],
    first_ms: tuple[Fraction, Fraction],
    second_g: tuple[Fraction, Fraction],
    second_ms: tuple[Fraction, Fraction],
    shares: tuple[float, ...],
) -> None:
    cell = (first_g, first_ms, second_g, second_ms)
    one, length, two, other, phase = (*(within(both, x) for both, x in zip(cell, shares[:4], strict=True)), shares[4])
    pulse = families.bi_slope(one, length / 1e3, two, other / 1e3)
    assert_holds(plain_model(), bi_slope(*cell), pulse, phase)


@given(LEVEL, LEVEL, LENGTH, st.tuples(SHARE, SHARE, SHARE, SHARE))
def test_no_tipped_square_wave_of_the_cell_leaves_its_corridor(
    start_g: tuple[Fraction, Fraction],
    end_g: tuple[Fraction, Fraction],
    duration_ms: tuple[Fraction, Fraction],
    shares: tuple[float, ...],
) -> None:
    start, end = within(start_g, shares[0]), within(end_g, shares[1])
    length_s = within(duration_ms, shares[2]) / 1e3
    pulse = families.tipped_square(start, (end - start) / length_s, length_s)
    assert_holds(plain_model(), tipped_square(start_g, end_g, duration_ms), pulse, shares[3])


def test_a_cell_of_one_pulse_has_no_width_but_where_it_jumps_and_rounds() -> None:
    ten, twenty, part = (Fraction(10),) * 2, (Fraction(20),) * 2, (Fraction(5),) * 2
    found = corridor(plain_model(), bi_slope(ten, part, twenty, part), "12").payload()["set"]
    lower, upper = np.array(found["lower"]), np.array(found["upper"])
    assert [int(k) for k in np.flatnonzero(lower != upper)] == [9, 10, 19, 20]
    assert (lower[0], lower[15], upper[9], lower[9], upper[24]) == (160, 320, 320, 160, 0)


def plain_model() -> DeployedModel:
    """Sums up eight samples; fires from 20 g on average."""
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=4,
        hidden_weight=((1, 1),),
        hidden_bias=(-8 * 20 * 16,),
        output_weight=(1,),
        output_bias=0,
        confirm_votes=2,
        confirm_window=3,
        arming=deployed.Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


def test_a_family_is_proved_in_time_and_shown_late_a_sample_sooner() -> None:
    model = plain_model()
    cell = (exact_range(("10", "11"), "g"), exact_range(("5", "6"), "ms"), exact_range(("30", "31"), "g"))
    profile = bi_slope(*cell, exact_range(("20", "20"), "ms"))
    by_ms = next(  # 30 g must fill 4 of 8 samples more or less: found, not assumed
        by for by in range(6, 20) if isinstance(prove(model, corridor(model, profile, str(by))), Proved)
    )
    assert 6 < by_ms < 12
    in_time = corridor(model, profile, str(by_ms))
    found = prove(model, in_time)
    assert isinstance(found, Proved)
    checker.check(checker.Model(model.payload()), in_time.payload(), json.loads(json.dumps(found.certificate)))
    assert isinstance(prove(model, corridor(model, profile, str(by_ms - 1))), Violated)


def test_numbers_that_are_none_and_noise_below_half_a_count_are_refused() -> None:
    for bad in (("2", "1"), ("0", "1"), ("x", "1"), ("-1", "1")):
        with pytest.raises(ConfigError, match="--first"):
            exact_range(bad, "--first")
    profile = tipped_square(*(exact_range((one, one), "x") for one in ("5", "20", "60")))
    with pytest.raises(ConfigError, match="half a count"):
        corridor(plain_model(), profile, "20", noise_g="0.01")


@pytest.fixture
def model(tmp_path: Path) -> str:
    Stage(tmp_path / "model", deployed.FILE, deployed.SCHEMA, {}, {}).run(lambda _: plain_model().payload())
    return str(tmp_path / "model")


def test_the_command_prints_what_a_file_of_requirements_takes(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["corridor", model, "tipped-square", "--start-g", "5", "6", "--end-g", "20", "24"]
    common += ["--duration-ms", "60", "70", "--by-ms", "20", "--gain", "0.08"]
    assert main(common) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    (read,) = read_requirements(tmp_path / "mine.toml")
    assert main([*common, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirement"] == read.payload()
    assert read.set["gain"] == "0.08" and "5 to 6 g" in read.text and "tipped square wave" in read.text


def test_the_command_refuses_ranges_of_the_other_shape(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corridor", model, "bi-slope", "--start-g", "5", "6", "--by-ms", "20"]) == 2
    assert "bi-slope needs --first, --second" in capsys.readouterr().err
