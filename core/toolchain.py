"""The C compiler: the system's ``cc``, else the one that ``ziglang`` brings from the package index."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CrumpleError, ToolMissingError

STRICT_FLAGS = (
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wstrict-prototypes",
    "-Werror",
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: the words that start it, and how to name it to a person."""

    command: tuple[str, ...]
    name: str

    def shared_library(self, sources: Sequence[Path], library: Path, *, include: Sequence[Path]) -> None:
        """Compile C sources into a shared library under the strict flags.

        Raises
        ------
        CompileError
            With the compiler's own words.
        """
        arguments = [*self.command, *STRICT_FLAGS, "-O2", "-fPIC", "-shared"]
        arguments += [f"-I{folder}" for folder in include]
        arguments += [str(source) for source in sources]
        arguments += ["-o", str(library)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CompileError(f"{self.name} refused {', '.join(s.name for s in sources)}:\n{done.stderr.strip()}")


class CompileError(CrumpleError, RuntimeError):
    """The C compiler refused code that crumple wrote: always a bug or a broken compiler."""

    exit_code = 1


def find_compiler() -> Compiler:
    """The C compiler of this machine.

    Raises
    ------
    ToolMissingError
        Neither ``cc`` on the PATH nor the ``ziglang`` package.
    """
    if path := shutil.which("cc"):
        return Compiler(command=(path,), name="the system's cc")
    if importlib.util.find_spec("ziglang") is not None:
        # Zig's debug mode traps undefined behaviour; the shipped code must behave the same with it off.
        return Compiler(command=(sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"), name="ziglang's cc")
    raise ToolMissingError("no C compiler: neither `cc` on the PATH nor ziglang; run: pip install 'crumple[cc]'")
