"""What an event data recorder's image says: 49 CFR 563 elements of up to two events. Layout: docs/reference/edr.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crumple.errors import TraceFormatError

from .replay import MODES, TROUBLES

MAGIC = b"CRED"
VERSION = 1
HEADER = struct.Struct("<4sBBHHHHH")
SLOT = struct.Struct("<BBHIHHHHIHBBBBBbBB26b11s11s11s3x")
CRC = struct.Struct("<I")
N_SLOTS = 2
IMAGE_BYTES = HEADER.size + N_SLOTS * SLOT.size + CRC.size

STEP_MS = 10
TIME_STEP_MS = 2.5
STEP_KMH = 1.0
TOLERANCE_KMH = STEP_KMH / 2
"""A velocity change is rounded to the nearest whole km/h: half a step is all that recording may cost."""

MOST_KMH = 127
DISPOSED = "second stage was only disposed of"
FLAGS = (
    "used",
    "locked",
    "complete",
    "deployed",
    DISPOSED,
    "time zero is the first firing current",
    "event ended",
)
"""Names of the flag bits, lowest bit first."""


@dataclass(frozen=True, slots=True)
class EdrEvent:
    """One recorded event; None where an element was not available.

    Attributes
    ----------
    order : int
        Counts the events that this unit has kept, from 1.
    number : int
        1, or 2 for a later event of the same crash.
    gap_s : float or None
        Time from event 1 to event 2.
    flags : tuple of str
        Out of ``FLAGS``.
    ignition_cycle : int
    zero_tick : int
        Sample of time zero, counted from power-on.
    stage_ms : tuple of (int or None)
        Time from time zero to deployment, first and second stage.
    end_ms : int or None
        End of the event from time zero.
    delta_v_kmh : tuple of int
        Longitudinal velocity change every 10 ms from time zero on, positive forward: negative in a frontal crash.
        Plus or minus 127 is that or more.
    max_delta_v_kmh : int
        The largest change.
    max_time_ms : float
        Its time, in steps of 2.5 ms.
    lost : int
        Samples of the record that were not valid and were replaced.
    mode : str
        State of the controller when the file was closed.
    trouble : tuple of str
        Trouble codes when the event was recognised.
    lamp, lamp_before, belt_before : int or None
        Warning lamp when the event was recognised; lamp and driver's belt 1 to 1.5 s before.
    speed_kmh, throttle_percent, brake : tuple of (int or None)
        Eleven values, two a second, the last at most 0.5 s before the event was recognised.
    """

    order: int
    number: int
    gap_s: float | None
    flags: tuple[str, ...]
    ignition_cycle: int
    zero_tick: int
    stage_ms: tuple[int | None, int | None]
    end_ms: int | None
    delta_v_kmh: tuple[int, ...]
    max_delta_v_kmh: int
    max_time_ms: float
    lost: int
    mode: str
    trouble: tuple[str, ...]
    lamp: int | None
    lamp_before: int | None
    belt_before: int | None
    speed_kmh: tuple[int | None, ...]
    throttle_percent: tuple[int | None, ...]
    brake: tuple[int | None, ...]

    @property
    def is_locked(self) -> bool:
        """Whether the event can never be overwritten."""
        return "locked" in self.flags

    @property
    def is_complete(self) -> bool:
        """Whether the complete file was recorded."""
        return "complete" in self.flags


@dataclass(frozen=True, slots=True)
class EdrImage:
    """What was downloaded.

    Attributes
    ----------
    ignition_cycle : int
        At download.
    sample_rate_hz : int
    kept : int
        Events that the unit has ever kept, those overwritten since included.
    not_stored : int
        Events that found both places locked.
    events : tuple of EdrEvent
        In the order of their places.
    """

    ignition_cycle: int
    sample_rate_hz: int
    kept: int
    not_stored: int
    events: tuple[EdrEvent, ...]

    def document(self) -> dict[str, Any]:
        """All of it as plain values, for ``--json``."""
        return {**asdict(self), "tolerance_kmh": TOLERANCE_KMH}


def read_image(path: Path) -> EdrImage:
    """Read and decode the image at ``path``.

    Raises
    ------
    TraceFormatError
        It cannot be read, or is no whole and undamaged image of this version.
    """
    try:
        with path.open("rb") as file:
            data = file.read(IMAGE_BYTES + 1)
    except OSError as error:
        raise TraceFormatError(f"{path}: {error.strerror}; expected an image of an event data recorder") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, where: str) -> EdrImage:
    """Decode ``data``; ``where`` names it in errors.

    Raises
    ------
    TraceFormatError
        Another kind of file, another version, too short or too long, a wrong checksum, or a value that no recorder
        writes.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise TraceFormatError(f"{where}: does not begin with {MAGIC.decode()}, so it is no image of an event recorder")
    if len(data) > len(MAGIC) and data[4] != VERSION:
        raise TraceFormatError(f"{where}: layout version {data[4]}, this crumple reads version {VERSION}")
    if len(data) != IMAGE_BYTES:
        said = "more than" if len(data) > IMAGE_BYTES else f"{len(data)} of"
        raise TraceFormatError(f"{where}: {said} {IMAGE_BYTES} bytes; download it again")
    (crc,) = CRC.unpack_from(data, IMAGE_BYTES - CRC.size)
    if crc != zlib.crc32(data[: -CRC.size]):
        raise TraceFormatError(f"{where}: checksum is {crc:08x}, its bytes have another; damaged, download it again")
    _, _, n_slots, slot_bytes, cycle, rate, not_stored, kept = HEADER.unpack_from(data)
    if (n_slots, slot_bytes) != (N_SLOTS, SLOT.size) or rate == 0:
        raise TraceFormatError(
            f"{where}: {n_slots} events of {slot_bytes} bytes at {rate} Hz, expected {N_SLOTS} of {SLOT.size}"
        )
    slots = [data[HEADER.size + k * SLOT.size :][: SLOT.size] for k in range(N_SLOTS)]
    events = tuple(_event(slot, f"{where}: event {k + 1}") for k, slot in enumerate(slots) if slot[0] & 1)
    return EdrImage(cycle, rate, kept, not_stored, events)


