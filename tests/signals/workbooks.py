"""Small Excel 97 workbooks, byte by byte: an independent writer for tests of the reader."""

from __future__ import annotations

import struct

Cell = float | str | bool | None
FREE, END, FAT_SECTOR, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
SECTOR = 512


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def cell_record(row: int, column: int, cell: Cell) -> bytes:
    """NUMBER, BOOLERR or LABEL."""
    at = struct.pack("<HHH", row, column, 0)
    if isinstance(cell, bool):
        return record(0x0205, at + struct.pack("<BB", cell, 0))
    if isinstance(cell, str):
        return record(0x0204, at + struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le"))
    assert cell is not None
    return record(0x0203, at + struct.pack("<d", cell))


def biff8(sheets: dict[str, list[list[Cell]]]) -> bytes:
    """The workbook stream: globals, then each sheet."""
    parts = []
    for rows in sheets.values():
        cells = [
            cell_record(r, c, cell) for r, row in enumerate(rows) for c, cell in enumerate(row) if cell is not None
        ]
        parts.append(
            record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + b"".join(cells) + record(10, b"")
        )
    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    names = [struct.pack("<BB", len(name), 1) + name.encode("utf-16-le") for name in sheets]
    at = len(start) + sum(4 + 6 + len(name) for name in names) + 4
    bounds = b""
    for name, part in zip(names, parts, strict=True):
        bounds += record(0x0085, struct.pack("<IBB", at, 0, 0) + name)
        at += len(part)
    return start + bounds + record(10, b"") + b"".join(parts)


def ole2(stream: bytes, name: str = "Workbook") -> bytes:
    """A compound file with one stream of at least 4096 bytes, padded with zeros."""
    stream = stream.ljust(max(4096, -(-len(stream) // SECTOR) * SECTOR), b"\x00")
    n_data = len(stream) // SECTOR
    fat = [FAT_SECTOR, END, *range(3, n_data + 2), END]
    assert len(fat) <= SECTOR // 4, "one sector of allocation table"
    fat += [FREE] * (SECTOR // 4 - len(fat))

    def entry(title: str, kind: int, child: int, first: int, size: int) -> bytes:
        text = title.encode("utf-16-le") + b"\x00\x00"
        head = text.ljust(64, b"\x00") + struct.pack("<HBBIII", len(text), kind, 1, NONE, NONE, child)
        return head + bytes(16 + 4 + 16) + struct.pack("<III", first, size, 0)

    directory = entry("Root Entry", 5, 1, END, 0) + entry(name, 2, NONE, 2, len(stream)) + bytes(2 * 128)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", 1, 1, 0, 4096, END, 0, END, 0, 0) + struct.pack("<I", FREE) * 108
    return header + struct.pack("<128I", *fat) + directory + stream


def workbook(sheets: dict[str, list[list[Cell]]]) -> bytes:
    """An ``.xls`` file of these sheets, by name and row."""
    return ole2(biff8(sheets))
