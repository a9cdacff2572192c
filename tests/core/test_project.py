"""Projects: what init writes, that run does what is needed and no more, and that status says why."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from crumple import chain as chain_module
from crumple.__main__ import main
from crumple.artefact import Artefact, Stage, stage_of
from crumple.config import plain
from crumple.model.training import TrainingPlan
from crumple.project import PROJECT_FILE, project_text, read_project, requirements_text
from crumple.signals.generate import CorpusPlan

SMALL = """
requirements = "requirements.toml"
[corpus.counts]
rigid_barrier = 12
hammer = 12
[test]
seed = 1
[test.counts]
rigid_barrier = 6
hammer = 6
[training]
n_steps = 40
n_rounds = 1
[evaluation]
immunity_events = 2
corner_events = 1
superposition_events = 1
map_steps = 2
"""

EASY = """
[[requirement]]
id = "W1"
property = "P8 numeric equivalence"
text = "Every accumulator stays within its type."
claim = "accumulators_fit"
rationale = "test"
origin = "test"
[requirement.set]
kind = "all_inputs"
"""

Run = tuple[int, str, str]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process; returns exit code, stdout, stderr."""

    def call(*arguments: object) -> Run:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project that was run; tests that change it work on a copy."""
    root = tmp_path_factory.mktemp("project") / "p"
    root.mkdir()
    (root / PROJECT_FILE).write_text(SMALL, encoding="utf-8")
    (root / "requirements.toml").write_text(EASY, encoding="utf-8")
    assert main(["--quiet", "run", "--project", str(root)]) == 0
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "p"))


def states(run: Any, root: Path) -> dict[str, tuple[str, str]]:
    _, out, _ = run("status", "--project", root, "--json")
    return {row["stage"]: (row["state"], row["why"]) for row in json.loads(out)["stages"]}


def test_init_writes_a_project_that_reads_back_as_the_defaults(tmp_path: Path, run: Any) -> None:
    code, _, _ = run("init", tmp_path / "new")
    plan = read_project(tmp_path / "new")
    assert code == 0
    assert plan.corpus == CorpusPlan()
    assert plan.training == TrainingPlan()
    assert plan.test is not None
    assert plan.test.seed != plan.corpus.seed
    assert (tmp_path / "new" / "requirements.toml").read_text(encoding="utf-8") == requirements_text()


def test_every_commented_line_of_the_project_states_the_default(tmp_path: Path) -> None:
    """Uncommenting all of them changes nothing, so that no comment can be wrong."""
    text = re.sub(r"^# (\w+ = [^ ].*)$", r"\1", project_text().partition("\n[training]")[2], flags=re.MULTILINE)
    (tmp_path / PROJECT_FILE).write_text("[training]" + text, encoding="utf-8")
    commented = read_project(tmp_path)
    (tmp_path / PROJECT_FILE).write_text("", encoding="utf-8")
    default = read_project(tmp_path)
    assert "n_hidden = 15" in text
    for part in ("training", "evaluation", "import_settings"):
        assert plain(getattr(commented, part)) == plain(getattr(default, part))
    assert commented.export == default.export


def test_init_replaces_nothing(tmp_path: Path, run: Any) -> None:
    (tmp_path / "requirements.toml").write_text("mine", encoding="utf-8")
    code, _, err = run("init", tmp_path)
    assert code == 2
    assert "requirements.toml" in err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["requirements.toml"]


def test_a_finished_project_is_up_to_date_and_a_second_run_makes_nothing(project: Path, run: Any) -> None:
    before = {p: p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()}
    code, out, _ = run("run", "--project", project, "--json")
    assert code == 0
    assert not any(row["ran"] for row in json.loads(out)["stages"])
    assert json.loads(out)["verdicts"] == {"W1": "proved"}
    assert {p: p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()} == before
    assert run("status", "--project", project)[0] == 0


def test_status_says_which_setting_made_what_stale_and_runs_nothing(project: Path, run: Any) -> None:
    text = SMALL.replace("n_steps = 40", "n_steps = 41").replace("map_steps = 2", "map_steps = 3")
    (project / PROJECT_FILE).write_text(text, encoding="utf-8")
    found = states(run, project)
    assert found["corpus"] == ("current", "")
    assert found["model"] == ("stale", "training.n_steps was 40, is 41")
    assert found["proof"] == ("stale", "model is stale")
    assert found["simulation"] == ("stale", "export is stale")
    assert run("status", "--project", project)[0] == 1


def test_a_run_makes_only_what_is_stale_and_says_why(project: Path, run: Any) -> None:
    (project / PROJECT_FILE).write_text(SMALL.replace("map_steps = 2", "map_steps = 3"), encoding="utf-8")
    code, out, err = run("run", "--project", project, "--json")
    assert code == 0
    assert [row["stage"] for row in json.loads(out)["stages"] if row["ran"]] == ["evaluation"]
    assert "evaluation: stale: evaluation.map_steps was 2, is 3" in err


def test_a_damaged_stage_is_named_and_mended_by_the_command_that_status_gives(project: Path, run: Any) -> None:
    (project / "model" / "net.json").write_bytes(b"{}")
    _, out, _ = run("status", "--project", project, "--json")
    row = next(row for row in json.loads(out)["stages"] if row["stage"] == "model")
    assert row["state"] == "damaged"
    assert row["mend"] == "crumple run --force model"
    assert run("run", "--project", project)[0] == 3
    assert run("run", "--force", "model", "--project", project)[0] == 0
    assert run("status", "--project", project)[0] == 0


def test_an_interrupted_run_goes_on_where_it_stopped(project: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / PROJECT_FILE).write_text(SMALL.replace("n_steps = 40", "n_steps = 41"), encoding="utf-8")
    original = Stage.run

    def interrupted(self: Stage, work: Any, **options: Any) -> Artefact:
        def press(folder: Path) -> Any:
            if self.name == "export.json":
                (folder / "half").write_bytes(b"")
                raise KeyboardInterrupt
            return work(folder)

        return original(self, press, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Stage, "run", interrupted)
        code, _, err = run("run", "--project", project)
    assert code == 130
    assert "run the same command" in err
    assert not [entry for entry in project.iterdir() if entry.name.startswith(".")]
    assert states(run, project)["proof"] == ("current", "")
    code, out, _ = run("run", "--project", project, "--json")
    assert code == 0
    made = [row["stage"] for row in json.loads(out)["stages"] if row["ran"]]
    assert made == ["export", "validation", "simulation", "evaluation"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[trainin]\n", "did you mean 'training'?"),
        ("[training]\nn_step = 3\n", "did you mean 'n_steps'?"),
        ("[corpus.counts]\nhamer = 3\n", "did you mean 'hammer'?"),
        ('[export]\nprofile = "big"\n', "exact16"),
        ('[recordings.a]\npaths = ["nowhere/*.csv"]\n', "nothing at 'nowhere/*.csv'"),
        ('[recordings."../a"]\npaths = ["x"]\n', "letters, digits"),
        ('requirements = "none.toml"\n', "none.toml"),
        ("[sensors.main]\nsample_rate_hz = 1000\n", "same rate"),
    ],
)
def test_a_mistake_in_the_project_file_is_told_with_the_file_and_a_hint(
    tmp_path: Path, run: Any, text: str, words: str
) -> None:
    (tmp_path / PROJECT_FILE).write_text(text, encoding="utf-8")
    code, out, err = run("run", "--project", tmp_path)
    assert (code, out) == (2, "")
    assert ".toml" in err
    assert words in err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [PROJECT_FILE]


def test_without_a_project_init_is_named(tmp_path: Path, run: Any) -> None:
    code, _, err = run("status", "--project", tmp_path)
    assert code == 2
    assert "crumple init" in err


def test_a_mistyped_stage_suggests_the_nearest(project: Path, run: Any) -> None:
    code, _, err = run("run", "modle", "--project", project)
    assert code == 2
    assert "did you mean 'model'?" in err


def test_a_recording_that_is_refused_blocks_with_its_own_words(project: Path, run: Any) -> None:
    (project / "junk.bin").write_bytes(b"\x00\x01\x02")
    (project / PROJECT_FILE).write_text(SMALL + '[recordings.junk]\npaths = ["junk.bin"]\n', encoding="utf-8")
    state, why = states(run, project)["recording-junk"]
    assert state == "blocked"
    assert "junk.bin" in why


def test_asking_for_a_stage_writes_nothing(tmp_path: Path) -> None:
    from crumple.signals.stages import generate_stage

    plan = CorpusPlan(counts={"hammer": 1})
    stage = stage_of(lambda: generate_stage(plan, tmp_path / "corpus"))
    assert stage is not None
    assert stage.out == tmp_path / "corpus"
    assert list(tmp_path.iterdir()) == []
    generate_stage(plan, tmp_path / "corpus")  # afterwards stages run again
    assert (tmp_path / "corpus" / "corpus.json").is_file()


def test_every_step_stands_after_those_that_it_needs(finished: Path) -> None:
    seen: set[str] = set()
    for step in chain_module.chain(finished, read_project(finished)):
        assert set(step.needs) <= seen
        seen.add(step.name)