def _event(slot: bytes, where: str) -> EdrEvent:
    fields = SLOT.unpack(slot)
    (flags, number, order, zero_tick, cycle, stage_1, stage_2, end, trouble, lost) = fields[:10]
    gap, lamp_before, belt, lamp, mode, max_kmh, max_time, n_values = fields[10:18]
    if mode >= len(MODES) or not 1 <= n_values <= 26 or flags >> len(FLAGS) or trouble >> len(TROUBLES):
        raise TraceFormatError(f"{where}: a value that no recorder writes (state {mode}, {n_values} velocity changes)")
    speed, throttle, brake = (tuple(_unless(value, 0xFF) for value in row) for row in fields[44:47])
    return EdrEvent(
        order=order,
        number=number,
        gap_s=None if gap == 0xFF else gap / 10,
        flags=_named(flags, FLAGS),
        ignition_cycle=cycle,
        zero_tick=zero_tick,
        stage_ms=(_unless(stage_1, 0xFFFF), _unless(stage_2, 0xFFFF)),
        end_ms=_unless(end, 0xFFFF),
        delta_v_kmh=fields[18 : 18 + n_values],
        max_delta_v_kmh=max_kmh,
        max_time_ms=max_time * TIME_STEP_MS,
        lost=lost,
        mode=MODES[mode],
        trouble=_named(trouble, TROUBLES),
        lamp=_unless(lamp, 0xFF),
        lamp_before=_unless(lamp_before, 0xFF),
        belt_before=_unless(belt, 0xFF),
        speed_kmh=speed,
        throttle_percent=throttle,
        brake=brake,
    )


def _unless(value: int, absent: int) -> int | None:
    return None if value == absent else value


def _named(bits: int, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for k, name in enumerate(names) if bits >> k & 1)
