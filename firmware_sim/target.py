"""Controller and event data recorder as Cortex-M4 machine code on an emulated board: the same C, what a tick costs.

QEMU counts instructions, exactly; it knows no cycles, no wait states of a flash and no cache. So the share of the loop
rests on a stated number of cycles an instruction.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import CheckFailedError, CompileError, SignalError, ToolMissingError

from .build import C_FOLDER, CONTROLLER_SOURCES, MODEL_SOURCES
from .replay import INPUT_DTYPE, OUTPUT_DTYPE

COMPILER, SIZE, EMULATOR = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
CORE, BOARD = "cortex-m4", "mps2-an386"
TARGET_FOLDER = Path(__file__).parent / "target_c"
HARNESS_SOURCES = ("drive.c", "inject.c")
"""Of the controller's folder, but no part of what ships."""
RECORDER_SOURCE, RECORDER_HARNESS = "edr.c", "record.c"
"""The event data recorder, and what tells it what the controller did."""

# Enumerations as wide as on the host, so that both lay out inputs and outputs alike; compared at start.
FLAGS = (
    f"-mcpu={CORE}",
    "-mthumb",
    "-mfloat-abi=soft",
    "-std=c99",
    "-O2",
    "-fno-short-enums",
    "-ffunction-sections",
    "-fdata-sections",
)
RECORD_DTYPE = np.dtype([("instructions", np.uint32), ("recorder", np.uint32), ("output", OUTPUT_DTYPE)], align=True)
"""Of a tick: instructions of controller and recorder, what the controller says."""
PATIENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Program:
    """A linked program of controller and model, and its size.

    Attributes
    ----------
    path : Path
    flash_bytes : int
        Code and constants of controller and exported model, without harness and C library.
    recorder_flash_bytes : int
        The same of the event data recorder.
    static_bytes : int
        Writable data that all of them define themselves; all state is the caller's, so 0 is expected.
    compiler : str
        The compiler's own first line.
    """

    path: Path
    flash_bytes: int
    recorder_flash_bytes: int
    static_bytes: int
    compiler: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the board said.

    Attributes
    ----------
    records : tuple of ndarray of RECORD_DTYPE, shape (n_ticks,) each
        Instructions and outputs, one array a recording.
    rests : ndarray of uint32, shape (n_recordings, n_ticks)
        The recorder's instructions in the rest after each recording, in which what is under way is closed.
    images : tuple of bytes
        What is downloaded from the recorder then, one a recording.
    start_ticks, start_total, start_most : int
        Ticks from power-on to NORMAL; their instructions in sum, and of the longest one, the self-test.
    stack_bytes, start_stack_bytes : int
        High-water mark below the caller of a tick, over all recordings and over the start.
    state_bytes : int
        Memory of one controller with the mirror of its state.
    recorder_stack_bytes, recorder_state_bytes : int
        The same two of the event data recorder.
    """

    records: tuple[NDArray[Any], ...]
    rests: NDArray[np.uint32]
    images: tuple[bytes, ...]
    start_ticks: int
    start_total: int
    start_most: int
    stack_bytes: int
    start_stack_bytes: int
    state_bytes: int
    recorder_stack_bytes: int
    recorder_state_bytes: int


def require_tools() -> None:
    """Raise ToolMissingError unless cross compiler and emulator are here."""
    absent = [name for name in (COMPILER, SIZE, EMULATOR) if shutil.which(name) is None]
    if absent:
        raise ToolMissingError(
            f"{', '.join(absent)} not on the PATH; on Debian:"
            " apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
        )


def emulator_version() -> str:
    """The emulator's own first line. Raises ToolMissingError if it cannot be started."""
    return _said([EMULATOR, "--version"]).splitlines()[0]


