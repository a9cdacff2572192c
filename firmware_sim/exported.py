"""What the reference of the controller reads from an export folder: the numbers that the C is compiled with."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from crumple.errors import ArtefactError
from crumple.export.image import HEADER, check_image

IMAGE_FILE = "crumple_parameters.bin"


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """Integers of an export: the net, its confirmation, and the arming rule.

    Attributes
    ----------
    sample_rate_hz, clamp_lsb, block_samples, confirm_votes, confirm_window : int
    hidden_weight : tuple of tuple of int
        One row a node, oldest block first.
    hidden_bias, output_weight : tuple of int
    output_bias : int
    arming_clamp_lsb, arming_window, arming_threshold_lsb, arming_hold : int
        Of the safing sensor, in its counts and in samples.
    main_units, safing_units, units_per_g : int
        A count of either sensor, and a g, in a unit that both are whole numbers of.
    """

    sample_rate_hz: int
    clamp_lsb: int
    block_samples: int
    confirm_votes: int
    confirm_window: int
    hidden_weight: tuple[tuple[int, ...], ...]
    hidden_bias: tuple[int, ...]
    output_weight: tuple[int, ...]
    output_bias: int
    arming_clamp_lsb: int
    arming_window: int
    arming_threshold_lsb: int
    arming_hold: int
    main_units: int
    safing_units: int
    units_per_g: int


def read_exported_model(folder: Path) -> ExportedModel:
    """Read an export ``folder``: parameters from the binary image, the rest from the constants of the headers.

    Raises
    ------
    ArtefactError
        A file is missing or damaged, or a constant is not in its header.
    """
    image = _bytes(folder / IMAGE_FILE)
    check_image(image)
    fields = HEADER.unpack_from(image)
    n_blocks, n_hidden, block_samples, clamp_lsb, weight_bytes, votes, window = fields[4:11]
    numbers = struct.unpack_from(
        f"<q{n_hidden}i{n_hidden * n_blocks}{'b' if weight_bytes == 1 else 'h'}{n_hidden}h", image, HEADER.size
    )
    biases, rest = numbers[1 : 1 + n_hidden], numbers[1 + n_hidden :]
    return ExportedModel(
        sample_rate_hz=_constant(folder / "crumple_model.h", "SAMPLE_RATE_HZ"),
        clamp_lsb=clamp_lsb,
        block_samples=block_samples,
        confirm_votes=votes,
        confirm_window=window,
        hidden_weight=tuple(tuple(rest[j * n_blocks : (j + 1) * n_blocks]) for j in range(n_hidden)),
        hidden_bias=tuple(biases),
        output_weight=tuple(rest[n_hidden * n_blocks :]),
        output_bias=numbers[0],
        arming_clamp_lsb=_constant(folder / "crumple_arming.h", "ARMING_CLAMP_LSB"),
        arming_window=_constant(folder / "crumple_arming.h", "ARMING_WINDOW_SAMPLES"),
        arming_threshold_lsb=_constant(folder / "crumple_arming.h", "ARMING_THRESHOLD_LSB"),
        arming_hold=_constant(folder / "crumple_arming.h", "ARMING_HOLD_SAMPLES"),
        main_units=_constant(folder / "crumple_arming.h", "MAIN_UNITS"),
        safing_units=_constant(folder / "crumple_arming.h", "SAFING_UNITS"),
        units_per_g=_constant(folder / "crumple_arming.h", "UNITS_PER_G"),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; run crumple export first") from error


def _constant(path: Path, name: str) -> int:
    found = re.search(rf"^#define CRUMPLE_{name} (-?\d+)u?\b", _bytes(path).decode("ascii", "replace"), re.MULTILINE)
    if found is None:
        raise ArtefactError(f"{path}: no constant CRUMPLE_{name}; export again")
    return int(found.group(1))
