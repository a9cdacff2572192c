"""Held against reality: full-width crashes of the generator beside 692 measured ones, bands, and two real pulses.

Only distributions are compared and only distributions may be tuned; no recording serves to fit a single event.

``n_events`` crashes are drawn from ``seed``; files are named by their ``path``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ConfigError, TraceFormatError
from crumple.units import G0_MPS2, KMH_PER_MPS

from .bands import BANDS_HZ, EARLY_S, band_rms_g
from .batch import DT_S, PHYSICAL_RATE_HZ, PRETRIGGER_S, after_contact
from .cfc import cfc
from .crashes import CAR_TO_CAR, RIGID, SMALL_OVERLAP, CrashMode, Impact, impact
from .criteria import delta_v_mps
from .crush import Fleet
from .figures import svg_of
from .trace import Float, Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPARED_KMH = 56.0
"""Speed of the comparison: 35 mph, the commonest of the measured tests."""

GOAL_KS = 0.10
QUANTILES = (5.0, 50.0, 95.0)
ENVELOPE_S = 0.120
"""How long a real pulse must stay inside the envelope: until the rebound is over."""

PULSE_MODES: dict[str, CrashMode] = {
    "rigid_barrier": RIGID,
    "small_overlap": SMALL_OVERLAP,
    "car_to_car": CAR_TO_CAR,
}
CHUNK = 500
ENVELOPE_STREAM = 1_000_003
"""Where the seeds of envelopes begin, apart from those of the distributions."""


@dataclass(frozen=True, slots=True)
class RealPulse:
    """A measured crash pulse, and the mode and speed at which the generator must embrace it."""

    mode: str
    speed_kmh: float
    trace: Trace

    def __post_init__(self) -> None:
        if self.mode not in PULSE_MODES:
            raise ConfigError(f"mode {self.mode!r} cannot hold a pulse; known: {', '.join(PULSE_MODES)}")
        if not 8.0 <= self.speed_kmh <= 80.0:
            raise ConfigError(f"{self.trace.name}: {self.speed_kmh} km/h, expected 8 to 80")


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity, generated and measured.

    Attributes
    ----------
    real, generated : ndarray
        Sorted values.
    ks : float
        Kolmogorov-Smirnov distance: the largest difference of the two distribution functions.
    """

    name: str
    unit: str
    real: Float
    generated: Float
    ks: float

    def quantiles(self) -> tuple[Float, Float]:
        """Real and generated values at ``QUANTILES``."""
        return np.percentile(self.real, QUANTILES), np.percentile(self.generated, QUANTILES)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A real pulse among generated ones at its own speed, CFC 60, from first contact.

    Attributes
    ----------
    time_s, real_g : ndarray, shape (n_samples,)
    lowest_g, highest_g : ndarray, shape (n_samples,)
        Least and largest generated deceleration at every instant.
    frac_inside : float
        Share of instants at which the real deceleration lies between them.
    frac_delta_v_inside : float
        The same for the velocity change.
    n_events : int
        Generated crashes; the envelope of more is wider.
    real_rms_g : ndarray, shape (n_bands,)
        Band RMS of the real pulse in the first 25 ms, as its file holds it; NaN for a band above half its rate.
    band_rms_g : ndarray, shape (n_bands, 3)
        5th, 50th and 95th percentile of the generated band RMS, unfiltered.
    """

    pulse: RealPulse
    time_s: Float
    real_g: Float
    lowest_g: Float
    highest_g: Float
    frac_inside: float
    frac_delta_v_inside: float
    n_events: int
    real_rms_g: Float
    band_rms_g: Float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The whole comparison.

    Attributes
    ----------
    peak, crush : Compared
        CFC 60 peak in g, and dynamic crush in mm, at ``COMPARED_KMH``.
    band_rms_g : ndarray, shape (n_bands, 3)
        5th, 50th and 95th percentile of generated band RMS in the first 25 ms.
    envelopes : tuple of Envelope
    n_slower : int
        Measured tests that were slower than ``COMPARED_KMH``, or are wrong: see `is_explained`.
    explained_peak, explained_crush : Compared
        The same without those.
    """

    n_events: int
    peak: Compared
    crush: Compared
    band_rms_g: Float
    envelopes: tuple[Envelope, ...]
    n_slower: int
    explained_peak: Compared
    explained_crush: Compared

    @property
    def is_met(self) -> bool:
        """Both distances below the goal."""
        return max(self.peak.ks, self.crush.ks) < GOAL_KS


