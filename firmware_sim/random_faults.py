"""Single faults at random on randomly drawn events: any fault of the list, from any sample on, and flipped bits.

`crumple faults` tries the whole list at chosen moments of chosen events; here chance chooses event, moment and fault,
so that moments and events which nobody thought of come up too.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crumple.artefact import Json
from crumple.config import STRICT
from crumple.signals.batch import MUST_FIRE
from crumple.signals.generate import CorpusPlan, Drawn

from .fault_list import Sensor, spoilt
from .fault_outcome import OMITTED, OUTCOMES, UNINTENDED, explanation, outcomes
from .fault_run import PARAMETERS, STATE
from .inject import Injector
from .replay import Controller
from .scenes import CRASH, MISUSE, Scene, due

MOMENT = "a random sample"


@dataclass(frozen=True, slots=True)
class FaultDraw:
    """How often faults are drawn."""

    __pydantic_config__ = STRICT
    share: Annotated[
        float, Field(gt=0, le=1, description="of the events that are decided rightly; each costs as much as a hundred")
    ] = 0.01
    each: Annotated[
        int, Field(ge=1, le=100, description="faults of inputs on such an event, and as many flipped bits of each kind")
    ] = 20


@dataclass(slots=True)
class Upsets:
    """Counts of faulty runs, by family of the fault and class of the event; those of two shards add up.

    Attributes
    ----------
    counts : dict
        Family and class to the count of each of ``OUTCOMES``.
    bad : dict
        Family, class, outcome and explanation of each unintended or omitted fire, to how often.
    """

    counts: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    bad: dict[tuple[str, str, str, str], int] = field(default_factory=dict)

    def add(self, family: str, scene: Scene, results: NDArray[Any]) -> None:
        """Count the ``results`` (``inject.RESULT_DTYPE``, shape (n_runs,)) of faults of a ``family`` on a ``scene``."""
        found = outcomes(scene, results)
        mine = self.counts.setdefault((family, scene.event_class), [0] * len(OUTCOMES))
        for k, n in enumerate(np.bincount(found, minlength=len(OUTCOMES)).tolist()):
            mine[k] += n
        for k in np.flatnonzero(np.isin(found, [OUTCOMES.index(OMITTED), OUTCOMES.index(UNINTENDED)])).tolist():
            outcome = OUTCOMES[found[k]]
            key = (family, scene.event_class, outcome, explanation(scene, results[k], outcome))
            self.bad[key] = self.bad.get(key, 0) + 1

    def merge(self, other: Json) -> None:
        """Add the counts that ``other``, as of ``as_json``, holds."""
        for row in other:
            if "why" in row:
                key = (row["family"], row["class"], row["outcome"], row["why"])
                self.bad[key] = self.bad.get(key, 0) + row["faults"]
                continue
            mine = self.counts.setdefault((row["family"], row["class"]), [0] * len(OUTCOMES))
            for k, name in enumerate(OUTCOMES):
                mine[k] += row[name]

    def as_json(self) -> list[dict[str, Any]]:
        """One flat record for each family and class, then one for each way in which a run ended badly."""
        return [
            *(
                {"family": family, "class": kind, "faults": sum(n), **dict(zip(OUTCOMES, n, strict=True))}
                for (family, kind), n in sorted(self.counts.items())
            ),
            *(
                {"family": family, "class": kind, "outcome": outcome, "why": why, "faults": n}
                for (family, kind, outcome, why), n in sorted(self.bad.items())
            ),
        ]


def upset(
    drawn: Drawn,
    right: NDArray[np.bool_],
    draw: FaultDraw,
    plan: CorpusPlan,
    piece: tuple[str, int],
    controller: Controller,
    injector: Injector,
    upsets: Upsets,
) -> None:
    """Draw faults on some events of a piece of a plan and count what becomes of them.

    Parameters
    ----------
    drawn : Drawn
        The piece's events.
    right : ndarray of bool, shape (n_events,)
        Decided rightly without a fault; others take no part, nor do events with a lost frame: faults are single ones.
    draw : FaultDraw
    plan : CorpusPlan
    piece : tuple
        Mode, and number of the piece within the mode: with the plan's seed they seed the draw.
    controller : Controller
    injector : Injector
        Of the same library.
    upsets : Upsets
        Is added to.
    """
    mode, number = piece
    words = (zlib.crc32(b"faults"), zlib.crc32(mode.encode()), number)
    rng = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=words))
    whole = ~(drawn.main.is_lost.any(axis=1) | drawn.safing.is_lost.any(axis=1))
    chosen = np.flatnonzero(right & whole & (rng.random(right.size) < draw.share))
    main, safing = plan.sensors.main, plan.sensors.safing
    sensors = (Sensor("main", float(main.lsb), main.clamp_lsb), Sensor("safing", float(safing.lsb), safing.clamp_lsb))
    for row in chosen.tolist():
        at = int(rng.integers(0, drawn.main.counts_lsb.shape[1]))
        scene = _scene(drawn, row, mode, at, controller, injector, main.sample_rate_hz)
        every = list(spoilt(scene, controller, sensors, plan.seed))
        picked = [every[k] for k in rng.choice(len(every), draw.each, replace=False).tolist()]
        results = injector.spoilt(np.stack([one.inputs for one in picked]), scene.expected)
        for one, result in zip(picked, results, strict=True):
            upsets.add(one.family, scene, result[None])
        for family, flips, n_bytes in (
            (STATE, injector.state_flips, injector.n_state_bytes),
            (PARAMETERS, injector.parameter_flips, injector.n_parameter_bytes),
        ):
            for bit in rng.integers(0, 8 * n_bytes, draw.each).tolist():
                upsets.add(family, scene, flips(scene.inputs, scene.expected, at, bit, 1))


def _scene(
    drawn: Drawn, row: int, mode: str, at: int, controller: Controller, injector: Injector, rate_hz: int
) -> Scene:
    """One drawn event, all frames of which arrive, and one moment."""
    counts = drawn.main.counts_lsb[row], drawn.safing.counts_lsb[row]
    inputs = controller.words(*counts)
    is_crash = drawn.labels[row] == MUST_FIRE
    first_s, rttf_s = float(drawn.first_sample_s[row]), float(drawn.rttf_s[row])
    contact, required = due(first_s, rttf_s, inputs.size, 1.0 / rate_hz) if is_crash else (None, None)
    return Scene(
        name=f"{mode} at random",
        mode=mode,
        event_class=CRASH if is_crash else MISUSE,
        main_lsb=counts[0],
        safing_lsb=counts[1],
        inputs=inputs,
        expected=injector.run(inputs),
        contact=contact,
        required=required,
        moments=((MOMENT, at),),
        rate_hz=rate_hz,
    )
