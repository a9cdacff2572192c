"""The C compiler: which one is found, and what it says about bad C."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from crumple.errors import CompileError, ToolMissingError
from crumple.toolchain import STRICT_FLAGS, Compiler, find_compiler

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on this machine")


@pytest.fixture
def no_cc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose PATH leads to an empty folder."""
    monkeypatch.setenv("PATH", str(tmp_path))


def with_ziglang(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    """Make the ziglang package look installed, or not."""
    spec = importlib.machinery.ModuleSpec("ziglang", None) if there else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "ziglang" else pytest.fail(name))


def test_cc_is_preferred_even_if_ziglang_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cc = tmp_path / ("cc.exe" if sys.platform == "win32" else "cc")
    cc.write_text("#!/bin/sh\n")
    cc.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with_ziglang(monkeypatch, there=True)
    found = find_compiler()
    assert found.command == (str(cc),)
    assert "cc" in found.name


def test_ziglang_serves_where_cc_is_absent(no_cc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_ziglang(monkeypatch, there=True)
    found = find_compiler()
    assert found.command[:4] == (sys.executable, "-m", "ziglang", "cc")
    assert "ziglang" in found.name


def test_without_either_the_remedy_is_named(no_cc: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_ziglang(monkeypatch, there=False)
    with pytest.raises(ToolMissingError, match=r"pip install 'crumple\[cc\]'"):
        find_compiler()


def test_the_strict_flags_are_those_we_promise() -> None:
    promised = {"-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wstrict-prototypes", "-Werror"}
    assert promised <= set(STRICT_FLAGS)


@needs_cc
def test_good_c_becomes_a_library_that_can_be_called(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "twice.h").write_text("int twice(int value);\n")
    (tmp_path / "twice.c").write_text('#include "twice.h"\nint twice(int value)\n{\n    return 2 * value;\n}\n')
    find_compiler().shared_library([tmp_path / "twice.c"], tmp_path / "twice.so", include=[tmp_path / "inc"])
    assert ctypes.CDLL(str(tmp_path / "twice.so")).twice(21) == 42


@needs_cc
@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("int f(int a);\nint f(int a)\n{\n    int unused;\n    return a;\n}\n", "unused"),
        ("#include <stdint.h>\nint16_t f(int32_t a);\nint16_t f(int32_t a)\n{\n    return a;\n}\n", "conversion"),
        ("int f();\n", "prototype"),
        ("int f(int a)\n{\n    return a\n}\n", "error"),
    ],
    ids=["unused variable", "narrowing", "no prototype", "syntax"],
)
def test_a_warning_is_refused_with_the_compilers_words(tmp_path: Path, body: str, word: str) -> None:
    (tmp_path / "bad.c").write_text(body)
    with pytest.raises(CompileError, match=r"bad\.c") as caught:
        find_compiler().shared_library([tmp_path / "bad.c"], tmp_path / "bad.so", include=[])
    assert word in str(caught.value)
    assert not (tmp_path / "bad.so").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in compiler is a shell script")
@pytest.mark.parametrize("home", [None, "/somewhere"])
def test_a_container_without_a_home_still_has_a_place_for_zigs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    cc = tmp_path / "cc"
    cc.write_text('#!/bin/sh\necho "cache=$ZIG_GLOBAL_CACHE_DIR" >&2\nexit 1\n')
    cc.chmod(0o755)
    with pytest.raises(CompileError) as caught:
        Compiler(command=(str(cc),), name="a stand-in").shared_library(
            [tmp_path / "a.c"], tmp_path / "a.so", include=[]
        )
    assert ("crumple-zig-cache" in str(caught.value)) == (home is None)


def test_a_compiler_that_cannot_be_started_is_a_missing_tool(tmp_path: Path) -> None:
    gone = Compiler(command=(str(tmp_path / "cc"),), name="the system's cc")
    with pytest.raises(ToolMissingError, match="cannot be started"):
        gone.shared_library([tmp_path / "a.c"], tmp_path / "a.so", include=[])
