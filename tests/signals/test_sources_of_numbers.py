"""Every number of the configuration says where it comes from, or that it is assumed."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
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


@pytest.mark.parametrize("name", ["misuse", "road", "crashes"])
def test_a_module_that_draws_from_ranges_in_its_functions_says_that_they_are_assumed(name: str) -> None:
    text = importlib.import_module(f"crumple.signals.{name}").__doc__
    assert text is not None and re.search(r"to be read as assumed", " ".join(text.split()))


PHYSICAL_CONSTANTS = ("sequences", "batch", "road", "ringing", "misuse", "structures")


@pytest.mark.parametrize("name", PHYSICAL_CONSTANTS)
def test_a_number_at_the_top_of_a_module_has_a_line_that_says_where_it_comes_from(name: str) -> None:
    """The string below an assignment; ``N_`` and rates follow from others, and a block of samples is no physics."""
    module = importlib.import_module(f"crumple.signals.{name}")
    body = ast.parse(inspect.getsource(module)).body
    for one, following in zip(body, [*body[1:], None], strict=True):
        target = (
            one.targets[0] if isinstance(one, ast.Assign) else one.target if isinstance(one, ast.AnnAssign) else None
        )
        if not isinstance(target, ast.Name) or not isinstance(getattr(module, target.id, None), (float, tuple)):
            continue
        value = getattr(module, target.id)
        if target.id.isupper() and holds_only_numbers(value) and not follows_from_others(one):
            is_told = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert is_told, f"{name}.{target.id} = {value}: no line says where it comes from"


def holds_only_numbers(value: object) -> bool:
    """Whether a value is a float, or a tuple of numbers."""
    return isinstance(value, float) or (isinstance(value, tuple) and all(isinstance(v, (int, float)) for v in value))


def follows_from_others(statement: ast.stmt) -> bool:
    """Whether a number is computed from named ones."""
    value = getattr(statement, "value", None)
    return value is not None and any(isinstance(part, ast.Name) for part in ast.walk(value))


def test_the_misuse_table_says_as_a_whole_that_it_is_assumed() -> None:
    assert misuse.__doc__ is not None and "all to be read as assumed" in " ".join(misuse.__doc__.split())
