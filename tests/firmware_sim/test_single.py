"""``crumple simulate`` for one event: its page, its traces and its recorder's image."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.artefact import Stage
from crumple.errors import OutputError
from crumple.export.exported import FILE as EXPORT_FILE
from crumple.export.exported import SCHEMA as EXPORT_SCHEMA
from crumple.firmware_sim.edr import read_image
from crumple.firmware_sim.replay import MODES, Controller
from crumple.firmware_sim.single import Simulated, simulate_one
from crumple.firmware_sim.trace_files import channels, trace_bytes
from crumple.model.deployed import DeployedModel
from crumple.signals.corpus import Corpus, corpus_stage, write_corpus
from crumple.signals.generate import CorpusPlan, generate

REST_MS = 400
CAMRY = Path(__file__).resolve().parents[3] / "shared" / "data" / "real" / "nhtsa-10146-camry"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(CorpusPlan(seed=5, counts={"rigid_barrier": 1, "rough_road": 1}))


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
def done(folders: tuple[Path, Path], corpus: Corpus) -> Simulated:
    return simulate_one(folders[0], corpus.events[0], corpus.sensors, rest_ms=REST_MS, where="corpus")


def arguments(folders: tuple[Path, Path], name: str) -> list[str]:
    return ["simulate", str(folders[0]), str(folders[1]), "--event", name]


def test_one_event_is_told_and_written_in_full(
    folders: tuple[Path, Path], corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = corpus.events[0].name
    files = {"--plot": tmp_path / "t.html", "--trace": tmp_path / "t.csv", "--edr": tmp_path / "t.edr"}
    command = [*arguments(folders, name), *(str(word) for pair in files.items() for word in pair)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    states = [one["state"] for one in told["event"]["states"]]
    assert states[0] == "NORMAL"
    assert states[-3:] == ["FIRE", "POST_CRASH", "CRASH_LOCK"]
    (event,) = read_image(files["--edr"]).events
    assert event.is_locked
    assert event.is_complete
    rows = list(csv.DictReader(files["--trace"].read_text(encoding="ascii").splitlines()))
    assert len(rows) == told["event"]["ticks"]
    fire = next(row for row in rows if int(row["current_1_ma"]) > 0)
    assert float(fire["time_ms"]) == told["event"]["ttf_ms"]
    # The recorder's own time zero and time to deploy tell the same moment as the trace.
    zero_ms = float(rows[event.zero_tick]["time_ms"])
    assert zero_ms + (event.stage_ms[0] or 0) == pytest.approx(told["event"]["ttf_ms"], abs=0.5)
    assert main(["edr", str(files["--edr"]), "--against", str(folders[1]), "--event", name]) == 0
    first = {key: path.read_bytes() for key, path in files.items()}
    capsys.readouterr()
    assert main(command) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert "CRASH_LOCK" in capsys.readouterr().out
    assert first == {key: path.read_bytes() for key, path in files.items()}


def test_the_trace_holds_every_tick_of_the_controller(done: Simulated, controller: Controller) -> None:
    timeline = controller.run(done.main_lsb, done.safing_lsb)
    columns = {channel.name: channel.samples for channel in channels(done)}
    assert (columns["y"] == timeline.y).all()
    assert (columns["state"] == timeline.mode).all()
    assert (columns["armed"] == timeline.armed).all()
    assert (columns["trouble"] == timeline.trouble).all()
    assert columns["recorded"].sum() == done.n_given
    rows = list(csv.reader(trace_bytes(done, Path("a.csv")).decode("ascii").splitlines()))
    assert rows[0] == ["time_ms", *columns]
    assert [MODES.index(row[rows[0].index("state")]) for row in rows[1:]] == timeline.mode.tolist()
    assert [int(row[rows[0].index("y")]) for row in rows[1:]] == timeline.y.tolist()


def test_an_mf4_trace_reads_back_with_units_and_state_names_and_is_the_same_every_time(
    done: Simulated, tmp_path: Path
) -> None:
    asammdf = pytest.importorskip("asammdf")
    path = tmp_path / "t.mf4"
    data = trace_bytes(done, path)
    path.write_bytes(data)
    with asammdf.MDF(path) as file:
        for channel in channels(done):
            found = file.get(channel.name, raw=True)
            assert (found.samples == channel.samples).all(), channel.name
            assert found.unit == channel.unit
            assert np.allclose(found.timestamps * 1e3, done.time_ms, atol=1e-9)
        names = file.get("state").samples
        assert {name.decode() for name in names} == {MODES[mode] for mode in done.timeline.mode}
    assert trace_bytes(done, path) == data


def test_without_asammdf_mf4_is_refused_in_one_line_before_anything_runs(
    folders: tuple[Path, Path],
    corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asammdf", None)
    trace = tmp_path / "t.mf4"
    assert main([*arguments(folders, corpus.events[0].name), "--trace", str(trace)]) == 4
    said = capsys.readouterr().err
    assert "pip install 'crumple[io]'" in said
    assert said.count("\n") == 1
    assert not trace.exists()


def test_the_page_stands_alone_and_its_numbers_are_those_of_the_run(done: Simulated) -> None:
    page = importlib.import_module("crumple.firmware_sim.timeline_figure").timeline_page(done)
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert not re.search(r"<(script|link|img)[^>]* (src|href)=\"(?!data:)", page)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    columns = {column["label"]: column for column in data["columns"]}
    assert [int(y) for y in columns["net"]["values"]] == done.timeline.y.tolist()
    assert columns["state"]["values"] == done.timeline.mode.tolist()
    assert data["time_ms"] == done.time_ms
    assert page.count("var(--signal)") > 1
    assert len(page) < 2_000_000


def test_a_misuse_event_stays_silent_and_leaves_nothing_locked(
    folders: tuple[Path, Path], corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edr = tmp_path / "h.edr"
    assert main([*arguments(folders, corpus.events[1].name), "--edr", str(edr), "--rest-ms", "0"]) == 0
    assert "silent" in capsys.readouterr().out
    assert not any(event.is_locked for event in read_image(edr).events)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--event", "nothing"], 3, "holds no event"),
        (["--trace", "t.vcd"], 2, "no trace is written as .vcd"),
        (["--plot", "t.png"], 2, "name it .html"),
        (["--edr", "same.csv", "--trace", "same.csv"], 2, "different files"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_before_anything_runs(
    folders: tuple[Path, Path],
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", str(folders[0]), str(folders[1]), *words]) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not CAMRY.is_dir(), reason="the shared recordings are not here")
def test_a_measured_crash_at_57_kmh_is_recorded_with_what_the_car_lost_and_its_rebound(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edr = tmp_path / "camry.edr"
    one = ["--event", "v10146_1_left"]
    assert main(["simulate", str(folders[0]), str(CAMRY), *one, "--edr", str(edr), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["event"]["source"] == "measured"
    (event,) = read_image(edr).events
    assert -57.09 - 10 < event.max_delta_v_kmh < -57.09
    assert main(["edr", str(edr), "--against", str(CAMRY), *one]) == 0


def test_a_corpus_that_was_changed_is_refused(
    folders: tuple[Path, Path], corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = Path(shutil.copytree(folders[1], tmp_path / "corpus"))
    data = bytearray((spoilt / "corpus.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (spoilt / "corpus.h5").write_bytes(data)
    name = corpus.events[0].name
    assert main(["simulate", str(folders[0]), str(spoilt), "--event", name, "--edr", str(tmp_path / "a.edr")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a.edr").exists()


def test_a_full_disk_leaves_no_half_a_trace(
    folders: tuple[Path, Path],
    corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name.endswith(".partial"):
            real(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    name = corpus.events[0].name
    assert main([*arguments(folders, name), "--trace", str(tmp_path / "t.csv")]) == OutputError.exit_code
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert list(tmp_path.iterdir()) == []
