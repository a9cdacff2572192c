"""What a model's requirements cost each other: which pair conflicts, by how much, and the curve between them.

The output bias is one integer that trades silence for readiness. A no-fire requirement holds up to some bias, a
must-fire requirement from some bias on; both limits are exact for the model's own integers. Where the lowest "up to"
lies below the highest "from", that pair conflicts *on this net*: another net may do better, and how much better is
what training tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from crumple.errors import ConfigError
from crumple.integers import INT64_MAX
from crumple.progress import Advance, quietly
from crumple.units import ceil_fraction

from .analysis.properties import Requirement, RequirementSet
from .analysis.prover import Proved, prove, worst_case
from .deployed import DeployedModel

SCALED_KEYS = ("amplitude_g", "below_g", "slew_g_per_ms", "velocity_range_kmh", "step_g")
"""What grows when a no-fire set is made larger by a factor."""

RESOLUTION = 2**10
"""Limits are found to a part in so many of the span of biases searched: far finer than any tolerance."""

VELOCITY_RANGES_KMH = tuple(Fraction(k, 4) for k in range(2, 17))
"""Half to four km/h: from a door slam's velocity range to that of a parking bump."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A requirement and the output bias up to which, or from which, it is proved.

    Attributes
    ----------
    requirement_id : str
    output_bias : int or None
        None where no bias was found at which a must-fire requirement is proved.
    """

    requirement_id: str
    output_bias: int | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """The pair of requirements that a model cannot meet together.

    Attributes
    ----------
    no_fire, must_fire : Limit
        The no-fire requirement that allows least, the must-fire requirement that needs most.
    scale : Fraction or None
        The numbers of the no-fire set, times this, are proved together with the must-fire requirement; None if
        the must-fire requirement is not proved at any bias, or nobody asked.
    priced : bool
        Whether what the conflict costs was looked up.
    """

    no_fire: Limit
    must_fire: Limit
    scale: Fraction | None
    priced: bool = True

    def text(self) -> str:
        """The conflict in one line."""
        pair = f"{self.no_fire.requirement_id} and {self.must_fire.requirement_id} conflict on this net"
        if not self.priced:
            return f"{pair}: what the first allows is not enough for the second"
        if self.scale is None:
            return f"{pair}: {self.must_fire.requirement_id} is not proved at any threshold"
        share = f"{float(self.scale):.0%}"
        return f"{pair}: both are proved once the numbers of {self.no_fire.requirement_id} shrink to {share}"


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the trade-off curve.

    Attributes
    ----------
    velocity_range_kmh : Fraction
        Signals up to the sensor's range whose velocity stays within this never request fire: proved.
    fires_by_ms : Fraction or None
        With the bias that this allows every pulse of the must-fire set requests fire by then: proved; None where no
        time was.
    """

    velocity_range_kmh: Fraction
    fires_by_ms: Fraction | None


def allowed_bias(model: DeployedModel, requirement: Requirement) -> int:
    """The highest output bias at which single windows prove a ``never_requests_fire`` requirement.

    Parameters
    ----------
    model : DeployedModel
        Its own bias does not matter.
    requirement : Requirement
        Over a set of kind ``signals``.
    """
    return -ceil_fraction(worst_case(replace(model, output_bias=0), requirement).bound)


