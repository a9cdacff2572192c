"""Drive the compiled event data recorder, alone or with its controller."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import SignalError

from .replay import INPUT_DTYPE, OUTPUT_DTYPE

VEHICLE_DTYPE = np.dtype([(name, np.uint8) for name in ("speed_kmh", "throttle_percent", "brake", "belt")], align=True)
TICK_DTYPE = np.dtype(
    [
        ("trouble", np.uint32),
        ("sample_lsb", np.int16),
        ("mode", np.uint8),
        *((name, np.bool_) for name in ("is_running", "is_lost", "is_firing", "has_fired", "lamp")),
        ("current", np.bool_, (2,)),
        ("vehicle", VEHICLE_DTYPE),
    ],
    align=True,
)
"""What the recorder is told in a tick, laid out as ``edr_tick`` of ``edr.h``."""


class Recorder:
    """The recorder of a compiled controller ``library``: blank and switched on before every run.

    Attributes
    ----------
    n_bytes : int
        Memory of one recorder.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        for name in ("record_recorder_size", "record_tick_size", "record_image_size", "drive_controller_size"):
            getattr(library, name).restype = ctypes.c_size_t
        for name in (
            "record_start",
            "record_ticks",
            "record_inputs",
            "record_told",
            "record_flips",
            "edr_download",
            "drive_start",
        ):
            getattr(library, name).restype = None
        assert library.record_tick_size() == TICK_DTYPE.itemsize, "edr_tick of the library has another layout"
        self._library = library
        self.n_bytes = int(library.record_recorder_size())

    def image_of(self, ticks: NDArray[Any]) -> bytes:
        """What is downloaded after the recorder alone was told ``ticks``: an array of ``TICK_DTYPE``, (n_samples,).

        Raises
        ------
        SignalError
            Another type or shape.
        """
        given = _row("ticks", ticks, TICK_DTYPE)
        recorder = self._blank()
        self._library.record_ticks(recorder, _at(given), ctypes.c_size_t(given.size))
        return self._download(recorder)

    def run(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], bytes]:
        """A controller from power-on and its recorder on ``inputs``, an array of ``INPUT_DTYPE``, (n_samples,).

        Returns
        -------
        ndarray of OUTPUT_DTYPE, shape (n_samples,)
            What the controller says, the same as without a recorder.
        bytes
            The image to download afterwards.

        Raises
        ------
        SignalError
            Another type or shape.
        """
        given = _row("inputs", inputs, INPUT_DTYPE)
        outputs = np.zeros(given.size, dtype=OUTPUT_DTYPE)
        controller = ctypes.create_string_buffer(int(self._library.drive_controller_size()))
        self._library.drive_start(controller, None)
        recorder = self._blank()
        self._library.record_inputs(controller, recorder, _at(given), ctypes.c_size_t(given.size), _at(outputs))
        return outputs, self._download(recorder)

    def told(self, inputs: NDArray[Any], outputs: NDArray[Any]) -> NDArray[Any]:
        """What the recorder is told in ticks of these ``inputs``, of ``INPUT_DTYPE``, and ``outputs``, (n_samples,).

        Returns
        -------
        ndarray of TICK_DTYPE, shape (n_samples,)
            Nothing is known of the car beside its sensors.

        Raises
        ------
        SignalError
            Another type or shape.
        """
        read, said = _row("inputs", inputs, INPUT_DTYPE), _row("outputs", outputs, OUTPUT_DTYPE)
        if read.size != said.size:
            raise SignalError(f"{read.size} inputs and {said.size} outputs, expected one of each a tick")
        ticks = np.zeros(read.size, dtype=TICK_DTYPE)
        self._library.record_told(_at(read), _at(said), ctypes.c_size_t(read.size), _at(ticks))
        return ticks

    def flips(
        self, ticks: NDArray[Any], when: int, first_bit: int, n_bits: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Images of a recorder that was told ``ticks``, with one bit of its memory flipped before tick ``when``.

        One recorder a bit, ``n_bits`` of them from ``first_bit`` on; ``when`` may be the number of ticks, for a flip
        before the download. Calls release the lock.

        Returns
        -------
        ndarray of uint8, shape (n_bits, image bytes)
            What is downloaded afterwards.
        ndarray of bool, shape (n_bits,)
            Whether a byte within 4 KiB before or behind the recorder's memory was written.

        Raises
        ------
        SignalError
            Another type or shape, or no such tick or bit.
        """
        given = _row("ticks", ticks, TICK_DTYPE)
        if not 0 <= when <= given.size:
            raise SignalError(f"flip before tick {when} of {given.size}: no such tick")
        if first_bit < 0 or first_bit + n_bits > 8 * self.n_bytes:
            raise SignalError(f"bits {first_bit} to {first_bit + n_bits - 1} of memory that has {8 * self.n_bytes}")
        images = np.zeros((n_bits, int(self._library.record_image_size())), dtype=np.uint8)
        is_outside = np.zeros(n_bits, dtype=np.bool_)
        numbers = (ctypes.c_size_t(n) for n in (given.size, when, first_bit, n_bits))
        self._library.record_flips(_at(given), *numbers, _at(images), _at(is_outside))
        return images, is_outside

    def _blank(self) -> Any:
        recorder = ctypes.create_string_buffer(self.n_bytes)
        self._library.record_start(recorder)
        return recorder

    def _download(self, recorder: Any) -> bytes:
        image = ctypes.create_string_buffer(int(self._library.record_image_size()))
        self._library.edr_download(recorder, image)
        return image.raw


def _row(name: str, given: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if given.dtype != dtype or given.ndim != 1:
        raise SignalError(f"{name} are {given.dtype} of shape {given.shape}, expected one row of {dtype}")
    return np.ascontiguousarray(given)


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
