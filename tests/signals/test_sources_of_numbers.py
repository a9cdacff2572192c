"""Every number of the configuration says where it comes from, or that it is assumed."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterator

import pytest
from pydantic.fields import FieldInfo

from crumple.signals import crashes, misuse, structures

MODULES = (
    "crush",
    "crashes",
    "misuse",
    "road",
    "ringing",
    "structures",
    "sequences",
    "sensor",
    "families",
    "generate",
    "criteria",
    "stages",
)
SOURCE = re.compile(r"\bassumed\b|\bfitted\b|Motorola|NXP|Bosch|MMA65xx|ISO 8608|NHTSA test|shop-floor rule|``source``")


def configurations() -> Iterator[type]:
    """Every settings dataclass of the modules that make signals."""
    for name in MODULES:
        module = importlib.import_module(f"crumple.signals.{name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and value.__module__ == module.__name__
                and hasattr(value, "__pydantic_config__")
            ):
                yield value


def holds_numbers(kind: object) -> bool:
    """Whether a type is a number or a collection of numbers."""
    if kind in (int, float):
        return True
    arguments = typing.get_args(kind)
    return any(holds_numbers(one) for one in arguments if not isinstance(one, FieldInfo))


def described(kind: object) -> str:
    """The descriptions given at the top of an annotation."""
    return " ".join(one.description or "" for one in getattr(kind, "__metadata__", ()) if isinstance(one, FieldInfo))


FIELDS = [
    (owner, field.name, typing.get_type_hints(owner, include_extras=True)[field.name])
    for owner in configurations()
    for field in dataclasses.fields(owner)
]
NUMBERS = [(owner, name, kind) for owner, name, kind in FIELDS if holds_numbers(kind)]


def test_the_configuration_is_found() -> None:
    found = {owner.__name__ for owner in configurations()}
    assert found >= {"FleetSpec", "CrashMode", "Misuse", "Striker", "RoadSpec", "Structure", "SensorSpec", "CorpusPlan"}
    assert len(NUMBERS) > 50


@pytest.mark.parametrize(
    ("owner", "name", "kind"), NUMBERS, ids=[f"{owner.__name__}.{name}" for owner, name, _ in NUMBERS]
)
def test_a_number_names_its_source_or_says_assumed(owner: type, name: str, kind: object) -> None:
    assert SOURCE.search(described(kind)), f"{owner.__name__}.{name}: {described(kind)!r}"


def test_every_crash_mode_and_structure_states_its_source() -> None:
    modes = [value for value in vars(crashes).values() if isinstance(value, crashes.CrashMode)]
    assert len(modes) >= 10 and len(structures.STRUCTURES) == 8
    assert all(len(one.source) > 15 for one in (*modes, *structures.STRUCTURES))


def test_the_misuse_table_says_as_a_whole_that_it_is_assumed() -> None:
    assert misuse.__doc__ is not None and "all to be read as assumed" in " ".join(misuse.__doc__.split())