def calibrate(real_csv: Path, pulses: Sequence[RealPulse] = (), *, n_events: int = 4000, seed: int = 0) -> Calibration:
    """Compare the generator with measured tests.

    Parameters
    ----------
    real_csv : Path
        Columns ``calc_peak_g``, ``calc_crush_mm``, ``status``; rows of status ``Valid`` count.
    pulses : sequence of RealPulse
    n_events : int
        Generated crashes for the distributions, and for each envelope.
    seed : int

    Raises
    ------
    TraceFormatError
        The file lacks a column, holds something that is not a number, or fewer than 30 valid rows.
    """
    real_peak_g, real_crush_mm = read_peaks(real_csv)
    peaks, crushes, bands = [], [], []
    for shard, start in enumerate(range(0, n_events, CHUNK)):
        hit = _full_speed(RIGID, COMPARED_KMH, min(CHUNK, n_events - start), (seed, shard))
        seen = _cfc60(hit.decel_g)
        peaks.append(seen.max(axis=1))
        crushes.append(hit.body.largest_crush_m * 1e3)
        if shard == 0:
            bands.append(band_rms_g(after_contact(hit.decel_g), PHYSICAL_RATE_HZ, PRETRIGGER_S, EARLY_S))
    explained = is_explained(real_peak_g, real_crush_mm, COMPARED_KMH)
    peak_g, crush_mm = np.concatenate(peaks), np.concatenate(crushes)
    return Calibration(
        n_events=n_events,
        peak=_compared("peak deceleration, CFC 60", "g", real_peak_g, peak_g),
        crush=_compared("dynamic crush", "mm", real_crush_mm, crush_mm),
        n_slower=int((~explained).sum()),
        explained_peak=_compared("peak deceleration, CFC 60", "g", real_peak_g[explained], peak_g),
        explained_crush=_compared("dynamic crush", "mm", real_crush_mm[explained], crush_mm),
        band_rms_g=np.percentile(np.concatenate(bands), QUANTILES, axis=0).T,
        envelopes=tuple(envelope(pulse, n_events, seed) for pulse in pulses),
    )


def is_explained(peak_g: Float, crush_mm: Float, speed_kmh: float) -> NDArray[np.bool_]:
    """Whether a test into a fixed wall can have been as fast as ``speed_kmh``: shape (n_tests,).

    The wall does no work on a car that stops over its crush ``c``, so its mean deceleration over ``c`` is ``v^2 / 2c``,
    and no peak is less than a mean. A test whose peak is less was slower, or one of its two numbers is wrong.

    Parameters
    ----------
    peak_g : ndarray, shape (n_tests,)
        Largest deceleration in g.
    crush_mm : ndarray, shape (n_tests,)
        Dynamic crush in mm.
    speed_kmh : float
        Speed at first contact.
    """
    work_per_kg = peak_g * G0_MPS2 * crush_mm * 1e-3
    return np.asarray(work_per_kg >= 0.5 * (speed_kmh / KMH_PER_MPS) ** 2)


