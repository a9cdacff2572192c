"""Run every mutant of a library on stated vectors, each in a process of its own; a script, so that it may fork.

``python run_mutants.py LIBRARY VECTORS RESULT N_MUTANTS``: VECTORS is a pickle of segments, RESULT becomes a JSON list
of the numbers that behave like the original (0 is the original itself, and must be among them). A crash or a hang
kills.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

HANG_S = 8
GUARD = b"\xa5" * 8
"""Behind the recorder's image: a byte too many is seen."""

DIFFERS, ALIKE = 3, 4


def behaves(library: ctypes.CDLL, segments: list[dict[str, Any]]) -> bool:
    """Whether the library answers every segment as expected."""
    for segment in segments:
        if "ticks" in segment or "limits" in segment:
            if not records(library, segment):
                return False
            continue
        state = ctypes.create_string_buffer(segment["state_bytes"])
        parameters = ctypes.create_string_buffer(segment["parameters"])
        if segment["cold"]:
            library.mirrored_init_with(state, parameters)
        else:
            library.drive_start(state, parameters)
        inputs, expected = segment["inputs"], segment["expected"]
        outputs = np.zeros_like(expected)
        done = 0
        for tick, pokes in (*segment["pokes"], (inputs.size, ())):
            piece, said = inputs[done:tick], outputs[done:tick]
            at = (piece.ctypes.data_as(ctypes.c_void_p), said.ctypes.data_as(ctypes.c_void_p))
            library.drive_inputs(state, at[0], ctypes.c_size_t(piece.size), at[1])
            if not (said == expected[done:tick]).all():
                return False
            done = tick
            for what, byte, value in pokes:
                if what == "add":
                    word = (int.from_bytes(state.raw[byte : byte + 4], sys.byteorder) + value) % 2**32
                    state[byte : byte + 4] = word.to_bytes(4, sys.byteorder)
                else:
                    memory = state if what == "state" else parameters
                    memory[byte] = bytes([memory.raw[byte] ^ value])
    return True


def records(library: ctypes.CDLL, segment: dict[str, Any]) -> bool:
    """Whether the event data recorder makes the image expected of what it is told, or keeps to its limits."""
    if "limits" in segment:
        return int(library.recorder_limits()) == 0
    sizes = [getattr(library, f"record_{name}_size") for name in ("recorder", "image")]
    for size in sizes:
        size.restype = ctypes.c_size_t
    n_recorder, n_image = (int(size()) for size in sizes)
    recorder, image = (ctypes.create_string_buffer(b"\xa5" * n, n) for n in (n_recorder, n_image + len(GUARD)))
    ticks = segment["ticks"]
    library.record_start(recorder)
    library.record_ticks(recorder, ticks.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(ticks.size))
    library.edr_download(recorder, image)
    return bool(image.raw == segment["image"] + GUARD)


def run(library: ctypes.CDLL, segments: list[dict[str, Any]], number: int) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(HANG_S)
        ctypes.c_int.in_dll(library, "crumple_mutant").value = number
        os._exit(ALIKE if behaves(library, segments) else DIFFERS)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == ALIKE


def main() -> None:
    library = ctypes.CDLL(sys.argv[1])
    with Path(sys.argv[2]).open("rb") as file:
        segments = pickle.load(file)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # a thread only forks and waits
        numbers = range(int(sys.argv[4]) + 1)
        found = pool.map(lambda number: run(library, segments, number), numbers)
        alike = [number for number, is_alike in zip(numbers, found, strict=True) if is_alike]
    Path(sys.argv[3]).write_text(json.dumps(alike), encoding="ascii")


if __name__ == "__main__":
    main()
