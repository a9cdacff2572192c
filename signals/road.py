"""Rough roads: ISO 8608 profiles under a quarter car, felt along the car.

The profile is a sum of sines with random phases whose power follows ``G_d(n) = G_d(n0) (n / n0)^-2``, the quarter
car is linear, and what reaches the tunnel lengthwise is the wheel force times the slope of the road, through the
longitudinal bushing. Everything is periodic over the event with no constant part: a road leaves no net velocity.
The *shape* of the spectrum comes from this physics, the *level* from a stated rms range, because the lengthwise
coupling of a real suspension varies more than any model of it. Ranges that are drawn from without a source named
(washboard, transport, quarter car, bushing) are those usual in misuse programmes, and all to be read as assumed.

A mode draws ``n_events`` events from ``rng``; ``rule`` gives only crashes a required time, so nothing here reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.units import KMH_PER_MPS

from .batch import DT_S, PHYSICAL_RATE_HZ, Batch, n_physical, quiet
from .criteria import RttfRule
from .trace import Float

Complex = NDArray[np.complex128]
Range = tuple[float, float]

CLASS_M3 = {
    "A": 16e-6,
    "B": 64e-6,
    "C": 256e-6,
    "D": 1024e-6,
    "E": 4096e-6,
    "F": 16384e-6,
    "G": 65536e-6,
    "H": 262144e-6,
}
"""ISO 8608 geometric means of G_d(n0) in m^3; from memory of the standard."""

REFERENCE_CYCLES_PER_M = 0.1
"""Spatial frequency n0 of ISO 8608."""

SHORTEST_CYCLES_PER_M = 2.83
"""Upper end of the band for which ISO 8608 is stated; from memory of the standard."""

EVENT_S = 0.47975
"""3840 physical samples, a length that the fast Fourier transform likes."""


def displacement_psd_m3(cycles_per_m: Float, road_class: str) -> Float:
    """ISO 8608 displacement spectral density of ``road_class`` (A to H) in m^3 at ``cycles_per_m``, waviness 2."""
    return CLASS_M3[road_class] * (cycles_per_m / REFERENCE_CYCLES_PER_M) ** -2.0


@dataclass(frozen=True, slots=True)
class QuarterCar:
    """A wheel and its share of the body; arrays of shape (n_events, 1). Usual ranges, assumed."""

    sprung_kg: Float
    unsprung_kg: Float
    spring_n_per_m: Float
    damper_n_s_per_m: Float
    tyre_n_per_m: Float

    @classmethod
    def drawn(cls, n_events: int, rng: np.random.Generator) -> QuarterCar:
        """Uniform over the usual ranges: 250-450 kg, 30-55 kg, 15-30 kN/m, 1-2.5 kN s/m, 150-250 kN/m."""
        ranges = ((250.0, 450.0), (30.0, 55.0), (15e3, 30e3), (1e3, 2.5e3), (150e3, 250e3))
        return cls(*(rng.uniform(low, high, (n_events, 1)) for low, high in ranges))

    def transfer(self, frequency_hz: Float) -> tuple[Complex, Complex]:
        """Body and wheel displacement per m of road at ``frequency_hz``, complex, shape (n_events, n_frequencies)."""
        s = (2j * np.pi * frequency_hz).astype(np.complex128)
        link = self.damper_n_s_per_m * s + self.spring_n_per_m
        body = self.sprung_kg * s**2 + link
        wheel = self.unsprung_kg * s**2 + link + self.tyre_n_per_m
        determinant = body * wheel - link**2
        to_body: Complex = self.tyre_n_per_m * link / determinant
        to_wheel: Complex = self.tyre_n_per_m * body / determinant
        return to_body, to_wheel


@dataclass(frozen=True, slots=True)
class RoadSpec:
    """A kind of road."""

    __pydantic_config__ = STRICT
    road_class: Annotated[str, Field(pattern="^[A-H]$", description="ISO 8608 class of the profile")]
    speed_kmh: Annotated[Range, Field(description="driving speed; usual misuse programme, assumed")]
    rms_g: Annotated[Range, Field(description="lengthwise rms at the tunnel; usual misuse programme, assumed")]
    texture_hz: Annotated[Range, Field(description="stone and tyre noise added above the profile; assumed")]
    texture_share: Annotated[Range, Field(description="share of that noise in the rms; assumed")]


GRAVEL = RoadSpec("D", (60.0, 90.0), (0.3, 0.8), (10.0, 120.0), (0.3, 0.8))
BELGIAN_BLOCKS = RoadSpec("E", (30.0, 60.0), (0.5, 1.5), (30.0, 100.0), (0.2, 0.6))


def road_g(spec: RoadSpec, n_events: int, rng: np.random.Generator, duration_s: float) -> tuple[Float, Float, Float]:
    """Draw a road as ``spec`` describes it, ``duration_s`` seconds long.

    Returns
    -------
    lengthwise_g : ndarray, shape (n_events, n_physical)
        No net velocity, to rounding.
    vertical_g : ndarray, shape (n_events, n_physical)
        Body acceleration, at the level of the road's class.
    speed_kmh : ndarray, shape (n_events,)
    """
    n = n_physical(duration_s)
    frequency = np.fft.rfftfreq(n, DT_S).astype(np.float64)
    speed_kmh = rng.uniform(*spec.speed_kmh, n_events)
    speed_mps = speed_kmh[:, None] / KMH_PER_MPS
    used = (frequency > 0) & (frequency <= 150.0)
    f = frequency[used]
    n_wave = f / speed_mps
    # Amplitude of each line: one-sided density in time times the line spacing.
    density = displacement_psd_m3(np.maximum(n_wave, 0.011), spec.road_class) / speed_mps
    density = np.where(n_wave <= SHORTEST_CYCLES_PER_M, density, 0.0)
    profile = np.sqrt(density * (f[1] - f[0])) * _gaussian(rng, (n_events, f.size))
    car = QuarterCar.drawn(n_events, rng)
    body, wheel = car.transfer(f)
    omega = 2 * np.pi * f
    slope = _series(1j * omega / speed_mps * profile, used, n)
    static_n = (car.sprung_kg + car.unsprung_kg) * 9.80665
    wheel_n = static_n + _series(car.tyre_n_per_m * (1 - wheel) * profile, used, n)
    push = np.fft.rfft(np.maximum(wheel_n, 0.0) * slope, axis=1)[:, used]
    bushing_hz = rng.uniform(15.0, 25.0, (n_events, 1))
    bushing_zeta = rng.uniform(0.05, 0.15, (n_events, 1))
    r = f / bushing_hz
    lengthwise = _unit(_series(push / n * 2 / (1 - r**2 + 2j * bushing_zeta * r), used, n))
    in_band = (f >= spec.texture_hz[0]) & (f <= spec.texture_hz[1])
    texture = _unit(_series(_gaussian(rng, (n_events, f.size)) * in_band, used, n))
    share = rng.uniform(*spec.texture_share, (n_events, 1))
    level = rng.uniform(*spec.rms_g, (n_events, 1))
    total = level * (np.sqrt(1 - share**2) * lengthwise + share * texture)
    vertical = _series(-(omega**2) * body * profile, used, n) / 9.80665
    return total, vertical, speed_kmh


def gravel_road(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Gravel at 60 to 90 km/h."""
    return _road(GRAVEL, n_events, rng)


