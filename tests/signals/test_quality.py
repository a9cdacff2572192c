"""What samples show about their own health."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crumple.signals.quality import quality_notes

RATE_HZ = 10_000.0
TIME_S = np.arange(2000) / RATE_HZ


def wave() -> np.ndarray:
    return 40.0 * np.sin(2 * np.pi * 53.0 * TIME_S) + np.sin(2 * np.pi * 801.0 * TIME_S)


def test_a_clean_signal_has_no_findings() -> None:
    assert quality_notes(wave(), RATE_HZ, 0.0) == ()


def test_clipping_is_found_on_both_sides_with_its_time() -> None:
    notes = quality_notes(np.clip(wave(), -39.9, 39.5), RATE_HZ, -0.05)
    assert len(notes) == 2
    assert all(note.startswith("possibly clipped") for note in notes)
    assert "maximum 39.5" in notes[0] and "minimum -39.9" in notes[1]
    first_ms = 1e3 * (np.flatnonzero(wave() >= 39.5)[0] / RATE_HZ - 0.05)
    assert f"first at {first_ms:.1f} ms" in notes[0]


def test_a_frozen_stretch_is_found_with_its_length() -> None:
    values = wave()
    values[700:900] = values[700]
    (note,) = quality_notes(values, RATE_HZ, 0.0)
    assert note.startswith("frozen: 1 stretch") and "20.0 ms from 70.0 ms" in note


def test_a_channel_that_never_moves_is_frozen() -> None:
    (note,) = quality_notes(np.zeros(500), RATE_HZ, 0.0)
    assert "frozen" in note


@given(st.lists(st.floats(-400, 400), max_size=60), st.floats(50, 20_000))
def test_any_samples_give_findings_of_one_line_each(values: list[float], rate_hz: float) -> None:
    assert all("\n" not in note for note in quality_notes(np.array(values), rate_hz, 0.0))
