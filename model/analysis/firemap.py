"""The certified fire map: over delta-V and pulse duration, what is proved to fire in time and what never to fire.

Each cell is a family of pulses (see the kind ``pulse`` in ``certificates.md``): every delta-V and duration in it, any
phase, noise. Neighbouring cells on which all sampled pulses agree are tried as one block, and split in four where the
proof fails; so a proof covers each coloured cell, and what could not be proved stays undecided. Sampled pulses only
say what is worth trying. The pulses are synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crumple.config import STRICT
from crumple.errors import ConfigError
from crumple.model.deployed import DeployedModel
from crumple.progress import Advance, quietly
from crumple.signals.criteria import RttfRule, required_ttf_s
from crumple.units import G0_MPS2

from . import checker, witness
from .properties import Requirement
from .prover import Proved, prove

Float = NDArray[np.float64]

FIRES, NEVER, UNDECIDED = "fires", "never", "undecided"
TILE = 10
"""Cells on a side of what one process takes at a time."""

EFFORT = 0.04
"""Of a proof of one block: where it does not suffice, smaller blocks are tried."""

LARGEST_BLOCK = 5
"""Cells on a side of the largest block that is tried as one."""


@dataclass(frozen=True, slots=True)
class FireMapPlan:
    """What is mapped.

    Attributes
    ----------
    shape : str
        ``half_sine``, ``haversine`` or ``triangle``.
    delta_v_from_kmh, delta_v_to_kmh, duration_from_ms, duration_to_ms : float
    n_delta_v, n_duration : int
        Cells along each axis.
    noise_g : str
        Noise of each sample, at least half a count; an exact decimal or fraction.
    smallest_never : int
        Blocks with fewer cells on a side are not tried for "never": such a proof looks at every sample.
    """

    __pydantic_config__ = STRICT
    shape: Literal["half_sine", "haversine", "triangle"] = "half_sine"
    delta_v_from_kmh: float = 2.0
    delta_v_to_kmh: float = 62.0
    duration_from_ms: float = 40.0
    duration_to_ms: float = 140.0
    n_delta_v: int = 100
    n_duration: int = 100
    noise_g: str = "1/32"
    smallest_never: int = 2

    def __post_init__(self) -> None:
        ordered = 0 < self.delta_v_from_kmh < self.delta_v_to_kmh and 0 < self.duration_from_ms < self.duration_to_ms
        if not ordered or self.duration_to_ms > 1000 or min(self.n_delta_v, self.n_duration, self.smallest_never) < 1:
            raise ConfigError("fire map: expected rising ranges of delta-V and duration (to 1 s), and a cell or more")

    def edges(self) -> tuple[list[Fraction], list[Fraction]]:
        """Edges of cells, exact: delta-V in km/h, durations in ms."""
        axes = (
            (self.delta_v_from_kmh, self.delta_v_to_kmh, self.n_delta_v),
            (self.duration_from_ms, self.duration_to_ms, self.n_duration),
        )
        low, high = (
            [Fraction(str(a)) + (Fraction(str(b)) - Fraction(str(a))) * i / n for i in range(n + 1)] for a, b, n in axes
        )
        return low, high


@dataclass(frozen=True, slots=True)
class Block:
    """Cells ``[v0, v1) x [t0, t1)`` with one verdict, and the evidence where it is not undecided."""

    v0: int
    v1: int
    t0: int
    t1: int
    verdict: str
    requirement: Requirement | None
    certificate: dict[str, Any] | None


def unit_pulse(shape: str, x: Float) -> Float:
    """A pulse of unit area over [0, 1] at ``x``, zero outside; ``shape`` as in the plan."""
    inside = (x > 0) & (x < 1)
    values = {
        "half_sine": np.pi / 2 * np.sin(np.pi * x),
        "haversine": 2 * np.sin(np.pi * x) ** 2,
        "triangle": 4 * np.minimum(x, 1 - x),
    }[shape]
    result: Float = np.where(inside, values, 0.0)
    return result


def sampled_pulse(shape: str, delta_v_kmh: float, duration_ms: float, rate_hz: float, length_s: float) -> Float:
    """Deceleration in g of one pulse.

    Parameters
    ----------
    shape : str
    delta_v_kmh, duration_ms : float
    rate_hz, length_s : float
        Of the samples; the first one is at impact.
    """
    time_s = np.arange(int(length_s * rate_hz)) / rate_hz
    x = time_s / (duration_ms / 1e3)
    return unit_pulse(shape, x) * delta_v_kmh / 3.6 / (duration_ms / 1e3) / G0_MPS2


def required_ms(shape: str, delta_v_kmh: float, duration_ms: float, rule: RttfRule) -> float | None:
    """Required time to fire of a pulse in ms, or None if the rule asks for none.

    Parameters
    ----------
    shape : str
    delta_v_kmh, duration_ms : float
    rule : RttfRule
    """
    found = float(required_ttf_s(sampled_pulse(shape, delta_v_kmh, duration_ms, 20e3, 0.25), 1 / 20e3, rule))
    return None if np.isnan(found) else 1e3 * found


def fire_map(
    model: DeployedModel, plan: FireMapPlan, *, n_processes: int = 2, advance: Advance = quietly
) -> list[Block]:
    """Blocks that cover every cell once, each with its verdict.

    Parameters
    ----------
    model : DeployedModel
    plan : FireMapPlan
    n_processes : int
        The result does not depend on it.
    advance : callable
        Told tiles done and how many cells are proved.
    """
    tiles = [
        (model, plan, v, min(v + TILE, plan.n_delta_v), t, min(t + TILE, plan.n_duration))
        for v in range(0, plan.n_delta_v, TILE)
        for t in range(0, plan.n_duration, TILE)
    ]
    blocks: list[Block] = []
    if n_processes == 1:
        for done, tile in enumerate(tiles, 1):
            blocks += _tile(tile)
            advance(done * 100 // len(tiles), f"{_proved_cells(blocks)} cells proved")
        return blocks
    with ProcessPoolExecutor(n_processes) as pool:
        for done, found in enumerate(pool.map(_tile, tiles), 1):
            blocks += found
            advance(done * 100 // len(tiles), f"{_proved_cells(blocks)} cells proved")
    return blocks


def _proved_cells(blocks: list[Block]) -> int:
    return sum((b.v1 - b.v0) * (b.t1 - b.t0) for b in blocks if b.verdict != UNDECIDED)


def _tile(task: tuple[DeployedModel, FireMapPlan, int, int, int, int]) -> list[Block]:
    """All blocks of one tile."""
    model, plan, v0, v1, t0, t1 = task
    voter, rule = checker.Model(model.payload()).main, RttfRule()
    delta_v, duration = plan.edges()
    fired: dict[tuple[int, int], int | None] = {}

    def first(v: int, t: int) -> int | None:
        if (v, t) not in fired:
            pulse = sampled_pulse(plan.shape, float(delta_v[v]), float(duration[t]), voter.rate, 0.2)
            counts = np.rint(pulse / float(voter.lsb_g)).astype(np.int64)
            fired[v, t] = witness.first_request(voter, counts)
        return fired[v, t]

    def blocks(a: int, b: int, c: int, d: int) -> Iterator[Block]:
        corners = [first(v, t) for v in (a, b) for t in (c, d)]
        cell = {
            "kind": "pulse", "shape": plan.shape, "noise_g": plan.noise_g,
            "delta_v_from_kmh": str(delta_v[a]), "delta_v_to_kmh": str(delta_v[b]),
            "duration_from_ms": str(duration[c]), "duration_to_ms": str(duration[d]),
        }  # fmt: skip
        small = max(b - a, d - c) <= LARGEST_BLOCK
        wanted: Requirement | None = None
        if small and all(corner is not None for corner in corners):
            due = required_ms(plan.shape, float(delta_v[b]), float(duration[c]), rule)  # the soonest of the block
            if due is not None and due > 0 and max(corner or 0 for corner in corners) <= due / 1e3 * voter.rate:
                wanted = _requirement(f"F_{a}_{c}", "fires_by", cell, f"{due:.3f}")
        elif small and min(b - a, d - c) >= plan.smallest_never and all(corner is None for corner in corners):
            wanted = _requirement(f"N_{a}_{c}", "never_requests_fire", cell, "")
        if wanted is not None:
            verdict = prove(model, wanted, effort=EFFORT)
            if isinstance(verdict, Proved):
                name = FIRES if wanted.claim == "fires_by" else NEVER
                yield Block(a, b, c, d, name, wanted, verdict.certificate)
                return
        if (b - a, d - c) == (1, 1):
            yield Block(a, b, c, d, UNDECIDED, None, None)
            return
        u, s = (a + b + 1) // 2, (c + d + 1) // 2
        for low, high in ((a, u), (u, b)) if b - a > 1 else ((a, b),):
            for start, stop in ((c, s), (s, d)) if d - c > 1 else ((c, d),):
                yield from blocks(low, high, start, stop)

    return list(blocks(v0, v1, t0, t1))


def _requirement(name: str, claim: Literal["fires_by", "never_requests_fire"], cell: Any, by_ms: str) -> Requirement:
    what = f"fires within {by_ms} ms of impact" if by_ms else "never fires"
    text = (
        f"Every {cell['shape']} pulse of {float(Fraction(cell['delta_v_from_kmh'])):g} to "
        f"{float(Fraction(cell['delta_v_to_kmh'])):g} km/h over {float(Fraction(cell['duration_from_ms'])):g} to "
        f"{float(Fraction(cell['duration_to_ms'])):g} ms {what}."
    )
    return Requirement(name, "P5 fire map", text, claim, "One block of the fire map.", "synthetic pulses", cell, by_ms)


def grid(plan: FireMapPlan, blocks: list[Block]) -> NDArray[np.str_]:
    """The verdict of each cell, shape (n_delta_v, n_duration).

    Parameters
    ----------
    plan : FireMapPlan
    blocks : list of Block
    """
    cells = np.full((plan.n_delta_v, plan.n_duration), UNDECIDED, dtype="<U9")
    for block in blocks:
        cells[block.v0 : block.v1, block.t0 : block.t1] = block.verdict
    return cells


def render_svg(plan: FireMapPlan, blocks: list[Block]) -> bytes:
    """The map as an SVG: the same blocks give the same bytes.

    Parameters
    ----------
    plan : FireMapPlan
    blocks : list of Block
    """
    import io

    import matplotlib as mpl
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    delta_v, duration = (np.array([float(edge) for edge in edges]) for edges in plan.edges())
    cells = grid(plan, blocks)
    codes = np.select([cells == NEVER, cells == FIRES], [0, 2], 1)
    colours = ("#7fb3d5", "#e5e7e9", "#e59866")
    figure = Figure(figsize=(7.0, 4.6), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.pcolormesh(duration, delta_v, codes, cmap=ListedColormap(colours), vmin=0, vmax=2, rasterized=True)
    rule, t = RttfRule(), np.linspace(duration[0], duration[-1], 21)
    lines = [("an RTTF exists above", "-", None), ("RTTF 20 ms", "--", 20.0), ("RTTF 30 ms", ":", 30.0)]
    for name, style, wanted in lines:
        level = [_delta_v_for(plan.shape, duration_ms, wanted, rule, delta_v[-1]) for duration_ms in t]
        axes.plot(t, level, style, color="#212f3d", lw=1.2, label=name)
    handles, _ = axes.get_legend_handles_labels()
    names = ("proved never to fire", "undecided or either", "proved to fire by RTTF")
    handles += [Patch(facecolor=c, label=name) for c, name in zip(colours, names, strict=True)]
    axes.legend(handles=handles, fontsize=8, loc="lower right", framealpha=0.9)
    axes.set_xlabel("pulse duration (ms)")
    axes.set_ylabel("delta-V (km/h)")
    axes.set_ylim(delta_v[0], delta_v[-1])
    axes.set_title(f"Certified fire map, synthetic {plan.shape.replace('_', '-')} pulses", fontsize=10)
    image = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "crumple", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(image, format="svg", metadata={"Date": None, "Creator": None})
    return image.getvalue().encode("utf-8")


def _delta_v_for(shape: str, duration_ms: float, wanted_ms: float | None, rule: RttfRule, most: float) -> float:
    """The least delta-V whose RTTF is at most ``wanted_ms`` (None: that has one), by bisection; NaN above ``most``."""

    def enough(delta_v: float) -> bool:
        due = required_ms(shape, delta_v, duration_ms, rule)
        return due is not None and (wanted_ms is None or due <= wanted_ms)

    low, high = 0.5, most
    if not enough(high):
        return float("nan")
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
