"""The error tree drawn in the docstring is the tree that exists."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from pathlib import Path

import pytest

import crumple.errors
from crumple.errors import CrumpleError

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^    (?P<stem>[|` ]*(?:\|--|`--) )?(?P<name>\w+)(?: \((?P<builtin>\w+)\))? +(?P<code>\d+)   \S")

CLASSES = {
    name: kind
    for name, kind in vars(crumple.errors).items()
    if inspect.isclass(kind) and issubclass(kind, CrumpleError) and kind is not CrumpleError
}


def drawn() -> dict[str, tuple[str, str | None, int]]:
    """Name to (parent, builtin, exit code), read off the drawing."""
    found: dict[str, tuple[str, str | None, int]] = {}
    ancestors = ["CrumpleError"]
    for line in (crumple.errors.__doc__ or "").splitlines():
        if match := LINE.match(line):
            depth = len(match["stem"] or "") // 4
            found[match["name"]] = (ancestors[depth - 1], match["builtin"], int(match["code"]))
            ancestors[depth:] = [match["name"]]
    return found


def test_every_class_is_drawn_and_every_drawn_class_exists() -> None:
    assert set(drawn()) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_parent_builtin_and_exit_code_are_as_drawn(name: str) -> None:
    parent, builtin, code = drawn()[name]
    kind = CLASSES[name]
    assert kind.__bases__[0].__name__ == parent
    assert kind.exit_code == code
    if builtin is None:
        assert kind.__bases__[1:] == ()
    else:
        assert kind.__bases__[1:] == (getattr(builtins, builtin),)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_also_a_fitting_builtin_and_keeps_its_words(name: str) -> None:
    error = CLASSES[name]("file.csv:3: found this, expected that")
    assert str(error) == "file.csv:3: found this, expected that"
    assert any(base.__module__ == "builtins" and base not in (Exception, object) for base in type(error).__mro__[:-3])


def test_exit_codes_are_the_published_ones() -> None:
    assert {kind.exit_code for kind in CLASSES.values()} == {1, 2, 3, 4, 5}


def test_no_other_module_grows_a_branch_of_its_own() -> None:
    names = {*CLASSES, "CrumpleError"}
    strays = []
    for folder in ("core", "signals", "model", "export", "firmware_sim"):
        for path in (ROOT / folder).rglob("*.py"):
            if path == ROOT / "core" / "errors.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and names & {ast.unparse(base).split(".")[-1] for base in node.bases}:
                    strays.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert strays == [], "draw these in core/errors.py"
