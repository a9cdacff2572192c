"""One corpus out of several, its measured events varied: what a few tests and misuse recordings are trained with.

A real programme has some twenty crashes and a hundred misuse recordings, seen once and by one sensor. Each is varied in
level and length, and seen by sensors drawn from their tolerance boxes; on demand also by sensors at every corner of
those boxes, and with another measured no-fire event at the same time or shortly before or after. A copy is synthetic:
it says of which measurements it is made and how, and is never counted as measured.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from crumple.artefact import Artefact
from crumple.config import STRICT, plain
from crumple.errors import ConfigError, CorpusError
from crumple.progress import Advance, quietly

from .augment import corners, scaled, superposed, time_stretched, tolerance_box
from .corpus import MEASURED, SYNTHETIC, Corpus, Event, corpus_stage, read_corpus, write_shards
from .criteria import RttfRule
from .events import MUST_FIRE, NO_FIRE
from .recording import required_ttf
from .resample import resample
from .sensor import SensorPair, SensorSpec, Tolerances, sense_frames
from .trace import Float, Trace

Range = tuple[
    Annotated[float, Field(gt=0, le=10, description="smallest factor")],
    Annotated[float, Field(gt=0, le=10, description="largest factor")],
]

Delay = Annotated[float, Field(ge=-10, le=10, description="seconds")]

EMPTY: Float = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Variation:
    """Ranges that factors are drawn from, uniformly; the event's label is stated to hold throughout."""

    __pydantic_config__ = STRICT
    scale: Annotated[Range, Field(description="of every sample")]
    stretch: Annotated[Range, Field(description="of time, levels kept; above 1 is slower")]

    def __post_init__(self) -> None:
        for name, (low, high) in (("scale", self.scale), ("stretch", self.stretch)):
            if low > high:
                raise ConfigError(f"{name} = [{low:g}, {high:g}]: the smallest factor comes first")


@dataclass(frozen=True, slots=True)
class AugmentPlan:
    """How measured events are varied; the TOML file of ``crumple augment --config``.

    By default a crash that must fire becomes no softer or shorter, and misuse no harder or longer, so that labels hold
    by that. Wider ranges are a statement of whoever writes them.
    """

    __pydantic_config__ = STRICT
    seed: Annotated[int, Field(ge=0, description="the same seed gives the same bytes")] = 0
    copies: Annotated[int, Field(ge=0, le=10_000, description="of each measured event that has a label; assumed")] = 4
    must_fire: Annotated[Variation, Field(description="+20 % and +10 %, scatter of vehicles; assumed")] = field(
        default_factory=lambda: Variation(scale=(1.0, 1.2), stretch=(1.0, 1.1))
    )
    no_fire: Annotated[Variation, Field(description="-20 % and -10 %, scatter of vehicles; assumed")] = field(
        default_factory=lambda: Variation(scale=(0.8, 1.0), stretch=(0.9, 1.0))
    )
    rttf: RttfRule = field(default_factory=RttfRule)
    corners: Annotated[
        bool,
        Field(
            description="a copy as measured at each corner of gain, offset, filter and phase, alike for both sensors"
        ),
    ] = False
    superposed: Annotated[
        int,
        Field(
            ge=0, le=10_000, description="copies with another measured no-fire event added; label and time unchanged"
        ),
    ] = 0
    added_after_s: Annotated[
        tuple[Delay, Delay],
        Field(description="earliest, latest contact of what is added, from contact; sequences of 0.5 s, assumed"),
    ] = (-0.5, 0.5)

    def __post_init__(self) -> None:
        if self.added_after_s[0] > self.added_after_s[1]:
            raise ConfigError(f"added_after_s = {list(self.added_after_s)}: the earliest comes first")


