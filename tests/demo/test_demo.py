"""The whole chain: what it makes, that it makes it twice alike, and what it does with bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from crumple.__main__ import main
from crumple.model.analysis.properties import read_requirements

SHARED = Path(__file__).resolve().parents[3] / "shared"
CAMRY = SHARED / "data" / "real" / "nhtsa-10146-camry"
needs_recordings = pytest.mark.skipif(not CAMRY.is_dir(), reason="the shared recordings are not here")

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
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished demo on synthetic events alone; tests that change it work on a copy."""
    out = tmp_path_factory.mktemp("demo") / "first"
    assert main(["--quiet", "demo", "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "copy"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_second_run_elsewhere_gives_the_same_bytes(demo: Path, tmp_path: Path) -> None:
    again = tmp_path / "somewhere" / "else"
    assert main(["--quiet", "demo", "--out", str(again)]) == 0
    first, second = files(demo), files(again)
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_unchanged_stages_are_not_run_again(copy: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from crumple.artefact import Stage

    worked = []
    original = Stage.run

    def watched(self: Stage, work: Any, **options: Any) -> Any:
        return original(self, lambda folder: worked.append(self.name) or work(folder), **options)

    monkeypatch.setattr(Stage, "run", watched)
    before = files(copy)
    code, _, _ = run("demo", "--out", copy)
    assert (code, worked) == (0, [])
    assert files(copy) == before
    code, _, _ = run("demo", "--out", copy, "--seed", 1)
    assert code == 0
    assert "model.json" in worked


def test_the_json_document_is_one_document_with_the_promised_keys(copy: Path, run: Any) -> None:
    code, out, _ = run("demo", "--out", copy, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["crash"] is None
    assert document["requirements"]["proved"] == document["requirements"]["total"] == len(read_requirements(None))
    assert document["one_answer"]["differences"] == 0
    synthetic = document["events"]["synthetic"]
    assert synthetic["events"] == synthetic["in_time"] + synthetic["late"] + synthetic["missed"] + synthetic["silent"]
    assert synthetic["false_fire"] == 0
    assert all((copy / path).is_file() for path in document["artefacts"].values())


@needs_recordings
def test_the_demo_fires_on_the_real_crash_before_its_required_time(copy: Path, run: Any) -> None:
    code, out, _ = run("demo", "--out", copy, "--crash", CAMRY, "--json")
    crash = json.loads(out)["crash"]
    assert code == 0
    assert crash["fired"]
    assert crash["in_time"]
    assert [p["verdict"] for p in crash["positions"]] == ["in time", "in time"]
    # The domain's figures for this recording: 17.3 ms left, 16.9 ms right.
    assert sorted(round(p["rttf_ms"], 1) for p in crash["positions"]) == [16.9, 17.3]
    assert "measured" in (copy / "report.html").read_text(encoding="utf-8")


def test_check_accepts_the_demo(demo: Path, run: Any) -> None:
    code, out, _ = run("check", demo, "--json")
    assert code == 0
    assert (json.loads(out)["proved"], json.loads(out)["total"]) == (len(read_requirements(None)),) * 2


@pytest.mark.parametrize("name", ["model/model.json", "proof/R1.property.json", "proof/R2.certificate.json"])
@pytest.mark.parametrize("where", [0.0, 0.3, 0.77, 1.0])
def test_check_rejects_the_demo_after_any_byte_is_changed(copy: Path, run: Any, name: str, where: float) -> None:
    data = bytearray((copy / name).read_bytes())
    data[int(where * (len(data) - 1))] ^= 1
    (copy / name).write_bytes(bytes(data))
    code, _, err = run("check", copy)
    assert code == 1
    assert err.count("crumple: ") == 1


@pytest.mark.parametrize(
    "name",
    ["corpus/corpus.h5", "model/model.json", "proof/proof.json", "export/crumple_model.c", "simulation/timelines.json"],
)
def test_a_tampered_artefact_is_named_and_not_replaced_unasked(copy: Path, run: Any, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    before = files(copy)
    code, out, err = run("demo", "--out", copy)
    assert (code, out) == (3, "")
    assert Path(name).name in err
    assert files(copy) == before
    code, _, _ = run("demo", "--out", copy, "--force")
    assert code == 0


def test_a_report_over_stale_artefacts_is_refused(copy: Path, run: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    code, _, _ = run("train", copy / "corpus", "--out", other, "--seed", 5)
    assert code == 0
    shutil.rmtree(copy / "model")
    shutil.move(other, copy / "model")
    code, _, err = run("report", copy)
    assert code == 3
    assert "stale" in err


def test_a_foreign_folder_is_left_alone(tmp_path: Path, run: Any) -> None:
    (tmp_path / "thesis.docx").write_bytes(b"years of work")
    code, out, err = run("demo", "--out", tmp_path)
    assert (code, out) == (2, "")
    assert "thesis.docx" in err
    assert files(tmp_path) == {"thesis.docx": b"years of work"}


def test_a_file_that_is_no_report_is_not_overwritten(copy: Path, run: Any) -> None:
    notes = copy / "notes.html"
    notes.write_text("my notes", encoding="ascii")
    code, _, err = run("report", copy, "--out", notes)
    assert code == 2
    assert "notes.html" in err
    assert notes.read_text(encoding="ascii") == "my notes"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("demo", "--crash", "no/such/recording", "--out", "{tmp}/d"), 3, "no/such/recording"),
        (("demo", "--out", "{tmp}/file/d"), 3, "cannot write"),
        (("demo", "--sead", "3"), 2, "--seed"),
        (("dmeo",), 2, "demo"),
        (("generate", "--config", "{tmp}/plan.toml", "--out", "{tmp}/g"), 2, "seed"),
        (("train", "{tmp}/nothing", "--out", "{tmp}/m"), 3, "corpus.json"),
        (("prove", "{tmp}/nothing", "--out", "{tmp}/p"), 3, "nothing"),
        (("check", "{tmp}/nothing"), 3, "no such folder"),
        (("check", "{tmp}"), 3, "holds no"),
        (("export", "{tmp}/nothing", "--out", "{tmp}/e"), 3, "nothing"),
        (("simulate", "{tmp}/nothing", "{tmp}/nothing", "--out", "{tmp}/s"), 3, "export.json"),
        (("report", "{tmp}"), 3, "corpus.json"),
    ],
)
def test_bad_input_gets_one_clear_line_its_exit_code_and_leaves_nothing_behind(
    tmp_path: Path, run: Any, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="ascii")
    (tmp_path / "plan.toml").write_text("sead = 3\n", encoding="ascii")
    before = files(tmp_path)
    found, out, err = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert files(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "plan.toml"]


def test_an_earlier_result_of_a_stage_is_replaced_only_with_force(copy: Path, run: Any) -> None:
    before = files(copy / "model")
    code, _, err = run("train", copy / "corpus", "--out", copy / "model", "--seed", 9)
    assert code == 2
    assert "--force" in err
    assert files(copy / "model") == before


def test_a_corpus_of_another_sensor_is_refused_by_the_controller(copy: Path, run: Any, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[counts]\nhammer = 2\n[sensors.main]\nlsb_g = "1/8"\n', encoding="ascii")
    assert run("generate", "--config", plan, "--out", tmp_path / "c")[0] == 0
    code, _, err = run("simulate", copy / "export", tmp_path / "c", "--out", tmp_path / "s")
    assert code == 3
    assert "lsb_g is 1/8, the model reads 1/16" in err