def needed_bias(model: DeployedModel, requirement: Requirement, above: int) -> int | None:
    """The lowest output bias above a given one at which a ``fires_by`` requirement is proved; None if there is none.

    Parameters
    ----------
    model : DeployedModel
        Its own bias does not matter.
    requirement : Requirement
    above : int
        A bias at which it is not proved; the answer is exact to a part in ``RESOLUTION`` of the way from here.
    """
    low, reach = above, max(1, abs(above))
    while not _proved_at(model, requirement, low + reach):
        low, reach = low + reach, 2 * reach
        if low > model.output_magnitude:  # every window votes, and it is still not proved
            return None
    high = low + reach
    step = max(1, (high - above) // RESOLUTION)
    while high - low > step:
        middle = (low + high) // 2
        if _proved_at(model, requirement, middle):
            high = middle
        else:
            low = middle
    return high


def conflict(
    model: DeployedModel, requirements: RequirementSet, advance: Advance = quietly, *, priced: bool = True
) -> Conflict | None:
    """The pair of requirements that conflicts most on a model; None if some bias meets all of them.

    Parameters
    ----------
    model : DeployedModel
    requirements : RequirementSet
    advance : callable
        Told requirements looked at, and which.
    priced : bool
        Also look up how far the no-fire set must shrink, which takes a proof for each of some forty thresholds;
        else the first must-fire requirement that is not proved is named.
    """
    no_fire, must_fire = _of_interest(requirements)
    if not no_fire or not must_fire:
        return None
    allowed = []
    for done, requirement in enumerate(no_fire):
        advance(done, requirement.id)
        allowed.append((allowed_bias(model, requirement), requirement))
    least, tight = min(allowed, key=lambda pair: pair[0])
    worst: tuple[float, int | None, Requirement] | None = None
    for done, requirement in enumerate(must_fire, start=len(no_fire)):
        advance(done, requirement.id)
        if _proved_at(model, requirement, least):
            continue
        if not priced:
            return Conflict(Limit(tight.id, least), Limit(requirement.id, None), None, priced=False)
        needed = needed_bias(model, requirement, least)
        height = float("inf") if needed is None else float(needed)
        if worst is None or height > worst[0]:
            worst = (height, needed, requirement)
    if worst is None:
        return None
    _, needed, loser = worst
    scale = None if needed is None else _fitting_scale(model, tight, needed)
    return Conflict(Limit(tight.id, least), Limit(loser.id, needed), scale)


def curve(
    model: DeployedModel,
    must_fire: Requirement,
    others: Sequence[Requirement] = (),
    velocity_ranges_kmh: Sequence[Fraction] = VELOCITY_RANGES_KMH,
    advance: Advance = quietly,
) -> tuple[Point, ...]:
    """Proved immune velocity range against the proved worst time to fire, as the output bias moves.

    Parameters
    ----------
    model : DeployedModel
    must_fire : Requirement
        ``fires_by``; its own time is the latest one tried.
    others : sequence of Requirement
        No-fire requirements that keep holding all along.
    velocity_ranges_kmh : sequence of Fraction
    advance : callable
        Told points done.

    Raises
    ------
    ConfigError
        ``must_fire`` claims something else.
    """
    if must_fire.claim != "fires_by":
        raise ConfigError(f"{must_fire.id}: a trade-off needs a fires_by requirement, this one is {must_fire.claim}")
    cap = min((allowed_bias(model, requirement) for requirement in others), default=INT64_MAX)
    sensor_g = str(model.lsb_g * model.clamp_lsb)
    points = []
    for done, velocity in enumerate(velocity_ranges_kmh):
        advance(done, f"{float(velocity):g} km/h")
        described: dict[str, str | tuple[int, ...]] = {
            "kind": "signals",
            "amplitude_g": sensor_g,
            "velocity_range_kmh": str(velocity),
        }
        immune = Requirement("immune", "P2", "", "never_requests_fire", "", "", described)
        bias = min(cap, allowed_bias(model, immune))
        points.append(Point(velocity, _earliest(replace(model, output_bias=bias), must_fire)))
    return tuple(points)


def _of_interest(requirements: RequirementSet) -> tuple[list[Requirement], list[Requirement]]:
    no_fire = [r for r in requirements if r.claim == "never_requests_fire" and r.set["kind"] == "signals"]
    return no_fire, [r for r in requirements if r.claim == "fires_by"]


def _proved_at(model: DeployedModel, requirement: Requirement, bias: int) -> bool:
    return isinstance(prove(replace(model, output_bias=bias), requirement), Proved)


def _fitting_scale(model: DeployedModel, requirement: Requirement, bias: int) -> Fraction:
    """The largest 64th by which a no-fire set may be scaled and still be proved at a bias."""
    low, high = 0, 64
    while high - low > 1:
        middle = (low + high) // 2
        described = {
            key: str(Fraction(value) * Fraction(middle, 64)) if key in SCALED_KEYS and isinstance(value, str) else value
            for key, value in requirement.set.items()
        }
        if allowed_bias(model, replace(requirement, set=described)) >= bias:
            low = middle
        else:
            high = middle
    return Fraction(low, 64)


def _earliest(model: DeployedModel, must_fire: Requirement) -> Fraction | None:
    """The earliest whole sample by which a must-fire requirement is proved, up to its own time."""
    period_ms = Fraction(1000, model.sample_rate_hz)
    high = int(Fraction(must_fire.by_ms) / period_ms)
    low = 0

    def by(sample: int) -> bool:
        return isinstance(prove(model, replace(must_fire, by_ms=str(sample * period_ms))), Proved)

    if not by(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if by(middle):
            high = middle
        else:
            low = middle
    return high * period_ms
