"""The list of single faults: what each comes to, told from outside; its judge, its pieces, its bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import CorpusError
from crumple.export.exported import FILE as EXPORT_FILE
from crumple.export.exported import SCHEMA as EXPORT_SCHEMA
from crumple.firmware_sim.build import build_controller
from crumple.firmware_sim.fault_list import Sensor, spoilt
from crumple.firmware_sim.fault_outcome import OUTCOMES, UNEXPLAINED, explanation, outcomes
from crumple.firmware_sim.fault_run import coverage, ranges
from crumple.firmware_sim.fault_stage import faults_stage
from crumple.firmware_sim.inject import RESULT_DTYPE, Injector
from crumple.firmware_sim.replay import TROUBLES, Controller
from crumple.firmware_sim.scenes import Scene, choose_scenes
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, Event, corpus_stage, write_corpus
from crumple.signals.sensor import SensorPair
from crumple.toolchain import find_compiler

N, CONTACT = 400, 40


def event(name: str, mode: str, label: str, main: np.ndarray, safing: np.ndarray, rttf_s: float = 0.02) -> Event:
    return Event(
        name=name, mode=mode, source="synthetic", label=label, rttf_s=rttf_s if label == "must_fire" else np.nan,
        speed_kmh=np.nan, first_sample_s=-CONTACT / 2000, main_lsb=main.astype(np.int16),
        safing_lsb=safing.astype(np.int16), provenance="made by a test", physical_decel_g=np.zeros(0),
        physical_rate_hz=0.0,
    )  # fmt: skip


def crash(top: int) -> tuple[np.ndarray, np.ndarray]:
    wave = np.where(np.arange(N) < CONTACT, 0, top - np.arange(N) % 7)
    return wave, np.minimum(wave // 4, 480)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Two crashes, one of them barely in time; a bump that arms; a hammer that only the main sensor feels."""
    bump = np.where((np.arange(N) >= CONTACT) & (np.arange(N) < 100), 30 - np.arange(N) % 5, 0)
    blow = np.where((np.arange(N) >= 50) & (np.arange(N) < 54), 40, 0)
    return Corpus(
        SensorPair(),
        (
            event("wall_0", "wall", "must_fire", *crash(1900)),
            event("wall_1", "wall", "must_fire", *crash(1200), rttf_s=0.002),
            event("bump_0", "bump", "no_fire", bump, bump),
            event("hammer_0", "hammer", "no_fire", blow, np.zeros(N)),
            event("grey_0", "wall_8mph", "grey", *crash(1900)),
        ),
    )


@pytest.fixture(scope="module")
def bench(exported: Path, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Controller, Injector]:
    library = build_controller(exported, tmp_path_factory.mktemp("faults"), find_compiler())
    return Controller(library), Injector(library)


@pytest.fixture(scope="module")
def scenes(bench: tuple[Controller, Injector], corpus: Corpus) -> dict[str, Scene]:
    return {scene.mode: scene for scene in choose_scenes(corpus, *bench)[0]}


