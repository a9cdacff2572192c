"""The block structure of an MDF4 file, checked before any library follows its links.

Layout after ASAM MDF 4.1: an identification of 64 bytes, then blocks of ``##XX``, length, number of links,
links, data. A library that trusts links and sizes can be made to loop or to allocate what a header claims;
here every block must lie in the file, every block of structure or data must have one owner, compressed blocks
must hold what they claim, and a group's data must be as long as its samples need.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from crumple.errors import TraceFormatError

from .text import MAX_FILE_BYTES, MAX_SAMPLES, FileBytes

MAGIC = b"MDF     "
UNFINISHED = b"UnFinMF "
ID_BYTES, HEAD_BYTES = 64, 24
MAX_BLOCKS = 200_000
MAX_LINKS = 100_000
MAX_RECORD_BYTES = 2**20
"""No recorder stores a mebibyte for each instant; assumed."""

MAX_INFLATED_BYTES = 2 * MAX_FILE_BYTES

OWNED_LINKS = {
    b"HD": range(6),
    b"DG": range(4),
    b"CG": range(6),
    b"CN": range(8),
    b"CA": range(1),
    b"CC": range(MAX_LINKS),
    b"SI": range(3),
    b"HL": range(1),
    b"DL": range(MAX_LINKS),
    b"LD": range(MAX_LINKS),
    b"FH": range(2),
    b"AT": range(4),
    b"CH": range(4),
    b"EV": (0, 3, 4),
    b"SR": range(2),
}
"""Which links of a block lead on; the others point back or across and are not followed."""

ONE_OWNER = (
    b"DG",
    b"CG",
    b"CN",
    b"CA",
    b"HL",
    b"DL",
    b"LD",
    b"DT",
    b"DV",
    b"DZ",
    b"SD",
    b"FH",
    b"AT",
    b"CH",
    b"EV",
    b"SR",
)
VARIABLE_LENGTH = 1


@dataclass(frozen=True, slots=True)
class Block:
    """A block's type, where its data start and end, and its links."""

    kind: bytes
    start: int
    end: int
    links: tuple[int, ...]


def check_blocks(file: FileBytes) -> None:
    """Raise TraceFormatError unless the blocks of ``file`` form a finite tree inside it and hold what they claim.

    Parameters
    ----------
    file : FileBytes
    """
    data, path = file.data, file.path
    if data[:8] == UNFINISHED:
        raise TraceFormatError(f"{path}: was not finalised by its recorder; finalise it with the recorder's own tool")
    version = data[8:12]
    if data[:8] != MAGIC or not version.startswith(b"4."):
        raise TraceFormatError(f"{path}: is MDF of version {version!r}, expected 4.x; convert it to MDF 4")
    blocks: dict[int, Block] = {}
    owners: set[int] = set()
    nested: set[int] = set()
    todo = [ID_BYTES]
    while todo:
        at = todo.pop()
        if at in blocks:
            continue
        if len(blocks) >= MAX_BLOCKS:
            raise TraceFormatError(f"{path}: has more than {MAX_BLOCKS} blocks; it is damaged")
        block = blocks[at] = _block(file, at)
        if at == ID_BYTES and block.kind != b"HD":
            raise TraceFormatError(f"{path}: has no header block at byte {ID_BYTES}; it is damaged")
        followed = OWNED_LINKS.get(block.kind, ())
        for number, link in enumerate(block.links):
            if link == 0 or number not in followed:
                continue
            kind = _block(file, link).kind
            if block.kind == b"CN" and number == 5 and kind in (b"CG", b"CN"):
                continue  # the lengths of variable values, owned by their group
            if kind in ONE_OWNER:
                if link in owners or link == ID_BYTES:
                    raise TraceFormatError(
                        f"{path}: byte {link}: block ##{kind.decode()} is linked twice; the file is damaged"
                    )
                owners.add(link)
            if block.kind == kind == b"CC":
                nested.add(at)
            todo.append(link)
    for at in nested:
        if any(link in nested for link in blocks[at].links):
            raise TraceFormatError(f"{path}: byte {at}: conversions nest more than once, which is not supported")
    n_inflated = 0
    for at, block in blocks.items():
        if block.kind == b"DZ":
            n_inflated += _inflated_bytes(file, at, block)
            if n_inflated > MAX_INFLATED_BYTES:
                raise TraceFormatError(f"{path}: unpacks to more than {MAX_INFLATED_BYTES} bytes")
        elif block.kind == b"MD" and (
            b"<!DOCTYPE" in data[block.start : block.end] or b"<!ENTITY" in data[block.start : block.end]
        ):
            raise TraceFormatError(f"{path}: byte {at}: a comment declares XML entities, which no recorder writes")
    for block in blocks.values():
        if block.kind == b"DG":
            _check_group(file, block, blocks)


