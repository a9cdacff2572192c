"""A project: one TOML file that says what the chain is made from, and the text that ``crumple init`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import Field as Constraint
from pydantic.fields import FieldInfo

from crumple.export.calibration import DEFAULT_ADDRESS
from crumple.export.naming import DEFAULT_PREFIX
from crumple.export.profiles import PROFILES
from crumple.model.analysis.properties import read_requirements
from crumple.model.evaluation.stages import EvaluationPlan
from crumple.model.training import TrainingPlan
from crumple.signals.criteria import RttfRule
from crumple.signals.formats.mapping import read_map
from crumple.signals.generate import CorpusPlan
from crumple.signals.sensor import SensorPair
from crumple.signals.stages import ImportSettings

from .chain import RECORDING, ChainPlan, Recordings
from .config import STRICT, build, plain, read_toml
from .errors import ConfigError

PROJECT_FILE = "crumple.toml"
REQUIREMENTS_FILE = "requirements.toml"
TEST_SEED = 1
"""Of the test corpus that ``init`` writes: another than that of training, so that the events are others."""


@dataclass(frozen=True, slots=True)
class CorpusTable:
    """Which synthetic events to draw."""

    __pydantic_config__ = STRICT
    seed: Annotated[int, Constraint(ge=0, description="the same seed draws the same events")] = 0
    counts: Annotated[dict[str, int], Constraint(description="events of each mode")] = field(
        default_factory=lambda: dict(CorpusPlan().counts)
    )


@dataclass(frozen=True, slots=True)
class RecordingsTable:
    """Measured recordings that one map describes."""

    __pydantic_config__ = STRICT
    paths: Annotated[tuple[str, ...], Constraint(min_length=1, description="files, test folders, or patterns")]
    map: Annotated[str | None, Constraint(description="TOML file with what the recordings do not say")] = None


@dataclass(frozen=True, slots=True)
class ExportTable:
    """How the deployed integers are printed."""

    __pydantic_config__ = STRICT
    profile: Annotated[str, Constraint(description=f"one of {', '.join(PROFILES)}")] = "exact16"
    prefix: Annotated[str, Constraint(description="what every file and public name begins with")] = DEFAULT_PREFIX
    address: Annotated[int, Constraint(ge=0, le=0xFFF0_0000, description="of the parameter image in memory")] = (
        DEFAULT_ADDRESS
    )

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ConfigError(f"profile = {self.profile!r}: expected one of {', '.join(PROFILES)}")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """The settings of a project, as ``crumple.toml`` holds them. Paths are relative to that file."""

    __pydantic_config__ = STRICT
    requirements: Annotated[str | None, Constraint(description="None is the shipped reference set")] = None
    corpus: CorpusTable = field(default_factory=CorpusTable)
    test: CorpusTable | None = None
    recordings: dict[str, RecordingsTable] = field(default_factory=dict)
    sensors: SensorPair = field(default_factory=SensorPair)
    rttf: RttfRule = field(default_factory=RttfRule)
    training: TrainingPlan = field(default_factory=TrainingPlan)
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    export: ExportTable = field(default_factory=ExportTable)

    def __post_init__(self) -> None:
        for name in self.recordings:
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ConfigError(f"recordings.{name}: use letters, digits and _ (it names a folder)")


def read_project(root: Path) -> ChainPlan:
    """The plan of the project in a folder.

    Parameters
    ----------
    root : Path
        Folder that holds ``crumple.toml``.

    Raises
    ------
    ConfigError
        No project there, or a key that is unknown, of the wrong type or out of range, named with its file.
    """
    path = root / PROJECT_FILE
    if not path.is_file():
        raise ConfigError(f"{path}: no project here; `crumple init {root}` writes one")
    settings = build(ProjectFile, read_toml(path), where=str(path))
    recordings = tuple(_recordings(root, path, name, table) for name, table in settings.recordings.items())
    requirements = read_requirements(None if settings.requirements is None else root / settings.requirements)
    return ChainPlan(
        corpus=_corpus(path, "corpus", settings, settings.corpus),
        training=settings.training,
        requirements=requirements,
        recordings=recordings,
        import_settings=ImportSettings(settings.sensors, settings.rttf),
        test=None if settings.test is None else _corpus(path, "test", settings, settings.test),
        evaluation=settings.evaluation,
        export={
            "profile": PROFILES[settings.export.profile],
            "prefix": settings.export.prefix,
            "address": settings.export.address,
        },
    )


def _corpus(path: Path, table: str, settings: ProjectFile, events: CorpusTable) -> CorpusPlan:
    """A corpus plan with the project's sensors and rule."""
    shared = {"sensors": plain(settings.sensors), "rttf": plain(settings.rttf)}
    return build(CorpusPlan, {"seed": events.seed, "counts": events.counts, **shared}, where=f"{path}: [{table}]")