def envelope(pulse: RealPulse, n_events: int, seed: int) -> Envelope:
    """Hold a real pulse against the spread of ``n_events`` generated ones at its mode and speed, from ``seed``."""
    n = round(ENVELOPE_S / DT_S)
    time_s: Float = np.arange(n, dtype=np.float64) * DT_S
    level_trace = pulse.trace.without_pretrigger_offset()
    real = cfc(level_trace, 60)
    real_g = np.interp(time_s, real.time_s, real.decel_g)
    lowest_g, highest_g = np.full(n, np.inf), np.full(n, -np.inf)
    lowest_mps, highest_mps = lowest_g.copy(), highest_g.copy()
    rms_g = []
    for shard, start in enumerate(range(0, n_events, CHUNK)):
        mode, n_drawn = PULSE_MODES[pulse.mode], min(CHUNK, n_events - start)
        hit = _full_speed(mode, pulse.speed_kmh, n_drawn, (seed, ENVELOPE_STREAM + shard))
        generated_g = _cfc60(hit.decel_g)[:, :n]
        lowest_g = np.minimum(lowest_g, generated_g.min(axis=0))
        highest_g = np.maximum(highest_g, generated_g.max(axis=0))
        lost_mps = delta_v_mps(generated_g, DT_S)
        lowest_mps = np.minimum(lowest_mps, lost_mps.min(axis=0))
        highest_mps = np.maximum(highest_mps, lost_mps.max(axis=0))
        if shard == 0:
            rms_g.append(band_rms_g(after_contact(hit.decel_g), PHYSICAL_RATE_HZ, PRETRIGGER_S, EARLY_S))

    def inside(value: Float, lowest: Float, highest: Float) -> float:
        return float(np.mean((value >= lowest) & (value <= highest)))

    return Envelope(
        pulse=pulse,
        time_s=time_s,
        real_g=real_g,
        lowest_g=lowest_g,
        highest_g=highest_g,
        frac_inside=inside(real_g, lowest_g, highest_g),
        frac_delta_v_inside=inside(delta_v_mps(real_g, DT_S), lowest_mps, highest_mps),
        n_events=n_events,
        real_rms_g=_real_band_rms_g(level_trace),
        band_rms_g=np.percentile(np.concatenate(rms_g), QUANTILES, axis=0).T,
    )


def _real_band_rms_g(level: Trace) -> Float:
    """Band RMS of a pulse without offset in the first 25 ms, shape (n_bands,); NaN above half its rate."""
    rms_g = np.full(len(BANDS_HZ), np.nan)
    there = [k for k, (_, high_hz) in enumerate(BANDS_HZ) if high_hz < level.rate_hz / 2]
    bands = [BANDS_HZ[k] for k in there]
    rms_g[there] = band_rms_g(level.decel_g[None, :], level.rate_hz, -level.t0_s, EARLY_S, bands)[0]
    return rms_g


def read_peaks(path: Path) -> tuple[Float, Float]:
    """Peak deceleration in g and dynamic crush in mm of every valid test in a CSV file."""
    needed = ("calc_peak_g", "calc_crush_mm", "status")
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceFormatError(f"{path}: cannot read as CSV: {error}") from error
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise TraceFormatError(f"{path}: no column {', '.join(missing)}; expected {', '.join(needed)}")
    values: list[tuple[float, float]] = []
    for number, row in enumerate(rows, start=2):
        if row["status"] != "Valid":
            continue
        try:
            pair = (float(row["calc_peak_g"]), float(row["calc_crush_mm"]))
        except (TypeError, ValueError) as error:
            raise TraceFormatError(f"{path}:{number}: peak and crush must be numbers: {error}") from error
        if not (np.isfinite(pair).all() and min(pair) > 0):
            raise TraceFormatError(f"{path}:{number}: peak {pair[0]} g and crush {pair[1]} mm must be positive")
        values.append(pair)
    if len(values) < 30:
        raise TraceFormatError(f"{path}: {len(values)} rows of status Valid, at least 30 are needed to compare")
    table = np.array(values)
    return table[:, 0], table[:, 1]


