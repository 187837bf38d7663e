"""Vectors of whole numbers modulo powers of two: what secure aggregation sums, and how it lies in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

Vector = NDArray[np.unsignedinteger]
MAX_LENGTH = 2**26  # numbers in a segment: bounds what a message can make its reader hold


@dataclass(frozen=True)
class Segment:
    """A run of whole numbers modulo 2^bits in what a device sends.

    Raises:
      DataError: there are none, too many, or not 1 to 64 bits of each.
    """

    length: int
    bits: int

    def __post_init__(self) -> None:
        if not (1 <= self.length <= MAX_LENGTH and 1 <= self.bits <= 64):
            raise DataError(
                f"a segment has 1 to {MAX_LENGTH} numbers of 1 to 64 bits, not {self.length} of {self.bits}"
            )

    @property
    def dtype(self) -> np.dtype:
        """The narrowest unsigned integers that hold a number, little-endian: sums of them wrap at a multiple of 2^bits."""
        return np.dtype(f"<u{1 if self.bits <= 8 else 2 if self.bits <= 16 else 4 if self.bits <= 32 else 8}")

    @property
    def packed_size(self) -> int:
        """Bytes when packed."""
        return (self.length * self.bits + 7) // 8


Layout = tuple[Segment, ...]


def as_vectors(layout: Layout, values: Sequence[NDArray]) -> tuple[Vector, ...]:
    """Copies of the values in each segment's type.

    Raises:
      DataError: a value has another shape, is no unsigned integer, or is not below its segment's modulus.
    """
    if len(values) != len(layout):
        raise DataError(f"this round sums {len(layout)} vectors, not {len(values)}")
    for segment, value in zip(layout, values, strict=True):
        if value.shape != (segment.length,) or value.dtype.kind != "u":
            raise DataError(
                f"{value.dtype} {list(value.shape)} where the round sums unsigned integers [{segment.length}]"
            )
        if segment.bits < 64 and int(value.max()) >> segment.bits:
            raise DataError(f"a value is not below the modulus 2^{segment.bits}")
    return tuple(value.astype(segment.dtype) for segment, value in zip(layout, values, strict=True))


def reduce(layout: Layout, vectors: Sequence[Vector]) -> tuple[Vector, ...]:
    """The vectors modulo each segment's 2^bits."""
    return tuple(v & v.dtype.type(2**s.bits - 1) for s, v in zip(layout, vectors, strict=True))


def pack(layout: Layout, vectors: Sequence[Vector]) -> bytes:
    """The numbers, each of its segment's bits, one behind the other, low bit first; every segment starts at a byte."""
    return b"".join(_pack(segment, vector) for segment, vector in zip(layout, vectors, strict=True))


def unpack(layout: Layout, packed: bytes) -> tuple[Vector, ...]:
    """The inverse of `pack`.

    Raises:
      DataError: there are more or fewer bytes than the layout says, or a bit behind a segment's last number is set.
    """
    if len(packed) != packed_size(layout):
        raise DataError(f"{len(packed)} bytes where this round's vectors take {packed_size(layout)}")
    vectors, start = [], 0
    for segment in layout:
        vectors.append(_unpack(segment, packed[start : start + segment.packed_size]))
        start += segment.packed_size
    return tuple(vectors)


def packed_size(layout: Layout) -> int:
    """Bytes of packed vectors."""
    return sum(segment.packed_size for segment in layout)


def _pack(segment: Segment, vector: Vector) -> bytes:
    width = segment.dtype.itemsize
    if segment.bits == 8 * width:
        return vector.astype(segment.dtype, copy=False).tobytes()
    octets = vector.astype(segment.dtype, copy=False).view(np.uint8).reshape(-1, width)
    bits = np.unpackbits(octets, axis=1, count=segment.bits, bitorder="little")
    return np.packbits(bits, bitorder="little").tobytes()


def _unpack(segment: Segment, packed: bytes) -> Vector:
    width, octets = segment.dtype.itemsize, np.frombuffer(packed, np.uint8)
    if segment.bits == 8 * width:
        return octets.view(segment.dtype)
    bits = np.unpackbits(octets, bitorder="little")
    used = segment.length * segment.bits
    if bits[used:].any():
        raise DataError("bits are set behind the last number of a vector")
    words = np.packbits(bits[:used].reshape(-1, segment.bits), axis=1, bitorder="little")
    whole = np.zeros((segment.length, width), np.uint8)
    whole[:, : words.shape[1]] = words
    return whole.reshape(-1).view(segment.dtype)
