"""Vectors modulo powers of two: packed as densely as possible, and refused if they do not fit their layout."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.secure_aggregation import modular_vectors
from federation.protocol.secure_aggregation.modular_vectors import Segment

LAYOUTS = st.lists(st.builds(Segment, st.integers(1, 40), st.integers(1, 64)), min_size=1, max_size=4).map(tuple)


@settings(deadline=None)
@given(LAYOUTS, st.integers(0, 2**32))
def test_vectors_survive_packing_in_as_many_bits_as_they_have(layout: modular_vectors.VectorLayout, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = [rng.integers(0, 2**s.bits - 1, s.length, np.uint64, endpoint=True).astype(s.dtype) for s in layout]
    packed = modular_vectors.pack(layout, vectors)
    assert len(packed) == modular_vectors.packed_size(layout) == sum(-(-s.length * s.bits // 8) for s in layout)
    for before, after in zip(vectors, modular_vectors.unpack(layout, packed), strict=True):
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


@settings(deadline=None)
@given(LAYOUTS, st.binary(max_size=60))
def test_bytes_that_are_not_packed_vectors_are_refused(layout: modular_vectors.VectorLayout, data: bytes) -> None:
    data = (data * (modular_vectors.packed_size(layout) // max(len(data), 1) + 1))[
        : modular_vectors.packed_size(layout)
    ] or data
    try:
        vectors = modular_vectors.unpack(layout, data)
    except DataError:
        return
    assert modular_vectors.pack(layout, vectors) == data
    assert all(int(v.max()) < 2**s.bits for s, v in zip(layout, vectors, strict=True))


def test_numbers_are_packed_low_bit_first() -> None:
    layout = (Segment(3, 9), Segment(1, 8))
    value = 1 | 2 << 9 | 511 << 18
    packed = value.to_bytes(4, "little") + b"\x07"
    assert modular_vectors.pack(layout, (np.array([1, 2, 511], np.uint16), np.array([7], np.uint8))) == packed


def test_sums_are_taken_modulo_the_segment() -> None:
    layout = (Segment(2, 9), Segment(1, 64))
    total = (np.array([511 + 3, 65535], np.uint16), np.array([2**64 - 1], np.uint64))
    first, second = modular_vectors.reduce(layout, total)
    assert first.tolist() == [2, 511]
    assert second.tolist() == [2**64 - 1]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [np.zeros(4, np.uint16)],
        [np.zeros(3, np.int16)],
        [np.zeros(3, np.float32)],
        [np.array([0, 512, 0], np.uint16)],
        [np.zeros((3, 1), np.uint16)],
    ],
)
def test_vectors_that_do_not_fit_the_layout_are_refused(values: list[np.ndarray]) -> None:
    with pytest.raises(DataError):
        modular_vectors.as_vectors((Segment(3, 9),), values)


@pytest.mark.parametrize(("length", "bits"), [(0, 8), (modular_vectors.MAX_LENGTH + 1, 8), (1, 0), (1, 65)])
def test_segments_out_of_range_are_refused(length: int, bits: int) -> None:
    with pytest.raises(DataError):
        Segment(length, bits)
