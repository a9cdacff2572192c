"""The C compiler: the system's ``cc``, else the one that ``ziglang`` brings from the package index."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CompileError, ToolMissingError

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

        Parameters
        ----------
        sources : sequence of Path
            C files, compiled and linked in one go.
        library : Path
            The file to write.
        include : sequence of Path
            Folders to look for headers in.

        Raises
        ------
        CompileError
            With the compiler's own words.
        ToolMissingError
            The compiler cannot be started.
        """
        arguments = [*self.command, *STRICT_FLAGS, "-O2", "-fPIC", "-shared"]
        arguments += [f"-I{folder}" for folder in include]
        arguments += [str(source) for source in sources]
        arguments += ["-o", str(library)]
        try:
            done = subprocess.run(
                arguments, capture_output=True, text=True, errors="replace", check=False, env=_environment()
            )
        except OSError as error:
            raise ToolMissingError(f"{self.name} ({self.command[0]}) cannot be started: {error.strerror}") from error
        if done.returncode != 0:
            raise CompileError(f"{self.name} refused {', '.join(s.name for s in sources)}:\n{done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """This process's environment; Zig is given a place for its cache where a bare container names none."""
    environment = dict(os.environ)
    if not {"HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "ZIG_GLOBAL_CACHE_DIR"} & environment.keys():
        environment["ZIG_GLOBAL_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / "crumple-zig-cache")
    return environment


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
