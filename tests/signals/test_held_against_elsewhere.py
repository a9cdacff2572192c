"""Our numbers against those that laboratories and others published for the same recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crumple.signals.cfc import ISO6487_DESIGN_HZ_PER_CFC, J211_DESIGN_HZ_PER_CFC, cfc
from crumple.signals.criteria import (
    DynamicCrush,
    NotReached,
    Olc,
    RttfRule,
    delta_v_mps,
    dynamic_crush,
    esw_g,
    olc,
    pulse_g,
    required_ttf_s,
)
from crumple.signals.injury import clip_g, hic, resultant_g
from crumple.signals.resample import from_irregular, resample
from crumple.signals.trace import Float, Trace
from crumple.units import KMH_PER_MPS

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = SHARED / "data" / "real"
pytestmark = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared recordings are not here")

CAMRY_SPEED_MPS = 57.09 / 3.6
DESIGNS = {"J211": J211_DESIGN_HZ_PER_CFC, "ISO 6487": ISO6487_DESIGN_HZ_PER_CFC}


def camry(curve: int) -> Trace:
    """A channel of NHTSA test 10146, straight from its two columns."""
    table = np.loadtxt(REAL / "nhtsa-10146-camry" / f"v10146.{curve:03d}")
    return Trace(f"10146/{curve:03d}", table[:, 1], 10_000.0, float(table[0, 0]))


def camry_resultant(first: int, channel_class: int, design: float = J211_DESIGN_HZ_PER_CFC) -> Float:
    """Resultant of three consecutive channels X, Y, Z after the filter."""
    x, y, z = (cfc(camry(first + k), channel_class, design_hz_per_cfc=design).accel_g for k in range(3))
    return resultant_g(x, y, z)


# -- NHTSA 10146: the laboratory's own numbers -------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize(
    ("first", "value", "start_ms", "stop_ms"),
    [(1, 140, 77.7, 92.7), (4, 140, 77.7, 92.7), (47, 335, 67.8, 82.8)],
    ids=["driver", "driver, redundant", "passenger"],
)
def test_the_camrys_hic15_is_the_laboratorys(
    first: int, value: int, start_ms: float, stop_ms: float, design: float
) -> None:
    found = hic(camry_resultant(first, 1000, design), 1e-4)
    assert round(found.value) == value
    assert (found.start_s - 0.05) * 1e3 == pytest.approx(start_ms, abs=0.11)
    assert (found.stop_s - 0.05) * 1e3 == pytest.approx(stop_ms, abs=0.11)


@pytest.mark.parametrize(("first", "computed"), [(13, 40.9), (59, 40.6)], ids=["driver", "passenger"])
def test_the_camrys_chest_clip_is_the_laboratorys_41_g_to_half_a_g(first: int, computed: float) -> None:
    found = clip_g(camry_resultant(first, 180), 1e-4)
    assert found == pytest.approx(41.0, abs=0.5)
    assert found == pytest.approx(computed, abs=0.06)


def test_the_drivers_cumulative_clip_rounds_to_the_laboratorys_41_0_g() -> None:
    assert round(clip_g(camry_resultant(13, 180), 1e-4, method="cumulative"), 1) == 41.0


# -- NHTSA 10146: the vehicle, by others' independent scripts ----------------------------------------


@pytest.mark.parametrize(
    ("curve", "raw_min", "raw_max", "peak_g", "peak_ms", "delta_v_mps_", "at_ms", "end_mps", "one_mps_ms"),
    [
        (93, -168.4, 89.9, -45.4, 63.0, 18.37, 113, 17.82, 13.7),
        (94, -144.6, 73.7, -39.6, 66.2, 18.61, 113, 18.48, 13.6),
        (99, -159.5, 77.1, -47.4, 63.2, 18.73, 113, 18.48, 13.7),
        (100, -147.1, 89.7, -40.6, 65.8, 18.53, 114, 18.28, 13.7),
        (95, -215.4, 124.3, -106.9, 29.0, 18.26, 152, 17.74, 16.2),
    ],
)
def test_the_camrys_table_of_peaks_and_velocity_changes(
    curve: int,
    raw_min: float,
    raw_max: float,
    peak_g: float,
    peak_ms: float,
    delta_v_mps_: float,
    at_ms: float,
    end_mps: float,
    one_mps_ms: float,
) -> None:
    raw = camry(curve)
    assert (round(raw.accel_g.min(), 1), round(raw.accel_g.max(), 1)) == (raw_min, raw_max)
    filtered = cfc(raw, 60)
    assert filtered.accel_g.min() == pytest.approx(peak_g, abs=0.06)
    assert filtered.time_s[np.argmin(filtered.accel_g)] * 1e3 == pytest.approx(peak_ms, abs=0.11)
    lost = delta_v_mps(raw.decel_g[raw.time_s > -1e-9], 1e-4)
    assert lost.max() == pytest.approx(delta_v_mps_, abs=0.006)
    assert np.argmax(lost) * 0.1 == pytest.approx(at_ms, abs=0.6)
    assert lost[-1] == pytest.approx(end_mps, abs=0.006)
    assert np.argmax(lost >= 1.0) * 0.1 == pytest.approx(one_mps_ms, abs=0.16)


@pytest.mark.parametrize("curve", [93, 94, 99, 100])
def test_the_camrys_dynamic_crush_lies_where_others_found_it(curve: int) -> None:
    found = dynamic_crush(pulse_g(cfc(camry(curve), 60)), 1e-4, speed_mps=CAMRY_SPEED_MPS)
    assert isinstance(found, DynamicCrush)
    assert 0.7325 <= found.crush_m <= 0.7515
    assert 0.0719 <= found.time_s <= 0.0743
    assert esw_g(CAMRY_SPEED_MPS, found.crush_m) == pytest.approx(17.3, abs=0.25)


@pytest.mark.parametrize(
    ("curve", "peak_g", "change_kmh", "t5_ms", "rttf_ms", "olc_g"),
    [(93, 45.4, 66.1, 47.3, 17.3, 29.3), (94, 39.6, 66.8, 46.9, 16.9, 29.6)],
    ids=["left", "right"],
)
def test_the_camrys_required_time_and_occupant_load(
    curve: int, peak_g: float, change_kmh: float, t5_ms: float, rttf_ms: float, olc_g: float
) -> None:
    pulse = pulse_g(cfc(camry(curve), 60))
    assert pulse.max() == pytest.approx(peak_g, abs=0.15)
    assert delta_v_mps(pulse, 1e-4).max() * KMH_PER_MPS == pytest.approx(change_kmh, abs=0.1)
    assert float(required_ttf_s(pulse, 1e-4, RttfRule())) * 1e3 == pytest.approx(rttf_ms, abs=0.05)
    assert float(required_ttf_s(pulse, 1e-4, RttfRule(inflation_s=0.0))) * 1e3 == pytest.approx(t5_ms, abs=0.05)
    for channel_class in (60, 180):
        found = olc(pulse_g(cfc(camry(curve), channel_class)), 1e-4)
        assert isinstance(found, Olc)
        assert found.olc_g == pytest.approx(olc_g, abs=0.05)


# -- two heads with a published HIC ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "peak_g", "value", "exact", "start_ms"),
    [("toyota_corolla", 48.79, 206, 205.75, 74.7), ("honda_cr_v", 49.03, 178, 177.63, 74.5)],
)
def test_the_published_heads(name: str, peak_g: float, value: int, exact: float, start_ms: float) -> None:
    xlrd = pytest.importorskip("xlrd", reason="xlrd reads these .xls files: pip install xlrd")
    sheet = xlrd.open_workbook(REAL / "nhtsa-2015-head-hic" / f"{name}_data.xls").sheet_by_index(0)
    table = np.array([sheet.row_values(row) for row in range(sheet.nrows)])
    assert table.shape == (3500, 4)
    head_g = resultant_g(table[:, 1], table[:, 2], table[:, 3])
    assert round(head_g.max(), 2) == peak_g
    found = hic(head_g, 1e-4)
    assert round(found.value) == value
    assert found.value == pytest.approx(exact, abs=0.01)
    assert (found.start_s - 0.05) * 1e3 == pytest.approx(start_ms, abs=0.05)
    assert found.stop_s - found.start_s == pytest.approx(0.015)


# -- the IIWPG target pulse --------------------------------------------------------------------------


def test_the_velocity_change_of_the_iiwpg_pulse_is_15_64_kmh_at_every_sample() -> None:
    nptdms = pytest.importorskip("nptdms", reason="npTDMS reads this file: pip install npTDMS")
    group = nptdms.TdmsFile.read(REAL / "iihs-iiwpg-target-pulse" / "Target Pulse.tdms").groups()[0]
    _, accel_g, change_mps, change_kmh = (channel[:] for channel in group.channels())
    pulse = accel_g[~np.isnan(accel_g)]
    assert pulse.max() == pytest.approx(10.022, abs=5e-4)
    found = delta_v_mps(pulse, 1e-3)
    np.testing.assert_allclose(found, change_mps[: pulse.size], atol=1e-9)
    assert round(found.max() * KMH_PER_MPS, 2) == 15.64
    np.testing.assert_allclose(found * KMH_PER_MPS, change_kmh[: pulse.size], atol=1e-9)


def test_the_iiwpg_pulse_asks_for_no_olc_below_its_flail_distances() -> None:
    nptdms = pytest.importorskip("nptdms", reason="npTDMS reads this file: pip install npTDMS")
    group = nptdms.TdmsFile.read(REAL / "iihs-iiwpg-target-pulse" / "Target Pulse.tdms").groups()[0]
    accel_g = group.channels()[1][:]
    # A rear pulse pushes forward: as a frontal deceleration it is negative and nobody flies forward.
    assert isinstance(olc(-accel_g[~np.isnan(accel_g)], 1e-3), NotReached)


# -- the small overlap of the Accord -----------------------------------------------------------------


def test_the_accords_pulse_is_as_described() -> None:
    table = np.loadtxt(REAL / "iihs-cep1705-accord" / "CEP1705_ACXD.csv", delimiter=",", skiprows=1)
    trace = Trace("CEP1705", table[:, 1], 10_000.0, float(table[0, 0]))
    assert trace.accel_g.min() == pytest.approx(-24.86, abs=0.005)
    assert cfc(trace, 60).accel_g.min() == pytest.approx(-23.24, abs=0.02)
    lost = delta_v_mps(trace.decel_g[trace.time_s > -1e-9], 1e-4)
    assert lost.max() == pytest.approx(13.46, abs=0.01)
    assert np.argmax(lost) * 0.1 == pytest.approx(143.4, abs=0.11)
    assert lost[1000] == pytest.approx(11.00, abs=0.02)  # stated by the rectangle rule, ours is the trapezoid
    assert np.argmax(lost >= 1.0) * 0.1 == pytest.approx(16.7, abs=0.11)


# -- the water impactor and its clipping twin --------------------------------------------------------


def impactor(name: str, channel: int, rate_hz: float) -> Trace:
    """The drop axis of one channel around the impact, offset removed, at a fixed rate. Positive is up."""
    idelib = pytest.importorskip("idelib", reason="idelib reads these files: pip install idelib")
    with idelib.importFile(str(REAL / "impack-water-entry" / f"{name}.ide")) as recording:
        table = recording.channels[channel].getSession().arraySlice()
    level = float(np.median(table[1]))
    return from_irregular(name, table[0] * 1e-6, table[1] - level, rate_hz=rate_hz, longest_gap_s=0.002)


def pulse_around_peak(trace: Trace) -> tuple[float, float]:
    """Peak in g and the velocity change in m/s where the level exceeds 10 % of it."""
    k = int(np.argmax(trace.accel_g))
    low = trace.accel_g < 0.1 * trace.accel_g[k]
    first = k - int(np.argmax(low[k::-1]))
    last = k + int(np.argmax(low[k:]))
    return float(trace.accel_g[k]), float(delta_v_mps(trace.accel_g[first : last + 1], 1 / trace.rate_hz)[-1])


@pytest.mark.parametrize(
    ("name", "peak_g", "change_mps", "is_clipped"),
    [
        ("2mps_sphere_1", 30.1, 2.93, False),
        ("4mps_150degcone_1", 36.7, 2.85, False),
        ("4mps_sphere_1", 45.7, 4.07, True),
        ("6mps_150degcone_1", 43.7, 3.21, True),
    ],
)
def test_the_water_impactor_and_its_clipping_twin(
    name: str, peak_g: float, change_mps: float, is_clipped: bool
) -> None:
    true = impactor(name, 8, 20_000.0)
    peak, change = pulse_around_peak(true)
    assert peak == pytest.approx(peak_g, abs=0.1)
    assert change == pytest.approx(change_mps, rel=0.03)

    slow = resample(true, 2000.0)
    slow_peak, slow_change = pulse_around_peak(slow)
    assert slow_peak == pytest.approx(peak, rel=0.02)
    assert slow_change == pytest.approx(change, rel=0.03)

    twin = impactor(name, 80, 2000.0)
    twin_peak, twin_change = pulse_around_peak(twin)
    assert twin_change == pytest.approx(slow_change, rel=0.05)
    if is_clipped:  # the twin cannot show more than its range, and so understates the peak
        assert twin_peak == pytest.approx(41.0, abs=0.1)
        assert slow_peak > twin_peak + 2
    else:
        assert twin_peak == pytest.approx(slow_peak, rel=0.02)
