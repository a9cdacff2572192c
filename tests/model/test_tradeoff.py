"""Limits of the output bias are where the verdicts change, and a conflict is told with its price."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import ConfigError
from crumple.model.analysis.properties import Requirement, RequirementSet
from crumple.model.analysis.prover import Proved, prove
from crumple.model.deployed import FILE, SCHEMA, DeployedModel
from crumple.model.tradeoff import RESOLUTION, allowed_bias, conflict, curve, needed_bias


def no_fire(amplitude_g: str, name: str = "quiet") -> Requirement:
    described: dict[str, Any] = {"kind": "signals", "amplitude_g": amplitude_g}
    return Requirement(name, "P1", "x", "never_requests_fire", "x", "x", described)


def fires(delta_v_kmh: int, by_ms: str = "12") -> Requirement:
    described: dict[str, Any] = {
        "kind": "pulse",
        "shape": "half_sine",
        "delta_v_from_kmh": str(delta_v_kmh),
        "delta_v_to_kmh": str(delta_v_kmh + 1),
        "duration_from_ms": "20",
        "duration_to_ms": "21",
        "noise_g": "0.25",
    }
    return Requirement("fires", "P5", "x", "fires_by", "x", "x", described, by_ms)


def proved_at(model: DeployedModel, requirement: Requirement, bias: int) -> bool:
    return isinstance(prove(replace(model, output_bias=bias), requirement), Proved)


def test_a_no_fire_requirement_is_proved_up_to_its_limit_and_not_beyond(small_model: DeployedModel) -> None:
    requirement = no_fire("3")
    limit = allowed_bias(small_model, requirement)
    assert proved_at(small_model, requirement, limit)
    assert not proved_at(small_model, requirement, limit + abs(limit) // 5)  # votes confirm each other: some slack


def test_a_must_fire_requirement_is_proved_from_its_limit_on(small_model: DeployedModel) -> None:
    requirement, far = fires(30), -(10**7)
    limit = needed_bias(small_model, requirement, far)
    assert limit is not None
    assert proved_at(small_model, requirement, limit)
    assert not proved_at(small_model, requirement, limit - 2 * abs(far) // RESOLUTION)


def test_no_bias_makes_a_net_fire_before_it_has_seen_enough_samples(small_model: DeployedModel) -> None:
    assert needed_bias(small_model, fires(30, by_ms="500"), -10) is None  # later than the set's sequences last


def test_requirements_that_a_bias_meets_do_not_conflict(small_model: DeployedModel) -> None:
    assert conflict(small_model, RequirementSet((no_fire("1"), fires(60)))) is None
    assert conflict(small_model, RequirementSet((no_fire("1"),))) is None


def test_the_tightest_pair_is_named_with_the_share_of_the_set_that_fits(small_model: DeployedModel) -> None:
    wanted = RequirementSet((no_fire("5", "small"), no_fire("60", "large"), fires(15)))
    found = conflict(small_model, wanted)
    assert found is not None
    assert (found.no_fire.requirement_id, found.must_fire.requirement_id) == ("large", "fires")
    assert found.scale is not None and found.must_fire.output_bias is not None
    shrunk = no_fire(str(60 * found.scale))
    assert proved_at(small_model, shrunk, found.must_fire.output_bias)
    grown = no_fire(str(60 * (found.scale + Fraction(1, 8))))
    assert not proved_at(small_model, grown, found.must_fire.output_bias)
    assert "large and fires conflict" in found.text()
    quick = conflict(small_model, wanted, priced=False)
    assert quick is not None
    assert quick.scale is None
    assert "is not enough" in quick.text()


def test_the_curve_never_fires_earlier_where_more_velocity_range_is_immune(small_model: DeployedModel) -> None:
    points = curve(small_model, fires(60), [no_fire("1")], [Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4)])
    times = [float("inf") if point.fires_by_ms is None else float(point.fires_by_ms) for point in points]
    assert times == sorted(times)
    assert times[0] < float("inf")


def test_a_trade_off_of_another_claim_is_refused(small_model: DeployedModel) -> None:
    with pytest.raises(ConfigError, match="fires_by"):
        curve(small_model, no_fire("1"))


REQUIREMENTS = """
[[requirement]]
id = "quiet"
property = "P1"
text = "x"
claim = "never_requests_fire"
rationale = "x"
origin = "x"
set = { kind = "signals", amplitude_g = "1" }

[[requirement]]
id = "fires"
property = "P5"
text = "x"
claim = "fires_by"
by_ms = "12"
rationale = "x"
origin = "x"

[requirement.set]
kind = "pulse"
shape = "half_sine"
delta_v_from_kmh = "60"
delta_v_to_kmh = "61"
duration_from_ms = "20"
duration_to_ms = "21"
noise_g = "0.25"
"""


def test_the_command_writes_curve_and_plot_the_same_on_every_run(
    small_model: DeployedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Stage(tmp_path / "model", FILE, SCHEMA, {}, {}).run(lambda folder: small_model.payload())
    wanted = tmp_path / "wanted.toml"
    wanted.write_text(REQUIREMENTS)
    for name in ("a", "b"):
        words = ["tradeoff", str(tmp_path / "model"), "--requirements", str(wanted), "--out", str(tmp_path / name)]
        assert main(words) == 0
    assert (tmp_path / "a" / "tradeoff.svg").read_bytes() == (tmp_path / "b" / "tradeoff.svg").read_bytes()
    assert (tmp_path / "a" / "tradeoff.json").read_bytes() == (tmp_path / "b" / "tradeoff.json").read_bytes()
    assert "no conflict" in capsys.readouterr().out


def test_without_a_requirement_about_time_there_is_nothing_to_trade(small_model: DeployedModel, tmp_path: Path) -> None:
    Stage(tmp_path / "model", FILE, SCHEMA, {}, {}).run(lambda folder: small_model.payload())
    wanted = tmp_path / "wanted.toml"
    wanted.write_text(REQUIREMENTS.split('[[requirement]]\nid = "fires"')[0])
    words = ["tradeoff", str(tmp_path / "model"), "--requirements", str(wanted), "--out", str(tmp_path / "a")]
    assert main(words) == 2