def link_program(export_folder: Path, build_folder: Path) -> Program:
    """Compile controller, recorder, exported model and harness for the board.

    Parameters
    ----------
    export_folder : Path
        Holds the model, calibration and self-test as C.
    build_folder : Path
        Gets the objects and the program.

    Raises
    ------
    CompileError
        With the compiler's own words.
    ToolMissingError
    """
    require_tools()
    shipped = [*(export_folder / name for name in MODEL_SOURCES)]
    shipped += [C_FOLDER / name for name in CONTROLLER_SOURCES if name not in HARNESS_SOURCES]
    shipped.append(C_FOLDER / RECORDER_SOURCE)
    harness = [C_FOLDER / "drive.c", C_FOLDER / RECORDER_HARNESS, TARGET_FOLDER / "target.c"]
    objects = []
    for source in [*shipped, *harness]:
        objects.append(build_folder / f"{source.stem}.o")
        own = ("-std=gnu99",) if source.parent == TARGET_FOLDER else ()
        include = (f"-I{export_folder}", f"-I{C_FOLDER}")
        _said([COMPILER, *FLAGS, *own, *include, "-c", str(source), "-o", str(objects[-1])])
    program = build_folder / "target.elf"
    script = ("--specs=nosys.specs", "--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections")
    _said([COMPILER, *FLAGS, *script, "-T", str(TARGET_FOLDER / "target.ld"), *map(str, objects), "-o", str(program)])
    sizes = []
    for line in _said([SIZE, *map(str, objects[: len(shipped)])]).splitlines()[1:]:
        text, data, bss = (int(word) for word in line.split()[:3])
        sizes.append((text + data, data + bss))
    return Program(
        path=program,
        flash_bytes=sum(flash for flash, _ in sizes[:-1]),
        recorder_flash_bytes=sizes[-1][0],
        static_bytes=sum(static for _, static in sizes),
        compiler=_said([COMPILER, "--version"]).splitlines()[0],
    )


def run_program(program: Program, recordings: Iterable[NDArray[Any]]) -> Run:
    """Run recordings on the board, each from a controller just started and a blank recorder.

    Parameters
    ----------
    program : Program
        Its folder gets the files that host and board exchange.
    recordings : iterable of ndarray of INPUT_DTYPE, shape (n_ticks,) each

    Raises
    ------
    CheckFailedError
        The board failed, lays data out otherwise than the host, or did not come to an end.
    SignalError
        Inputs of another type.
    ToolMissingError
    """
    require_tools()
    folder = program.path.parent
    lengths = []
    with (folder / "in.bin").open("wb") as stream:
        for recording in recordings:
            if recording.dtype != INPUT_DTYPE:
                raise SignalError(f"inputs are {recording.dtype}, expected one row of INPUT_DTYPE")
            lengths.append(recording.size)
            stream.write(np.uint32(recording.size).tobytes())
            stream.write(np.ascontiguousarray(recording).tobytes())
    words = [EMULATOR, "-M", BOARD, "-nographic", "-monitor", "none", "-serial", "none"]
    words += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=10,align=off,sleep=off"]
    said = _said([*words, "-kernel", program.path.name], cwd=folder, failure=CheckFailedError)
    figures = {name: int(value) for name, value in re.findall(r"^([A-Z_]+) (\d+)$", said, flags=re.MULTILINE)}
    if "DONE" not in said.splitlines():
        raise CheckFailedError(f"{EMULATOR}: the program did not come to its end: {said.strip()[-200:]}")
    for name, size in (("INPUT_BYTES", INPUT_DTYPE.itemsize), ("RECORD_BYTES", RECORD_DTYPE.itemsize)):
        if figures[name] != size:
            raise CheckFailedError(f"{name} is {figures[name]} on {CORE} and {size} on this machine")
    records = np.fromfile(folder / "out.bin", dtype=RECORD_DTYPE)
    if records.size != sum(lengths):
        raise CheckFailedError(f"{EMULATOR}: {records.size} ticks came back of {sum(lengths)}")
    told = np.dtype([("rest", np.uint32, (figures["REST_TICKS"],)), ("image", f"V{figures['IMAGE_BYTES']}")])
    heard = np.fromfile(folder / "edr.bin", dtype=told)
    if heard.size != len(lengths):
        raise CheckFailedError(f"{EMULATOR}: {heard.size} images of the recorder came back of {len(lengths)}")
    return Run(
        records=tuple(np.split(records, np.cumsum(lengths)[:-1])) if lengths else (),
        rests=heard["rest"],
        images=tuple(image.tobytes() for image in heard["image"]),
        start_ticks=figures["START_TICKS"],
        start_total=figures["START_TOTAL"],
        start_most=figures["START_MOST"],
        stack_bytes=figures["STACK"],
        start_stack_bytes=figures["START_STACK"],
        state_bytes=figures["STATE_BYTES"],
        recorder_stack_bytes=figures["RECORDER_STACK"],
        recorder_state_bytes=figures["RECORDER_BYTES"],
    )


def _said(
    words: Sequence[str], *, cwd: Path | None = None, failure: type[CompileError | CheckFailedError] = CompileError
) -> str:
    """What a program printed; ``failure`` with its own words if it did not end well."""
    try:
        done = subprocess.run(
            list(words), cwd=cwd, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE_S
        )
    except OSError as error:
        raise ToolMissingError(f"{words[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise failure(f"{words[0]}: no end after {PATIENCE_S:.0f} s") from error
    if done.returncode != 0:
        raise failure(f"{words[0]}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout + done.stderr
