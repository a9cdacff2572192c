"""Monte Carlo campaigns: what single simulations say, by the thousand, and the same bytes whoever did the work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.__main__ import main
from crumple.artefact import envelope, sha256_file
from crumple.campaign import FILE, campaign_stage, read_campaign, summary
from crumple.cluster import Cluster
from crumple.config import build
from crumple.errors import ArtefactError, ConfigError, CorpusError, OutputError, WouldOverwriteError
from crumple.export.exported import FILE as EXPORT_FILE
from crumple.export.exported import SCHEMA as EXPORT_SCHEMA
from crumple.firmware_sim import monte_carlo
from crumple.firmware_sim.fault_outcome import OUTCOMES
from crumple.firmware_sim.fault_run import PARAMETERS, STATE
from crumple.firmware_sim.monte_carlo import DATA, EVENT_DTYPE, MonteCarloPlan, Tally, read_events, write_events
from crumple.firmware_sim.outcome import VERDICTS, outcome
from crumple.firmware_sim.random_faults import Upsets
from crumple.firmware_sim.replay import MODES, TROUBLES, Controller
from crumple.model.deployed import DeployedModel
from crumple.processes import Processes
from crumple.signals.batch import LABELS
from crumple.signals.events import MODES as EVENT_MODES
from crumple.signals.generate import SHARD_EVENTS, CorpusPlan, Pieces, generate

PLAN = """
kind = "monte_carlo"
export = "export"
[events]
seed = 3
[events.counts]
rigid_barrier = 300
hammer = 257
kerb_straight = 20
misuse_then_crash = 12
"""

QUIET_BUS = """
[events.sensors.main]
frame_error_rate = 0.0
dropout_probability = 0.0
[events.sensors.safing]
lsb_g = "1/4"
clamp_lsb = 480
frame_error_rate = 0.0
dropout_probability = 0.0
"""


@pytest.fixture(scope="module")
def export(exported: Path, deployed: DeployedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared export with the artefact that vouches for it."""
    folder = tmp_path_factory.mktemp("believed") / "export"
    shutil.copytree(exported, folder)
    files = {path.name: sha256_file(path) for path in folder.iterdir()}
    document = envelope(EXPORT_SCHEMA, {"model": deployed.payload()}, files=files)
    (folder / EXPORT_FILE).write_bytes(document)
    return folder


