"""Drive the compiled controller with recordings, sample by sample."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crumple.errors import SignalError
from crumple.signals.sensor import Counts

MODES = ("INIT", "NORMAL", "ARMED", "FIRE", "CRASH_LOCK")
FLAG_FIRE_REQUEST, FLAG_ARMED, FLAG_SQUIB_ON = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the controller did at every sample of a recording; arrays of shape (n_samples,).

    Attributes
    ----------
    y : ndarray of int64
        Output of the net; 0 once the controller is locked.
    mode : ndarray of uint8
        Index into ``MODES``, after the sample.
    fire_request, armed, squib_on : ndarray of bool
    """

    y: NDArray[np.int64]
    mode: NDArray[np.uint8]
    fire_request: NDArray[np.bool_]
    armed: NDArray[np.bool_]
    squib_on: NDArray[np.bool_]

    @property
    def fired(self) -> bool:
        """Whether the squib was fired."""
        return bool(self.squib_on.any())

    @property
    def fire_sample(self) -> int | None:
        """Index of the first sample with firing current; None if it never flows."""
        return _first(self.squib_on)

    @property
    def arming_sample(self) -> int | None:
        """Index of the first armed sample; None if never armed."""
        return _first(self.armed)

    @property
    def request_sample(self) -> int | None:
        """Index of the first fire request; None if there is none."""
        return _first(self.fire_request)


class Controller:
    """The compiled controller. Every run starts from power-on."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._run = library.controller_run
        self._run.restype = None
        library.controller_size.restype = ctypes.c_size_t
        self._state = ctypes.create_string_buffer(library.controller_size())

    def run(self, main_lsb: Counts, safing_lsb: Counts) -> Timeline:
        """Run one recording through the controller.

        Parameters
        ----------
        main_lsb, safing_lsb : ndarray of int16, shape (n_samples,)
            Counts of both sensors, positive for deceleration.

        Raises
        ------
        SignalError
            If the two rows differ in length.
        """
        main = np.ascontiguousarray(main_lsb, dtype=np.int16)
        safing = np.ascontiguousarray(safing_lsb, dtype=np.int16)
        if main.shape != safing.shape or main.ndim != 1:
            raise SignalError(
                f"main and safing counts have shapes {main.shape} and {safing.shape}, expected one length"
            )
        y = np.empty(main.size, dtype=np.int64)
        mode = np.empty(main.size, dtype=np.uint8)
        flags = np.empty(main.size, dtype=np.uint8)
        self._run(
            self._state,
            main.ctypes.data_as(ctypes.c_void_p),
            safing.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(main.size),
            y.ctypes.data_as(ctypes.c_void_p),
            mode.ctypes.data_as(ctypes.c_void_p),
            flags.ctypes.data_as(ctypes.c_void_p),
        )
        return Timeline(
            y,
            mode,
            (flags & FLAG_FIRE_REQUEST).astype(np.bool_),
            (flags & FLAG_ARMED).astype(np.bool_),
            (flags & FLAG_SQUIB_ON).astype(np.bool_),
        )


def _first(flags: NDArray[np.bool_]) -> int | None:
    at = int(np.argmax(flags)) if flags.size else 0
    return at if flags.size and flags[at] else None
