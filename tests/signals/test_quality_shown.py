"""What is known of a channel's health reaches every place where somebody looks: import, show, plot, provenance."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from crumple.__main__ import main
from crumple.signals.corpus import read_corpus
from crumple.signals.recording import quality_of

TRACES = Path(__file__).resolve().parents[1] / "traces"
CAMRY = Path(__file__).resolve().parents[3] / "shared" / "data" / "real" / "nhtsa-10146-camry"

COLUMNS = """
[[csv.channels]]
column = "a"
unit = "g"
polarity = "j211"
axis = "X"
side = "left"
place = "sill"
filter_class = 0
offset = "pretrigger"
{extra}
[[csv.channels]]
column = "b"
unit = "g"
polarity = "j211"
axis = "X"
side = "right"
place = "sill"
filter_class = 0
offset = "pretrigger"
"""

HEAD = """
label = "no_fire"
label_source = "made"
mode = "made"

[csv]
delimiter = "comma"
header_lines = 1
time_column = "t"
time_unit = "ms"
contact_time = 0.0
resample_hz = 5000.0
longest_gap_s = 0.05
repeated_times = "mean"
"""

MARKS = {
    "clipping": "possibly clipped: ",
    "a stated limit": "clipped: 56 samples reach the limit of 30 g (map), the first is sample",
    "a dropout": "the longest gap 12.0 ms",
    "a frozen signal": "frozen: 2 stretch",
    "a repeated time": "repeated times: 1 of ",
    "a stated end": "no valid data after 250 ms: the first",
    "a copy": "same samples as column a: one of them is a copy",
}
"""Marks of the recording below, and the words that must be found."""


def sick(folder: Path) -> tuple[Path, Path]:
    """A recording with everything wrong that quality knows of, and its map."""
    rows = []
    for k in range(2000):
        time_ms = k / 5 - 60
        if 100.0 < time_ms < 112.0:
            continue  # lost
        value = 40 * math.sin(k / 37)
        value = max(-31.0, min(31.0, value)) if 300 < k < 420 else 0.7 * value
        value = 3.25 if 1300 <= k < 1400 else value
        rows.append(f"{time_ms:.1f},{value:.4f},{value:.4f}\n")
        if k == 500:
            rows.append(f"{time_ms:.1f},{value + 0.5:.4f},{value + 0.5:.4f}\n")
    path, map_path = folder / "sick.csv", folder / "sick.toml"
    path.write_text("t,a,b\n" + "".join(rows), "utf-8")
    said = "clips_at = 30.0\nvalid_until_ms = 250.0\n"
    map_path.write_text(HEAD + COLUMNS.format(extra=said) + said, "utf-8")
    return path, map_path


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Recording, map and imported corpus."""
    path, map_path = sick(tmp_path)
    corpus = tmp_path / "corpus"
    assert main(["import", str(path), "--map", str(map_path), "--out", str(corpus)]) == 0
    return path, map_path, corpus


def joined(text: str) -> str:
    """Text without the breaks and frames of a console, markup or wrapping."""
    return " ".join(text.replace("│", " ").split())


def test_the_provenance_of_the_corpus_has_every_mark(made: tuple[Path, Path, Path]) -> None:
    left, right = list(read_corpus(made[2])[0])
    for what, words in MARKS.items():
        event = right if what == "a copy" else left
        assert any(words in line for line in quality_of(event)), what


def test_import_shows_every_mark(made: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    path, map_path, corpus = made
    words = ["import", str(path), "--map", str(map_path), "--out", str(corpus)]
    capsys.readouterr()
    assert main(words) == 0
    text = joined(capsys.readouterr().out)
    assert main([*words, "--json"]) == 0
    quality = [line for event in json.loads(capsys.readouterr().out)["events"] for line in event["quality"]]
    for what, mark in MARKS.items():
        assert mark in text, what
        assert any(mark in line for line in quality), what


@pytest.mark.parametrize("which", ["recording", "corpus"])
def test_show_shows_every_mark(made: tuple[Path, Path, Path], which: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, map_path, corpus = made
    capsys.readouterr()
    words = [str(path), "--map", str(map_path)] if which == "recording" else [str(corpus)]
    assert main(["signals", "show", *words]) == 0
    text = joined(capsys.readouterr().out)
    for what, mark in MARKS.items():
        assert mark in text, what


@pytest.mark.parametrize("which", ["event of a recording", "event of a corpus", "channel"])
def test_plots_carry_every_mark_of_what_they_show(
    made: tuple[Path, Path, Path], which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, map_path, corpus = made
    out = tmp_path / "plot.svg"
    words = {
        "event of a recording": [str(path), "--map", str(map_path), "--event", "sick_1_left"],
        "event of a corpus": [str(corpus), "--event", "sick_1_left"],
        "channel": [str(path), "--map", str(map_path), "--channel", "column a"],
    }[which]
    capsys.readouterr()
    assert main(["signals", "plot", *words, "--out", str(out), "--json"]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    drawn = joined(out.read_text("utf-8"))
    for what, mark in MARKS.items():
        if what != "a copy":
            assert any(mark in line for line in quality), what
            assert mark in drawn, what


def test_a_healthy_channel_says_that_nothing_was_found(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    assert main(["import", str(TRACES / "selfmade-ev5"), "--out", str(corpus)]) == 0
    for event in read_corpus(corpus)[0]:
        assert quality_of(event), "every measured event speaks of its quality"


@pytest.mark.skipif(not CAMRY.is_dir(), reason="the shared recordings are not here")
def test_the_broken_engine_channel_is_plotted_as_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plot.svg"
    assert main(["signals", "plot", str(CAMRY), "--channel", "curve 96", "--out", str(out), "--json"]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert "curve 96: status CF" in quality
    assert any("No valid data after 67ms" in line for line in quality)
    assert "status CF" in out.read_text("utf-8")