def belgian_blocks(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Belgian blocks (pavé) at 30 to 60 km/h."""
    return _road(BELGIAN_BLOCKS, n_events, rng)


def rough_road(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Gravel and Belgian blocks in turn, rms 0.3 to 1.5 g."""
    halves = [_road(GRAVEL, (n_events + 1) // 2, rng), _road(BELGIAN_BLOCKS, (n_events + 1) // 2, rng)]

    def alternating(name: str) -> Float:
        rows = [getattr(half, name) for half in halves]
        merged: Float = np.stack(rows, axis=1).reshape(-1, *rows[0].shape[1:])[:n_events]
        return merged

    return quiet(alternating("decel_g"), alternating("speed_kmh"), alternating("cross_g"))


def washboard(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Corrugated road: 1 to 5 g at speed over wavelength (0.6 to 0.9 m), slowly modulated."""
    n = n_physical(EVENT_S)
    time = np.arange(n + 1) * DT_S
    wavelength_m = rng.uniform(0.6, 0.9, (n_events, 1))
    # 25 to 80 km/h, kept within the 8 to 35 Hz at which a car follows corrugation.
    speed_kmh = np.minimum(rng.uniform(25.0, 80.0, (n_events, 1)), 35.0 * wavelength_m * KMH_PER_MPS)
    omega = 2 * np.pi * speed_kmh / KMH_PER_MPS / wavelength_m
    beat = 1.0 + 0.4 * np.sin(
        2 * np.pi * rng.uniform(1.0, 3.0, (n_events, 1)) * time + rng.uniform(0, 6.28, (n_events, 1))
    )
    phase = rng.uniform(0.0, 2 * np.pi, (n_events, 1))
    ends = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.020)
    # As the difference of a velocity that is zero at both ends: no net velocity.
    velocity = ends * beat * (np.sin(omega * time + phase) + 0.3 * np.sin(2 * omega * time + 2 * phase)) / omega
    decel = np.diff(velocity, axis=1) * PHYSICAL_RATE_HZ
    decel *= rng.uniform(1.0, 5.0, (n_events, 1)) / np.abs(decel).max(axis=1, keepdims=True)
    return quiet(decel, speed_kmh[:, 0])


def transport(n_events: int, rng: np.random.Generator, rule: RttfRule) -> Batch:
    """Car wash, rail and ship transport, lift: noise of 1 to 50 Hz, peaks of 0.2 to 3 g, standing."""
    n = n_physical(EVENT_S)
    frequency = np.fft.rfftfreq(n, DT_S)
    used = (frequency >= 1.0) & (frequency <= 50.0)
    tilt = rng.uniform(-1.0, 0.5, (n_events, 1))
    noise = _series(_gaussian(rng, (n_events, int(used.sum()))) * frequency[used] ** tilt, used, n)
    noise *= rng.uniform(0.2, 3.0, (n_events, 1)) / np.abs(noise).max(axis=1, keepdims=True)
    return quiet(noise, np.full(n_events, np.nan))


def _road(spec: RoadSpec, n_events: int, rng: np.random.Generator) -> Batch:
    lengthwise, vertical, speed_kmh = road_g(spec, n_events, rng, EVENT_S)
    return quiet(lengthwise, speed_kmh, vertical)


def _series(lines: Complex, used: NDArray[np.bool_], n: int) -> Float:
    """Time series of amplitude lines at the used frequencies; a line of unit amplitude has variance 1/2."""
    spectrum = np.zeros((lines.shape[0], n // 2 + 1), dtype=np.complex128)
    spectrum[:, used] = lines * (n / 2)
    series: Float = np.fft.irfft(spectrum, n, axis=1)
    return series


def _gaussian(rng: np.random.Generator, shape: tuple[int, int]) -> Complex:
    """Complex normal lines with mean square 2, so that a line's series has the variance it is scaled with."""
    parts = rng.normal(size=(2, *shape))
    lines: Complex = parts[0] + 1j * parts[1]
    return lines


def _unit(signal: Float) -> Float:
    scaled: Float = signal / np.sqrt(np.mean(signal**2, axis=1, keepdims=True))
    return scaled
