"""What must hold, as data: requirements in physical units, and the properties proved from them.

A requirement is written by people (TOML); the property file made from it is what a certificate answers.
Sets are stated in physical units as exact decimals; prover and checker turn them into counts each for
itself, so that a conversion error of one is caught by the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from crumple.config import STRICT, build, read_toml
from crumple.errors import ConfigError

SCHEMA = "crumple.property/1"

Claim = Literal["never_requests_fire", "never_arms", "accumulators_fit"]

SET_KEYS: dict[str, tuple[str, ...]] = {
    "amplitude": ("amplitude_g",),
    "velocity_range": ("amplitude_g", "velocity_range_kmh"),
    "all_inputs": (),
}
KINDS_OF_CLAIM: dict[str, tuple[str, ...]] = {
    "never_requests_fire": ("amplitude", "velocity_range"),
    "never_arms": ("amplitude",),
    "accumulators_fit": ("all_inputs",),
}


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
        ``never_requests_fire``, ``never_arms`` or ``accumulators_fit``.
    rationale, origin : str
        Why it is wanted; where its numbers come from.
    set : dict of str
        ``kind`` and its exact decimals as text.
    """

    __pydantic_config__ = STRICT
    id: str
    property: str
    text: str
    claim: Claim
    rationale: str
    origin: str
    set: dict[str, str]

    def __post_init__(self) -> None:
        kind = self.set.get("kind")
        if kind not in SET_KEYS:
            raise ConfigError(f"{self.id}: set.kind = {kind!r}; known kinds: {', '.join(SET_KEYS)}")
        if kind not in KINDS_OF_CLAIM[self.claim]:
            raise ConfigError(f"{self.id}: claim {self.claim} is not defined over a set of kind {kind!r}")
        wanted = {"kind", *SET_KEYS[kind]}
        if set(self.set) != wanted:
            raise ConfigError(f"{self.id}: set of kind {kind!r} has keys {sorted(self.set)}, expected {sorted(wanted)}")
        for key in SET_KEYS[kind]:
            try:
                positive = Fraction(self.set[key]) > 0
            except (ValueError, ZeroDivisionError):
                positive = False
            if not positive:
                raise ConfigError(f"{self.id}: set.{key} = {self.set[key]!r}: expected a positive decimal in text")
        if not self.id.isidentifier():
            raise ConfigError(f"requirement id {self.id!r}: use letters, digits and _ (it names files)")

    def payload(self) -> dict[str, Any]:
        """The property as JSON values."""
        return asdict(self)


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

    def __iter__(self) -> Any:
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
