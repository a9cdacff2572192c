"""Run recordings through the compiled controller with one fault each: a flipped bit, or inputs that were spoilt."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import SignalError

from .replay import INPUT_DTYPE, OUTPUT_DTYPE

RESULT_DTYPE = np.dtype(
    [
        ("stage", np.int32, (2,)),
        ("full", np.uint32, (2,)),
        *((name, np.int32) for name in ("request", "arming", "both", "held", "reset", "noticed", "differs")),
        ("trouble", np.uint32),
        ("mode", np.uint32),
    ],
    align=True,
)
"""What a faulty recording came to, as ``inject_result`` of ``inject.h``: samples from its first, -1 for never."""

IMAGE_VERDICTS = ("accepted", "size", "foreign", "version", "shape", "damaged", "out of range")
"""Names of ``crumple_image_verdict``, why a parameter image is refused."""


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of the controller's state: ``size`` bytes at ``offset``."""

    name: str
    offset: int
    size: int


class _CField(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("offset", ctypes.c_size_t), ("size", ctypes.c_size_t)]


class Injector:
    """Faults into the compiled controller ``library``. Every run starts from power-on; calls release the lock.

    Where methods share parameters: ``inputs`` is an array of ``INPUT_DTYPE`` and ``expected`` the outputs of the same
    ticks without a fault, an array of ``OUTPUT_DTYPE``, both of shape (n_samples,) unless stated.

    Attributes
    ----------
    n_state_bytes : int
        Of the state with its mirror: the state, its copy, the seal.
    n_parameter_bytes : int
        Of the parameters in memory.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        for name in ("inject_result_size", "inject_parameters_size", "inject_n_fields", "inject_copy_offset",
                     "inject_seal_offset", "drive_controller_size"):  # fmt: skip
            getattr(library, name).restype = ctypes.c_size_t
        library.inject_field_at.restype = _CField
        for name in (
            "inject_inputs",
            "inject_state",
            "inject_parameters",
            "inject_image",
            "drive_start",
            "drive_inputs",
        ):
            getattr(library, name).restype = None
        assert library.inject_result_size() == RESULT_DTYPE.itemsize, "inject_result of the library has another layout"
        self._library = library
        self.n_state_bytes = int(library.drive_controller_size())
        self.n_parameter_bytes = int(library.inject_parameters_size())
        self._copy, self._seal = int(library.inject_copy_offset()), int(library.inject_seal_offset())
        found = [library.inject_field_at(ctypes.c_size_t(k)) for k in range(library.inject_n_fields())]
        self._fields = tuple(Field(f.name.decode("ascii"), f.offset, f.size) for f in found)

    def field_of(self, byte: int) -> str:
        """Name of the field that a ``byte`` of the state with its mirror belongs to; ``padding`` where it is none's."""
        if byte >= self._seal:
            return "seal" if byte < self._seal + 4 else "padding"
        where, prefix = (byte - self._copy, "copy of ") if byte >= self._copy else (byte, "")
        for field in self._fields:
            if field.offset <= where < field.offset + field.size:
                return prefix + field.name
        return "padding"

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs for ``inputs`` without a fault of memory, an array of ``OUTPUT_DTYPE``.

        Raises
        ------
        SignalError
            Another type or shape.
        """
        given = _row(inputs, INPUT_DTYPE, 1)
        outputs = np.zeros(given.size, dtype=OUTPUT_DTYPE)
        self._library.drive_inputs(self._started(), _at(given), ctypes.c_size_t(given.size), _at(outputs))
        return outputs

    def spoilt(self, inputs: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
        """Results of recordings whose ``inputs``, of shape (n_recordings, n_samples), were spoilt.

        ``expected`` holds the outputs of the unspoilt one.

        Returns
        -------
        ndarray of RESULT_DTYPE, shape (n_recordings,)

        Raises
        ------
        SignalError
            Another type or shape.
        """
        given = _row(inputs, INPUT_DTYPE, 2)
        right = _row(expected, OUTPUT_DTYPE, 1)
        if right.size != given.shape[1]:
            raise SignalError(f"expected outputs have {right.size} samples, the inputs {given.shape[1]}")
        results = np.zeros(given.shape[0], dtype=RESULT_DTYPE)
        shape = (ctypes.c_size_t(n) for n in given.shape)
        self._library.inject_inputs(self._started(), _at(given), _at(right), *shape, _at(results))
        return results

    def state_flips(
        self, inputs: NDArray[Any], expected: NDArray[Any], when: int, first_bit: int, n_bits: int
    ) -> NDArray[Any]:
        """Results with one bit of the state or its mirror flipped before tick ``when``.

        One recording a bit, ``n_bits`` of them from ``first_bit`` on.

        Returns
        -------
        ndarray of RESULT_DTYPE, shape (n_bits,)

        Raises
        ------
        SignalError
            Another type or shape, or no such tick or bit.
        """
        given, right = self._checked(inputs, expected, when, first_bit + n_bits, 8 * self.n_state_bytes)
        results = np.zeros(n_bits, dtype=RESULT_DTYPE)
        numbers = (ctypes.c_size_t(n) for n in (given.size, when, first_bit, n_bits))
        self._library.inject_state(self._started(), _at(given), _at(right), *numbers, _at(results))
        return results

    def parameter_flips(
        self, inputs: NDArray[Any], expected: NDArray[Any], when: int | None, first_bit: int, n_bits: int
    ) -> NDArray[Any]:
        """Results with one bit of the parameters in memory flipped before tick ``when``; None is before the start.

        One recording a bit, ``n_bits`` of them from ``first_bit`` on.

        Returns
        -------
        ndarray of RESULT_DTYPE, shape (n_bits,)

        Raises
        ------
        SignalError
            Another type or shape, or no such tick or bit.
        """
        given, right = self._checked(inputs, expected, when or 0, first_bit + n_bits, 8 * self.n_parameter_bytes)
        results = np.zeros(n_bits, dtype=RESULT_DTYPE)
        at = given.size if when is None else when
        numbers = (ctypes.c_size_t(n) for n in (given.size, at, first_bit, n_bits))
        self._library.inject_parameters(_at(given), _at(right), *numbers, _at(results))
        return results

    def image_flips(self, image: bytes) -> NDArray[np.uint32]:
        """Verdicts of the reader of parameter images on ``image`` with each of its bits flipped, one after the other.

        Returns
        -------
        ndarray of uint32, shape (8 len(image),)
            Indices into ``IMAGE_VERDICTS``.
        """
        copy = ctypes.create_string_buffer(image, len(image))
        verdicts = np.zeros(8 * len(image), dtype=np.uint32)
        numbers = (ctypes.c_size_t(n) for n in (len(image), 0, verdicts.size))
        self._library.inject_image(copy, *numbers, _at(verdicts))
        return verdicts

    def _checked(
        self, inputs: NDArray[Any], expected: NDArray[Any], when: int, last_bit: int, n_bits: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        given, right = _row(inputs, INPUT_DTYPE, 1), _row(expected, OUTPUT_DTYPE, 1)
        if right.size != given.size or not 0 <= when < given.size:
            raise SignalError(
                f"{given.size} inputs, {right.size} expected outputs, flip before tick {when}: no such tick"
            )
        if last_bit > n_bits:
            raise SignalError(f"bit {last_bit - 1} of memory that has {n_bits} bits")
        return given, right

    def _started(self) -> Any:
        state = ctypes.create_string_buffer(self.n_state_bytes)
        self._library.drive_start(state, None)
        return state


def _row(array: NDArray[Any], dtype: np.dtype[Any], dimensions: int) -> NDArray[Any]:
    if array.dtype != dtype or array.ndim != dimensions:
        raise SignalError(f"found {array.dtype} of shape {array.shape}, expected {dimensions} dimension(s) of {dtype}")
    return np.ascontiguousarray(array)


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