@pytest.fixture
def plan(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a plan beside the export."""
    shutil.copytree(export, tmp_path / "export")
    monkeypatch.setattr(monte_carlo, "PIECES_A_SHARD", 1)  # more shards of fewer events

    def write(text: str) -> Path:
        (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
        return tmp_path / "plan.toml"

    return write


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_event_is_judged_as_a_single_simulation_judges_it(
    plan: Callable[[str], Path], tmp_path: Path, controller: Controller
) -> None:
    path = plan(PLAN + QUIET_BUS)
    found = campaign_stage(path, tmp_path / "out")
    rows = read_events(tmp_path / "out" / DATA)
    import tomllib

    settings = build(MonteCarloPlan, tomllib.loads(path.read_text()), where="plan").events
    corpus = generate(settings)
    assert len(corpus) == rows.size == 589
    for event, row in zip(corpus, rows, strict=True):
        timeline = controller.run(event.main_lsb, event.safing_lsb)
        expected = outcome(event, timeline, corpus.sample_period_s)
        mode = list(EVENT_MODES)[row["mode"]]
        assert f"{mode}_{row['number']:05d}" == event.name
        assert (VERDICTS[row["verdict"]], LABELS[row["label"]]) == (expected.verdict, expected.label)
        samples = [None if row[name] < 0 else int(row[name]) for name in ("request", "arming")]
        assert samples == [timeline.request_sample, timeline.arming_sample]
        assert (row["trouble"], row["end"]) == (timeline.trouble[-1], timeline.mode[-1])
    assert len(np.unique(rows["verdict"])) >= 3
    for counts in found.payload["modes"]:
        mode = counts["mode"]
        group = rows[rows["mode"] == list(EVENT_MODES).index(mode)]
        assert counts["events"] == group.size == settings.counts[mode]
        assert [counts[name] for name in VERDICTS] == [int((group["verdict"] == k).sum()) for k in range(len(VERDICTS))]
        why = [row["events"] for row in found.payload["failures"] if row["mode"] == mode]
        assert sum(why) == int(np.isin(group["verdict"], [1, 2, 3, 5]).sum())


def test_lost_frames_reach_the_controller_as_lost(plan: Callable[[str], Path], tmp_path: Path) -> None:
    often = QUIET_BUS.replace("dropout_probability = 0.0", "dropout_probability = 1.0\ndropout_frames = 40")
    found = campaign_stage(plan(PLAN + often), tmp_path / "out")
    rows = read_events(tmp_path / "out" / DATA)
    faulty = rows["end"] == MODES.index("FAULT")
    assert faulty.mean() > 0.1
    dropouts = sum(1 << TROUBLES.index(name) for name in ("main sensor dropout", "safing sensor dropout"))
    assert (rows["trouble"][faulty] & dropouts).all()
    assert any("sensor dropout inhibits firing" in row["why"] for row in found.payload["failures"])


def test_any_number_of_workers_writes_the_same_bytes(plan: Callable[[str], Path], tmp_path: Path) -> None:
    path = plan(PLAN)
    for name, workers in (("alone", None), ("three", Processes(3))):
        campaign_stage(path, tmp_path / name, workers=workers)
    assert content(tmp_path / "alone") == content(tmp_path / "three")
    assert not list(tmp_path.glob(".*"))


class Stopped(Exception):
    """Raised by the watcher of a test."""


def test_a_campaign_that_was_stopped_anywhere_goes_on_to_the_same_bytes(
    plan: Callable[[str], Path], tmp_path: Path
) -> None:
    path = plan(PLAN)
    campaign_stage(path, tmp_path / "whole")
    n_shards = read_campaign(path).work.n_shards
    assert n_shards == 6
    for n in range(1, n_shards, 2):

        def stop(done: int, status: str, n: int = n) -> None:
            if status.startswith(f"{n} of"):
                raise Stopped

        out = tmp_path / f"stopped-{n}"
        with pytest.raises(Stopped):
            campaign_stage(path, out, advance=stop)
        assert not out.exists()
        campaign_stage(path, out, workers=Processes(2) if n == 3 else None)
        assert content(out) == content(tmp_path / "whole")


def test_unfinished_work_of_another_plan_is_not_taken(plan: Callable[[str], Path], tmp_path: Path) -> None:
    def stop(done: int, status: str) -> None:
        if status.startswith("2 of"):
            raise Stopped

    with pytest.raises(Stopped):
        campaign_stage(plan(PLAN), tmp_path / "out", advance=stop)
    other = plan(PLAN.replace("seed = 3", "seed = 4"))
    with pytest.raises(WouldOverwriteError, match="unfinished work of another plan"):
        campaign_stage(other, tmp_path / "out")
    campaign_stage(other, tmp_path / "out", force=True)
    campaign_stage(other, tmp_path / "fresh")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_a_damaged_shard_is_done_again(
    plan: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(done: int, status: str) -> None:
        if status.startswith("4 of"):
            raise Stopped

    path = plan(PLAN)
    with pytest.raises(Stopped):
        campaign_stage(path, tmp_path / "out", advance=stop)
    journal = tmp_path / ".out.campaign"
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(data)
    campaign_stage(path, tmp_path / "out")
    assert "damaged" in caplog.text
    campaign_stage(path, tmp_path / "fresh")
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_a_disk_that_fills_up_while_results_are_merged_keeps_the_shards(
    plan: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plan(PLAN)
    real = monte_carlo.write_events

    def full(parts: Any, to: Path) -> None:
        list(parts)
        raise OSError(28, "No space left on device", str(to))

    monkeypatch.setattr(monte_carlo, "write_events", full)  # no quota can be set on a folder of tests
    with pytest.raises(OutputError, match="No space left on device"):
        campaign_stage(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(monte_carlo, "write_events", real)
    monkeypatch.setattr(monte_carlo, "run_shard", None)  # nothing is left to do but merging
    campaign_stage(path, tmp_path / "out")
    assert (tmp_path / "out" / DATA).is_file()


def test_only_failures_may_be_kept(plan: Callable[[str], Path], tmp_path: Path) -> None:
    every = campaign_stage(plan(PLAN), tmp_path / "all")
    failures = campaign_stage(plan(PLAN.replace("[events]", 'keep = "failures"\n[events]', 1)), tmp_path / "failures")
    assert failures.payload == every.payload
    rows = read_events(tmp_path / "all" / DATA)
    bad = rows[np.isin(rows["verdict"], [VERDICTS.index(name) for name in monte_carlo.BAD])]
    assert 0 < bad.size < rows.size
    assert read_events(tmp_path / "failures" / DATA).tobytes() == bad.tobytes()


def test_pieces_cover_every_event_once_and_need_no_list() -> None:
    counts = {"hammer": 257, "rigid_barrier": 256, "kerb_straight": 0, "deer": 1, "ditch": 10_000_000}
    found = Pieces(CorpusPlan(counts=counts))
    total: dict[str, int] = {}
    for mode, shard, n_events in found:
        assert shard * SHARD_EVENTS == total.get(mode, 0)
        total[mode] = total.get(mode, 0) + n_events
    assert total == {mode: n for mode, n in counts.items() if n}
    assert len(found) == 1 + 2 + 1 + -(-10_000_000 // SHARD_EVENTS)
    assert found[1:3] == [found[1], found[2]]
    with pytest.raises(IndexError):
        found[len(found)]


FAULTY = PLAN.replace("300", "60").replace("257", "60") + "[faults]\nshare = 0.3\neach = 7\n"


def test_random_faults_are_counted_by_family_and_what_ends_badly_is_explained(
    plan: Callable[[str], Path], tmp_path: Path
) -> None:
    path = plan(FAULTY)
    found = campaign_stage(path, tmp_path / "out").payload["faults"]
    counts, bad = [r for r in found if "why" not in r], [r for r in found if "why" in r]
    for row in counts:
        assert row["faults"] == sum(row[name] for name in OUTCOMES)
        ended = {
            name: sum(b["faults"] for b in bad if (b["family"], b["class"], b["outcome"]) == (*of(row), name))
            for name in ("omitted fire", "unintended fire")
        }
        assert ended == {name: row[name] for name in ended}
    flips = {kind: sum(r["faults"] for r in counts if r["family"] == kind) for kind in (STATE, PARAMETERS)}
    n_events, rest = divmod(flips[STATE], 7)
    assert rest == 0
    assert 15 < n_events < 70
    assert flips[PARAMETERS] == flips[STATE]
    assert sum(r["faults"] for r in counts) == 3 * flips[STATE]
    assert {r["class"] for r in counts} == {"crash", "misuse"}
    assert not [r for r in bad if r["family"] in (STATE, PARAMETERS) and r["outcome"] == "unintended fire"]


def of(row: dict[str, Any]) -> tuple[str, str]:
    return row["family"], row["class"]


def test_random_faults_change_neither_events_nor_with_the_number_of_workers(
    plan: Callable[[str], Path], tmp_path: Path
) -> None:
    path = plan(FAULTY)
    faulty = campaign_stage(path, tmp_path / "alone")
    campaign_stage(path, tmp_path / "two", workers=Processes(2))
    assert content(tmp_path / "alone") == content(tmp_path / "two")
    whole = campaign_stage(plan(FAULTY.partition("[faults]")[0]), tmp_path / "whole")
    assert (tmp_path / "whole" / DATA).read_bytes() == (tmp_path / "alone" / DATA).read_bytes()
    assert {**faulty.payload, "faults": []} == whole.payload


def test_counts_of_faults_add_up() -> None:
    first, second, both = Upsets(), Upsets(), Upsets()
    first.counts = {("a", "crash"): [1, 2, 3, 4]}
    second.counts = {("a", "crash"): [1, 0, 0, 1], ("b", "misuse"): [0, 5, 0, 0]}
    first.bad = {("a", "crash", "omitted fire", "late"): 3}
    second.bad = {("a", "crash", "omitted fire", "late"): 2, ("a", "crash", "omitted fire", "never"): 1}
    for part in (first, second):
        both.merge(part.as_json())
    assert both.counts == {("a", "crash"): [2, 2, 3, 5], ("b", "misuse"): [0, 5, 0, 0]}
    assert both.bad == {("a", "crash", "omitted fire", "late"): 5, ("a", "crash", "omitted fire", "never"): 1}


def test_names_in_the_event_table_can_be_read_by_others(plan: Callable[[str], Path], tmp_path: Path) -> None:
    campaign_stage(plan(PLAN), tmp_path / "out")
    with h5py.File(tmp_path / "out" / DATA) as file:
        names = {value: name for name, value in h5py.check_enum_dtype(file["mode"].dtype).items()}
        assert {names[k] for k in file["mode"][()]} == {"rigid_barrier", "hammer", "kerb_straight", "misuse_then_crash"}


@settings(max_examples=10)
@given(
    cuts=st.lists(st.integers(0, 40_000), max_size=5),
    seed=st.integers(0, 100),
)
def test_the_event_table_does_not_tell_how_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("table")
    rows = np.zeros(40_000, EVENT_DTYPE)
    rng = np.random.default_rng(seed)
    for name in ("mode", "number", "stage_1", "rttf_s"):
        rows[name] = rng.integers(0, 5, rows.size)
    write_events([rows], folder / "whole")
    write_events(np.split(rows, sorted(cuts)), folder / "cut")
    assert (folder / "whole").read_bytes() == (folder / "cut").read_bytes()
    assert read_events(folder / "cut").tobytes() == rows.tobytes()


@given(seed=st.integers(0, 1000), cut=st.integers(0, 60))
def test_tallies_of_parts_add_up_to_the_tally_of_the_whole(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.zeros(60, EVENT_DTYPE)
    for name, top in (("label", 4), ("verdict", 7), ("trouble", 4096), ("end", 10)):
        rows[name] = rng.integers(0, top, rows.size)
    for name in ("stage_1", "stage_2", "request", "arming"):
        rows[name] = rng.integers(-1, 100, rows.size)
    rows["rttf_s"] = np.where(rng.random(60) < 0.3, np.nan, rng.uniform(0, 0.05, 60))
    whole, first, second = Tally(), Tally(), Tally()
    whole.add(rows, 600, 0.0005)
    first.add(rows[:cut], 10 * cut, 0.0005)
    second.add(rows[cut:], 600 - 10 * cut, 0.0005)
    merged = Tally()
    merged.merge(first.as_json())
    merged.merge(second.as_json())
    assert merged.as_json() == whole.as_json()


def test_bounds_are_those_of_the_binomial_distribution() -> None:
    def counts(label: str, verdicts: dict[str, int]) -> dict[str, Any]:
        n = sum(verdicts.values())
        tally = Tally(events=n)
        tally.labels[label] = n
        tally.verdicts.update(verdicts)
        return dict(tally.as_json())

    found = summary(
        {
            "a": counts("must_fire", {"in time": 95, "late": 2, "missed": 2, "premature": 1}),
            "b": counts("no_fire", {"silent": 1000}),
            "c": counts("no_fire", {"silent": 500}),
        },
        0.95,
    )
    bounds = {(row["failure"], row["mode"]): row for row in found["bounds"]}
    assert len(bounds) == 5
    silent = bounds["false fire", "all"]
    assert (silent["events"], silent["failures"], silent["low"]) == (1500, 0, 0.0)
    assert silent["upper"] == pytest.approx(1 - 0.05 ** (1 / 1500))
    assert silent["high"] == pytest.approx(1 - 0.025 ** (1 / 1500))
    assert silent["rule_of_three"] == 3 / 1500
    assert silent["rule_of_three"] == pytest.approx(silent["upper"], rel=0.01)
    crash = bounds["late or missed or premature", "a"]
    assert (crash["failures"], crash["rule_of_three"]) == (5, None)
    # Of the bound itself: so few failures would be seen with the remaining probability only.
    from scipy.stats import binom

    assert binom.cdf(5, 100, crash["upper"]) == pytest.approx(0.05)
    assert binom.cdf(5, 100, crash["high"]) == pytest.approx(0.025)
    assert binom.sf(4, 100, crash["low"]) == pytest.approx(0.025)
    assert bounds["late or missed or premature", "all"] == {**crash, "mode": "all"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("monte_carlo", "monte_karlo"), "did you mean 'monte_carlo'"),
        (('kind = "monte_carlo"', ""), "key 'kind' is missing; expected one of"),
        (("export =", "exports ="), "unknown key 'exports'; did you mean 'export'"),
        (("hammer", "hamer"), "counts.hamer: unknown mode; did you mean 'hammer'"),
        (("seed = 3", "sead = 3"), "unknown key 'events.sead'; did you mean 'seed'"),
        (("= 300", "= -1"), "greater than or equal to 0"),
        (("[events]", "keep = 7\n[events]"), "keep = 7"),
        (("[events]", "confidence = 1.0\n[events]"), "confidence = 1.0"),
        (("[events.counts]", "[events.counts"), "not valid TOML"),
    ],
)
def test_an_impossible_plan_is_refused_with_its_key(
    plan: Callable[[str], Path], tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told.replace("[", r"\[")) as caught:
        campaign_stage(plan(PLAN.replace(*change, 1)), tmp_path / "out")
    assert "plan.toml" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_sensors_that_the_export_does_not_read_are_refused(plan: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"plan\.toml: main lsb_g is 1/8, the model reads 1/16"):
        campaign_stage(plan(PLAN + '[events.sensors.main]\nlsb_g = "1/8"\n'), tmp_path / "out")


def test_an_export_that_was_changed_is_refused(plan: Callable[[str], Path], tmp_path: Path) -> None:
    path = plan(PLAN)
    with (tmp_path / "export" / "crumple_model.c").open("a", encoding="ascii") as file:
        file.write("/* more */\n")
    with pytest.raises(ArtefactError, match="changed after it was written"):
        campaign_stage(path, tmp_path / "out")


def test_an_export_that_is_not_there_is_named(plan: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="nowhere"):
        campaign_stage(plan(PLAN.replace('"export"', '"nowhere"')), tmp_path / "out")


def run(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crumple", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def until_shards_are_done(process: subprocess.Popen[str], journal: Path) -> None:
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size > 2000):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


MANY = PLAN.replace("300", "4500").replace("257", "4500")


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signals here")
@pytest.mark.slow
def test_a_killed_or_interrupted_process_resumes(plan: Callable[[str], Path], tmp_path: Path, how: str) -> None:
    path = plan(MANY)
    process = run("campaign", path, "--out", tmp_path / "out", "--workers", "2")
    until_shards_are_done(process, tmp_path / ".out.campaign")
    process.send_signal(getattr(signal, how))
    _, told = process.communicate(timeout=30)
    if how == "SIGINT":
        assert process.returncode == 130
        assert "run the same command to go on" in told
    kept = (tmp_path / ".out.campaign").stat().st_size
    assert kept > 2000
    assert not (tmp_path / "out").exists()
    process = run("campaign", path, "--out", tmp_path / "out", "--workers", "1", "--json")
    result, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert json.loads(result)["campaign"]["bounds"][0]["events"] > 4500
    run("campaign", path, "--out", tmp_path / "fresh", "--workers", "2").communicate(timeout=120)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_the_command_tells_counts_and_bounds(
    plan: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plan(PLAN)
    assert main(["campaign", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    told = capsys.readouterr()
    assert "probability of failure in this mixture of modes, 95 % confidence" in told.out
    assert "misuse_then_crash" in told.out
    assert main(["campaign", str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["campaign"]
    assert found == json.loads((tmp_path / "out" / FILE).read_bytes())["payload"]
    assert {row["mode"]: row["events"] for row in found["modes"]}["hammer"] == 257


def test_a_scheduler_that_does_not_answer_is_one_line_and_exit_code_4(
    plan: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setattr("crumple.cluster.CONNECT_S", 1.0)
    path = plan(PLAN)
    assert main(["campaign", str(path), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:1"]) == 4
    told = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("crumple: ") for line in told) == 1
    assert "no Dask scheduler answers there" in told[-1]
    campaign_stage(path, tmp_path / "out")  # nothing stands in the way of trying again


def test_workers_here_and_elsewhere_at_once_are_refused(
    plan: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["campaign", str(plan(PLAN)), "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "give one of the two" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cluster_with_a_worker_killed_in_mid_run_writes_the_same_bytes(
    plan: Callable[[str], Path], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    del distributed
    path = plan(MANY)
    options = ["--no-dashboard"]
    environment = dict(os.environ)

    def started(module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{module}.log").open("ab") as log:
            command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, *options]
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)

    where = tmp_path / "scheduler.json"
    processes = [started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(where))]
    try:
        deadline = time.monotonic() + 60
        while not (where.exists() and where.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        address = json.loads(where.read_text())["address"]
        for _ in range(2):
            processes.append(started("dask_worker", address, "--nthreads", "1", "--no-nanny"))
        killed = []

        def kill(done: int, status: str) -> None:
            if not status.startswith("0 of") and not killed:
                killed.append(processes[1].pid)
                processes[1].kill()

        campaign_stage(path, tmp_path / "cluster", workers=Cluster(address), advance=kill)
        assert killed
    finally:
        for process in processes:
            process.kill()
            process.wait()
    campaign_stage(path, tmp_path / "alone")
    assert content(tmp_path / "cluster") == content(tmp_path / "alone")
