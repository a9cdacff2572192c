"""What the claim ``image_protected`` says of CRC-32 is true of the images that are written, bit by bit."""

from __future__ import annotations

import re
import zlib
from itertools import combinations
from pathlib import Path

import pytest

from crumple.errors import ArtefactError
from crumple.export.calibration import parameter_image
from crumple.export.image import check_image
from crumple.export.profiles import EXACT16
from crumple.model.analysis import checker
from crumple.model.analysis.properties import read_requirements
from crumple.model.analysis.prover import Proved, prove
from crumple.model.deployed import DeployedModel


def flipped(image: bytes, *bits: int) -> bytes:
    changed = bytearray(image)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_the_reference_requirement_is_proved(small_model: DeployedModel) -> None:
    requirement = next(r for r in read_requirements(None) if r.claim == "image_protected")
    assert isinstance(prove(small_model, requirement), Proved)


def test_every_changed_bit_and_every_pair_of_neighbours_is_refused(small_model: DeployedModel) -> None:
    image = parameter_image(small_model, EXACT16, "0" * 64).data
    check_image(image)
    n_bits = 8 * len(image)
    pairs = [(i, j) for i, j in combinations(range(n_bits), 2) if j - i < 40 or (i * j) % 97 == 0]
    for bits in [(i,) for i in range(n_bits)] + pairs:
        with pytest.raises(ArtefactError, match="parameter image"):
            check_image(flipped(image, *bits))


def test_the_checkers_remainders_are_those_of_the_crc_that_is_stored(small_model: DeployedModel) -> None:
    polynomial = int(re.search(r"0x([0-9A-F]{8})", Path(checker.__file__).read_text("utf-8"))[1], 16)  # type: ignore[index]
    image = parameter_image(small_model, EXACT16, "0" * 64).data
    remainder, last = 1 << 31, 8 * len(image) - 1
    for power in range(8 * len(image)):
        # Bits leave a byte the lowest first, so that the last of the image is x^0.
        syndrome = zlib.crc32(image[:-4]) ^ int.from_bytes(image[-4:], "little")
        changed = flipped(image, last - power)
        moved = zlib.crc32(changed[:-4]) ^ int.from_bytes(changed[-4:], "little")
        assert syndrome == 0
        assert moved == remainder
        remainder = remainder >> 1 ^ polynomial * (remainder & 1)


def test_the_checker_counts_no_fewer_bits_than_an_image_has(small_model: DeployedModel) -> None:
    n_hidden, n_blocks = small_model.n_hidden, small_model.n_blocks
    counted = 64 + n_hidden * (4 + 2 * n_blocks) + 8 + 2 * n_hidden
    assert len(parameter_image(small_model, EXACT16, "0" * 64).data) <= counted
