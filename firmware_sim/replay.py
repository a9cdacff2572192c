"""Drive the compiled controller with recordings, sample by sample; one, or many at once."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import SignalError
from crumple.signals.sensor import Counts

MODES = (
    "OFF_RESET",
    "INIT",
    "NORMAL",
    "ALGO_ACTIVE",
    "ARMED",
    "FIRE",
    "POST_CRASH",
    "CRASH_LOCK",
    "FAULT",
    "PLANT",
)

TROUBLES = (
    "parameters",
    "self-test",
    "main sensor dropout",
    "main sensor stuck",
    "safing sensor dropout",
    "watchdog",
    "program flow",
    "memory",
    "loop 1",
    "loop 2",
    "battery",
    "weak current",
    "sensors disagree",
)
"""Names of the trouble bits, lowest bit first."""

FRAME_DATA_MAX = 30720
"""Largest magnitude of a count that a sensor's word can carry; beyond it lie error codes."""

ERROR_CODE = np.int16(-32768)
"""A payload by which a sensor says that it has no sample."""

LOOP_DTYPE = np.dtype([("resistance_mohm", np.uint16), ("leakage", np.uint8)], align=True)
INPUT_DTYPE = np.dtype(
    [
        ("main_word", np.uint32),
        ("safing_word", np.uint32),
        ("clock_us", np.uint32),
        ("battery_mv", np.uint32),
        ("loops", LOOP_DTYPE, (2,)),
    ],
    align=True,
)
"""One tick of the outside world, laid out as ``controller_input`` of ``controller.h``."""

OUTPUT_DTYPE = np.dtype(
    [
        ("y", np.int64),
        ("mode", np.uint32),
        ("current_ma", np.uint32, (2,)),
        ("trouble", np.uint32),
        ("sample_lsb", np.int16),
        *(
            (name, np.bool_)
            for name in ("vote", "fire_request", "armed", "awake", "lamp", "crash_output", "sensors_agree")
        ),
    ],
    align=True,
)
"""What the controller says after a tick, laid out as ``controller_output`` of ``controller.h``."""

RESULT_DTYPE = np.dtype(
    [
        ("wake_up", np.int32),
        ("request", np.int32),
        ("arming", np.int32),
        ("stage", np.int32, (2,)),
        ("trouble", np.uint32),
        ("mode", np.uint32),
    ],
    align=True,
)
"""What a recording of a batch came to: samples from its first, -1 for never; trouble and mode at its end."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the controller did at every sample of a recording; arrays of shape (n_samples,) unless stated.

    Attributes
    ----------
    y : ndarray of int64
        Output of the net; 0 where it does not run.
    mode : ndarray of uint8
        Index into ``MODES``, after the sample.
    sample_lsb : ndarray of int16
        What the classifier read: the sensor's counts less the offset; 0 for an invalid frame.
    vote, fire_request, armed, awake, lamp, sensors_agree : ndarray of bool
    current_ma : ndarray of uint32, shape (n_samples, 2)
        Firing current of each stage.
    trouble : ndarray of uint32
        Bits named by ``TROUBLES``.
    """

    y: NDArray[np.int64]
    mode: NDArray[np.uint8]
    sample_lsb: NDArray[np.int16]
    vote: NDArray[np.bool_]
    fire_request: NDArray[np.bool_]
    armed: NDArray[np.bool_]
    awake: NDArray[np.bool_]
    lamp: NDArray[np.bool_]
    sensors_agree: NDArray[np.bool_]
    current_ma: NDArray[np.uint32]
    trouble: NDArray[np.uint32]

    @classmethod
    def from_outputs(cls, outputs: NDArray[Any]) -> Timeline:
        """The timeline of ``outputs``, an array of ``OUTPUT_DTYPE``, shape (n_samples,)."""
        return cls(
            y=outputs["y"],
            mode=outputs["mode"].astype(np.uint8),
            sample_lsb=outputs["sample_lsb"],
            vote=outputs["vote"],
            fire_request=outputs["fire_request"],
            armed=outputs["armed"],
            awake=outputs["awake"],
            lamp=outputs["lamp"],
            sensors_agree=outputs["sensors_agree"],
            current_ma=outputs["current_ma"],
            trouble=outputs["trouble"],
        )

    @property
    def squib_on(self) -> NDArray[np.bool_]:
        """Whether firing current flows in the first stage, shape (n_samples,)."""
        return np.asarray(self.current_ma[:, 0] > 0)

    @property
    def fired(self) -> bool:
        """Whether any stage was fired."""
        return bool((self.current_ma > 0).any())

    @property
    def fire_sample(self) -> int | None:
        """Index of the first sample with firing current; None if it never flows."""
        return _first(np.asarray((self.current_ma > 0).any(axis=1)))

    @property
    def arming_sample(self) -> int | None:
        """Index of the first armed sample; None if never armed."""
        return _first(self.armed)

    @property
    def request_sample(self) -> int | None:
        """Index of the first fire request; None if there is none."""
        return _first(self.fire_request)


