"""`crumple generate` and `crumple import`, as they are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crumple.__main__ import main
from crumple.artefact import sha256_file
from crumple.signals.corpus import read_corpus

GOOD = Path(__file__).resolve().parents[1] / "traces" / "selfmade-ev5"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text("[counts]\nrigid_barrier = 3\nhammer = 2\n")
    return path


def test_generate_prints_a_table_by_mode_and_label(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "--config", str(plan), "--seed", "3", "--out", str(tmp_path / "corpus")]) == 0
    out = capsys.readouterr().out
    assert "5 synthetic events" in out and "hammer" in out and "must-fire" in out
    corpus, artefact = read_corpus(tmp_path / "corpus")
    assert len(corpus) == 5 and artefact.config["seed"] == 3 and dict(artefact.parents) == {}


def test_generate_twice_gives_the_same_bytes(plan: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["-q", "generate", "--config", str(plan), "--out", str(tmp_path / name)]) == 0
    for file in ("corpus.json", "corpus.h5"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_stale_corpus_is_replaced_only_with_force(plan: Path, tmp_path: Path) -> None:
    out = ["--config", str(plan), "--out", str(tmp_path / "corpus")]
    assert main(["generate", *out]) == 0
    assert main(["generate", *out, "--seed", "9"]) == 2
    assert main(["generate", *out, "--seed", "9", "--force"]) == 0


def test_import_names_every_file_it_read_as_a_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(GOOD), "--out", str(tmp_path / "recording"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [event["label"] for event in document["events"]] == ["must_fire", "must_fire"]
    _, artefact = read_corpus(tmp_path / "recording")
    names = ["v00001.EV5", "v00001.001", "v00001.002", "v00001.003", "v00001.004"]
    assert dict(artefact.parents) == {name: sha256_file(GOOD / name) for name in names}


def test_import_prints_where_each_event_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(GOOD), "--out", str(tmp_path / "recording")]) == 0
    out = capsys.readouterr().out
    assert "v00001_1_left" in out and "offset" in out and "refused curve 7 (DSLF X)" in out


def test_importing_a_damaged_recording_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(GOOD, tmp_path / "broken"))
    (broken / "v00001.003").write_text("0.0\t1\n")
    assert main(["import", str(broken), "--out", str(tmp_path / "recording")]) == 3
    assert "v00001.003:1: holds 1 of the 270 samples" in capsys.readouterr().err
    assert not (tmp_path / "recording").exists()


def test_the_same_recording_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(GOOD), str(GOOD / "v00001.EV5"), "--out", str(tmp_path / "recording")]) == 3
    assert "two of the recordings are called 'v00001'" in capsys.readouterr().err


def test_an_unknown_key_of_a_map_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "map.toml").write_text('lable = "no_fire"\n')
    assert main(["import", str(GOOD), "--map", str(tmp_path / "map.toml"), "--out", str(tmp_path / "r")]) == 2
    assert "did you mean 'label'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["generate", "import"])
def test_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Example:\n    crumple {verb} " in capsys.readouterr().out


@pytest.mark.parametrize("n_workers", ["1", "2", "64"])
def test_the_number_of_workers_changes_no_byte(plan: Path, tmp_path: Path, n_workers: str) -> None:
    for name, more in (("auto", []), ("stated", ["--workers", n_workers])):
        assert main(["-q", "generate", "--config", str(plan), "--out", str(tmp_path / name), *more]) == 0
    for file in ("corpus.json", "corpus.h5"):
        assert (tmp_path / "auto" / file).read_bytes() == (tmp_path / "stated" / file).read_bytes()


def test_two_plans_at_once_are_refused(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "--config", str(plan), "--plan", "all_modes", "--out", str(tmp_path / "corpus")]
    assert main(words) == 2
    assert "give one of them" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()
