"""Corridors of pulse families that are no set of their own: bi-slope pulses and tipped square waves.

Both are made of straight pieces, so all samples of a whole cell of them, at any phase, have exact bounds in rationals.
Rounded outwards to counts these are a ``corridor``: what is then proved of the corridor holds for the family.
See ``signals/families.py`` for the shapes. Deceleration is positive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel

from . import checker
from .properties import Requirement

Range = tuple[Fraction, Fraction]
REST: Range = (Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True)
class Profile:
    """A cell of pulses.

    Attributes
    ----------
    text : str
        The cell in words.
    longest_ms : Fraction
        Duration of its longest pulse.
    bounds_g : callable
        Least and most deceleration in g of any pulse of the cell at any time within two times in ms after impact.
    """

    text: str
    longest_ms: Fraction
    bounds_g: Callable[[Fraction, Fraction], Range]


def exact_range(values: tuple[str, str], name: str) -> Range:
    """Two positive numbers in text, the first no larger.

    Parameters
    ----------
    values : tuple of str
    name : str
        What they are, for the refusal.

    Raises
    ------
    ConfigError
    """
    try:
        low, high = (checker.rational(value, name) for value in values)
    except checker.Rejected as refused:
        raise ConfigError(str(refused)) from None
    if low > high:
        raise ConfigError(f"{name}: {values[0]} to {values[1]}, expected the smaller one first")
    return low, high


def bi_slope(first_g: Range, first_ms: Range, second_g: Range, second_ms: Range) -> Profile:
    """A plateau of ``first_g`` for ``first_ms``, then one of ``second_g`` for ``second_ms``.

    Parameters
    ----------
    first_g, first_ms, second_g, second_ms : tuple of Fraction
        Least and most.
    """

    def bounds(start: Fraction, end: Fraction) -> Range:
        # (possible from, possible to, values) of each piece over all pulses of the cell
        pieces = [
            (Fraction(0), first_ms[1], first_g),
            (first_ms[0], first_ms[1] + second_ms[1], second_g),
            (first_ms[0] + second_ms[0], None, REST),
        ]
        return _hull([values for since, until, values in pieces if end >= since and (until is None or start <= until)])

    text = f"{_told(first_g)} g for {_told(first_ms)} ms, then {_told(second_g)} g for {_told(second_ms)} ms (bi-slope)"
    return Profile(text, first_ms[1] + second_ms[1], bounds)


def tipped_square(start_g: Range, end_g: Range, duration_ms: Range) -> Profile:
    """A straight line from ``start_g`` to ``end_g`` over ``duration_ms``.

    Parameters
    ----------
    start_g, end_g, duration_ms : tuple of Fraction
        Least and most.
    """

    def bounds(start: Fraction, end: Fraction) -> Range:
        found = []
        if start <= duration_ms[1]:  # linear in the part of the duration that is over, rising in both levels
            parts = (start / duration_ms[1], min(Fraction(1), end / duration_ms[0]))
            low, high = ([a * (1 - x) + b * x for x in parts] for a, b in zip(start_g, end_g, strict=True))
            found.append((min(low), max(high)))
        if end >= duration_ms[0]:
            found.append(REST)
        return _hull(found)

    text = f"{_told(start_g)} g rising or falling straight to {_told(end_g)} g over {_told(duration_ms)} ms"
    return Profile(f"{text} (tipped square wave)", duration_ms[1], bounds)


def corridor(
    model: DeployedModel, profile: Profile, by_ms: str, *, gain: str = "", offset_g: str = "", noise_g: str = ""
) -> Requirement:
    """The requirement that every pulse of a cell requests fire in time.

    Parameters
    ----------
    model : DeployedModel
        Gives the sensor and its sample period; its weights do not matter.
    profile : Profile
    by_ms : str
        From the first sample at or after impact, which comes up to a sample period after it.
    gain, offset_g, noise_g : str
        Tolerances of the sensor; noise is half a count at least, which is also its default, since a sensor rounds.

    Raises
    ------
    ConfigError
        A number that is none, or noise below half a count.
    """
    period = Fraction(1000, model.sample_rate_hz)
    half = model.lsb_g / 2
    tolerances = {"gain": gain, "offset_g": offset_g, "noise_g": noise_g or str(half)}
    exact = {name: exact_range((text, text), name)[0] for name, text in tolerances.items() if text}
    if exact["noise_g"] < half:
        raise ConfigError(f"noise_g = {noise_g}: expected half a count ({half} g) or more, since a sensor rounds")
    last = int(exact_range((by_ms, by_ms), "by_ms")[0] / period)
    lower, upper = [], []
    for k in range(last + 1):
        low, high = profile.bounds_g(k * period, (k + 1) * period)
        lower.append(min(model.clamp_lsb, low // model.lsb_g))
        upper.append(min(model.clamp_lsb, -(-high // model.lsb_g)))
    told = "".join(
        f", {name} within {tolerances[key]}{unit}"
        for name, key, unit in (("gain", "gain", ""), ("offset", "offset_g", " g"), ("noise", "noise_g", " g"))
        if tolerances[key]
    )
    return Requirement(
        "C1",
        "P5 must-fire",
        f"Every pulse of {profile.text} requests fire within {by_ms} ms of its first sample, at any phase{told}.",
        "fires_by",
        "A cell of the must-fire family.",
        "assumed; the corridor holds every sample of every such pulse (crumple corridor)",
        {
            "kind": "corridor",
            "lower": tuple(int(count) for count in lower),
            "upper": tuple(int(count) for count in upper),
            **{key: text for key, text in tolerances.items() if text},
        },
        by_ms,
    )


def _hull(ranges: list[Range]) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _told(both: Range) -> str:
    low, high = (f"{float(value):g}" for value in both)
    return low if low == high else f"{low} to {high}"
