"""Compile the controller together with an exported model, and load it."""

from __future__ import annotations

import ctypes
from pathlib import Path

from crumple.toolchain import Compiler

C_FOLDER = Path(__file__).parent / "c"
CONTROLLER_SOURCES = ("safing.c", "controller.c")
MODEL_SOURCE = "crumple_model.c"


def build_controller(export_folder: Path, build_folder: Path, compiler: Compiler) -> ctypes.CDLL:
    """Compile the hand-written controller and the exported model under the strict flags, and load the result.

    Parameters
    ----------
    export_folder : Path
        Holds ``crumple_model.h``, ``crumple_model.c`` and ``crumple_arming.h``.
    build_folder : Path
        Gets the shared library.
    compiler : Compiler

    Raises
    ------
    CompileError
        With the compiler's own words.
    """
    library = build_folder / "controller.so"
    sources = [export_folder / MODEL_SOURCE, *(C_FOLDER / name for name in CONTROLLER_SOURCES)]
    compiler.shared_library(sources, library, include=[export_folder, C_FOLDER])
    return ctypes.CDLL(str(library))
