"""Verdicts on events, by when the controller fired."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from crumple.firmware_sim.outcome import outcome
from crumple.signals.corpus import SYNTHETIC, Event
from crumple.signals.events import GREY, MUST_FIRE, NO_FIRE


@dataclass(frozen=True)
class Fired:
    """What the outcome reads of a timeline."""

    fire_sample: int | None
    request_sample: int | None = None
    arming_sample: int | None = None


def event(label: str) -> Event:
    counts = np.zeros(100, dtype=np.int64)
    return Event(
        name="made", mode="made", source=SYNTHETIC, label=label, rttf_s=0.020 if label == MUST_FIRE else math.nan,
        speed_kmh=50.0, first_sample_s=-0.010, main_lsb=counts, safing_lsb=counts, provenance="made for a test",
        physical_decel_g=np.zeros(0), physical_rate_hz=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "sample", "verdict"),
    [
        (MUST_FIRE, None, "missed"),
        (MUST_FIRE, 19, "premature"),
        (MUST_FIRE, 20, "in time"),
        (MUST_FIRE, 60, "in time"),
        (MUST_FIRE, 61, "late"),
        (NO_FIRE, None, "silent"),
        (NO_FIRE, 5, "false fire"),
        (GREY, 5, "not scored"),
    ],
)
def test_an_event_is_judged_by_when_fire_came(label: str, sample: int | None, verdict: str) -> None:
    assert outcome(event(label), Fired(sample), 0.0005).verdict == verdict  # type: ignore[arg-type]
