"""The certified maps against simulation: a coloured cell holds no pulse and no burst that contradicts it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from crumple.artefact import envelope
from crumple.config import build
from crumple.errors import ConfigError
from crumple.model import deployed
from crumple.model.analysis import checker, firemap, maps, prover, witness
from crumple.model.analysis.bursts import BurstPlan, burst_grid, burst_map, swing
from crumple.model.analysis.commands import firemap_command
from crumple.model.analysis.firemap import FIRES, NEVER, UNDECIDED, FireMapPlan, StripMap, grid
from crumple.model.analysis.journal import Journal
from crumple.model.analysis.many import band_of
from crumple.model.analysis.map_figures import bursts_figure, png, pulses_figure, svg
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.pulses import SHAPES, pulse_band, required_ms, sampled_pulse
from crumple.model.deployed import DeployedModel
from crumple.signals.criteria import RttfRule

PLAN = FireMapPlan(
    "haversine", delta_v_from_kmh=2, delta_v_to_kmh=38, duration_from_ms=70, duration_to_ms=72, n_delta_v=12,
    n_duration=1,
)  # fmt: skip
BURSTS = BurstPlan(frequency_from_hz=20, frequency_to_hz=320, n_frequency=6, amplitude_to_g=30, n_amplitude=10)


def mapped(model: DeployedModel, plan: FireMapPlan) -> list[firemap.Block]:
    return [block for strip in plan.strips() for block in StripMap(model, plan).blocks(*strip)]


def test_no_pulse_of_a_coloured_cell_contradicts_it(small_model: DeployedModel) -> None:
    blocks = mapped(small_model, PLAN)
    cells = grid(PLAN, blocks)
    assert {FIRES, UNDECIDED} <= set(cells.ravel())
    voter, rule = checker.Model(small_model.payload()).main, RttfRule()
    rng = np.random.default_rng(0)
    delta_v, duration = (edges[:: PLAN.parts] for edges in PLAN.edges())
    for (v, t), verdict in np.ndenumerate(cells):
        for _ in range(5):
            dv = rng.uniform(float(delta_v[v]), float(delta_v[v + 1]))
            ms = rng.uniform(float(duration[t]), float(duration[t + 1]))
            counts = np.rint(sampled_pulse(PLAN.shape, dv, ms, 2000, 0.2) * 16).astype(np.int64)
            fired = witness.first_request(voter, counts)
            if verdict == NEVER:
                assert fired is None
            if verdict == FIRES:
                due = required_ms(PLAN.shape, dv, ms, rule)
                assert fired is not None and due is not None and fired / 2 <= due


def test_blocks_overlap_nowhere_and_the_checker_accepts_each(small_model: DeployedModel) -> None:
    trusted = checker.Model(small_model.payload())
    covered = np.zeros((PLAN.n_delta_v * PLAN.parts, PLAN.n_duration * PLAN.parts), dtype=np.int64)
    for block in mapped(small_model, PLAN):
        covered[block.v0 : block.v1, block.t0 : block.t1] += 1
        checker.check(trusted, block.requirement.payload(), block.certificate)
    assert covered.max() == 1


def test_a_cell_is_coloured_only_if_all_its_parts_are(small_model: DeployedModel) -> None:
    plan = replace(PLAN, halvings=1)
    (block, *_) = mapped(small_model, PLAN)
    part = replace(block, v0=0, v1=3, t0=0, t1=2)  # a cell and a half of the finer plan, both durations
    assert grid(plan, [part])[:3, 0].tolist() == [block.verdict, UNDECIDED, UNDECIDED]
    assert (grid(plan, [replace(part, t1=1)]) == UNDECIDED).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_band_in_floats_is_the_checkers_enclosure(shape: str, small_model: DeployedModel) -> None:
    voter = checker.Model(small_model.payload()).main
    described = {
        "kind": "pulse", "shape": shape, "noise_g": "1/32", "delta_v_from_kmh": "20", "delta_v_to_kmh": "22",
        "duration_from_ms": "60", "duration_to_ms": "63", "gain": "0.08", "offset_g": "1",
    }  # fmt: skip
    exact = band_of(checker.polytope(voter, "fires_by", described, 0))
    near = pulse_band(voter, shape, (20, 22), (60, 63), 0.5, 0.08, 16)
    assert exact is not None
    np.testing.assert_allclose(near.middle, exact.middle, atol=2e-3)
    for mine, theirs in zip(near.shared, exact.shared, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
    assert (near.half >= exact.half - 1e-9).all()
    np.testing.assert_allclose(near.half, exact.half, atol=5e-3)


def test_no_burst_of_a_coloured_cell_fires(small_model: DeployedModel) -> None:
    proofs = burst_map(small_model, BURSTS)
    cells = burst_grid(small_model, BURSTS, proofs)
    assert {NEVER, UNDECIDED} == set(cells.ravel())
    trusted = checker.Model(small_model.payload())
    for proof in proofs:
        checker.check(trusted, proof.requirement.payload(), proof.certificate)
    rng = np.random.default_rng(0)
    frequency, amplitude = BURSTS.edges()
    time_s = np.arange(200) / 2000
    for row, column in zip(*np.nonzero(cells == NEVER), strict=True):
        hz = rng.uniform(float(frequency[column]), float(frequency[column + 1]))
        g = rng.uniform(float(amplitude[row]), float(amplitude[row + 1]))
        wave = g * np.sin(2 * np.pi * (hz * time_s + rng.random())) * np.exp(-time_s * rng.choice([0.0, 30.0]))
        assert witness.first_request(trusted.main, np.rint(16 * wave).astype(np.int64)) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_burst_stays_within_the_amplitude_and_velocity_stated(seed: int, small_model: DeployedModel) -> None:
    voter = checker.Model(small_model.payload()).main
    rng = np.random.default_rng(seed)
    hz, g = Fraction(int(rng.integers(2, 900))), Fraction(int(rng.integers(1, 90)))
    wave = float(g) * np.sin(2 * np.pi * (float(hz) * np.arange(300) / 2000 + rng.random()))
    counts = np.rint(16 * wave * np.exp(-np.arange(300) * rng.choice([0.0, 0.02])))
    most_g, most_kmh = swing(voter, g, hz)
    assert np.abs(counts).max() / 16 <= most_g
    running = np.cumsum(np.concatenate([[0.0], counts])) / 16 * 9.80665 * 3.6 / 2000
    for start in range(300 - voter.window):
        part = running[start : start + voter.window + 1]
        assert part.max() - part.min() <= float(most_kmh)


def test_a_frequency_that_the_samples_cannot_tell_is_refused(small_model: DeployedModel) -> None:
    with pytest.raises(ConfigError, match="half the sample rate"):
        burst_map(small_model, replace(BURSTS, frequency_from_hz=999.0, frequency_to_hz=3000.0))


def test_pictures_are_the_same_every_time(small_model: DeployedModel) -> None:
    cells = grid(PLAN, mapped(small_model, PLAN))
    drawn = [pulses_figure(small_model, PLAN, cells, cells, "a rule") for _ in range(2)]
    assert svg(drawn[0]) == svg(drawn[1]) and png(drawn[0]) == png(drawn[1])
    waves = np.full((BURSTS.n_amplitude, BURSTS.n_frequency), UNDECIDED)
    assert svg(bursts_figure(small_model, BURSTS, waves)) == svg(bursts_figure(small_model, BURSTS, waves))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pulses": {"delta_v_from_kmh": 70.0}},
        {"pulses": {"n_duration": 0}},
        {"pulses": {"shape": "square"}},
        {"pulses": {"noise_g": "1e-3"}},
        {"bursts": {"amplitude_from_g": 61.0}},
        {"family": {"duration_to_ms": 59.0}},
        {"family": {"gain": "-0.1"}},
        {"speed": 1},
    ],
)
def test_a_plan_that_maps_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build(maps.MapsPlan, wrong, where="plan.toml")


TOML = (
    '[pulses]\nshape = "haversine"\nn_delta_v = 4\nn_duration = 1\nduration_from_ms = 80.0\nduration_to_ms = 81.0\n'
    "[bursts]\nn_frequency = 3\nn_amplitude = 4\n"
    "[family]\nn_delta_v = 2\nn_duration = 1\ndelta_v_from_kmh = 60.0\nduration_to_ms = 61.0\n"
)


def arguments(model: DeployedModel, folder: Path) -> list[str]:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / deployed.FILE).write_bytes(envelope(deployed.SCHEMA, model.payload()))
    (folder / "plan.toml").write_text(TOML)
    return [str(folder / "model"), "--config", str(folder / "plan.toml"), "--out", str(folder / "map"), "--json"]


def test_the_command_writes_what_the_checker_accepts(small_model: DeployedModel, tmp_path: Path) -> None:
    told = arguments(small_model, tmp_path)
    done = CliRunner().invoke(firemap_command, [*told, "--processes", "1"], catch_exceptions=False)
    document = json.loads(done.stdout)
    assert sum(document["pulses"]["cells"].values()) == 4
    out = tmp_path / "map"
    for name, start in (("firemap.svg", b"<?xml"), ("bursts.png", b"\x89PNG"), ("firemap.html", b"<!doctype")):
        assert (out / name).read_bytes().startswith(start)
    results = checker.check_folder(out)
    assert len(results) == sum(document[name]["proofs"] for name in ("pulses", "bursts", "family")) > 1
    assert {verdict for _, verdict, _ in results} == {"proved"}
    assert not (tmp_path / ".map.proofs").exists()


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(small_model: DeployedModel, tmp_path: Path) -> None:
    told = arguments(small_model, tmp_path)
    made = []
    for processes in ("1", "2"):
        CliRunner().invoke(firemap_command, [*told, "--force", "--processes", processes], catch_exceptions=False)
        made.append({path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()})
    assert made[0] == made[1]


def test_an_interrupted_map_keeps_its_proofs_and_ends_the_same(
    small_model: DeployedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [*arguments(small_model, tmp_path), "--processes", "1"]
    honest, asked = prover.suggest, list[str]()

    def interrupted(model: DeployedModel, requirement: Requirement, band: Any) -> Any:
        asked.append(requirement.id)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return honest(model, requirement, band)

    monkeypatch.setattr(firemap, "suggest", interrupted)
    stopped = CliRunner().invoke(firemap_command, told)
    assert stopped.exit_code == 1 and not (tmp_path / "map").exists()  # main() makes it 130
    kept = Journal(tmp_path / ".map.proofs", "", "pulses-0").path.read_bytes()
    assert kept.count(b"\n") == 1
    monkeypatch.setattr(firemap, "suggest", lambda *a: asked.append(a[1].id) or honest(*a))
    CliRunner().invoke(firemap_command, told, catch_exceptions=False)
    assert asked.count(asked[0]) == 1 and asked[1] in asked[2:]
    resumed = {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()}
    monkeypatch.undo()
    CliRunner().invoke(firemap_command, [*told, "--force"], catch_exceptions=False)
    assert resumed == {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()}


def test_a_journal_believes_whole_lines_of_its_own_key(tmp_path: Path) -> None:
    requirement = Requirement(
        "R", "P", "t", "never_requests_fire", "w", "o", {"kind": "signals", "amplitude_g": "1"}
    )  # fmt: skip
    Journal(tmp_path, "a", "j").note(requirement, {"verdict": "proved"})
    assert Journal(tmp_path, "a", "j").known(requirement) == {"verdict": "proved"}
    assert Journal(tmp_path, "b", "j").known(requirement) is None
    path = tmp_path / "j.jsonl"
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole.replace(b"proved", b"broken"), b"[]\n", b"[1,2,3]\n", b"\xff\n"):
        path.write_bytes(damaged)
        assert Journal(tmp_path, "a", "j").known(requirement) is None
