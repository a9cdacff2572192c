"""The tutorials are typed in, in order, in an empty folder, and say what their pages show.

Of a page, ``sh`` blocks are run by a shell, a command at a time: each exits 0, or as its comment ``# exits N`` says. A
``text`` block holds lines that the commands of the block before printed, in that order: ``…`` stands for anything
within a line, ``...`` for lines left out, and spaces are as wide as they like. Any other block is written to the file
that the line above it names. A ``console`` block, its commands behind ``$``, is for reading: only its words are
checked.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest

from crumple.__main__ import COMMANDS, crumple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tutorial"
PAGES = sorted(FOLDER.glob("*.md"))
BLOCK = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"\s+# exits (\d+)$")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"

without_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="the pages speak to a POSIX shell")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the file that it is the content of."""

    language: str
    text: str
    file: str


@dataclass(frozen=True)
class Line:
    """A command of a page, and how it is said to end."""

    command: str
    code: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(found[2], found[3], found[1] or "") for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def commands(block: Block) -> list[Line]:
    """The commands of an ``sh`` or ``console`` block; a line that ends in a backslash goes on."""
    found = []
    for written in block.text.replace("\\\n", " ").splitlines():
        line = written.removeprefix("$ ")
        if line.strip() and (block.language == "sh" or line != written):
            exits = EXITS.search(line)
            found.append(Line(EXITS.sub("", line), int(exits[1]) if exits else 0))
    return found


def shown_but_not_said(shown: str, said: str) -> str:
    """The first line of a ``text`` block that was not printed after the one before it; empty if all were."""
    rest = iter([" ".join(line.split()) for line in said.splitlines()])
    for line in shown.splitlines():
        words = " ".join(line.split())
        if words and words != "...":
            pattern = re.compile(".*".join(re.escape(part) for part in words.split("…")))
            if not any(pattern.fullmatch(printed) for printed in rest):
                return words
    return ""


class Shell:
    """A folder in which the commands of a page are run, with ``crumple`` and ``python`` those under test."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "programs"
        programs.mkdir()
        for name, words in (("crumple", f"{shlex.quote(sys.executable)} -m crumple"), ("python", sys.executable)):
            (programs / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self.folder = folder / "here"
        self.folder.mkdir()
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "120",
        }

    def run(self, line: Line) -> str:
        """What a command prints, and the folder it leaves for the next one."""
        mark = "the folder is now"
        done = subprocess.run(
            ["sh", "-c", f'{line.command}\ncode=$?\necho "{mark} $PWD"\nexit $code'],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == line.code, f"{line.command}: exits {done.returncode}\n{done.stdout}{done.stderr}"
        said, _, now = done.stdout.rpartition(f"{mark} ")
        self.folder = Path(now.strip())
        return said + done.stderr


def follow(page: Path, shell: Shell) -> None:
    """Do what a page says and hold what it shows against what happens."""
    said = ""
    for block in blocks(page):
        if block.language == "sh":
            said = "".join(shell.run(line) for line in commands(block))
        elif block.language == "text":
            missing = shown_but_not_said(block.text, said)
            assert not missing, f"{page.name}: shows\n{missing}\nbut what was said is\n{said}"
        elif block.language != "console":
            assert block.file, f"{page.name}: no line says which file this is:\n{block.text}"
            (shell.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (shell.folder / block.file).write_text(block.text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_option_of_the_page_exists(page: Path) -> None:
    lines = [line for block in blocks(page) if block.language in ("sh", "console") for line in commands(block)]
    ours = [words for line in lines if (words := shlex.split(line.command))[:1] == ["crumple"]]
    assert ours
    for words in ours:
        assert words[1] in COMMANDS
        command = crumple.get_command(None, words[1])  # type: ignore[arg-type]
        if isinstance(command, click.Group):
            command = command.commands[words[2]]
        assert command is not None
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, " ".join(words)


def test_lines_that_are_shown_are_looked_for_in_order() -> None:
    said = "one  thing\ntwo │ 17 │\nthree\n"
    assert shown_but_not_said("one thing\n...\nthree\n", said) == ""
    assert shown_but_not_said("two │ … │\n", said) == ""
    assert shown_but_not_said("three\none thing\n", said) == "one thing"
    assert shown_but_not_said("two │ 18 │\n", said) == "two │ 18 │"


@pytest.mark.slow
@without_a_shell
def test_the_ten_minutes_are_as_told(tmp_path: Path) -> None:
    follow(FOLDER / "ten-minutes.md", Shell(tmp_path))


@pytest.mark.slow
@without_a_shell
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_recordings_of_a_programme_become_a_report_as_told(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    made_here().write_recordings(SHARED, shell.folder / "recordings")
    follow(FOLDER / "your-own-recordings.md", shell)


def made_here() -> ModuleType:
    """The module beside this one that makes the folder of recordings; tests are no package to import it from."""
    spec = importlib.util.spec_from_file_location("made_here", Path(__file__).with_name("recordings_of_a_programme.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
