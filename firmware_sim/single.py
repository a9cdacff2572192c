"""One event in the controller with its recorder, tick by tick: what timeline, trace and EDR image are made of."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from crumple.export.exported import read_export
from crumple.progress import Advance, quietly
from crumple.signals.corpus import Event
from crumple.signals.sensor import Counts, SensorPair
from crumple.toolchain import find_compiler

from .build import build_controller
from .outcome import Outcome, outcome
from .recorder import Recorder
from .replay import MODES, TROUBLES, Controller, Timeline
from .stages import require_sensors

STEPS = 2


@dataclass(frozen=True, slots=True)
class Simulated:
    """One event, followed by rest, and what the controller made of it at every tick.

    Attributes
    ----------
    event : Event
    sensors : SensorPair
    outcome : Outcome
        Of the event itself; rest is not judged.
    main_lsb, safing_lsb : ndarray of int16, shape (n_ticks,)
        What the sensors sent; zeros from ``n_given`` on.
    n_given : int
        Samples of the event; after them comes rest, which is synthetic.
    timeline : Timeline
        All ``n_ticks``.
    crash_output : ndarray of bool, shape (n_ticks,)
    image : bytes
        Of the event data recorder, afterwards.
    compiler : str
    """

    event: Event
    sensors: SensorPair
    outcome: Outcome
    main_lsb: Counts
    safing_lsb: Counts
    n_given: int
    timeline: Timeline
    crash_output: np.ndarray[Any, np.dtype[np.bool_]]
    image: bytes
    compiler: str

    @property
    def n_ticks(self) -> int:
        """Ticks of event and rest."""
        return int(self.main_lsb.size)

    @property
    def time_ms(self) -> list[float]:
        """Of every tick, from first contact, rounded to a nanosecond."""
        period_s = float(self.sensors.main.sample_period_s)
        return [round((self.event.first_sample_s + k * period_s) * 1e3, 6) for k in range(self.n_ticks)]

    def states(self) -> list[tuple[float, str]]:
        """When the controller entered which state, in ms from first contact; the first entry is where it began."""
        times, modes = self.time_ms, self.timeline.mode.tolist()
        first = [next(group)[0] for _, group in groupby(enumerate(modes), key=lambda pair: pair[1])]
        return [(times[k], MODES[modes[k]]) for k in first]

    def troubles(self) -> list[str]:
        """Trouble codes at the end."""
        bits = int(self.timeline.trouble[-1])
        return [name for k, name in enumerate(TROUBLES) if bits >> k & 1]


def simulate_one(
    export_folder: Path,
    event: Event,
    sensors: SensorPair,
    *,
    rest_ms: int,
    where: str,
    advance: Advance = quietly,
) -> Simulated:
    """Compile the controller with the exported model and run one event through it, from power-on.

    Parameters
    ----------
    export_folder : Path
    event : Event
    sensors : SensorPair
        That saw it; they must be those that the model reads.
    rest_ms : int
        Zero counts after the event, so that firing and recorder can finish.
    where : str
        Names the event's source in errors.
    advance : callable
        Told the steps done out of ``STEPS``.

    Raises
    ------
    CorpusError
        The event was sensed by other sensors than the model reads.
    ToolMissingError, CompileError, ArtefactError, SignalError
    """
    require_sensors(read_export(export_folder), sensors, where)
    compiler = find_compiler()
    rest = np.zeros(rest_ms * sensors.main.sample_rate_hz // 1000, np.int16)
    main, safing = np.concatenate([event.main_lsb, rest]), np.concatenate([event.safing_lsb, rest])
    with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as build:
        advance(0, f"{compiler.name} compiles")
        library = build_controller(export_folder, Path(build), compiler)
        advance(1, f"{main.size} ticks")
        outputs, image = Recorder(library).run(Controller(library).words(main, safing))
    timeline = Timeline.from_outputs(outputs)
    given = Timeline.from_outputs(outputs[: event.main_lsb.size])
    advance(2, f"{main.size} ticks, ends in {MODES[timeline.mode[-1]]}")
    return Simulated(
        event=event,
        sensors=sensors,
        outcome=outcome(event, given, float(sensors.main.sample_period_s)),
        main_lsb=main,
        safing_lsb=safing,
        n_given=int(event.main_lsb.size),
        timeline=timeline,
        crash_output=outputs["crash_output"],
        image=image,
        compiler=compiler.name,
    )