def augment_stage(
    folders: Sequence[Path],
    out: Path,
    plan: AugmentPlan,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Join corpora into one folder and vary their measured events, or return what is already there and current.

    Parameters
    ----------
    folders : sequence of Path
        Corpus folders, as ``generate`` and ``import`` make them. All their events are kept as they are.
    out : Path
        Folder to write.
    plan : AugmentPlan
    replace, force : bool
        As in `crumple.artefact.Stage.run`.
    advance : callable
        Told the number of events done and the name of the last.

    Raises
    ------
    ArtefactError
        A folder that is no corpus, or was tampered with.
    CorpusError
        The corpora were seen by different sensors, share an event's name, or a copy must fire but never has to by the
        plan's rule.
    """
    read = [read_corpus(folder) for folder in folders]
    corpora = [corpus for corpus, _ in read]
    sensors = _same_sensors(folders, corpora)
    _unique_names(folders, corpora)
    parents = {f"corpus_{number}": artefact.sha256 for number, (_, artefact) in enumerate(read, 1)}

    quiet = [event for corpus in corpora for event in corpus if event.source == MEASURED and event.label == NO_FIRE]

    def shards() -> Iterator[tuple[Event, ...]]:
        for done, event in enumerate((event for corpus in corpora for event in corpus), 1):
            yield (
                event,
                *copies(event, sensors, plan),
                *at_corners(event, sensors, plan),
                *with_another(event, quiet, sensors, plan),
            )
            advance(done, event.name)

    return corpus_stage(out, parents, plain(plan)).run(
        lambda folder: write_shards(shards(), sensors, folder), replace=replace, force=force
    )


def copies(event: Event, sensors: SensorPair, plan: AugmentPlan) -> Iterator[Event]:
    """Varied copies of an event: none unless it is measured and labelled must-fire or no-fire.

    Both sensors see the same varied signal, each with tolerances, noise and bus errors of its own. What a copy is made
    of depends on the plan's seed, the event's name and the copy's number alone.

    Parameters
    ----------
    event : Event
    sensors : SensorPair
    plan : AugmentPlan

    Raises
    ------
    CorpusError
        The event has a required time to fire and a copy has none by the plan's rule.
    """
    variation = {MUST_FIRE: plan.must_fire, NO_FIRE: plan.no_fire}.get(event.label)
    if not _is_varied(event) or variation is None:
        return
    measured = _trace(event)
    for number in range(1, plan.copies + 1):
        rng, rngs = _streams(plan.seed, event, number)
        scale = float(rng.uniform(*variation.scale))
        stretch = round(float(rng.uniform(*variation.stretch)), 3)
        phase = rng.uniform(0.0, 1.0, 1)
        varied = time_stretched(scaled(measured, scale), stretch)
        rttf_s = math.nan
        how: tuple[str, ...] = ()
        if event.label == MUST_FIRE and not math.isnan(event.rttf_s):
            rttf_s, text = required_ttf(varied, 0, plan.rttf)
            how = (text,)
            if math.isnan(rttf_s):
                raise CorpusError(
                    f"event {event.name!r} scaled by {scale:.3f} and stretched by {stretch:.3f} is labelled must_fire,"
                    f" but has {text}; narrow must_fire.scale or must_fire.stretch of the augmentation"
                )
        boxes = [Tolerances.drawn(spec, 1, stream, phase) for spec, stream in zip(_specs(sensors), rngs, strict=True)]
        made = f"scaled by {scale:.3f}, stretched by {stretch:.3f}"
        yield _copy(event, f"v{number:03d}", made, varied, sensors, boxes, rngs, rttf_s, how)


def at_corners(event: Event, sensors: SensorPair, plan: AugmentPlan) -> Iterator[Event]:
    """The event as measured, seen by sensors at every corner of their tolerance boxes: none unless the plan asks.

    Both sensors sit at the same corner of gain, offset, filter and sampling phase, each of its own box.

    Parameters
    ----------
    event, sensors, plan
        As in `copies`.
    """
    if not (plan.corners and _is_varied(event)):
        return
    vertices = [list(corners(tolerance_box(spec))) for spec in _specs(sensors)]
    if len(vertices[0]) != len(vertices[1]):
        raise CorpusError("main and safing sensor differ in which tolerances they have; corners of both do not pair")
    for number, pair in enumerate(zip(*vertices, strict=True), 1):
        _, rngs = _streams(plan.seed, event, CORNER_STREAM + number)
        boxes = [_at(vertex) for vertex in pair]
        made = f"sensors at corner {number} of {len(vertices[0])} of their tolerances"
        yield _copy(event, f"c{number:03d}", made, _trace(event), sensors, boxes, rngs, event.rttf_s, ())


def with_another(event: Event, added: Sequence[Event], sensors: SensorPair, plan: AugmentPlan) -> Iterator[Event]:
    """The event with another one added: none unless the plan asks. Label and required time are the event's alone.

    Parameters
    ----------
    event : Event
    added : sequence of Event
        Measured no-fire events to choose from; the event itself is never added to itself.
    sensors : SensorPair
    plan : AugmentPlan

    Raises
    ------
    CorpusError
        There is no other event to add.
    """
    if not (plan.superposed and _is_varied(event)):
        return
    others = [other for other in added if other.name != event.name]
    if not others:
        raise CorpusError(f"event {event.name!r}: there is no other measured no-fire event to add; set superposed = 0")
    base = _trace(event)
    for number in range(1, plan.superposed + 1):
        rng, rngs = _streams(plan.seed, event, ADDED_STREAM + number)
        other = others[int(rng.integers(len(others)))]
        delay_s = float(rng.uniform(*plan.added_after_s))
        phase = rng.uniform(0.0, 1.0, 1)
        more = _trace(other)
        more = more if more.rate_hz == base.rate_hz else resample(more, base.rate_hz)
        both = superposed(base, more, offset_s=delay_s)
        boxes = [Tolerances.drawn(spec, 1, stream, phase) for spec, stream in zip(_specs(sensors), rngs, strict=True)]
        made = f"with the measured {other.name} added, contact {1e3 * delay_s:+.1f} ms"
        yield _copy(event, f"s{number:03d}", made, both, sensors, boxes, rngs, event.rttf_s, ())


CORNER_STREAM = 1_000_000
ADDED_STREAM = 2_000_000
"""Where the numbers of those copies' seeds begin, beyond any number of a varied copy."""


def _is_varied(event: Event) -> bool:
    """Whether copies of an event are made: it is measured and says what has to happen."""
    return event.source == MEASURED and event.label in (MUST_FIRE, NO_FIRE)


def _trace(event: Event) -> Trace:
    return Trace(event.name, -event.physical_decel_g, event.physical_rate_hz, event.first_sample_s)


def _specs(sensors: SensorPair) -> tuple[SensorSpec, SensorSpec]:
    return sensors.main, sensors.safing


def _streams(seed: int, event: Event, number: int) -> tuple[np.random.Generator, list[np.random.Generator]]:
    """Random numbers for what is varied, and for the main and the safing sensor."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(event.name.encode()), number))
    varied, main, safing = (np.random.default_rng(each) for each in sequence.spawn(3))
    return varied, [main, safing]


def _at(vertex: dict[str, float]) -> Tolerances:
    """One sensor whose tolerances are nominal but for those named."""
    nominal = Tolerances.nominal(1)
    return with_changes(
        nominal, **{name: np.array([value]).astype(getattr(nominal, name).dtype) for name, value in vertex.items()}
    )


def _copy(
    event: Event,
    suffix: str,
    made: str,
    trace: Trace,
    sensors: SensorPair,
    boxes: Sequence[Tolerances],
    rngs: Sequence[np.random.Generator],
    rttf_s: float,
    how: tuple[str, ...],
) -> Event:
    """A synthetic event of a trace with time zero at the event's contact, seen by both sensors as their boxes say."""
    counts, said = [], []
    for name, spec, box, rng in zip(("main", "safing"), _specs(sensors), boxes, rngs, strict=True):
        frames = sense_frames(trace.decel_g[None, :], trace.rate_hz, spec, box, rng)
        lost = int(frames.is_lost.sum())
        counts.append(frames.counts_lsb[0])
        said.append(
            f"{name} sensor gain {box.gain_error[0]:+.3f}, offset {box.offset_g[0]:+.2f} g"
            + (f", {lost} frames lost" if lost else "")
        )
    return with_changes(
        event,
        name=f"{event.name}_{suffix}",
        source=SYNTHETIC,
        rttf_s=rttf_s,
        first_sample_s=trace.t0_s + float(boxes[0].phase[0]) / sensors.main.sample_rate_hz,
        main_lsb=counts[0],
        safing_lsb=counts[1],
        provenance="\n".join(
            (
                f"synthetic; made of the measured {event.name}: {made}",
                *said,
                *how,
                f"label {event.label}: that of {event.name}, stated to hold in the ranges of the augmentation",
            )
        ),
        physical_decel_g=EMPTY,
        physical_rate_hz=0.0,
    )


def _same_sensors(folders: Sequence[Path], corpora: Sequence[Corpus]) -> SensorPair:
    """The sensors of all; CorpusError where two differ."""
    for folder, corpus in zip(folders, corpora, strict=True):
        if corpus.sensors != corpora[0].sensors:
            raise CorpusError(
                f"{folders[0]} and {folder} were seen by different sensors; import or generate both with the same ones"
            )
    return corpora[0].sensors


def _unique_names(folders: Sequence[Path], corpora: Sequence[Corpus]) -> None:
    """CorpusError where two corpora share an event's name."""
    found: dict[str, Path] = {}
    for folder, corpus in zip(folders, corpora, strict=True):
        for event in corpus:
            if event.name in found:
                raise CorpusError(
                    f"{found[event.name]} and {folder} both hold an event called {event.name!r}; rename the recording,"
                    " or generate with another name"
                )
            found[event.name] = folder
