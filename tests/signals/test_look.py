"""Looking at corpora and recordings: nothing pooled, nothing hidden, the same bytes twice."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crumple.__main__ import main
from crumple.errors import CorpusError
from crumple.signals.bands import band_rms_g
from crumple.signals.batches import CorpusInMemory
from crumple.signals.corpus import MEASURED, SYNTHETIC, Corpus, Event, corpus_stage, write_corpus
from crumple.signals.event_figure import event_view, figure, figure_svg, summary
from crumple.signals.families import half_sine
from crumple.signals.look import InCorpus, duplicates, look
from crumple.signals.recording import Channel, ChannelInfo, Place
from crumple.signals.sensor import SensorPair
from crumple.signals.statistics import bands_below, groups

EV5 = Path(__file__).resolve().parents[1] / "traces" / "selfmade-ev5"
TIME_S = -0.020 + np.arange(480) / 2000


def event(name: str, *, peak_g: float = 20.0, source: str = SYNTHETIC, label: str = "must_fire") -> Event:
    """A half-sine of 100 ms from contact at 20 ms."""
    main = np.clip(np.rint(16 * half_sine(peak_g, 0.1).decel_g(TIME_S)), -1920, 1920).astype(np.int16)
    safing = np.rint(main / 4).astype(np.int16)
    rttf_s = 0.018 if label == "must_fire" else math.nan
    nothing = np.zeros(0)
    return Event(name, "half_sine", source, label, rttf_s, 40.0, -0.020, main, safing, "made up", nothing, 0.0)


def written(folder: Path, *events: Event) -> Path:
    corpus_stage(folder, {}, {}).run(lambda out: write_corpus(Corpus(SensorPair(), events), out))
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["signals", *map(str, words), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_velocity_change_and_peak_are_those_of_the_closed_form() -> None:
    (one,) = groups(CorpusInMemory.of(Corpus(SensorPair(), (event("a", peak_g=20.0),))))
    assert one.spreads["peak_g"] == pytest.approx((20.0,) * 3, abs=1 / 16)
    assert one.spreads["delta_v_kmh"][1] == pytest.approx(half_sine(20.0, 0.1).delta_v_mps * 3.6, rel=2e-3)
    assert one.spreads["rttf_ms"] == pytest.approx((18.0,) * 3)


def test_sources_labels_and_modes_are_never_pooled() -> None:
    events = (
        event("a", peak_g=10.0),
        event("b", peak_g=30.0, source=MEASURED),
        event("c", peak_g=2.0, label="no_fire"),
        event("d", peak_g=10.0),
    )
    found = groups(CorpusInMemory.of(Corpus(SensorPair(), events)))
    assert [(one.source, one.label, one.n_events) for one in found] == [
        ("synthetic", "must_fire", 2),
        ("measured", "must_fire", 1),
        ("synthetic", "no_fire", 1),
    ]
    assert [one.spreads["peak_g"][1] for one in found] == pytest.approx([10, 30, 2], abs=0.05)
    assert "rttf_ms" not in found[2].spreads, "a quantity that no event has is missing, not zero"


def test_a_tone_is_found_in_its_own_band_with_its_rms() -> None:
    time_s = np.arange(1000) / 2000
    tone = 3.0 * np.sin(2 * np.pi * 150.0 * time_s)[None, :]
    rms = band_rms_g(tone, 2000.0, np.array([0.2]), 0.1, bands_below(2000.0))[0]
    assert rms[2] == pytest.approx(3.0 / math.sqrt(2), rel=0.01) and np.delete(rms, 2).max() < 0.05


def test_a_stretch_that_is_not_there_has_no_rms() -> None:
    silence = np.zeros((3, 400))
    contact_s = np.array([-0.001, 0.05, 0.19])
    assert np.isnan(band_rms_g(silence, 2000.0, contact_s, 0.025, bands_below(2000.0))).all(axis=1).tolist() == [
        True,
        False,
        True,
    ]
    assert np.isnan(band_rms_g(np.zeros((1, 20)), 2000.0, 0.0, 0.005, bands_below(2000.0))).all()


def test_bands_end_below_half_the_rate() -> None:
    assert [high for _, high in bands_below(2000.0)] == [60, 100, 200, 400]
    assert len(bands_below(8000.0)) == 5


def test_the_figure_shows_three_panels_and_the_required_time() -> None:
    made = figure(event_view(event("a"), SensorPair()))
    assert [axis.get_ylabel() for axis in made.axes] == [
        "deceleration in g",
        "velocity change in km/h",
        "free flight in mm",
    ]
    for axis in made.axes:
        assert any(np.allclose(line.get_xdata(), 18.0) for line in axis.get_lines())
    made = figure(event_view(event("a", label="no_fire"), SensorPair()))
    assert not any(np.allclose(line.get_xdata(), 18.0) for axis in made.axes for line in axis.get_lines())


def test_the_figure_has_the_same_bytes_twice_and_no_date() -> None:
    view = event_view(event("a"), SensorPair())
    assert figure_svg(view) == figure_svg(view) and b"<dc:date>" not in figure_svg(view)
    assert b"required time to fire 18.0 ms" in figure_svg(view) and b"synthetic" in figure_svg(view)


def test_the_numbers_beside_the_figure_are_those_of_the_closed_form() -> None:
    numbers = summary(event_view(event("a", peak_g=20.0), SensorPair()))
    speed_mps = half_sine(20.0, 0.1).delta_v_mps
    assert numbers["delta_v_kmh"] == pytest.approx(speed_mps * 3.6, rel=2e-3)
    # Half of the pulse's length at the mean speed, then the rest of the 219.5 ms at full speed.
    assert numbers["free_flight_mm"] == pytest.approx(1e3 * speed_mps * (0.05 + 0.2195 - 0.1), rel=5e-3)
    assert numbers["rttf_ms"] == pytest.approx(18.0)


def test_plot_refuses_to_replace_a_file_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out = written(tmp_path / "corpus", event("a")), tmp_path / "a.svg"
    first = run(capsys, "plot", corpus, "--out", out)
    image = out.read_bytes()
    assert first["rttf_ms"] == pytest.approx(18.0)
    assert main(["signals", "plot", str(corpus), "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    run(capsys, "plot", corpus, "--out", out, "--force")
    assert out.read_bytes() == image


def test_among_several_events_one_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = written(tmp_path / "corpus", event("first"), event("second"))
    plot = ["signals", "plot", str(corpus), "--out", str(tmp_path / "a.svg")]
    assert main(plot) == 3
    assert "--event NAME: first, second" in capsys.readouterr().err
    assert main([*plot, "--event", "secnd"]) == 3
    assert "did you mean 'second'" in capsys.readouterr().err
    assert main([*plot, "--event", "second"]) == 0
    assert main([*plot, "--force", "--channel", "x"]) == 2
    assert main([*plot, "--force", "--channel", "x", "--event", "second"]) == 2


def test_show_tells_a_corpus_with_its_parents_and_quality(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = written(
        tmp_path / "corpus", event("a"), event("b"), event("loud", peak_g=130.0), event("flat", peak_g=0.01)
    )
    document = run(capsys, "show", corpus)
    assert document["kind"] == "corpus" and document["n_events"] == 4 and document["parents"] == {}
    assert document["sensors"]["main"]["filter_hz"] == 400.0 and document["sensors"]["main"]["lsb_g"] == "1/16"
    assert document["quality"] == {
        "main_at_limit": ["loud"],
        "main_without_change": ["flat"],
        "duplicates": {"b": "a"},
    }
    assert [one["provenance"] for one in document["events"]] == [["made up"]] * 4
    assert main(["signals", "show", str(corpus / "corpus.json")]) == 0
    assert "1 events repeat an earlier event: b (a)" in capsys.readouterr().out


def test_show_tells_every_channel_of_a_recording_and_why_one_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    document = run(capsys, "show", EV5)
    assert document["kind"] == "recording" and document["source"] == "measured"
    read = [one for one in document["channels"] if one["is_read"]]
    assert read and all(one["unit"] == "g" and one["rate_hz"] > 0 for one in read)
    assert any(one["refusal"] for one in document["channels"])
    assert main(["signals", "show", str(EV5)]) == 0
    out = capsys.readouterr().out
    assert "refused:" in out and "channels" in out and "must_fire" in out


def test_stats_and_plot_take_a_recording_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = run(capsys, "stats", EV5)["groups"]
    assert one["source"] == "measured" and one["n_events"] == 2
    channel = next(c["name"] for c in run(capsys, "show", EV5)["channels"] if c["is_read"])
    plotted = run(capsys, "plot", EV5, "--channel", channel, "--out", tmp_path / "c.svg")
    assert channel in plotted["title"] and plotted["rttf_ms"] is None
    plotted = run(capsys, "plot", EV5, "--event", "v00001_1_left", "--out", tmp_path / "e.svg")
    assert plotted["rttf_ms"] is not None and (tmp_path / "e.svg").read_bytes().startswith(b"<?xml")


def test_equal_channels_are_told_apart_by_name_only() -> None:
    def channel(name: str, values: list[float]) -> Channel:
        info = ChannelInfo(name, "", 1, Place("seat"), "acceleration", "X", "g")
        return Channel(info, np.array(values), 1000.0, 0.0)

    same = [channel("a", [0.0, 1.0]), channel("b", [0.0, 2.0]), channel("c", [0.0, 1.0]), channel("d", [0.0, 1.0])]
    assert duplicates(same) == {"c": "a", "d": "a"}


def test_a_map_beside_a_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = written(tmp_path / "corpus", event("a"))
    (tmp_path / "map.toml").write_text('label = "no_fire"\nlabel_source = "film"\n')
    assert main(["signals", "show", str(corpus), "--map", str(tmp_path / "map.toml")]) == 3
    assert "leave --map out" in capsys.readouterr().err


def test_what_is_neither_and_a_changed_corpus_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise").write_bytes(b"nothing known")
    for verb in ("show", "stats"):
        assert main(["signals", verb, str(tmp_path / "noise")]) == 3
        assert main(["signals", verb, str(tmp_path / "absent")]) == 3
    corpus = written(tmp_path / "corpus", event("a"))
    (corpus / "corpus.h5").write_bytes(b"changed")
    assert main(["signals", "show", str(corpus)]) == 3
    assert "was changed" in capsys.readouterr().err


def test_one_event_of_a_corpus_comes_with_the_sensors_that_saw_it(tmp_path: Path) -> None:
    source = look(written(tmp_path / "corpus", event("a"), event("b", peak_g=5.0)))
    assert isinstance(source, InCorpus)
    found, sensors = source.event("b")
    assert found.name == "b" and int(found.main_lsb.max()) == 80 and sensors == SensorPair()
    with pytest.raises(CorpusError, match="holds 2 events"):
        source.event(None)


@pytest.mark.parametrize("verb", ["show", "plot", "stats"])
def test_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signals", verb, "--help"]) == 0
    assert f"Example:\n    crumple signals {verb} " in capsys.readouterr().out
