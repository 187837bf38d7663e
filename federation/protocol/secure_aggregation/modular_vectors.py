"""Vectors of whole numbers modulo powers of two, which secure aggregation sums, and their form as bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError

UnsignedArray = NDArray[np.unsignedinteger[Any]]  # of any width
Vector = UnsignedArray  # of the type of its segment, [length]
MAX_LENGTH = 2**26  # numbers in a segment: limits the memory that a message can make its reader allocate


@dataclass(frozen=True)
class Segment:
    """A run of whole numbers modulo 2^bits in the message of a device.

    Raises:
      DataError: the length is not from 1 to MAX_LENGTH, or the bits are not from 1 to 64.
    """

    length: int
    bits: int

    def __post_init__(self) -> None:
        if not (1 <= self.length <= MAX_LENGTH and 1 <= self.bits <= 64):
            raise DataError(
                f"a segment has 1 to {MAX_LENGTH} numbers of 1 to 64 bits, not {self.length} of {self.bits}"
            )

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The narrowest unsigned integer type that holds a number, little-endian. Its sums wrap at a multiple of 2^bits."""
        return np.dtype(f"<u{1 if self.bits <= 8 else 2 if self.bits <= 16 else 4 if self.bits <= 32 else 8}")

    @property
    def packed_size(self) -> int:
        """The size in bytes when packed."""
        return (self.length * self.bits + 7) // 8


VectorLayout = tuple[Segment, ...]


def as_vectors(layout: VectorLayout, values: Sequence[UnsignedArray]) -> tuple[Vector, ...]:
    """Returns copies of the values in the type of their segments.

    Raises:
      DataError: a value has another shape, is not an unsigned integer, or is not below its segment's modulus.
    """
    if len(values) != len(layout):
        raise DataError(f"this round sums {len(layout)} vectors, not {len(values)}")
    for segment, value in zip(layout, values, strict=True):
        if value.shape != (segment.length,) or value.dtype.kind != "u":
            raise DataError(
                f"this round sums unsigned integers [{segment.length}], not {value.dtype} {list(value.shape)}"
            )
        if segment.bits < 64 and int(value.max()) >> segment.bits:
            raise DataError(f"a value is not below the modulus 2^{segment.bits}")
    return tuple(value.astype(segment.dtype) for segment, value in zip(layout, values, strict=True))


def reduce(layout: VectorLayout, vectors: Sequence[Vector]) -> tuple[Vector, ...]:
    """Returns the vectors modulo each segment's 2^bits."""
    return tuple(v & v.dtype.type(2**s.bits - 1) for s, v in zip(layout, vectors, strict=True))


def pack(layout: VectorLayout, vectors: Sequence[Vector]) -> bytes:
    """Returns the numbers concatenated, each in its segment's bits, low bit first. Every segment starts at a byte."""
    return b"".join(_pack(segment, vector) for segment, vector in zip(layout, vectors, strict=True))


def unpack(layout: VectorLayout, packed: bytes) -> tuple[Vector, ...]:
    """Reads the output of `pack`. Numbers that fill their type are views of the bytes, not copies.

    Raises:
      DataError: there are more or fewer bytes than the layout needs, or a bit after a segment's last number is set.
    """
    if len(packed) != packed_size(layout):
        raise DataError(f"{len(packed)} bytes where this round's vectors take {packed_size(layout)}")
    octets, vectors, start = np.frombuffer(packed, np.uint8), [], 0
    for segment in layout:
        vectors.append(_unpack(segment, octets[start : start + segment.packed_size]))
        start += segment.packed_size
    return tuple(vectors)


def packed_size(layout: VectorLayout) -> int:
    """Returns the size of packed vectors, in bytes."""
    return sum(segment.packed_size for segment in layout)


def _pack(segment: Segment, vector: Vector) -> bytes:
    numbers = vector.astype(segment.dtype, copy=False)
    if segment.bits == 8 * segment.dtype.itemsize:
        return numbers.tobytes()
    bits = np.unpackbits(numbers.view(np.uint8).reshape(-1, segment.dtype.itemsize), 1, segment.bits, "little")
    return np.packbits(bits, bitorder="little").tobytes()


def _unpack(segment: Segment, octets: NDArray[np.uint8]) -> Vector:
    if segment.bits == 8 * segment.dtype.itemsize:
        return octets.view(segment.dtype)
    if segment.bits % 8 == 0:
        whole = np.zeros((segment.length, segment.dtype.itemsize), np.uint8)
        whole[:, : segment.bits // 8] = octets.reshape(segment.length, -1)
        return whole.reshape(-1).view(segment.dtype)
    used = segment.length * segment.bits % 8
    if used and octets[-1] >> used:
        raise DataError("bits are set after the last number of a vector")
    # Eight numbers take as many bytes as one number has bits. The first numbers of all groups of eight are read together, then
    # the second ones, and so on.
    groups = -(-segment.length // 8)
    columns = np.ascontiguousarray(np.pad(octets, (0, groups * segment.bits - len(octets))).reshape(groups, -1).T)
    numbers = np.zeros((8, groups), segment.dtype)
    for place in range(8):
        first, shift = divmod(place * segment.bits, 8)
        for number, octet in enumerate(range(first, -(-(place + 1) * segment.bits // 8))):
            part, up = columns[octet].astype(segment.dtype), 8 * number - shift
            numbers[place] |= part << up if up >= 0 else part >> -up
    flat: Vector = numbers.T.reshape(-1)[: segment.length]
    return flat & segment.dtype.type(2**segment.bits - 1)
