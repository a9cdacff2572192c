"""By when every pulse of the must-fire family is proved to request fire, with the sensor's tolerances, cell by cell.

A cell is a range of delta-V and of duration, with any phase of impact, gain, offset and noise within tolerances. Its
proof says "fires by t" with the smallest t that single windows allow; lateness is t less the required time of the
cell's most demanding pulse, so it overstates rather than hides. Cells that are late are cut into four where that helps.
Beside it stands when the cell's corners fire in simulation: no proof can be earlier. The pulses are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.signals.criteria import RttfRule

from . import checker, many, witness
from .firemap import Known
from .properties import Requirement
from .prover import suggest
from .pulses import pulse_band, required_ms, sampled_pulse

Corners = tuple[int, int, int, int]

Exact = Annotated[str, Field(description="exact decimal or fraction; assumed, a usual sensor tolerance")]


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """Which pulses must fire, and under which tolerances."""

    __pydantic_config__ = STRICT
    shape: Annotated[Literal["half_sine", "haversine", "triangle"], Field(description="of the pulses")] = "half_sine"
    delta_v_from_kmh: Annotated[float, Field(gt=0, description="lower edge; assumed")] = 25.0
    delta_v_to_kmh: Annotated[float, Field(gt=0, description="upper edge; assumed")] = 65.0
    duration_from_ms: Annotated[float, Field(gt=0, description="shortest pulse; assumed")] = 60.0
    duration_to_ms: Annotated[float, Field(gt=0, le=1000, description="longest pulse; assumed")] = 120.0
    n_delta_v: Annotated[int, Field(ge=1, le=1000, description="cells")] = 20
    n_duration: Annotated[int, Field(ge=1, le=1000, description="cells")] = 12
    gain: Exact = "0.08"
    offset_g: Exact = "1"
    noise_g: Exact = "0.25"
    most_late_ms: Annotated[float, Field(ge=0, le=1000, description="lateness beyond which no proof is sought")] = 40.0
    halvings: Annotated[int, Field(ge=0, le=6, description="how often an axis of a late cell is halved")] = 1

    def __post_init__(self) -> None:
        if not (self.delta_v_from_kmh < self.delta_v_to_kmh and self.duration_from_ms < self.duration_to_ms):
            raise ConfigError("family: expected rising ranges of delta-V and duration")
        for name in ("gain", "offset_g", "noise_g"):
            try:
                checker.rational(getattr(self, name), name)
            except checker.Rejected as refused:
                raise ConfigError(f"family: {refused}") from None

    @property
    def parts(self) -> int:
        """Parts of a cell along each axis."""
        return int(2**self.halvings)

    def edges(self) -> tuple[list[Fraction], list[Fraction]]:
        """Edges of the parts of cells, exact: delta-V in km/h, durations in ms."""
        axes = (
            (self.delta_v_from_kmh, self.delta_v_to_kmh, self.n_delta_v * self.parts),
            (self.duration_from_ms, self.duration_to_ms, self.n_duration * self.parts),
        )
        low, high = (
            [Fraction(str(a)) + (Fraction(str(b)) - Fraction(str(a))) * i / n for i in range(n + 1)] for a, b, n in axes
        )
        return low, high


@dataclass(frozen=True, slots=True)
class Part:
    """A proof that all pulses of the parts ``[v0, v1) x [t0, t1)`` of cells fire by a time.

    Attributes
    ----------
    v0, v1, t0, t1 : int
    requirement : Requirement
        With the time.
    certificate : dict
    """

    v0: int
    v1: int
    t0: int
    t1: int
    requirement: Requirement
    certificate: dict[str, Any]

    @property
    def by_ms(self) -> float:
        """The time after impact by which fire is proved to be requested."""
        return float(Fraction(self.requirement.by_ms))


@dataclass(frozen=True, slots=True)
class _Bound:
    """Parts of a cell and the sample after impact by which each surely fires; None where no proof is in sight."""

    at: Corners
    sample: int | None
    late: float


class FamilyMap:
    """Proves the cells of one range of durations after another.

    Parameters
    ----------
    model : DeployedModel
    plan : FamilyPlan
    known : callable
        The certificate of a requirement that was proved before, or None.
    tell : callable
        Told every new proof at once.
    """

    def __init__(
        self,
        model: DeployedModel,
        plan: FamilyPlan,
        known: Known = lambda requirement: None,
        tell: Callable[[Part], None] = lambda part: None,
    ) -> None:
        self.model, self.plan, self.known, self.tell = model, plan, known, tell
        self.voter = checker.Model(model.payload()).main
        self.delta_v, self.duration = plan.edges()
        self.zero = self.voter.window + self.voter.m - 2

    def column(self, t: int) -> Iterator[Part]:
        """The proofs of all cells of the ``t``-th range of durations."""
        n = self.plan.parts
        for v in range(self.plan.n_delta_v):
            for bound in self._bounds((v * n, (v + 1) * n, t * n, (t + 1) * n)):
                part = self._part(bound)
                if part is not None:
                    yield part

    def _bounds(self, at: Corners) -> list[_Bound]:
        """How the cell, or what it is cut into, is proved best: in floats, which only steer."""
        v0, v1, t0, t1 = at
        due = self.due_ms(v1, t0)
        if due is None:
            return []
        sample = self._sample(at, due)
        late = np.inf if sample is None else 1e3 * sample / self.voter.rate - due
        whole = [_Bound(at, sample, late)]
        if late <= 0 or v1 - v0 == 1:
            return whole
        v, t = (v0 + v1) // 2, (t0 + t1) // 2
        cut = [part for a, b in product(((v0, v), (v, v1)), ((t0, t), (t, t1))) for part in self._bounds((*a, *b))]
        return cut if max((part.late for part in cut), default=-np.inf) < late else whole

    def due_ms(self, v: int, t: int) -> float | None:
        """Required time to fire of the pulse at the edges ``v`` and ``t``, or None."""
        return required_ms(self.plan.shape, float(self.delta_v[v]), float(self.duration[t]), RttfRule())

    def _band(self, at: Corners) -> many.Band:
        v0, v1, t0, t1 = at
        lsb_g, plan = self.voter.lsb_g, self.plan
        return pulse_band(
            self.voter, plan.shape, (float(self.delta_v[v0]), float(self.delta_v[v1])),
            (float(self.duration[t0]), float(self.duration[t1])), float(Fraction(plan.noise_g) / lsb_g),
            float(Fraction(plan.gain)), float(Fraction(plan.offset_g) / lsb_g),
        )  # fmt: skip

    def _sample(self, at: Corners, due_ms: float) -> int | None:
        """The first sample after impact by which K of M windows surely vote."""
        band, rate, m = self._band(at), self.voter.rate, self.voter.m
        last = min(self.zero + int((due_ms + self.plan.most_late_ms) / 1e3 * rate), band.middle.size - 1)
        ends = range(self.zero - m + 2, last + 1)
        trees = many.Refuter(self.voter, band, ends, votes=False).refute()
        votes = np.convolve([tree is not None for tree in trees], np.ones(m, dtype=np.int64))[m - 1 : len(trees)]
        enough = np.flatnonzero(votes >= self.voter.k)
        return int(enough[0]) + 1 if len(enough) else None

    def _part(self, bound: _Bound) -> Part | None:
        if bound.sample is None:
            return None
        requirement = self._requirement(bound.at, Fraction(1000 * bound.sample, self.voter.rate))
        certificate = self.known(requirement)
        if certificate is not None:
            return Part(*bound.at, requirement, certificate)
        proved = suggest(self.model, requirement, self._band(bound.at))
        if proved is None:
            return None
        part = Part(*bound.at, requirement, proved.certificate)
        self.tell(part)
        return part

    def _requirement(self, at: Corners, by_ms: Fraction) -> Requirement:
        v0, v1, t0, t1 = at
        plan = self.plan
        cell: dict[str, str | tuple[int, ...]] = {
            "kind": "pulse", "shape": plan.shape, "gain": plan.gain, "offset_g": plan.offset_g, "noise_g": plan.noise_g,
            "delta_v_from_kmh": str(self.delta_v[v0]), "delta_v_to_kmh": str(self.delta_v[v1]),
            "duration_from_ms": str(self.duration[t0]), "duration_to_ms": str(self.duration[t1]),
        }  # fmt: skip
        text = (
            f"Every {plan.shape} pulse of {float(self.delta_v[v0]):g} to {float(self.delta_v[v1]):g} km/h over "
            f"{float(self.duration[t0]):g} to {float(self.duration[t1]):g} ms fires within {float(by_ms):g} ms of "
            f"impact, with gain within {plan.gain}, offset within {plan.offset_g} g and noise within {plan.noise_g} g."
        )
        return Requirement(
            f"L_{v0}_{v1}_{t0}_{t1}", "P5 must-fire, P6 tolerance", text, "fires_by",
            "One cell of the must-fire family.", "synthetic pulses; tolerances assumed", cell, str(by_ms),
        )  # fmt: skip


def cells(model: DeployedModel, plan: FamilyPlan, parts: list[Part]) -> list[dict[str, Any]]:
    """What is proved of each cell that must fire, as flat records in order of delta-V, then of duration.

    Parameters
    ----------
    model : DeployedModel
    plan : FamilyPlan
    parts : list of Part

    Returns
    -------
    list of dict
        ``delta_v_kmh`` and ``duration_ms``: from and to. ``required_ms``: of the most demanding pulse. ``proved_ms``:
        by when all have fired, and ``late_ms``: the most that this is after a part's required time; null where
        nothing is proved. ``simulated_ms``: when the latest of the corners fires, tolerances included; null if one
        does not.
    """
    family, n = FamilyMap(model, plan), plan.parts
    proved = {(v, t): part for part in parts for v in range(part.v0, part.v1) for t in range(part.t0, part.t1)}
    rows = []
    for v, t in product(range(plan.n_delta_v), range(plan.n_duration)):
        due = family.due_ms((v + 1) * n, t * n)
        if due is None:
            continue
        own = [proved.get((v * n + i, t * n + j)) for i, j in product(range(n), repeat=2)]
        row: dict[str, Any] = {
            "delta_v_kmh": [float(family.delta_v[v * n]), float(family.delta_v[(v + 1) * n])],
            "duration_ms": [float(family.duration[t * n]), float(family.duration[(t + 1) * n])],
            "required_ms": round(due, 3), "proved_ms": None, "late_ms": None,
            "simulated_ms": _simulated_ms(family, (v * n, (v + 1) * n, t * n, (t + 1) * n)),
        }  # fmt: skip
        if None not in own:
            late = [part.by_ms - (family.due_ms(part.v1, part.t0) or np.inf) for part in own if part is not None]
            row["proved_ms"] = max(part.by_ms for part in own if part is not None)
            row["late_ms"] = round(max(0.0, *late), 3)
        rows.append(row)
    return rows


def _simulated_ms(family: FamilyMap, at: Corners) -> float | None:
    """When the last of the cell's corners requests fire, with gain and offset at their ends; None if one does not."""
    plan, voter = family.plan, family.voter
    quiet = family.zero + 1
    worst = 0
    for v, t in product(at[:2], at[2:]):
        pulse = sampled_pulse(
            plan.shape, float(family.delta_v[v]), float(family.duration[t]), voter.rate,
            float(family.duration[t]) / 1e3 + voter.window / voter.rate,
        )  # fmt: skip
        rest = np.concatenate([np.zeros(quiet), pulse])
        for gain, offset in product((-1, 1), repeat=2):
            sensed = rest * (1 + gain * float(Fraction(plan.gain))) + offset * float(Fraction(plan.offset_g))
            counts = np.clip(np.rint(sensed / float(voter.lsb_g)), -voter.clamp, voter.clamp).astype(np.int64)
            first = witness.first_request(voter, counts)
            if first is None:
                return None
            worst = max(worst, first - quiet)
    return 1e3 * worst / voter.rate


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Cells that must fire among ``rows``: proved in time, proved but late, and not proved."""
    late = [row["late_ms"] for row in rows]
    return {
        "in_time": sum(ms == 0 for ms in late),
        "late": sum(ms is not None and ms > 0 for ms in late),
        "unproved": sum(ms is None for ms in late),
    }