def _block(file: FileBytes, at: int) -> Block:
    """The head of one block, which must lie in the file."""
    data, size = file.data, len(file.data)
    if at < ID_BYTES or at + HEAD_BYTES > size or data[at : at + 2] != b"##":
        raise TraceFormatError(f"{file.path}: byte {at}: expected a block; the file is truncated or a link is damaged")
    length, n_links = struct.unpack_from("<QQ", data, at + 8)
    if length > size - at or n_links > MAX_LINKS or HEAD_BYTES + 8 * n_links > length:
        raise TraceFormatError(
            f"{file.path}: byte {at}: a block claims {length} bytes and {n_links} links, {size - at} bytes are left;"
            " the file is truncated or damaged"
        )
    start = at + HEAD_BYTES + 8 * n_links
    links = struct.unpack_from(f"<{n_links}Q", data, at + HEAD_BYTES)
    return Block(data[at + 2 : at + 4], start, at + length, links)


def _inflated_bytes(file: FileBytes, at: int, block: Block) -> int:
    """Bytes that a compressed block unpacks to, after unpacking it in bounded memory."""
    if block.end - block.start < 24:
        raise TraceFormatError(f"{file.path}: byte {at}: a compressed block has no head; the file is damaged")
    method = file.data[block.start + 2]
    claimed: int
    claimed, n_packed = struct.unpack_from("<QQ", file.data, block.start + 8)
    if method not in (0, 1):
        raise TraceFormatError(f"{file.path}: byte {at}: compression method {method}, expected deflate (0 or 1)")
    if claimed > MAX_INFLATED_BYTES or n_packed > block.end - block.start - 24:
        raise TraceFormatError(
            f"{file.path}: byte {at}: a compressed block claims {claimed} bytes out of {n_packed}; it is damaged"
        )
    packed = file.data[block.start + 24 : block.start + 24 + n_packed]
    try:
        unpacked = zlib.decompressobj().decompress(packed, claimed + 1)
    except zlib.error as error:
        raise TraceFormatError(f"{file.path}: byte {at}: cannot be unpacked ({error}); the file is damaged") from error
    if len(unpacked) != claimed:
        raise TraceFormatError(
            f"{file.path}: byte {at}: a compressed block does not hold the {claimed} bytes it claims"
        )
    return claimed


def _check_group(file: FileBytes, group: Block, blocks: dict[int, Block]) -> None:
    """The data of a group must be exactly as long as its samples need."""
    if len(group.links) < 4 or group.end - group.start < 1:
        raise TraceFormatError(f"{file.path}: a data group has {len(group.links)} links, expected 4; it is damaged")
    id_bytes = file.data[group.start]
    needed, is_fixed, at = 0, True, group.links[1]
    while at:
        block = blocks[at]
        if block.kind != b"CG" or len(block.links) < 6 or block.end - block.start < 32:
            raise TraceFormatError(f"{file.path}: byte {at}: expected a channel group; the file is damaged")
        cycles, flags, n_data, n_invalid = struct.unpack_from("<8xQH6xII", file.data, block.start)
        if cycles > MAX_SAMPLES:
            raise TraceFormatError(f"{file.path}: byte {at}: claims {cycles} samples, expected at most {MAX_SAMPLES}")
        if n_data + n_invalid > MAX_RECORD_BYTES:
            raise TraceFormatError(
                f"{file.path}: byte {at}: claims {n_data + n_invalid} bytes a sample,"
                f" expected at most {MAX_RECORD_BYTES}"
            )
        is_fixed = is_fixed and not flags & VARIABLE_LENGTH
        needed += cycles * (id_bytes + n_data + n_invalid)
        at = block.links[0]
    found = _data_bytes(file, group.links[2], blocks)
    if is_fixed and found is not None and found != needed:
        raise TraceFormatError(
            f"{file.path}: a group's samples need {needed} bytes, its data blocks hold {found}; the file is truncated"
            " or its header is wrong"
        )


def _data_bytes(file: FileBytes, at: int, blocks: dict[int, Block]) -> int | None:
    """Bytes of sample data below a link; None where columns are stored apart (``##LD``)."""
    total, todo = 0, [at]
    while todo:
        link = todo.pop()
        if not link:
            continue
        block = blocks[link]
        if block.kind == b"LD":
            return None
        if block.kind in (b"HL", b"DL"):
            todo += block.links
        elif block.kind == b"DZ":
            total += struct.unpack_from("<Q", file.data, block.start + 8)[0]
        elif block.kind in (b"DT", b"DV"):
            total += block.end - block.start
        else:
            raise TraceFormatError(
                f"{file.path}: byte {link}: expected sample data, found ##{block.kind.decode('latin-1')}"
            )
    return total
