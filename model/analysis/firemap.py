"""The certified fire map: over delta-V and pulse duration, what is proved to fire in time and what never to fire.

Each block of cells is a family of pulses (see the kind ``pulse`` in ``certificates.md``): every delta-V and duration in
it, any phase, noise. Blocks whose sampled corners agree are tried as one, first in arrays of floats, then by a proof
that the checker accepts; else they are cut in two where that helps most, down to parts of a cell. A cell is coloured
if proofs cover all of it; what could not be proved stays undecided. The pulses are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.config import STRICT
from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.signals.criteria import RttfRule

from . import checker, many, witness
from .properties import Requirement
from .prover import suggest
from .pulses import pulse_band, required_ms, sampled_pulse

FIRES, NEVER, UNDECIDED = "fires", "never", "undecided"
STRIP = 10
"""Durations of what one process takes at a time."""

QUICK_STEPS = 0
"""Steps of improvement when two ways to cut a block are compared."""


@dataclass(frozen=True, slots=True)
class FireMapPlan:
    """What is mapped."""

    __pydantic_config__ = STRICT
    shape: Annotated[Literal["half_sine", "haversine", "triangle"], Field(description="of the pulses")] = "half_sine"
    delta_v_from_kmh: Annotated[float, Field(gt=0, description="lower edge; assumed")] = 2.0
    delta_v_to_kmh: Annotated[float, Field(gt=0, description="upper edge; assumed")] = 62.0
    duration_from_ms: Annotated[float, Field(gt=0, description="shortest pulse; assumed")] = 40.0
    duration_to_ms: Annotated[float, Field(gt=0, le=1000, description="longest pulse; assumed")] = 140.0
    n_delta_v: Annotated[int, Field(ge=1, le=1000, description="cells")] = 100
    n_duration: Annotated[int, Field(ge=1, le=1000, description="cells")] = 100
    noise_g: Annotated[str, Field(description="of each sample, half a count or more; exact decimal or fraction")] = (
        "1/32"
    )
    halvings: Annotated[
        int, Field(ge=0, le=6, description="how often an axis of a cell is halved before the rest is undecided")
    ] = 0

    def __post_init__(self) -> None:
        if not (self.delta_v_from_kmh < self.delta_v_to_kmh and self.duration_from_ms < self.duration_to_ms):
            raise ConfigError("fire map: expected rising ranges of delta-V and duration")
        try:
            checker.rational(self.noise_g, "noise_g")
        except checker.Rejected as refused:
            raise ConfigError(f"fire map: {refused}") from None

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

    def strips(self) -> list[tuple[int, int]]:
        """Ranges of parts of durations that are mapped one by one."""
        n, step = self.n_duration * self.parts, STRIP * self.parts
        return [(t, min(t + step, n)) for t in range(0, n, step)]


@dataclass(frozen=True, slots=True)
class Block:
    """A proof over the parts ``[v0, v1) x [t0, t1)`` of cells.

    Attributes
    ----------
    v0, v1, t0, t1 : int
    verdict : str
        ``fires`` or ``never``.
    requirement : Requirement
    certificate : dict
    """

    v0: int
    v1: int
    t0: int
    t1: int
    verdict: str
    requirement: Requirement
    certificate: dict[str, Any]


Known = Callable[[Requirement], dict[str, Any] | None]
Tell = Callable[[Block], None]
Corners = tuple[int, int, int, int]


class StripMap:
    """Maps one strip of durations.

    Parameters
    ----------
    model : DeployedModel
    plan : FireMapPlan
    known : callable
        The certificate of a requirement that was proved before, or None.
    tell : callable
        Told every new proof at once.
    """

    def __init__(
        self,
        model: DeployedModel,
        plan: FireMapPlan,
        known: Known = lambda requirement: None,
        tell: Tell = lambda block: None,
    ) -> None:
        self.model, self.plan, self.known, self.tell = model, plan, known, tell
        self.voter = checker.Model(model.payload()).main
        self.delta_v, self.duration = plan.edges()
        self.noise = float(Fraction(plan.noise_g) / self.voter.lsb_g)
        self.zero = self.voter.window + self.voter.m - 2
        self.fired: dict[tuple[int, int], int | None] = {}
        self.due: dict[tuple[int, int], float | None] = {}

    def blocks(self, t0: int, t1: int) -> list[Block]:
        """Every proof of the strip from ``t0`` to ``t1``."""
        return list(self._visit(0, len(self.delta_v) - 1, t0, t1))

    def _visit(self, v0: int, v1: int, t0: int, t1: int) -> Iterator[Block]:
        wanted = self._wanted(v0, v1, t0, t1)
        if wanted is not None and self._left(wanted, (v0, v1, t0, t1), many.STEPS) == 0:
            requirement = self._requirement(wanted, v0, v1, t0, t1)
            certificate = self.known(requirement)
            if (
                certificate is None
                and (proved := suggest(self.model, requirement, self._band(v0, v1, t0, t1))) is not None
            ):
                certificate = proved.certificate
                self.tell(Block(v0, v1, t0, t1, wanted, requirement, certificate))
            if certificate is not None:
                yield Block(v0, v1, t0, t1, wanted, requirement, certificate)
                return
        cuts = list[tuple[Corners, Corners]]()
        if v1 - v0 > 1:
            middle = (v0 + v1) // 2
            cuts.append(((v0, middle, t0, t1), (middle, v1, t0, t1)))
        if t1 - t0 > 1:
            middle = (t0 + t1) // 2
            cuts.append(((v0, v1, t0, middle), (v0, v1, middle, t1)))
        if not cuts or (wanted is None and self._agree(v0, v1, t0, t1)):
            return
        if len(cuts) == 2 and wanted is not None:
            cuts.sort(key=lambda cut: sum(self._left(str(wanted), part, QUICK_STEPS) for part in cut))
        elif len(cuts) == 2 and (v1 - v0) < (t1 - t0):
            cuts.reverse()
        for part in cuts[0]:
            yield from self._visit(*part)

    def _first(self, v: int, t: int) -> int | None:
        """Sample after impact at which the pulse at a corner requests fire."""
        if (v, t) not in self.fired:
            counts = sampled_pulse(
                self.plan.shape, float(self.delta_v[v]), float(self.duration[t]), self.voter.rate,
                float(self.duration[t] + 1000 * self.voter.window / Fraction(self.voter.rate)) / 1e3,
            ) / float(self.voter.lsb_g)  # fmt: skip
            self.fired[v, t] = witness.first_request(self.voter, np.rint(counts).astype(np.int64))
        return self.fired[v, t]

    def _due_ms(self, v: int, t: int) -> float | None:
        if (v, t) not in self.due:
            delta_v, duration = float(self.delta_v[v]), float(self.duration[t])
            self.due[v, t] = required_ms(self.plan.shape, delta_v, duration, RttfRule())
        return self.due[v, t]

    def _wanted(self, v0: int, v1: int, t0: int, t1: int) -> str | None:
        """What the sampled corners of a block say it may be proved to do."""
        corners = [self._first(v, t) for v in (v0, v1) for t in (t0, t1)]
        if all(corner is None for corner in corners):
            return NEVER
        due = self._due_ms(v1, t0)  # the soonest of the block
        late = max((self.zero if corner is None else corner) for corner in corners)
        in_time = due is not None and due > 0 and None not in corners and late <= due / 1e3 * self.voter.rate
        return FIRES if in_time else None

    def _agree(self, v0: int, v1: int, t0: int, t1: int) -> bool:
        """Whether no corner fires in time or never, so that smaller blocks of an undecided one promise nothing."""
        if max(v1 - v0, t1 - t0) > self.plan.parts:
            return False
        for v in (v0, v1):
            for t in (t0, t1):
                first, due = self._first(v, t), self._due_ms(v, t)
                if first is None or (due is not None and first <= due / 1e3 * self.voter.rate):
                    return False
        return True

    def _left(self, wanted: str, part: Corners, steps: int) -> int:
        """Windows that floats leave open of a proof of ``wanted``: 0 says that it is worth an exact one."""
        band = self._band(*part)
        k, m = self.voter.k, self.voter.m
        if wanted == NEVER:
            ends = range(self.zero + 1, band.middle.size)
            open_ = [tree is None for tree in many.Refuter(self.voter, band, ends, votes=True).refute(steps=steps)]
            near = np.convolve(np.array(open_, dtype=np.int64), np.ones(m, dtype=np.int64))[: len(ends)]
            return int((near >= k).sum())
        due = self._due_ms(part[1], part[2])
        assert due is not None
        ends = range(self.zero, self.zero + int(due / 1e3 * self.voter.rate) + 1)
        trees = many.Refuter(self.voter, band, ends, votes=False).refute(steps=steps)
        voting = np.array([tree is not None for tree in trees], dtype=np.int64)
        votes = np.convolve(voting, np.ones(m, dtype=np.int64))
        return max(0, k - int(votes.max()))

    def _band(self, v0: int, v1: int, t0: int, t1: int) -> many.Band:
        delta_v = float(self.delta_v[v0]), float(self.delta_v[v1])
        duration = float(self.duration[t0]), float(self.duration[t1])
        return pulse_band(self.voter, self.plan.shape, delta_v, duration, self.noise)

    def _requirement(self, wanted: str, v0: int, v1: int, t0: int, t1: int) -> Requirement:
        cell: dict[str, str | tuple[int, ...]] = {
            "kind": "pulse", "shape": self.plan.shape, "noise_g": self.plan.noise_g,
            "delta_v_from_kmh": str(self.delta_v[v0]), "delta_v_to_kmh": str(self.delta_v[v1]),
            "duration_from_ms": str(self.duration[t0]), "duration_to_ms": str(self.duration[t1]),
        }  # fmt: skip
        by_ms = ""
        if wanted == FIRES:
            due = self._due_ms(v1, t0)
            assert due is not None
            by_ms = f"{due:.3f}"
        what = f"fires within {by_ms} ms of impact" if by_ms else "never fires"
        text = (
            f"Every {self.plan.shape} pulse of {float(self.delta_v[v0]):g} to {float(self.delta_v[v1]):g} km/h over "
            f"{float(self.duration[t0]):g} to {float(self.duration[t1]):g} ms {what}."
        )
        return Requirement(
            f"{wanted[0].upper()}_{v0}_{v1}_{t0}_{t1}", "P5 fire map", text,
            "fires_by" if by_ms else "never_requests_fire", "One block of the fire map.", "synthetic pulses", cell,
            by_ms,
        )  # fmt: skip


def grid(plan: FireMapPlan, blocks: list[Block]) -> NDArray[np.str_]:
    """The verdict of each cell, shape (n_delta_v, n_duration): that of all its parts, or else undecided.

    Parameters
    ----------
    plan : FireMapPlan
    blocks : list of Block
    """
    n = plan.parts
    parts = np.full((plan.n_delta_v * n, plan.n_duration * n), UNDECIDED, dtype="<U9")
    for block in blocks:
        parts[block.v0 : block.v1, block.t0 : block.t1] = block.verdict
    whole = parts.reshape(plan.n_delta_v, n, plan.n_duration, n)
    first = whole[:, :1, :, :1]
    cells: NDArray[np.str_] = np.where((whole == first).all(axis=(1, 3)), first[:, 0, :, 0], UNDECIDED)
    return cells
