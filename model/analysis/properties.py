"""What must hold, as data: requirements in physical units, and the properties proved from them.

A requirement is written by people (TOML); the property file made from it is what a certificate answers.
Sets are stated in physical units as exact decimals in text, or in whole counts; the checker turns them into
bounds on counts itself. The kinds of set, their keys and the claims are told in ``certificates.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from crumple.config import STRICT, build, read_toml
from crumple.errors import ConfigError

from . import checker

SCHEMA = "crumple.property/2"

Claim = Literal[
    "never_requests_fire", "fires_by", "monotone", "never_arms", "arms_by",
    "accumulators_fit", "resets", "image_protected",
]  # fmt: skip

TOLERANCE_KEYS = ("gain", "offset_g", "noise_g")
ADDED_KEYS = ("step_g", "corrupted_samples")
"""What any sequences may have on top. It only adds to a set, so that no set becomes empty by it."""

REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "signals": ("amplitude_g",),
    "recorded": ("counts",),
    "corridor": ("lower", "upper"),
    "pulse": ("shape", "delta_v_from_kmh", "delta_v_to_kmh", "duration_from_ms", "duration_to_ms", "noise_g"),
    "all_inputs": (),
    "quiet": ("samples",),
    "parameter_image": ("changed_bits",),
}
OPTIONAL_KEYS: dict[str, tuple[str, ...]] = {
    "signals": ("below_g", "slew_g_per_ms", "velocity_range_kmh", *ADDED_KEYS),
    "recorded": (*TOLERANCE_KEYS, *ADDED_KEYS),
    "corridor": ("phase_samples", *TOLERANCE_KEYS, *ADDED_KEYS),
    "pulse": (*TOLERANCE_KEYS, *ADDED_KEYS),
}
COUNT_KEYS = ("counts", "lower", "upper")
FINITE_KINDS = ("recorded", "corridor", "pulse")
KINDS_OF_CLAIM: dict[str, tuple[str, ...]] = {
    "never_requests_fire": ("signals", *FINITE_KINDS),
    "fires_by": FINITE_KINDS,
    "monotone": ("signals",),
    "never_arms": ("signals",),
    "arms_by": FINITE_KINDS,
    "accumulators_fit": ("all_inputs",),
    "resets": ("quiet",),
    "image_protected": ("parameter_image",),
}
TIMED_CLAIMS = ("fires_by", "arms_by")
STAGED_CLAIMS = ("never_requests_fire", "fires_by", "monotone")
"""What is said of one stage's output; all else is said of the model."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One safety requirement.

    Attributes
    ----------
    id : str
        Unique, such as ``R1``.
    property : str
        Its entry in the catalogue of properties, such as ``P1 quiescent``.
    text : str
        The requirement in words.
    claim : str
        What holds for every sequence of the set: a key of ``KINDS_OF_CLAIM``.
    rationale, origin : str
        Why it is wanted; where its numbers come from.
    set : dict
        ``kind``, exact decimals as text, and sequences of whole counts.
    by_ms : str
        For ``fires_by`` and ``arms_by``: the latest time, in ms after impact (pulse) or after the first count.
    stage : int
        1 or 2: the stage of the bag whose output it is about.
    """

    __pydantic_config__ = STRICT
    id: str
    property: str
    text: str
    claim: Claim
    rationale: str
    origin: str
    set: dict[str, str | tuple[int, ...]]
    by_ms: str = ""
    stage: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        kind = self.set.get("kind")
        if not isinstance(kind, str) or kind not in REQUIRED_KEYS:
            raise ConfigError(f"{self.id}: set.kind = {kind!r}; known kinds: {', '.join(REQUIRED_KEYS)}")
        if kind not in KINDS_OF_CLAIM[self.claim]:
            raise ConfigError(f"{self.id}: claim {self.claim} is not defined over a set of kind {kind!r}")
        required, optional = REQUIRED_KEYS[kind], OPTIONAL_KEYS.get(kind, ())
        keys = set(self.set) - {"kind"}
        if not set(required) <= keys <= {*required, *optional}:
            wanted = f"{sorted(required)}" + (f", and optionally {sorted(optional)}" if optional else "")
            raise ConfigError(f"{self.id}: set of kind {kind!r} has keys {sorted(keys)}, expected {wanted}")
        for key in sorted(keys - {"shape"}):
            self._check_value(key, self.set[key])
        if (self.claim in TIMED_CLAIMS) != (self.by_ms != ""):
            raise ConfigError(f"{self.id}: by_ms = {self.by_ms!r}: {self.claim} needs it set only if it is about time")
        if self.by_ms and not _positive(self.by_ms):
            raise ConfigError(f"{self.id}: by_ms = {self.by_ms!r}: expected a positive decimal in text")
        if self.stage == 2 and self.claim not in STAGED_CLAIMS:
            raise ConfigError(f"{self.id}: stage = 2: {self.claim} is not about one stage; leave it out")
        if kind == "parameter_image" and self.set["changed_bits"] != "2":
            raise ConfigError(f'{self.id}: set.changed_bits = {self.set["changed_bits"]!r}: expected "2"')
        if not self.id.isidentifier():
            raise ConfigError(f"requirement id {self.id!r}: use letters, digits and _ (it names files)")

    def _check_value(self, key: str, value: str | tuple[int, ...]) -> None:
        """Counts are whole numbers, all else positive decimals in text."""
        if key in COUNT_KEYS:
            if not isinstance(value, tuple) or not value:
                raise ConfigError(f"{self.id}: set.{key}: expected a list of whole counts")
        elif not isinstance(value, str) or not _positive(value):
            raise ConfigError(f"{self.id}: set.{key} = {value!r}: expected a positive decimal in text")

    def payload(self) -> dict[str, Any]:
        """The property as JSON values; a recorded sequence is a corridor, the first stage goes without saying."""
        values = asdict(self)
        if (stage := values.pop("stage")) != 1:
            values["stage"] = str(stage)
        values["set"] = {key: list(v) if isinstance(v, tuple) else v for key, v in self.set.items()}
        if self.set["kind"] == "recorded":  # a corridor of no width
            counts = values["set"].pop("counts")
            values["set"] |= {"kind": "corridor", "lower": counts, "upper": list(counts)}
        return values


def _positive(text: str) -> bool:
    """Whether the checker reads it as a positive number."""
    try:
        checker.rational(text, "")
    except checker.Rejected:
        return False
    return True


@dataclass(frozen=True, slots=True)
class RequirementSet:
    """The requirements of a project, in order."""

    __pydantic_config__ = STRICT
    requirement: tuple[Requirement, ...]

    def __post_init__(self) -> None:
        ids = [requirement.id for requirement in self.requirement]
        if not ids:
            raise ConfigError("the file holds no requirement")
        if len(set(ids)) != len(ids):
            raise ConfigError(f"requirement id {next(i for i in ids if ids.count(i) > 1)!r} is used twice")

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.requirement)

    def __len__(self) -> int:
        return len(self.requirement)


def read_requirements(path: Path | None) -> RequirementSet:
    """Requirements from a TOML file, or the shipped reference set of a frontal sensor when path is None.

    Raises
    ------
    ConfigError
        With file and key.
    """
    if path is None:
        with resources.as_file(resources.files("crumple.model.requirements") / "frontal.toml") as shipped:
            values = read_toml(shipped)
        where = "frontal.toml (shipped)"
    else:
        values, where = read_toml(path), str(path)
    return build(RequirementSet, values, where=where)