def _recordings(root: Path, path: Path, name: str, table: RecordingsTable) -> Recordings:
    """One group of recordings, its patterns looked up in the order of their names."""
    found: list[Path] = []
    for pattern in table.paths:
        if Path(pattern).is_absolute():
            matches = [Path(pattern)]
        elif any(mark in pattern for mark in "*?["):
            matches = sorted(root.glob(pattern))
        else:
            matches = [root / pattern]
        if not matches or not all(match.exists() for match in matches):
            raise ConfigError(f"{path}: recordings.{name}.paths: nothing at {pattern!r} (looked from {root})")
        found += matches
    mapping = None if table.map is None else read_map(root / table.map)
    return Recordings(f"{RECORDING}-{name}", tuple(found), mapping)


HEAD = """\
# A project of crumple. `crumple run` brings every stage up to date, `crumple status` says what is stale and why.
# Paths are relative to this file. A line that is commented out states the default.

# What must be proved, and is trained for: numbers to replace by your own vehicle's.
requirements = "{requirements}"

# Synthetic events to train on. Measured misuse at full bandwidth is not published, so these stand in for it.
{corpus}

# Other synthetic events, never trained on, which `evaluation/` is about. Leave the table out to skip it.
{test}

# Your own recordings: measured, never pooled with synthetic events, never trained on. One table for each group
# that one map describes; the name is yours.
# [recordings.wall]
# paths = ["recordings/v10146", "recordings/misuse/*.csv"]
# map = "maps/wall.toml"    # what the files do not say: label, units, polarity, rate, time zero, place
"""

SECTIONS = (
    ("training", "How to train; every value is recorded with the model.", TrainingPlan),
    ("evaluation", "What to look at besides every event.", EvaluationPlan),
    ("export", "How the deployed integers are printed.", ExportTable),
    ("rttf", "Required time to fire.", RttfRule),
)


def project_text() -> str:
    """The commented project file that ``crumple init`` writes: every key at its default, with what it means."""
    plan = CorpusPlan()
    parts = [
        HEAD.format(
            requirements=REQUIREMENTS_FILE,
            corpus=_corpus_text("corpus", plan.seed, plan.counts),
            test=_corpus_text("test", TEST_SEED, plan.counts),
        )
    ]
    for name, what, kind in SECTIONS:
        parts.append("\n".join([f"# {what}", *_lines(name, kind())]) + "\n")
    parts.append(
        "# The main sensor, and the safing sensor of the arming path. A table that is given is given whole:\n"
        "# what it leaves out is the default of a main sensor.\n" + "\n".join(_lines("sensors", SensorPair())) + "\n"
    )
    return "\n".join(parts)


def requirements_text() -> str:
    """The shipped reference set of requirements, word for word."""
    return (resources.files("crumple.model.requirements") / "frontal.toml").read_text(encoding="utf-8")


def _corpus_text(name: str, seed: int, counts: dict[str, int]) -> str:
    """A table of events, its values in force."""
    rows = "\n".join(f"{mode} = {count}" for mode, count in counts.items())
    return f"[{name}]\nseed = {seed}\n[{name}.counts]\n{rows}"


def _lines(table: str, value: Any) -> Iterator[str]:
    """The lines of one table of defaults: its header in force, its keys commented out, tables within it last.

    A key whose value here is not its own type's default (the safing sensor's) is in force.
    """
    hints = get_type_hints(type(value), include_extras=True)
    yield f"[{table}]"
    for each in fields(value):
        if not is_dataclass(found := getattr(value, each.name)):
            mark = "" if found != each.default and each.default is not MISSING else "# "
            told = "" if found is None else f" {_toml(found)}"
            yield f"{mark}{each.name} ={told}{_meaning(hints[each.name], each)}"
    for each in fields(value):
        if is_dataclass(found := getattr(value, each.name)):
            yield from _lines(f"{table}.{each.name}", found)


def _meaning(hint: Any, each: Field[Any]) -> str:
    """What a key means and its source, as its own definition says it."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    told = next((note.description for note in notes if isinstance(note, FieldInfo) and note.description), None)
    required = "  (required)" if each.default is MISSING and each.default_factory is MISSING else ""
    return (f"    # {told}" if told else "") + required


def _toml(value: Any) -> str:
    """A plain value in TOML, which writes numbers, truth values and ASCII text as JSON does."""
    return json.dumps(value)
