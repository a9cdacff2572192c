"""The figures of docs/decisions/003: our side of them, and each deviation of pyisomme 1.1.0 re-enacted.

The numbers marked THEIRS were computed once by pyisomme 1.1.0 from the same channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crumple.signals.cfc import ISO6487_DESIGN_HZ_PER_CFC, cfc
from crumple.signals.criteria import Olc, delta_v_mps, free_flight_m, olc
from crumple.signals.injury import clip_g, hic, resultant_g
from crumple.signals.trace import Float, Trace
from crumple.units import G0_MPS2

SHARED = Path(__file__).resolve().parents[3] / "shared"
CAMRY = SHARED / "data" / "real" / "nhtsa-10146-camry"
needs_recordings = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared recordings are not here")

THEIRS_OLC_G = {93: 29.277833951209697, 94: 29.62838476754646, 99: 30.141667421300454, 100: 29.56879256907647}
THEIRS_HIC15 = {1: 139.14789790072982, 4: 139.13344058399176, 47: 333.10449783804205, 50: 329.8787145053078}
THEIRS_HIC36 = {1: 268.3036430006188, 4: 269.3844688325176, 47: 547.8043836095839, 50: 543.9780609149776}
THEIRS_CLIP_G = {13: 40.92271399014299, 16: 40.787242134393644, 59: 40.63955677174199, 62: 40.58190865930004}
THEIRS_TOTAL_G = {13: 41.01934536098295, 16: 40.806399728245985, 59: 40.63955677174199, 62: 40.58190865930004}
THEIRS_KNOCK = 27.1033974783156


def camry(curve: int) -> Trace:
    table = np.loadtxt(CAMRY / f"v10146.{curve:03d}")
    return Trace(f"10146/{curve:03d}", table[:, 1], 10_000.0, float(table[0, 0]))


def resultant(first: int, channel_class: int) -> Float:
    x, y, z = (
        cfc(camry(first + k), channel_class, design_hz_per_cfc=ISO6487_DESIGN_HZ_PER_CFC).accel_g for k in range(3)
    )
    return resultant_g(x, y, z)


@needs_recordings
@pytest.mark.parametrize("first", THEIRS_CLIP_G)
def test_the_chest_clip_is_equal(first: int) -> None:
    chest_g = resultant(first, 180)
    assert clip_g(chest_g, 1e-4) == pytest.approx(THEIRS_CLIP_G[first], abs=1e-9)
    assert clip_g(chest_g, 1e-4, method="cumulative") == pytest.approx(THEIRS_TOTAL_G[first], abs=1e-9)


@needs_recordings
@pytest.mark.parametrize("first", THEIRS_HIC15)
def test_a_window_one_sample_shorter_gives_their_hic15(first: int) -> None:
    head_g = resultant(first, 1000)
    assert hic(head_g, 1e-4, window_s=0.0149).value == pytest.approx(THEIRS_HIC15[first], rel=1e-12)
    assert hic(head_g, 1e-4).value > THEIRS_HIC15[first]


@needs_recordings
@pytest.mark.parametrize("first", THEIRS_HIC36)
def test_their_hic36_lies_below_ours_by_less_than_a_tenth(first: int) -> None:
    assert 0 < hic(resultant(first, 1000), 1e-4, window_s=0.036).value - THEIRS_HIC36[first] < 0.1 + 1e-9


def test_a_knock_shorter_than_the_window_is_where_the_definitions_part() -> None:
    knock = np.zeros(400)
    knock[200:220] = 150.0
    assert 0.0149 * (knock.sum() * 1e-4 / 0.0149) ** 2.5 == pytest.approx(THEIRS_KNOCK, rel=1e-12)
    assert hic(knock, 1e-4).value == pytest.approx(523.58, abs=0.01)


@needs_recordings
@pytest.mark.parametrize("curve", THEIRS_OLC_G)
def test_stepping_by_samples_gives_their_olc(curve: int) -> None:
    level = camry(curve).without_pretrigger_offset()
    filtered = cfc(level, 180, design_hz_per_cfc=ISO6487_DESIGN_HZ_PER_CFC)
    pulse = filtered.decel_g[filtered.time_s > -1e-9]
    moved, lost = free_flight_m(pulse, 1e-4), delta_v_mps(pulse, 1e-4)
    first = int(np.argmax(moved >= 0.065))
    held_s = (np.arange(moved.size) - first) * 1e-4
    last = int(np.argmax((moved - 0.5 * lost * held_s >= 0.300) & (held_s > 0)))
    assert lost[last] / held_s[last] / 9.81 == pytest.approx(THEIRS_OLC_G[curve], rel=1e-12)

    ours = olc(pulse, 1e-4)
    assert isinstance(ours, Olc)
    assert ours.olc_g == pytest.approx(THEIRS_OLC_G[curve], abs=0.08)
    assert ours.olc_g * G0_MPS2 == pytest.approx(lost[last] / held_s[last], rel=4e-3)
