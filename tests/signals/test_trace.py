"""Trace: a value that exists is a valid signal, and its sign means what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.errors import SignalError
from crumple.signals.trace import Trace


def test_a_frontal_crash_reads_negative_and_decelerates_positive() -> None:
    trace = Trace("sill", np.array([0.0, -20.0, -5.0]), 1000.0, 0.0)
    np.testing.assert_array_equal(trace.decel_g, [0.0, 20.0, 5.0])


@given(st.integers(2, 200), st.floats(1, 1e5), st.floats(-10, 10))
def test_times_count_from_first_contact_in_steps_of_the_rate(n_samples: int, rate_hz: float, t0_s: float) -> None:
    time = Trace("x", np.zeros(n_samples), rate_hz, t0_s).time_s
    assert time.shape == (n_samples,)
    assert time[0] == t0_s
    np.testing.assert_allclose(time[-1], t0_s + (n_samples - 1) / rate_hz)


def test_samples_cannot_be_changed_from_inside_or_outside() -> None:
    mine = np.zeros(5)
    trace = Trace("x", mine, 1000.0, 0.0)
    mine[2] = 7.0
    assert trace.accel_g[2] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        trace.accel_g[0] = 1.0
    with pytest.raises(AttributeError):
        trace.rate_hz = 5.0  # type: ignore[misc]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_sample_that_is_not_finite_is_named_by_its_place(bad: float) -> None:
    with pytest.raises(SignalError, match="sill: sample 3 is"):
        Trace("sill", np.array([0.0, 1.0, 2.0, bad, bad]), 1000.0, 0.0)


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 2), ()], ids=str)
def test_what_is_no_row_of_samples_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SignalError, match="at least 2 samples"):
        Trace("sill", np.zeros(shape), 1000.0, 0.0)


@pytest.mark.parametrize(
    ("rate_hz", "t0_s"), [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0), (1.0, math.nan)], ids=str
)
def test_what_makes_no_time_axis_is_refused(rate_hz: float, t0_s: float) -> None:
    with pytest.raises(SignalError, match="no time axis"):
        Trace("sill", np.zeros(5), rate_hz, t0_s)


@given(st.floats(-5, 5), st.integers(10, 50))
def test_the_offset_before_contact_is_taken_off_everywhere(offset_g: float, n_before: int) -> None:
    values = np.concatenate([np.full(n_before, offset_g), offset_g - np.arange(20.0)])
    level = Trace("sill", values, 1000.0, -n_before / 1000).without_pretrigger_offset()
    np.testing.assert_allclose(level.accel_g[:n_before], 0.0, atol=1e-12)
    np.testing.assert_allclose(level.accel_g[n_before:], -np.arange(20.0), atol=1e-12)


@pytest.mark.parametrize("n_before", [0, 9])
def test_too_few_samples_before_contact_leave_the_offset_unknown(n_before: int) -> None:
    with pytest.raises(SignalError, match=f"only {n_before} samples before contact, 10"):
        Trace("sill", np.zeros(100), 1000.0, -n_before / 1000).without_pretrigger_offset()