@pytest.fixture(scope="module")
def folders(
    exported: Path, deployed: DeployedModel, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """An export folder and a corpus folder, as the other commands write them."""
    root = tmp_path_factory.mktemp("project")

    def files(out: Path) -> dict[str, Any]:
        for path in exported.iterdir():
            shutil.copy(path, out / path.name)
        return {"model": deployed.payload()}

    Stage(root / "export", EXPORT_FILE, EXPORT_SCHEMA, {}, {}).run(files)
    corpus_stage(root / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    return root / "export", root / "corpus"


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("out") / "faults"
    return out, faults_stage(*folders, out).payload


def run(bench: tuple[Controller, Injector], scene: Scene, column: str, words: Any, at: int) -> Any:
    inputs = scene.inputs.copy()
    inputs[column][at:] = words
    return bench[1].spoilt(inputs[None], scene.expected)


def test_the_tightest_crash_and_the_misuse_that_arms_are_chosen(scenes: dict[str, Scene]) -> None:
    assert set(scenes) == {"rest", "wall", "bump", "hammer"}
    assert scenes["wall"].name == "wall_1"
    assert (scenes["wall"].contact, scenes["wall"].required) == (CONTACT, CONTACT + 4)
    assert scenes["bump"].expected["armed"].any()
    assert scenes["wall"].moments[0] == ("the start", 0)
    assert "firing" in dict(scenes["wall"].moments)


def test_a_corpus_with_nothing_to_spoil_is_refused(bench: tuple[Controller, Injector], corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="no crash"):
        choose_scenes(Corpus(corpus.sensors, corpus.events[2:4]), *bench)
    with pytest.raises(CorpusError, match="no misuse"):
        choose_scenes(Corpus(corpus.sensors, corpus.events[:2]), *bench)


def test_a_mode_that_goes_wrong_without_a_fault_is_left_out_and_said(
    bench: tuple[Controller, Injector], corpus: Corpus
) -> None:
    late = event("late_0", "late_wall", "must_fire", *crash(1900), rttf_s=0.0001)
    scenes, left_out = choose_scenes(Corpus(corpus.sensors, (*corpus.events, late)), *bench)
    assert "late_wall" not in {scene.mode for scene in scenes}
    assert left_out == ["late_wall: none of 1 must-fire events fires in time without a fault"]


def test_outcomes_are_told_from_what_flows_and_when(scenes: dict[str, Scene]) -> None:
    wall, bump = scenes["wall"], scenes["bump"]
    healthy: dict[str, Any] = {"stage": (42, 62), "full": (4, 4), "noticed": -1}
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({}, "harmless", "unintended fire"),
        ({"noticed": 3}, "detected", "unintended fire"),
        ({"stage": (-1, -1)}, "omitted fire", "harmless"),
        ({"stage": (-1, -1), "noticed": 3}, "omitted fire", "detected"),
        ({"stage": (44, 64)}, "harmless", "unintended fire"),
        ({"stage": (45, 65)}, "omitted fire", "unintended fire"),
        ({"full": (3, 4)}, "omitted fire", "unintended fire"),
        ({"full": (4, 3)}, "omitted fire", "unintended fire"),
        ({"stage": (39, 59)}, "unintended fire", "unintended fire"),
        ({"stage": (-1, 50)}, "omitted fire", "unintended fire"),
    )
    for change, in_crash, in_misuse in cases:
        results = np.zeros(1, RESULT_DTYPE)
        for name, value in {**healthy, **change}.items():
            results[name] = value
        assert OUTCOMES[outcomes(wall, results)[0]] == in_crash, change
        assert OUTCOMES[outcomes(bump, results)[0]] == in_misuse, change


def test_samples_put_before_a_scene_move_its_contact_and_its_required_time(scenes: dict[str, Scene]) -> None:
    results = np.zeros(1, RESULT_DTYPE)
    results["stage"], results["full"], results["noticed"] = (144, 164), (4, 4), -1
    assert OUTCOMES[outcomes(scenes["wall"], results, shift=100)[0]] == "harmless"
    assert OUTCOMES[outcomes(scenes["wall"], results, shift=99)[0]] == "omitted fire"
    assert OUTCOMES[outcomes(scenes["wall"], results, shift=105)[0]] == "unintended fire"


def test_an_omitted_fire_names_the_mechanism(bench: tuple[Controller, Injector], scenes: dict[str, Scene]) -> None:
    wall = scenes["wall"]
    fire, still = dict(wall.moments)["firing"], wall.inputs["main_word"][0]
    cases = {
        "'main sensor dropout' leads to FAULT, which inhibits firing until a reset": ("main_word", 0xFFFF_FFFF, 0),
        "never armed: what the safing path reads shows no crash": ("safing_word", 0, 0),
        "the net never requests: what the main path reads shows it no crash": ("main_word", still, 0),
        "loop 1 is shorted and inhibited": ("loops", (2200, 1), 0),
        "a reset by 'watchdog' cuts the current of the first stage; the unit is locked": ("clock_us", 7, fire + 1),
        "a reset by 'watchdog' between the stages; the unit is locked and the second stage stays off":
            ("clock_us", 7, fire + 6),
        "loop 1 cannot carry the profile: 'loop 1' and 'loop 2' and 'weak current'": ("loops", (65535, 0), 0),
    }  # fmt: skip
    for why, (column, value, at) in cases.items():
        result = run(bench, wall, column, value, at)
        assert OUTCOMES[outcomes(wall, result)[0]] == "omitted fire"
        assert explanation(wall, result[0], "omitted fire") == why


def test_an_outcome_that_no_mechanism_explains_is_not_explained_away(scenes: dict[str, Scene]) -> None:
    result = np.zeros(1, RESULT_DTYPE)[0]
    result["stage"], result["mode"], result["reset"] = (-1, -1), 2, -1
    assert explanation(scenes["wall"], result, "omitted fire") == UNEXPLAINED
    result["stage"], result["both"] = (10, 30), 11
    assert explanation(scenes["bump"], result, "unintended fire").endswith("not by the decision")


def test_every_fault_changes_something_of_what_it_names(
    bench: tuple[Controller, Injector], scenes: dict[str, Scene]
) -> None:
    wall = scenes["wall"]
    sensors = (Sensor("main", 1 / 16, 1920), Sensor("safing", 1 / 4, 480))
    faults = list(spoilt(wall, bench[0], sensors, 0))
    names = [(one.family, one.name, one.begins) for one in faults]
    assert len(set(names)) == len(names)
    columns = {"main": {"main_word"}, "safing": {"safing_word"}, "sensors": {"main_word", "safing_word"}}
    columns |= {"clock": {"clock_us"}, "watchdog": {"clock_us"}, "battery": {"battery_mv"}, "brown-out": {"battery_mv"}}
    begins = dict(wall.moments)
    for one in faults:
        changed = {name for name in wall.inputs.dtype.names or () if (one.inputs[name] != wall.inputs[name]).any()}
        allowed = columns.get(one.family.split()[0], {"loops"})
        assert changed <= allowed, one
        at = begins[one.begins]
        assert (one.inputs[:at] == wall.inputs[:at]).all(), one
    again = list(spoilt(wall, bench[0], sensors, 0))
    assert all((a.inputs == b.inputs).all() for a, b in zip(faults, again, strict=True))


def test_coverage_counts_what_mattered(  # 10 runs, 4 harmless, 3 detected, 2 omitted and noticed, 1 silent
) -> None:
    total = {"faults": 10, "harmless": 4, "detected": 3, "omitted, noticed": 2}
    assert coverage(total) == 83.333
    assert coverage({"faults": 4, "harmless": 4, "detected": 0, "omitted, noticed": 0}) is None


def test_numbers_of_bits_are_told_as_ranges() -> None:
    assert ranges([3, 5, 6, 7, 9]) == ["bit 3", "bits 5 to 7", "bit 9"]


def test_the_list_holds_every_bit_and_every_family_in_every_class(
    found: tuple[Path, dict[str, Any]], bench: tuple[Controller, Injector]
) -> None:
    payload = found[1]
    assert payload["image"]["bits"] == payload["image"]["verdicts"]["damaged"] + sum(
        n for verdict, n in payload["image"]["verdicts"].items() if verdict != "damaged"
    )
    cells = {(row["family"], row["class"]) for row in payload["table"]}
    assert cells == {(family, kind) for family, _ in cells for kind in ("quiet", "misuse", "crash")}
    rest = next(e for e in payload["events"] if e["class"] == "quiet")
    state = next(r for r in payload["table"] if (r["family"], r["class"]) == ("bits of the state", "quiet"))
    assert state["faults"] == 8 * bench[1].n_state_bytes * len(rest["moments"])
    for row in payload["table"]:
        assert row["faults"] == sum(row[name] for name in OUTCOMES), row


def test_every_run_that_ended_badly_is_in_the_list_with_its_reason(found: tuple[Path, dict[str, Any]]) -> None:
    payload = found[1]
    for name in ("omitted fire", "unintended fire"):
        listed = sum(one["faults"] for one in payload["rest"] if one["outcome"] == name)
        assert listed == payload["total"][name]
    assert UNEXPLAINED not in {one["why"] for one in payload["rest"]}
    assert payload["total"]["omitted fire"] > 0


def test_no_flipped_bit_changes_a_decision_or_fires_outside_a_crash(found: tuple[Path, dict[str, Any]]) -> None:
    goals = {goal["goal"]: goal for goal in found[1]["goals"]}
    assert len(goals) == 6
    for goal, one in goals.items():
        if "bit" in goal or "explained" in goal:
            assert one["holds"], one
    for row in found[1]["table"]:
        if not row["family"].startswith("main sensor") and not row["family"].startswith("safing sensor"):
            assert row["class"] == "crash" or row["unintended fire"] == 0, row


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(
    folders: tuple[Path, Path], found: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, state = tmp_path / "faults", tmp_path / ".faults.faults.jsonl"
    told: list[str] = []

    def stop(_done: int, piece: str) -> None:
        told.append(piece)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        faults_stage(*folders, out, advance=stop)
    kept = state.read_text().splitlines()
    assert len(kept) == 4
    assert not out.exists()
    foreign = json.dumps({"key": "another", "piece": told[-1], "rows": "wrong"})
    state.write_text("\n".join([*kept, foreign, kept[0][: len(kept[0]) // 2]]))
    faults_stage(*folders, out)
    assert (out / "faults.json").read_bytes() == (found[0] / "faults.json").read_bytes()
    assert not state.exists()


def test_the_command_prints_the_goals_and_says_by_its_code_whether_one_is_missed(
    folders: tuple[Path, Path], found: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(folder) for folder in folders]
    code = main(["faults", *words, "--out", str(found[0]), "--json"])
    printed = json.loads(capsys.readouterr().out)["faults"]
    assert printed["goals"] == found[1]["goals"]
    assert code == (0 if all(goal["holds"] for goal in printed["goals"]) else 1)
    main(["faults", *words, "--out", str(found[0])])
    assert "no flipped bit of the state changes a decision" in capsys.readouterr().out


def test_a_corpus_of_other_sensors_is_refused(folders: tuple[Path, Path], corpus: Corpus, tmp_path: Path) -> None:
    from crumple.signals.sensor import SensorSpec

    other = Corpus(SensorPair(main=SensorSpec(lsb_g="1/8")), corpus.events)
    corpus_stage(tmp_path / "other", {}, {}).run(lambda out: write_corpus(other, out))
    with pytest.raises(CorpusError, match="main lsb_g"):
        faults_stage(folders[0], tmp_path / "other", tmp_path / "faults")


def test_troubles_have_as_many_names_as_the_controller_has_codes() -> None:
    text = (Path(__file__).parents[2] / "firmware_sim" / "c" / "controller.h").read_text()
    assert text.count("#define TROUBLE_") == len(TROUBLES)
