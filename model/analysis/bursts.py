"""The certified map of sine bursts: over frequency and amplitude, what is proved never to fire.

A burst of any length and phase, of constant or falling amplitude, is a signal of bounded amplitude and velocity range:
with amplitude A, frequency f and sample period T, every sum of neighbouring samples is at most A / sin(pi f T) (the sum
of a sine is a difference of two cosines over 2 sin(pi f T); Abel's summation for a falling envelope), and rounding to
counts adds half a count to each sample, half a window's counts to each sum. A proof over all signals of such amplitude
and velocity range (kind ``signals``) so covers all bursts that have less of both, for unbounded time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.progress import Advance, quietly

from . import checker, witness
from .firemap import NEVER, UNDECIDED, Known
from .properties import Requirement
from .prover import prove_window

PI_LOW = Fraction(31415926, 10**7)
"""A little less than pi."""

VELOCITY_STEP_KMH = Fraction(1, 50)

MOST_NODES = 200
"""Nodes of a search before what it is about counts as undecided."""


@dataclass(frozen=True, slots=True)
class BurstPlan:
    """What is mapped."""

    __pydantic_config__ = STRICT
    frequency_from_hz: Annotated[float, Field(gt=0, description="lower edge; assumed")] = 2.0
    frequency_to_hz: Annotated[
        float, Field(gt=0, description="upper edge; assumed, structures ring at 20 to 300 Hz")
    ] = 302.0
    amplitude_from_g: Annotated[float, Field(ge=0, description="lower edge; assumed")] = 0.0
    amplitude_to_g: Annotated[float, Field(gt=0, description="upper edge; assumed")] = 60.0
    n_frequency: Annotated[int, Field(ge=1, le=1000, description="cells")] = 100
    n_amplitude: Annotated[int, Field(ge=1, le=1000, description="cells")] = 100

    def __post_init__(self) -> None:
        if not (self.frequency_from_hz < self.frequency_to_hz and self.amplitude_from_g < self.amplitude_to_g):
            raise ConfigError("bursts: expected rising ranges of frequency and amplitude")

    def edges(self) -> tuple[list[Fraction], list[Fraction]]:
        """Edges of cells, exact: frequencies in Hz, amplitudes in g."""
        axes = (
            (self.frequency_from_hz, self.frequency_to_hz, self.n_frequency),
            (self.amplitude_from_g, self.amplitude_to_g, self.n_amplitude),
        )
        low, high = (
            [Fraction(str(a)) + (Fraction(str(b)) - Fraction(str(a))) * i / n for i in range(n + 1)] for a, b, n in axes
        )
        return low, high


@dataclass(frozen=True, slots=True)
class BurstProof:
    """A proof that no signal of such amplitude and velocity range fires."""

    requirement: Requirement
    certificate: dict[str, Any]

    @property
    def amplitude_g(self) -> Fraction:
        """Largest amplitude."""
        return Fraction(str(self.requirement.set["amplitude_g"]))

    @property
    def velocity_kmh(self) -> Fraction:
        """Largest velocity range."""
        return Fraction(str(self.requirement.set["velocity_range_kmh"]))


def swing(voter: checker.Voter, amplitude_g: Fraction, frequency_hz: Fraction) -> tuple[Fraction, Fraction]:
    """Amplitude in g and velocity range in km/h that no burst exceeds, as a sensor rounds it; exact upper bounds.

    Parameters
    ----------
    voter : checker.Voter
        Gives sample period, counts and window.
    amplitude_g, frequency_hz : Fraction
        Largest amplitude, and lowest frequency, less than half the sample rate.

    Raises
    ------
    ConfigError
        The frequency is too high for the sample rate.
    """
    if 2 * frequency_hz >= voter.rate:
        raise ConfigError(f"bursts: {float(frequency_hz):g} Hz is not below half the sample rate, {voter.rate} Hz")
    angle = PI_LOW * frequency_hz / voter.rate
    sine = angle - angle**3 / 6  # at most sin(pi f T), which rises up to pi / 2
    unit = checker.GRAVITY * Fraction(18, 5) / voter.rate  # km/h per g and sample
    velocity = (amplitude_g / sine + voter.window * voter.lsb_g / 2) * unit
    return amplitude_g + voter.lsb_g / 2, Fraction(math.ceil(velocity * 10**4), 10**4)


def burst_map(
    model: DeployedModel,
    plan: BurstPlan,
    *,
    known: Known = lambda requirement: None,
    tell: Callable[[BurstProof], None] = lambda proof: None,
    advance: Advance = quietly,
) -> list[BurstProof]:
    """Proofs that together cover what is proved never to fire.

    First the largest velocity range for all amplitudes of the map and the largest amplitude for all its velocity
    ranges, then what more a column's frequency allows.

    Parameters
    ----------
    model : DeployedModel
    plan : BurstPlan
    known : callable
        The certificate of a requirement that was proved before, or None.
    tell : callable
        Told every new proof at once.
    advance : callable
        Told columns done and the amplitude proved.
    """
    swings = _swings(model, plan)
    found: list[BurstProof] = []

    def holds(amplitude_g: Fraction, velocity_kmh: Fraction) -> bool:
        requirement = _requirement(amplitude_g, velocity_kmh)
        certificate = known(requirement)
        if certificate is None and (proved := prove_window(model, requirement, max_nodes=MOST_NODES)) is not None:
            certificate = proved.certificate
            tell(BurstProof(requirement, certificate))
        if certificate is not None:
            found.append(BurstProof(requirement, certificate))
        return certificate is not None

    widest = max(velocity for column in swings for _, velocity in column)
    tallest = max(amplitude for column in swings for amplitude, _ in column)
    _climb(lambda n: holds(tallest, n * VELOCITY_STEP_KMH), int(widest / VELOCITY_STEP_KMH))
    _climb(lambda n: holds(n * model.lsb_g, widest), int(tallest / model.lsb_g))
    for i, column in enumerate(swings):
        top = _covered(column, found)
        _climb(lambda n, column=column, top=top: holds(*column[top + n - 1]), len(column) - top)  # type: ignore[misc]
        advance(i + 1, f"{len(found)} proofs")
    return _needed(found)


def _climb(holds: Callable[[int], bool], most: int) -> None:
    """Ask for the largest number from 1 to ``most`` that holds, by doubling and bisection; who is asked takes note."""
    low, high, step = 0, most + 1, 1
    while high - low > 1:
        number = min(low + step, high - 1)
        if holds(number):
            low, step = number, 2 * step if high > most else max(1, (high - number) // 2)
        else:
            high, step = number, max(1, (number - low) // 2)


def _needed(proofs: list[BurstProof]) -> list[BurstProof]:
    """Proofs that no other one contains, each once."""
    kept: list[BurstProof] = []
    for proof in sorted(proofs, key=lambda p: (-p.amplitude_g, -p.velocity_kmh)):
        if all(proof.velocity_kmh > other.velocity_kmh for other in kept):
            kept.append(proof)
    return kept


def _swings(model: DeployedModel, plan: BurstPlan) -> list[list[tuple[Fraction, Fraction]]]:
    """For each column of cells, from the bottom: amplitude and velocity range that its bursts stay within."""
    voter = checker.Model(model.payload()).main
    frequency, amplitude = plan.edges()
    return [[swing(voter, most, lowest) for most in amplitude[1:]] for lowest in frequency[:-1]]


def _covered(column: list[tuple[Fraction, Fraction]], proofs: list[BurstProof]) -> int:
    """Cells from the bottom of a column whose bursts all lie in the set of one proof; both numbers rise in a column."""
    amplitudes, velocities = ([pair[i] for pair in column] for i in (0, 1))
    return max(
        (min(bisect_right(amplitudes, p.amplitude_g), bisect_right(velocities, p.velocity_kmh)) for p in proofs),
        default=0,
    )


def _requirement(amplitude_g: Fraction, velocity_kmh: Fraction) -> Requirement:
    text = (
        f"No signal within {float(amplitude_g):g} g whose velocity stays within {float(velocity_kmh):g} km/h over "
        "every window fires; so no sine burst does that stays within both."
    )
    described: dict[str, str | tuple[int, ...]] = {
        "kind": "signals", "amplitude_g": str(amplitude_g), "velocity_range_kmh": str(velocity_kmh),
    }  # fmt: skip
    name = f"S_{amplitude_g}_{velocity_kmh}".replace("/", "of").replace(".", "p")
    return Requirement(
        name, "P3 frequency class", text, "never_requests_fire", "One corner of the map of sine bursts.",
        "synthetic bursts", described,
    )  # fmt: skip


def burst_grid(model: DeployedModel, plan: BurstPlan, proofs: list[BurstProof]) -> NDArray[np.str_]:
    """The verdict of each cell, shape (n_amplitude, n_frequency): proved never to fire, or undecided.

    Parameters
    ----------
    model : DeployedModel
    plan : BurstPlan
    proofs : list of BurstProof
    """
    cells = np.full((plan.n_amplitude, plan.n_frequency), UNDECIDED, dtype="<U9")
    for i, column in enumerate(_swings(model, plan)):
        cells[: _covered(column, proofs), i] = NEVER
    return cells


def firing_amplitude_g(model: DeployedModel, frequency_hz: float, most_g: float, n_phases: int = 8) -> float:
    """The least amplitude of a simulated burst of 0.3 s that fires, by bisection; NaN above ``most_g``.

    Parameters
    ----------
    model : DeployedModel
    frequency_hz, most_g : float
    n_phases : int
        Starting phases that are tried.
    """
    voter = checker.Model(model.payload()).main
    time_s = np.arange(int(0.3 * voter.rate)) / voter.rate
    waves = [
        np.sin(2 * np.pi * (frequency_hz * time_s + phase / n_phases)) / float(voter.lsb_g) for phase in range(n_phases)
    ]

    def fires(amplitude_g: float) -> bool:
        counts = (np.rint(amplitude_g * wave).astype(np.int64) for wave in waves)
        return any(witness.first_request(voter, each) is not None for each in counts)

    low, high = 0.0, most_g
    if not fires(high):
        return math.nan
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if fires(middle) else (middle, high)
    return high
