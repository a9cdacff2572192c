"""The parameters as calibration data: a binary image, Intel HEX and S-record of it, and its A2L description.

The image is what a calibration tool flashes; ``image`` has its layout.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import chain

from crumple.errors import ModelError
from crumple.integers import INT32_MAX
from crumple.model.deployed import DeployedModel

from .image import HEADER, LAYOUT_VERSION, MAGIC
from .profiles import DIGIT_MAX, Profile

BIAS_MAX = 2**62
"""Largest magnitude of an output bias that a reader accepts: what the hidden nodes add stays far below 2^62."""

OUTPUT_WEIGHT_SUM_MAX = INT32_MAX // DIGIT_MAX
"""Largest sum of the output weights' magnitudes, so that sums of 11-bit digits fit int32."""

HEX_BYTES = 16
SREC_BYTES = 32
DEFAULT_ADDRESS = 0x0800_0000
"""Where the image is placed unless told otherwise: the flash of a common Cortex-M part (assumed)."""


@dataclass(frozen=True, slots=True)
class Image:
    """A parameter image and where its parts are.

    Attributes
    ----------
    data : bytes
    body_offset : int
        Where the parameters start, in bytes.
    """

    data: bytes
    body_offset: int

    @property
    def body(self) -> bytes:
        """The parameters alone, as the CRC of the built-in tables sees them."""
        return self.data[self.body_offset : -4]


def parameter_bytes(model: DeployedModel, profile: Profile) -> bytes:
    """The parameters of ``model`` in the order and word lengths of ``profile``, little-endian."""
    weights = tuple(chain.from_iterable(model.hidden_weight))
    weight_code = "b" if profile.weight_bits == 8 else "h"
    n_hidden = model.n_hidden
    return b"".join(
        (
            struct.pack("<q", model.output_bias),
            struct.pack(f"<{n_hidden}i", *model.hidden_bias),
            struct.pack(f"<{len(weights)}{weight_code}", *weights),
            struct.pack(f"<{n_hidden}h", *model.output_weight),
        )
    )


def parameter_crc32(model: DeployedModel, profile: Profile) -> int:
    """CRC-32 of the parameters of ``model`` as ``profile`` stores them."""
    return zlib.crc32(parameter_bytes(model, profile))


def parameter_image(model: DeployedModel, profile: Profile, model_sha256: str) -> Image:
    """The binary image of a model's parameters.

    Parameters
    ----------
    model : DeployedModel
    profile : Profile
    model_sha256 : str
        Hexadecimal SHA-256 of the model's file.

    Raises
    ------
    ModelError
        The output bias is too large for a reader to accept.
    """
    if abs(model.output_bias) > BIAS_MAX:
        raise ModelError(f"output_bias {model.output_bias}: an image holds magnitudes up to {BIAS_MAX}")
    body = parameter_bytes(model, profile)
    header = HEADER.pack(
        MAGIC,
        LAYOUT_VERSION,
        HEADER.size,
        HEADER.size + len(body) + 4,
        model.n_blocks,
        model.n_hidden,
        model.block_samples,
        model.clamp_lsb,
        profile.weight_bits // 8,
        model.confirm_votes,
        model.confirm_window,
        0,
        bytes.fromhex(model_sha256),
    )
    content = header + body
    return Image(content + struct.pack("<I", zlib.crc32(content)), HEADER.size)


def intel_hex(data: bytes, address: int) -> str:
    """``data`` at ``address`` as Intel HEX with 32-bit addresses (Intel, Hexadecimal Object File Format, rev. A)."""
    lines = []
    upper = None
    for start, piece in _pieces(data, address, HEX_BYTES):
        if start >> 16 != upper:
            upper = start >> 16
            lines.append(_hex_record(4, 0, struct.pack(">H", upper)))
        lines.append(_hex_record(0, start & 0xFFFF, piece))
    lines.append(_hex_record(1, 0, b""))
    return "\n".join(lines) + "\n"


def s_record(data: bytes, address: int) -> str:
    """``data`` at ``address`` as Motorola S-records of type 3, with a count and an end record."""
    lines = [_s_record(0, struct.pack(">H", 0), b"crumple")]
    for start, piece in _pieces(data, address, SREC_BYTES):
        lines.append(_s_record(3, struct.pack(">I", start), piece))
    lines.append(_s_record(5, struct.pack(">H", len(lines) - 1), b""))
    lines.append(_s_record(7, struct.pack(">I", 0), b""))
    return "\n".join(lines) + "\n"


def _pieces(data: bytes, address: int, length: int) -> list[tuple[int, bytes]]:
    """Pieces of ``data`` with their addresses, none across a multiple of ``length``, hence none across 64 KiB."""
    pieces = []
    at = 0
    while at < len(data):
        take = length - (address + at) % length
        pieces.append((address + at, data[at : at + take]))
        at += take
    return pieces


def _hex_record(kind: int, offset: int, piece: bytes) -> str:
    content = struct.pack(">BHB", len(piece), offset, kind) + piece
    return ":" + (content + bytes([-sum(content) & 0xFF])).hex().upper()


def _s_record(kind: int, address: bytes, piece: bytes) -> str:
    content = bytes([len(address) + len(piece) + 1]) + address + piece
    return f"S{kind}" + (content + bytes([~sum(content) & 0xFF])).hex().upper()
