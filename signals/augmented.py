"""One corpus out of several, its measured events varied: what a few tests and misuse recordings are trained with.

A real programme has some twenty crashes and a hundred misuse recordings, seen once and by one sensor. Each is varied in
level and length, and seen by sensors drawn from their tolerance boxes. A copy is synthetic: it says of which
measurement it is made and how, and is never counted as measured.
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

from .augment import scaled, time_stretched
from .corpus import MEASURED, SYNTHETIC, Corpus, Event, corpus_stage, read_corpus, write_shards
from .criteria import RttfRule
from .events import MUST_FIRE, NO_FIRE
from .recording import required_ttf
from .sensor import SensorPair, Tolerances, sense_frames
from .trace import Float, Trace

Range = tuple[
    Annotated[float, Field(gt=0, le=10, description="smallest factor")],
    Annotated[float, Field(gt=0, le=10, description="largest factor")],
]

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

    def shards() -> Iterator[tuple[Event, ...]]:
        for done, event in enumerate((event for corpus in corpora for event in corpus), 1):
            yield (event, *copies(event, sensors, plan))
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
    if event.source != MEASURED or variation is None:
        return
    measured = Trace(event.name, -event.physical_decel_g, event.physical_rate_hz, event.first_sample_s)
    for number in range(1, plan.copies + 1):
        seed = np.random.SeedSequence(plan.seed, spawn_key=(zlib.crc32(event.name.encode()), number))
        for_factors, for_main, for_safing = (np.random.default_rng(each) for each in seed.spawn(3))
        scale = float(for_factors.uniform(*variation.scale))
        stretch = round(float(for_factors.uniform(*variation.stretch)), 3)
        phase = for_factors.uniform(0.0, 1.0, 1)
        varied = time_stretched(scaled(measured, scale), stretch)
        seen = {}
        for name, spec, rng in (("main", sensors.main, for_main), ("safing", sensors.safing, for_safing)):
            box = Tolerances.drawn(spec, 1, rng, phase)
            frames = sense_frames(varied.decel_g[None, :], varied.rate_hz, spec, box, rng)
            lost = int(frames.is_lost.sum())
            said = f"{name} sensor gain {box.gain_error[0]:+.3f}, offset {box.offset_g[0]:+.2f} g"
            seen[name] = frames.counts_lsb[0], said + (f", {lost} frames lost" if lost else "")
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
        yield with_changes(
            event,
            name=f"{event.name}_v{number:03d}",
            source=SYNTHETIC,
            rttf_s=rttf_s,
            first_sample_s=varied.t0_s + float(phase[0]) / sensors.main.sample_rate_hz,
            main_lsb=seen["main"][0],
            safing_lsb=seen["safing"][0],
            provenance="\n".join(
                (
                    f"synthetic; made of the measured {event.name}: scaled by {scale:.3f}, stretched by {stretch:.3f}",
                    *(said for _, said in seen.values()),
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
