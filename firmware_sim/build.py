"""Compile the controller together with an exported model, and load it."""

from __future__ import annotations

import ctypes
from pathlib import Path

from crumple.toolchain import Compiler

C_FOLDER = Path(__file__).parent / "c"
CONTROLLER_SOURCES = (
    "frame.c",
    "safing_frame.c",
    "safing.c",
    "offset.c",
    "agreement.c",
    "loop.c",
    "watchdog.c",
    "controller.c",
    "mirror.c",
    "drive.c",
    "inject.c",
)
RECORDER_SOURCES = ("edr.c", "record.c")
"""The event data recorder, which only listens, and what drives both."""
MODEL_SOURCES = ("crumple_model.c", "crumple_calibration.c", "crumple_selftest.c")


def build_controller(export_folder: Path, build_folder: Path, compiler: Compiler) -> ctypes.CDLL:
    """Compile controller, recorder and the exported model under the strict flags, and load the result.

    Parameters
    ----------
    export_folder : Path
        Holds ``crumple_arming.h`` and the model, calibration and self-test as C, as ``crumple export`` writes them.
    build_folder : Path
        Gets the shared library.
    compiler : Compiler

    Raises
    ------
    CompileError
        With the compiler's own words.
    """
    library = build_folder / "controller.so"
    own = (*CONTROLLER_SOURCES, *RECORDER_SOURCES)
    sources = [*(export_folder / name for name in MODEL_SOURCES), *(C_FOLDER / name for name in own)]
    compiler.shared_library(sources, library, include=[export_folder, C_FOLDER])
    return ctypes.CDLL(str(library))
