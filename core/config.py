"""Configuration: TOML in, frozen dataclasses through.

Settings are plain frozen dataclasses; their constraints are ``Annotated[..., Field(ge=..., le=...)]``.
Every number says where it comes from in its field's description: a source, or the word "assumed".
"""

from __future__ import annotations

import difflib
import json
import reprlib
import sys
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from .errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the standard library has it from 3.11
    import tomli as tomllib

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Give a dataclass ``__pydantic_config__ = STRICT`` to have unknown keys and wrong types refused."""


def read_toml(path: Path) -> dict[str, Any]:
    """Parse the TOML file at ``path``. Raises ConfigError naming it, and the line where TOML itself is broken."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def build(kind: type[T], values: Any, *, where: str) -> T:
    """A dataclass of type ``kind`` from plain values, refusing unknown keys and out-of-range values.

    Parameters
    ----------
    kind : type
        A frozen dataclass with ``__pydantic_config__ = STRICT``.
    values : mapping
        Parsed TOML or JSON.
    where : str
        File (and table) named in messages.

    Raises
    ------
    ConfigError
        All problems at once, one a line, each with its key; an unknown key suggests the nearest.
    """
    # By way of JSON: only there does strict mode take a table for a dataclass and an array for a tuple.
    try:
        text = json.dumps(values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}; write dates and times as text") from error
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        problems = [_problem(kind, item) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(f"{where}: {problem}" for problem in problems)) from None


def _problem(kind: type, item: Any) -> str:
    """One line for one pydantic error: the key, what was found, what is expected."""
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys_at(kind, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(known)}"
        return f"unknown key {key!r}{hint}"
    if item["type"] == "missing":
        return f"key {key!r} is missing"
    message = item["msg"].replace("Input should be", "should be").removeprefix("Value error, ")
    if item["type"] == "value_error":  # a dataclass's own check: its words name the values they are about
        return f"{key}: {message}" if key else message
    return f"{key or 'the whole'} = {reprlib.repr(item['input'])}: {message}"


def _keys_at(kind: Any, location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the dataclass that a location leads to."""

    def settled(kind: Any) -> Any:
        """The dataclass in ``Settings | None``; anything else as it is."""
        if typing.get_origin(kind) in (typing.Union, types.UnionType):
            return next((member for member in typing.get_args(kind) if is_dataclass(member)), kind)
        return kind

    for part in location:
        if is_dataclass(kind) and isinstance(kind, type):
            kind = settled(typing.get_type_hints(kind).get(str(part)))
        elif typing.get_args(kind):
            kind = settled(typing.get_args(kind)[-1 if typing.get_origin(kind) is dict else 0])
    return [field.name for field in fields(kind)] if is_dataclass(kind) else []


def plain(value: Any) -> Any:
    """A settings dataclass ``value`` as plain JSON values, as recorded in artefacts."""
    return TypeAdapter(type(value)).dump_python(value, mode="json") if is_dataclass(value) else value


__all__ = ["STRICT", "build", "plain", "read_toml"]
