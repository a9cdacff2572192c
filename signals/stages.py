"""The stages that make a corpus: from a plan, or from measured recordings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from crumple.artefact import Artefact
from crumple.config import STRICT, plain
from crumple.errors import CorpusError
from crumple.progress import Advance, quietly

from .corpus import Corpus, corpus_stage, write_corpus, write_shards
from .criteria import RttfRule
from .formats import read_recording
from .formats.mapping import RecordingMap
from .generate import CorpusPlan, shards, watched
from .recording import Recording, recording_events
from .sensor import SensorPair

log = logging.getLogger("crumple")


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How measured recordings become events; the TOML file of ``crumple import --config``."""

    __pydantic_config__ = STRICT
    sensors: SensorPair = field(default_factory=SensorPair)
    rttf: RttfRule = field(default_factory=RttfRule)


def generate_stage(
    plan: CorpusPlan,
    out: Path,
    *,
    replace: bool = False,
    force: bool = False,
    n_workers: int | None = None,
    advance: Advance = quietly,
) -> Artefact:
    """Generate a corpus into a folder, or return the one that is already there and current.

    Parameters
    ----------
    plan : CorpusPlan
    out : Path
        Folder to write.
    replace, force : bool
        As in `crumple.artefact.Stage.run`.
    n_workers : int or None
        Processes to use; None is as many as pay. The result does not depend on it.
    advance : callable
        Told the number of events done and the mode they belong to.
    """

    def work(folder: Path) -> object:
        # Closed at once where writing fails or is interrupted: shards under way must not outlive the folder.
        with closing(shards(plan, n_workers)) as drawn:
            return write_shards(watched(drawn, advance), plan.sensors, folder)

    return corpus_stage(out, {}, plain(plan)).run(work, replace=replace, force=force)


def import_stage(
    paths: Sequence[Path],
    out: Path,
    *,
    mapping: RecordingMap | None = None,
    replace: bool = False,
    force: bool = False,
    sensors: SensorPair | None = None,
    rttf: RttfRule | None = None,
) -> Artefact:
    """Read measured recordings into a corpus folder, or return the one that is already there and current.

    Parameters
    ----------
    paths : sequence of Path
        Recordings of any known format.
    out : Path
        Folder to write.
    mapping : RecordingMap or None
        What the files do not say; holds for all of ``paths``.
    replace, force : bool
        As in `crumple.artefact.Stage.run`.
    sensors : SensorPair or None
        Sensors that the recordings are seen through; None is the default pair.
    rttf : RttfRule or None
        Rule for the required time to fire; None is the default rule.

    Raises
    ------
    TraceFormatError, ChannelError, SignalError
        A recording that cannot be believed or used.
    CorpusError
        Two recordings share a name, or two different input files share theirs.
    """
    settings = ImportSettings(sensors or SensorPair(), rttf or RttfRule())
    recordings = [read_recording(path, mapping) for path in paths]
    parents = _parents(recordings)
    config = {**plain(settings), "mapping": None if mapping is None else plain(mapping)}

    def work(folder: Path) -> object:
        events = [event for each in recordings for event in recording_events(each, settings.sensors, settings.rttf)]
        for recording in recordings:
            for info in recording.refused:
                log.warning(
                    "%s: %s (%s %s) refused: %s", recording.name, info.name, info.place.code, info.axis, info.refusal
                )
        return write_corpus(Corpus(settings.sensors, tuple(events)), folder)

    return corpus_stage(out, parents, config).run(work, replace=replace, force=force)


def _parents(recordings: Sequence[Recording]) -> dict[str, str]:
    """SHA-256 of every input file by name; CorpusError where two recordings cannot be told apart."""
    names = [recording.name for recording in recordings]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CorpusError(f"two of the recordings are called {twice!r}; import each once, into one corpus")
    parents: dict[str, str] = {}
    for recording in recordings:
        for name, digest in recording.files:
            if parents.setdefault(name, digest) != digest:
                raise CorpusError(f"two different input files are called {name!r}; rename one of them")
    return parents
