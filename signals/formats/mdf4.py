"""ASAM MDF 4, read through asammdf; channels are called ``group/name``, groups counted from 0.

The file holds units, conversions and a time channel of each group. Sign, place, filter and contact are the
map's to state. Samples that the file marks invalid are refused, not left out.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.errors import ChannelError, TraceFormatError
from crumple.signals.recording import Recording

from .foreign import guarded, optional_library
from .mapping import RecordingMap
from .mdf4_blocks import MAGIC, UNFINISHED, check_blocks
from .stated import Listed, stated_recording
from .text import read_limited

NAME = "mdf4"

MASTER_TYPES = (2, 3)
TIME = 1
"""Channel types that hold a group's axis, and the axis that is time (ASAM MDF 4: cn_type, cn_sync_type)."""

FIXED_TYPES, VIRTUAL_TYPES = (0, 2), (3, 6)
NUMBER_TYPES = range(6)
"""Channel types with samples in the record or counted, and data types that are numbers (cn_type, cn_data_type)."""

FORMULA = 3
"""Conversion type (ASAM MDF 4: cc_type) whose text would be run as code."""


def is_mdf4(path: Path) -> bool:
    """Whether ``path`` starts with the identification of an MDF file, of whatever version."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(8) in (MAGIC, UNFINISHED)


def read_mdf4(path: Path, mapping: RecordingMap | None = None) -> Recording:
    """Read an MDF 4 file as it and its map say.

    Parameters
    ----------
    path : Path
    mapping : RecordingMap or None
        Its table ``data`` names channels as ``0/accel_x``.

    Raises
    ------
    ToolMissingError
        asammdf is not installed.
    ConfigError
        The map lacks something or contradicts the file.
    TraceFormatError
        The file is truncated, damaged, not finalised, of version 3 or older, or claims more than it holds.
    ChannelError
        A wanted channel is missing, is no acceleration, or has samples that are marked invalid.
    """
    file = read_limited(path)
    check_blocks(file)
    library = optional_library("asammdf", path)
    with guarded(path, "asammdf"):
        opened = library.MDF(BytesIO(file.data))
    try:
        with guarded(path, "asammdf"):
            places: dict[str, tuple[int, int]] = {}
            listed = []
            for group, content in enumerate(opened.groups):
                master = opened.masters_db.get(group)
                has_times = master is not None and content.channels[master].sync_type == TIME
                for index, channel in enumerate(content.channels):
                    if channel.channel_type not in MASTER_TYPES:
                        name = f"{group}/{channel.name}"
                        places[name] = group, index
                        listed.append(Listed(name, _unit(channel), has_times))
        has_time = {channel.name: channel.has_times for channel in listed}

        def load(name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
            with guarded(path, "asammdf"):
                group, index = places[name]
                n_samples = opened.groups[group].channel_group.cycles_nr
                if n_samples < 2:
                    raise TraceFormatError(f"{path}: channel {name!r} holds {n_samples} samples, expected 2 or more")
                of_group = opened.groups[group].channels
                for part in (of_group[index], of_group[opened.masters_db.get(group, index)]):
                    _check_record(path, part, opened.groups[group].channel_group)
                    if _has_formula(part.conversion):
                        raise ChannelError(
                            f"{path}: channel {part.name!r} is converted by a formula in the file, which is not"
                            " evaluated; export it with its values in units"
                        )
                signal = opened.get(group=group, index=index, ignore_invalidation_bits=True)
                invalid = signal.invalidation_bits
                if invalid is not None and np.any(invalid):
                    raise ChannelError(
                        f"{path}: channel {name!r} has {int(np.sum(invalid))} samples marked invalid, the first of"
                        f" them number {int(np.argmax(invalid)) + 1}; choose another channel"
                    )
                return np.asarray(signal.samples), np.asarray(signal.timestamps) if has_time[name] else None

        return stated_recording(path, NAME, file.named_digest, listed, load, mapping)
    finally:
        opened.close()


def _unit(channel: Any) -> str:
    """The unit that the file states, of the channel before that of its conversion; empty where it states none."""
    own = str(channel.unit or "").strip()
    converted = channel.conversion.unit if channel.conversion is not None else ""
    return own or str(converted or "").strip()


def _check_record(path: Path, part: Any, group: Any) -> None:
    """A channel's bits must lie in its record: asammdf reads outside memory where they do not."""
    if group.invalidation_bytes_nr and part.pos_invalidation_bit >= 8 * group.invalidation_bytes_nr:
        raise TraceFormatError(f"{path}: channel {part.name!r} has its invalidation bit outside the record")
    n_bits = 8 * group.samples_byte_nr
    last_bit = 8 * part.byte_offset + part.bit_offset + part.bit_count
    is_number = part.data_type in NUMBER_TYPES and part.channel_type in FIXED_TYPES
    if is_number and part.bit_offset < 8 and 1 <= part.bit_count <= 64 and last_bit <= n_bits:
        return
    if part.channel_type in VIRTUAL_TYPES and part.bit_count == 0 and part.byte_offset == 0:
        return
    raise TraceFormatError(
        f"{path}: channel {part.name!r} has type {part.channel_type}.{part.data_type} and ends at bit {last_bit} of a"
        f" record of {n_bits}, expected a row of real numbers within the record; choose another channel"
    )


def _has_formula(conversion: Any) -> bool:
    """Whether a conversion, or one that it refers to, is text to be evaluated."""
    if conversion is None or not hasattr(conversion, "conversion_type"):
        return False
    referred = getattr(conversion, "referred_blocks", None) or {}
    return conversion.conversion_type == FORMULA or any(_has_formula(block) for block in referred.values())