def read_pulse(path: Path) -> Trace:
    """A pulse of two columns, time in s and acceleration in g (SAE J211 sign), by comma, tab or blanks.

    A first line that holds no number is a heading. Time must be even and include at least 10 samples before 0,
    which is first contact.

    Raises
    ------
    TraceFormatError
        Not two columns of numbers, or time is not even.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceFormatError(f"{path}: cannot read: {error}") from error
    pairs: list[tuple[float, float]] = []
    for number, line in enumerate(lines, start=1):
        cells = line.replace(",", " ").split()
        try:
            time, value = (float(cell) for cell in cells)
        except ValueError as error:
            if number == 1:
                continue
            raise TraceFormatError(
                f"{path}:{number}: {line[:40]!r}, expected time in s and acceleration in g"
            ) from error
        pairs.append((time, value))
    if len(pairs) < 100:
        raise TraceFormatError(f"{path}: {len(pairs)} samples, expected a pulse of at least 100")
    table = np.array(pairs)
    steps = np.diff(table[:, 0])
    step_s = float(np.median(steps))
    if not np.isfinite(table).all() or step_s <= 0 or np.abs(steps - step_s).max() > 0.05 * step_s:
        raise TraceFormatError(f"{path}: time is not even; expected one step throughout and finite values")
    return Trace(path.name, table[:, 1], (len(pairs) - 1) / float(table[-1, 0] - table[0, 0]), float(table[0, 0]))


def figure(result: Calibration) -> Figure:
    """Distributions and envelopes of a ``result``, side by side."""
    from matplotlib.figure import Figure

    n_panels = 2 + len(result.envelopes)
    made = Figure(figsize=(5.0 * n_panels, 4.0), layout="constrained")
    axes = made.subplots(1, n_panels, squeeze=False)[0]
    for axis, one in zip(axes, (result.peak, result.crush), strict=False):
        for values, name in ((one.real, f"measured, n = {one.real.size}"), (one.generated, "synthetic")):
            axis.step(values, np.arange(1, values.size + 1) / values.size, where="post", label=name)
        axis.set(xlabel=f"{one.name} in {one.unit}", ylabel="share of tests", title=f"KS distance {one.ks:.3f}")
        axis.legend()
    for axis, held in zip(axes[2:], result.envelopes, strict=True):
        axis.fill_between(held.time_s * 1e3, held.lowest_g, held.highest_g, alpha=0.3, label="synthetic")
        axis.plot(held.time_s * 1e3, held.real_g, label=held.pulse.trace.name)
        axis.set(
            xlabel="time from first contact in ms",
            ylabel="deceleration in g, CFC 60",
            title=f"{held.pulse.mode}, {held.pulse.speed_kmh:g} km/h: {100 * held.frac_inside:.1f} % inside",
        )
        axis.legend()
    return made


def figure_svg(result: Calibration) -> bytes:
    """The figure as SVG; the same result gives the same bytes."""
    return svg_of(lambda: figure(result))


def _full_speed(mode: CrashMode, speed_kmh: float, n_events: int, seed: tuple[int, int]) -> Impact:
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    fleet = Fleet.drawn(n_events, rng)
    speed_mps = np.full(n_events, speed_kmh / KMH_PER_MPS)
    return impact(fleet, mode, speed_mps, rng, n_samples=round(0.200 / DT_S), dt_s=DT_S)


def _cfc60(decel_g: Float) -> Float:
    """CFC 60 of signals that start at first contact, after a stretch of standstill; shape as given."""
    lead = round(PRETRIGGER_S * PHYSICAL_RATE_HZ)
    return np.stack(
        [cfc(Trace("synthetic", -row, PHYSICAL_RATE_HZ, -PRETRIGGER_S), 60).decel_g for row in after_contact(decel_g)]
    )[:, lead:]


def _compared(name: str, unit: str, real: Float, generated: Float) -> Compared:
    from scipy.stats import ks_2samp

    distance = float(ks_2samp(real, generated).statistic)
    return Compared(name, unit, np.sort(real), np.sort(generated), distance)
