"""The layout of a parameter image, and what makes one believable.

The image is what a calibration tool flashes, all numbers little-endian::

    offset  size  what
    0       4     magic, "CRUM"
    4       2     layout version, 1
    6       2     bytes of this header, 56
    8       4     bytes of the whole image, CRC included
    12      2     inputs (blocks) of the net
    14      2     hidden nodes
    16      2     samples a block
    18      2     input clamp, counts
    20      1     bytes of a hidden weight, 1 or 2
    21      1     K, votes that request a fire
    22      1     M, samples over which votes are counted
    23      1     zero
    24      32    SHA-256 of the model's file
    56      ...   output bias (8), hidden biases (4 each), hidden weights by rows, output weights (2 each)
    end-4   4     CRC-32 of everything before it, as in IEEE 802.3 (zlib)
"""

from __future__ import annotations

import struct
import zlib

from crumple.errors import ArtefactError

MAGIC = b"CRUM"
LAYOUT_VERSION = 1
HEADER = struct.Struct("<4sHHIHHHHBBBB32s")


def check_image(data: bytes) -> None:
    """Believe a parameter image's magic, version, size and CRC, as the C reader does, or say why not.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    ArtefactError
        Names what was found and what was expected.
    """
    if len(data) < HEADER.size + 4:
        raise ArtefactError(f"parameter image: {len(data)} bytes, its header alone has {HEADER.size}")
    magic, version, header_size, size = HEADER.unpack_from(data)[:4]
    if magic != MAGIC:
        raise ArtefactError(f"parameter image: starts with {magic!r}, expected {MAGIC!r}")
    if version != LAYOUT_VERSION or header_size != HEADER.size:
        raise ArtefactError(f"parameter image: layout version {version}, expected {LAYOUT_VERSION}; export again")
    if size != len(data):
        raise ArtefactError(f"parameter image: {len(data)} bytes, its header says {size}")
    (stored,) = struct.unpack("<I", data[-4:])
    if (computed := zlib.crc32(data[:-4])) != stored:
        raise ArtefactError(f"parameter image: CRC-32 is {computed:08x}, it says {stored:08x}; it was damaged")
