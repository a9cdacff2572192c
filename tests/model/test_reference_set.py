"""What the shipped requirements say in words follows from their sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.model.analysis.properties import Requirement, read_requirements
from crumple.units import G0_MPS2

RATE_HZ = 2000
LSB_G = 1 / 16
WINDOW = 96


def test_the_reference_set_names_every_property_of_the_catalogue() -> None:
    named = " ".join(f"{requirement.property}," for requirement in read_requirements(None))
    for number in range(1, 15):
        assert f"P{number} " in named


@settings(max_examples=200, deadline=None)
@given(
    hz=st.floats(18.0, 300.0),
    phase=st.floats(0.0, 6.28),
    damping=st.floats(0.0, 0.3),
    start=st.floats(0.0, 1.0),
)
def test_every_sinusoid_of_a_sixth_of_a_g_per_hertz_lies_in_the_set_of_r2(
    hz: float, phase: float, damping: float, start: float
) -> None:
    time = (np.arange(400) + start) / RATE_HZ
    decel_g = hz / 6 * np.exp(-damping * 2 * np.pi * hz * time) * np.sin(2 * np.pi * hz * time + phase)
    velocity = np.concatenate([[0], np.cumsum(np.rint(decel_g / LSB_G))]) * LSB_G * G0_MPS2 / RATE_HZ * 3.6
    windows = np.lib.stride_tricks.sliding_window_view(velocity, WINDOW + 1)
    assert np.ptp(windows, axis=1).max() <= 2.0


@pytest.mark.parametrize("requirement", list(read_requirements(None)), ids=lambda requirement: requirement.id)
def test_every_requirement_gives_reason_and_origin(requirement: Requirement) -> None:
    assert requirement.rationale.endswith(".")
    assert requirement.origin