class Controller:
    """The compiled controller ``library``. Every run starts from power-on."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, dtype in (("input", INPUT_DTYPE), ("output", OUTPUT_DTYPE)):
            size = getattr(library, f"drive_{name}_size")
            size.restype = ctypes.c_size_t
            assert size() == dtype.itemsize, f"controller_{name} of the library has another layout"
        for name in ("drive_start", "drive_inputs", "drive_counts", "drive_batch"):
            getattr(library, name).restype = None
        library.drive_controller_size.restype = ctypes.c_size_t
        self._library = library
        self._size = int(library.drive_controller_size())

    def run(self, main_lsb: Counts, safing_lsb: Counts) -> Timeline:
        """Run one recording of healthy sensors, battery, clock and loops.

        Parameters
        ----------
        main_lsb, safing_lsb : ndarray of int16, shape (n_samples,)
            Counts of both sensors, positive for deceleration.

        Raises
        ------
        SignalError
            The two rows differ in length, or hold a count that no word carries.
        """
        main, safing = _rows(main_lsb, safing_lsb, dimensions=1)
        outputs = np.zeros(main.size, dtype=OUTPUT_DTYPE)
        state = self._started()
        self._library.drive_counts(state, _at(main), _at(safing), ctypes.c_size_t(main.size), _at(outputs))
        return Timeline.from_outputs(outputs)

    def run_inputs(self, inputs: NDArray[Any]) -> Timeline:
        """Run ``inputs``, an array of ``INPUT_DTYPE``, shape (n_samples,): words, clock, battery and loops as given.

        The clock of the first tick is 0 where the time base is whole.

        Raises
        ------
        SignalError
            Another type or shape.
        """
        return Timeline.from_outputs(self.outputs(inputs))

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """All that the controller says of ``inputs``, as ``run_inputs``: an array of ``OUTPUT_DTYPE``, (n_samples,).

        Raises
        ------
        SignalError
            Another type or shape.
        """
        if inputs.dtype != INPUT_DTYPE or inputs.ndim != 1:
            raise SignalError(f"inputs are {inputs.dtype} of shape {inputs.shape}, expected one row of INPUT_DTYPE")
        given = np.ascontiguousarray(inputs)
        outputs = np.zeros(given.size, dtype=OUTPUT_DTYPE)
        self._library.drive_inputs(self._started(), _at(given), ctypes.c_size_t(given.size), _at(outputs))
        return outputs

    def run_batch(
        self,
        main_lsb: Counts,
        safing_lsb: Counts,
        *,
        main_lost: NDArray[np.bool_] | None = None,
        safing_lost: NDArray[np.bool_] | None = None,
        n_threads: int = 1,
    ) -> NDArray[Any]:
        """Run many recordings of equal length, each from power-on, and keep only what each came to.

        The C runs without the interpreter's lock, so that threads share the recordings out between the cores.

        Parameters
        ----------
        main_lsb, safing_lsb : ndarray of int16, shape (n_recordings, n_samples)
        main_lost, safing_lost : ndarray of bool, same shape, or None
            Frames that did not arrive. Such a frame is sent as an error code: the controller takes both alike.
        n_threads : int
            The result does not depend on it.

        Returns
        -------
        ndarray of RESULT_DTYPE, shape (n_recordings,)

        Raises
        ------
        SignalError
            As ``run`` does, or lost frames of another shape.
        """
        main, safing = _rows(main_lsb, safing_lsb, dimensions=2)
        main, safing = _without("main", main, main_lost), _without("safing", safing, safing_lost)
        results = np.zeros(main.shape[0], dtype=RESULT_DTYPE)
        started = self._started()

        def run(rows: slice) -> None:
            part = main[rows], safing[rows], results[rows]
            n_recordings, n_samples = (ctypes.c_size_t(n) for n in part[0].shape)
            self._library.drive_batch(started, _at(part[0]), _at(part[1]), n_recordings, n_samples, _at(part[2]))

        # More parts than threads: events that fire end in a state that costs less, so parts differ in time.
        edges = np.linspace(0, main.shape[0], 8 * n_threads + 1 if n_threads > 1 else 2).astype(int).tolist()
        parts = [slice(begin, end) for begin, end in pairwise(edges) if end > begin]
        if n_threads == 1:
            for part in parts:
                run(part)
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(run, parts))
        return results

    def words(self, main_lsb: Counts, safing_lsb: Counts) -> NDArray[Any]:
        """Inputs of healthy sensors, battery, clock and loops, for a caller to spoil.

        Parameters
        ----------
        main_lsb, safing_lsb : ndarray of int16, shape (n_samples,)

        Returns
        -------
        ndarray of INPUT_DTYPE, shape (n_samples,)

        Raises
        ------
        SignalError
            As ``run`` does.
        """
        main, safing = _rows(main_lsb, safing_lsb, dimensions=1)
        inputs = np.zeros(main.size, dtype=INPUT_DTYPE)
        self._library.drive_words(_at(main), _at(safing), ctypes.c_size_t(main.size), _at(inputs))
        return inputs

    def _started(self) -> Any:
        state = ctypes.create_string_buffer(self._size)
        self._library.drive_start(state, None)
        return state


def _rows(main_lsb: Counts, safing_lsb: Counts, *, dimensions: int) -> tuple[Counts, Counts]:
    main = np.ascontiguousarray(main_lsb, dtype=np.int16)
    safing = np.ascontiguousarray(safing_lsb, dtype=np.int16)
    if main.shape != safing.shape or main.ndim != dimensions:
        raise SignalError(
            f"main and safing counts have shapes {main.shape} and {safing.shape}, expected one length"
            f" in {dimensions} dimension{'s' * (dimensions > 1)}"
        )
    for name, row in (("main", main), ("safing", safing)):
        if row.size and (int(row.min()) < -FRAME_DATA_MAX or int(row.max()) > FRAME_DATA_MAX):
            raise SignalError(f"{name} counts leave +-{FRAME_DATA_MAX}, what a sensor's word can carry")
    return main, safing


def _without(name: str, counts: Counts, lost: NDArray[np.bool_] | None) -> Counts:
    """Counts with an error code in place of those that were lost."""
    if lost is None:
        return counts
    if lost.shape != counts.shape or lost.dtype != np.bool_:
        raise SignalError(f"lost {name} frames are {lost.dtype} of shape {lost.shape}, expected bool of {counts.shape}")
    return np.where(lost, ERROR_CODE, counts)


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def _first(flags: NDArray[np.bool_]) -> int | None:
    at = int(np.argmax(flags)) if flags.size else 0
    return at if flags.size and flags[at] else None
