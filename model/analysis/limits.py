"""How far a requirement could be pushed, and what changed between two models.

The limit of a requirement is the largest amplitude, velocity range, step, noise or gain error, or the earliest time,
for which its claim is still proved, with a certificate there and a counterexample one step beyond: an exact optimum on
the grid of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.units import G0_MPS2

from . import checker
from .explain import bisect
from .properties import Requirement
from .prover import CLOSED_CLAIMS, Proved, Verdict, prove

STEPS = ("amplitude_g", "below_g", "velocity_range_kmh", "slew_g_per_ms", "step_g", "noise_g", "offset_g", "gain")
"""Keys of a set that have a limit. Besides, ``by_ms`` has one: the earliest time that is still kept."""

GAIN_STEP = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Limit:
    """The optimum of one key of a requirement's set.

    Attributes
    ----------
    requirement, key : str
    required : str
        As the requirement has it; ``0`` if the key is not in its set.
    step : Fraction
        What the key is tried in: one count of the sensor, one sample in time, for a gain a thousandth.
    proved, violated : Fraction or None
        Hardest value with a proof, and easiest with a counterexample, of those tried: for ``by_ms`` the earliest and
        the latest, else the largest and the smallest.
    proof, counterexample : dict or None
        Certificates of the two.
    """

    requirement: str
    key: str
    required: str
    step: Fraction
    proved: Fraction | None
    violated: Fraction | None
    proof: dict[str, Any] | None
    counterexample: dict[str, Any] | None

    @property
    def is_exact(self) -> bool:
        """Whether proof and counterexample are one step apart."""
        return None not in (self.proved, self.violated) and abs(self.violated - self.proved) == self.step  # type: ignore[operator]


def step_of(model: DeployedModel, key: str) -> Fraction:
    """The step in which a key of a set is tried.

    Parameters
    ----------
    model : DeployedModel
    key : str

    Raises
    ------
    ConfigError
        The key has no limit.
    """
    if key == "by_ms":
        return Fraction(1000, model.sample_rate_hz)
    if key == "gain":
        return GAIN_STEP
    if key == "velocity_range_kmh":
        return model.lsb_g * Fraction(str(G0_MPS2)) / model.sample_rate_hz * Fraction(18, 5)
    if key == "slew_g_per_ms":
        return model.lsb_g * model.sample_rate_hz / 1000
    if key in STEPS:
        return model.lsb_g
    raise ConfigError(f"{key!r} has no limit; choose one of {', '.join(STEPS)}, by_ms")


def limit(
    model: DeployedModel, requirement: Requirement, key: str, *, most_steps: int = 1 << 14, effort: float = 0.2
) -> Limit:
    """Find the largest value of one key for which a requirement is proved; of ``by_ms``, the smallest.

    Times are tried from the one that the requirement states downwards, sample by sample.

    Parameters
    ----------
    model : DeployedModel
    requirement : Requirement
        The claim must get harder as the key grows, as all of ``STEPS`` do.
    key : str
        One of ``STEPS``, which may be new to the set, or ``by_ms``, if the claim is kept by a time.
    most_steps : int
        No more steps are tried.
    effort : float
        See ``prove``.

    Raises
    ------
    ConfigError
        The set has no such key, or the claim no time.
    """
    step = step_of(model, key)
    if key == "by_ms":
        if not requirement.by_ms:
            raise ConfigError(f"{requirement.id}: the claim {requirement.claim} is not kept by a time")
        stated = Fraction(requirement.by_ms)
        required, most_steps = requirement.by_ms, int(stated / step)
    else:
        stated, required = Fraction(0), str(requirement.set.get(key, "0"))

    def value(number: int) -> Fraction:
        return stated - (number - 1) * step if key == "by_ms" else number * step

    def ask(number: int) -> Verdict:
        if key == "by_ms":
            return prove(model, replace(requirement, by_ms=str(value(number))), effort=effort)
        return prove(model, replace(requirement, set={**requirement.set, key: str(value(number))}), effort=effort)

    held, broken = bisect(ask, 1, most_steps)
    return Limit(
        requirement.id, key, required, step,
        value(held[0]) if held else None, value(broken[0]) if broken else None,
        held[1].certificate if held else None, broken[1].certificate if broken else None,
    )  # fmt: skip


def limit_key(requirement: Requirement) -> str | None:
    """The key of a requirement whose limit says most, or None if it has none."""
    if requirement.by_ms:
        return "by_ms"
    order = ("velocity_range_kmh", "step_g", "slew_g_per_ms", "below_g", "amplitude_g", "gain", "noise_g", "offset_g")
    present = [key for key in order if key in requirement.set]
    return present[0] if present and requirement.claim not in CLOSED_CLAIMS else None


@dataclass(frozen=True, slots=True)
class Change:
    """One property under two models.

    Attributes
    ----------
    id, text : str
    before, after : str
        ``proved``, ``violated``, ``unknown`` or ``vacuous``.
    margin_before, margin_after : float or None
        How far below a vote the largest y of a window is proved to stay, where one window suffices.
    is_reusable : bool
        The first model's certificate proves the second model too, as it is.
    """

    id: str
    text: str
    before: str
    after: str
    margin_before: float | None
    margin_after: float | None
    is_reusable: bool


def compare(
    before: DeployedModel, after: DeployedModel, requirements: Sequence[Requirement], *, effort: float = 1.0
) -> list[Change]:
    """What a change of the model does to each property.

    Parameters
    ----------
    before, after : DeployedModel
    requirements : sequence of Requirement
    effort : float
        See ``prove``.
    """
    changes = []
    for requirement in requirements:
        old = prove(before, requirement, effort=effort)
        reusable = isinstance(old, Proved) and _accepts(after, requirement, old.certificate)
        new = old if before == after else prove(after, requirement, effort=effort)
        names = [type(verdict).__name__.lower() for verdict in (old, new)]
        changes.append(
            Change(requirement.id, requirement.text, names[0], names[1], _margin(old), _margin(new), reusable)
        )
    return changes


def _margin(verdict: Verdict) -> float | None:
    return float(1 - verdict.bound) if isinstance(verdict, Proved) and verdict.bound is not None else None


def _accepts(model: DeployedModel, requirement: Requirement, certificate: dict[str, Any]) -> bool:
    try:
        checker.check(checker.Model(model.payload()), requirement.payload(), certificate)
    except checker.Rejected:
        return False
    return True
