"""Pulse families against their closed forms and against published check numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.errors import ConfigError
from crumple.signals.families import Pulse, bi_slope, half_sine, haversine, tipped_square, triangle
from crumple.units import G0_MPS2

G = st.floats(0.5, 100)
S = st.floats(0.005, 0.3)


def integral_mps(pulse: Pulse) -> float:
    time = (np.arange(200_000) + 0.5) * (pulse.duration_s / 200_000)
    return float(pulse.decel_g(time).mean() * pulse.duration_s * G0_MPS2)


@given(G, S, st.floats(0.1, 0.9), st.floats(0, 500))
def test_delta_v_is_the_integral(peak_g: float, duration_s: float, share: float, slope: float) -> None:
    for pulse in (
        half_sine(peak_g, duration_s),
        haversine(peak_g, duration_s),
        triangle(peak_g, duration_s, share),
        bi_slope(peak_g, share * duration_s, 2 * peak_g, duration_s),
        tipped_square(peak_g, slope, duration_s),
    ):
        assert integral_mps(pulse) == pytest.approx(pulse.delta_v_mps, rel=1e-4)


def test_published_check_numbers() -> None:
    assert half_sine(15, 0.100).delta_v_mps * 3.6 == pytest.approx(33.7, abs=0.05)
    assert haversine(15, 0.100).delta_v_mps * 3.6 == pytest.approx(26.5, abs=0.05)
    assert half_sine(17.2, 0.125).delta_v_mps * 3.6 == pytest.approx(48.3, abs=0.05)


def test_it_is_zero_outside() -> None:
    assert half_sine(10, 0.1).decel_g(np.array([-0.01, 0.11])).tolist() == [0.0, 0.0]


def test_impossible_pulses_are_refused() -> None:
    with pytest.raises(ConfigError, match="duration_s"):
        half_sine(10, 0)
    with pytest.raises(ConfigError, match="peak_at"):
        triangle(10, 0.1, 1.0)
    with pytest.raises(ConfigError, match="negative"):
        tipped_square(10, -200, 0.1)
