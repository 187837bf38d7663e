"""Reads from a font file which characters it has glyphs for, and whether the glyphs are colour pictures.

The format is OpenType (ISO/IEC 14496-22). The library that draws text does not report missing characters: it draws a box for each.
"""

import struct
from array import array
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

_COLLECTION = b"ttcf"
_PICTURES = {b"CBDT", b"sbix"}  # tables of bitmaps, the only colour glyphs that the window can draw
_UNICODE = {(0, 3), (0, 4), (0, 6), (3, 1), (3, 10)}  # (platform, encoding) of the Unicode maps that are read


@cache
def characters(file: Path) -> frozenset[int]:
    """Returns the code points that a font has glyphs for, or an empty set if the file is not a readable font."""
    try:
        with file.open("rb") as font:
            offset, length = _tables(font)[b"cmap"]
            font.seek(offset)
            return frozenset(_code_points(font.read(length)))
    except (OSError, KeyError, IndexError, struct.error):
        return frozenset()


def has_pictures(file: Path) -> bool:
    """Returns whether a font has colour pictures of a kind that the window can draw."""
    try:
        with file.open("rb") as font:
            return not _PICTURES.isdisjoint(_tables(font))
    except (OSError, struct.error):
        return False


def _tables(font: BinaryIO) -> dict[bytes, tuple[int, int]]:
    """Returns the offset and length of each table, in bytes; for a collection, the tables of its first font."""
    start = 0
    if font.read(4) == _COLLECTION:
        font.seek(12)
        (start,) = struct.unpack(">I", font.read(4))
    font.seek(start + 4)
    (count,) = struct.unpack(">H6x", font.read(8))
    records = struct.iter_unpack(">4s4xII", font.read(16 * count))
    return {name: (offset, length) for name, offset, length in records}


def _code_points(table: bytes) -> Iterator[int]:
    """Yields the code points of a `cmap` table, some of them more than once."""
    (count,) = struct.unpack_from(">2xH", table)
    for platform, encoding, offset in struct.iter_unpack(">HHI", table[4 : 4 + 8 * count]):
        if (platform, encoding) in _UNICODE:
            (layout,) = struct.unpack_from(">H", table, offset)
            if layout == 4:
                yield from _by_segments(table[offset:])
            elif layout == 12:
                yield from _by_groups(table[offset:])


def _by_segments(table: bytes) -> Iterator[int]:
    """Yields the code points of a map in format 4: segments of 16-bit code points.

    A segment holds the distance from its code points to its glyph numbers, or the place of a list of glyph numbers.
    """
    (twice,) = struct.unpack_from(">6xH", table)  # twice the number of segments
    values = array("H", table[14 : len(table) & ~1])
    if struct.pack("=H", 1) != struct.pack(">H", 1):
        values.byteswap()
    count = twice // 2
    ends, starts = values[:count], values[count + 1 : 2 * count + 1]
    distances, places = values[2 * count + 1 : 3 * count + 1], values[3 * count + 1 :]
    for segment, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            if place := places[segment]:
                glyph = places[segment + place // 2 + code - start]
            else:
                glyph = (code + distances[segment]) & 0xFFFF
            if glyph:
                yield code


def _by_groups(table: bytes) -> Iterator[int]:
    """Yields the code points of a map in format 12: groups of consecutive code points with consecutive glyph numbers."""
    (count,) = struct.unpack_from(">12xI", table)
    for first, last, glyph in struct.iter_unpack(">III", table[16 : 16 + 12 * count]):
        yield from range(first + (glyph == 0), last + 1)  # glyph 0 is the box for missing characters
