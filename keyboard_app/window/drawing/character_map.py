"""Which characters a font has glyphs for, and whether it has pictures in colours, read from its file (OpenType, ISO/IEC 14496-22).

The device has no library that reads fonts but the one that draws them, and that one draws a box for a character it lacks.
"""

import struct
from array import array
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

_COLLECTION = b"ttcf"
_PICTURES = {b"CBDT", b"sbix"}  # tables of bitmaps; of the other kinds of coloured glyphs the window draws none
_UNICODE = {(0, 3), (0, 4), (0, 6), (3, 1), (3, 10)}  # platform and encoding of the maps that are read


@cache
def characters(file: Path) -> frozenset[int]:
    """Returns the code points that a font has glyphs for; none if its file is no font."""
    try:
        with file.open("rb") as font:
            offset, length = _tables(font)[b"cmap"]
            font.seek(offset)
            return frozenset(_code_points(font.read(length)))
    except (OSError, KeyError, IndexError, struct.error):
        return frozenset()


def has_pictures(file: Path) -> bool:
    """Returns whether a font's glyphs are pictures in colours, of the kinds that the window can draw."""
    try:
        with file.open("rb") as font:
            return not _PICTURES.isdisjoint(_tables(font))
    except (OSError, struct.error):
        return False


def _tables(font: BinaryIO) -> dict[bytes, tuple[int, int]]:
    """The offset and the length of each table; of a collection, those of its first font."""
    start = 0
    if font.read(4) == _COLLECTION:
        font.seek(12)
        (start,) = struct.unpack(">I", font.read(4))
    font.seek(start + 4)
    (count,) = struct.unpack(">H6x", font.read(8))
    records = struct.iter_unpack(">4s4xII", font.read(16 * count))
    return {name: (offset, length) for name, offset, length in records}


def _code_points(table: bytes) -> Iterator[int]:
    (count,) = struct.unpack_from(">2xH", table)
    for platform, encoding, offset in struct.iter_unpack(">HHI", table[4 : 4 + 8 * count]):
        if (platform, encoding) in _UNICODE:
            (layout,) = struct.unpack_from(">H", table, offset)
            if layout == 4:
                yield from _by_segments(table[offset:])
            elif layout == 12:
                yield from _by_groups(table[offset:])


def _by_segments(table: bytes) -> Iterator[int]:
    """Format 4: segments of 16-bit code points, each with a distance to the glyphs or a place to look them up."""
    (twice,) = struct.unpack_from(">6xH", table)
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
    """Format 12: groups of code points, each from the first to the last with glyphs in a row."""
    (count,) = struct.unpack_from(">12xI", table)
    for first, last, glyph in struct.iter_unpack(">III", table[16 : 16 + 12 * count]):
        yield from range(first + (glyph == 0), last + 1)
