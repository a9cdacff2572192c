"""The fire map against simulated pulses: a coloured cell holds no pulse that contradicts it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from crumple.artefact import envelope
from crumple.config import build
from crumple.errors import ConfigError
from crumple.model import deployed
from crumple.model.analysis import checker, witness
from crumple.model.analysis.commands import diff_command, firemap_command, limits_command
from crumple.model.analysis.firemap import (
    FIRES,
    NEVER,
    UNDECIDED,
    FireMapPlan,
    fire_map,
    grid,
    render_svg,
    required_ms,
    sampled_pulse,
)  # fmt: skip
from crumple.model.deployed import DeployedModel
from crumple.signals.criteria import RttfRule

PLAN = FireMapPlan(
    "haversine", delta_v_from_kmh=2, delta_v_to_kmh=38, duration_from_ms=70, duration_to_ms=72, n_delta_v=12,
    n_duration=1, smallest_never=1,
)  # fmt: skip


def test_no_pulse_of_a_coloured_cell_contradicts_it(small_model: DeployedModel) -> None:
    blocks = fire_map(small_model, PLAN, n_processes=1)
    cells = grid(PLAN, blocks)
    assert sum((b.v1 - b.v0) * (b.t1 - b.t0) for b in blocks) == cells.size
    assert {FIRES, UNDECIDED} <= set(cells.ravel())
    voter, rule = checker.Model(small_model.payload()).main, RttfRule()
    rng = np.random.default_rng(0)
    delta_v, duration = PLAN.edges()
    for (v, t), verdict in np.ndenumerate(cells):
        for _ in range(5):
            dv, ms = (
                rng.uniform(float(delta_v[v]), float(delta_v[v + 1])),
                rng.uniform(*map(float, duration[t : t + 2])),
            )
            counts = np.rint(sampled_pulse(PLAN.shape, dv, ms, 2000, 0.2) * 16).astype(np.int64)
            fired = witness.first_request(voter, counts)
            if verdict == NEVER:
                assert fired is None
            if verdict == FIRES:
                due = required_ms(PLAN.shape, dv, ms, rule)
                assert fired is not None and due is not None and fired / 2 <= due


def test_the_picture_is_the_same_every_time(small_model: DeployedModel) -> None:
    blocks = fire_map(small_model, PLAN, n_processes=1)
    assert render_svg(PLAN, blocks) == render_svg(PLAN, blocks)


@pytest.mark.parametrize("wrong", [{"delta_v_from_kmh": 70.0}, {"n_duration": 0}, {"shape": "square"}, {"speed": 1}])
def test_a_plan_that_maps_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        build(FireMapPlan, wrong, where="plan.toml")


def test_the_commands_write_what_the_checker_accepts(small_model: DeployedModel, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / deployed.FILE).write_bytes(envelope(deployed.SCHEMA, small_model.payload()))
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'shape = "haversine"\nn_delta_v = 3\nn_duration = 1\nduration_from_ms = 80.0\nduration_to_ms = 81.0\n'
    )
    out = tmp_path / "map"
    arguments = [str(model), "--config", str(plan), "--out", str(out), "--processes", "1", "--json"]
    done = CliRunner().invoke(firemap_command, arguments, catch_exceptions=False)
    document = json.loads(done.output)
    assert sum(document["cells"].values()) == 3
    assert (out / "firemap.svg").read_bytes().startswith(b"<?xml")
    assert len(checker.check_folder(out)) == document["proofs"] > 0
    assert {verdict for _, verdict, _ in checker.check_folder(out)} == {"proved"}
    done = CliRunner().invoke(limits_command, [str(model), "R1", "amplitude_g", "--json"], catch_exceptions=False)
    assert json.loads(done.output)["limits"][0]["is_exact"] in (True, False)
    toml = tmp_path / "r.toml"
    toml.write_text(
        '[[requirement]]\nid = "R1"\nproperty = "P1"\ntext = "quiet"\nclaim = "never_requests_fire"\nrationale = "w"\n'
        'origin = "assumed"\n[requirement.set]\nkind = "signals"\namplitude_g = "3"\n'
    )
    done = CliRunner().invoke(diff_command, [str(model), str(model), "--requirements", str(toml), "--json"])
    assert json.loads(done.output)["is_same"] is True
