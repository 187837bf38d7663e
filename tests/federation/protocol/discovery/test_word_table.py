"""The table of words, tested cell by cell against TFF's encoder."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_federated as tff  # noqa: F401 (must be imported before its parts)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensorflow_federated.python.analytics.heavy_hitters.iblt import iblt_tensor

from data.errors import DataError
from federation.protocol.discovery.word_table import PRIME, TableTerms, bits_of_sum, table_size, table_vector

TERMS = st.builds(
    TableTerms,
    capacity=st.integers(1, 400),
    longest_bytes=st.integers(1, 64),
    repetitions=st.integers(3, 6),
    seed=st.integers(0, 2**32 - 1),
)
TEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))


def of_tff(words: list[str], terms: TableTerms) -> np.ndarray:
    encoder: Any = iblt_tensor.IbltTensorEncoder(
        (1,),
        capacity=terms.capacity,
        string_max_bytes=terms.longest_bytes,
        repetitions=terms.repetitions,
        seed=terms.seed,
    )
    # The encoder is a function that TensorFlow would trace again for each number of words.
    encode = type(encoder).compute_iblt.python_function
    cells, values = encode(encoder, tf.constant(words, tf.string), tf.ones((len(words), 1), tf.int64))
    return np.concatenate([cells.numpy().ravel(), values.numpy().ravel()]).astype(np.uint64)


@given(TEXTS, TERMS)
@example(["a", "semester", "o'clock", "naïve", "семестр", "🙂"], TableTerms(100))
@settings(max_examples=25)
def test_a_table_is_equal_to_tffs_cell_by_cell(texts: list[str], terms: TableTerms) -> None:
    words = [word for word in dict.fromkeys(texts) if len(word.encode()) <= terms.longest_bytes]
    vector = table_vector(words, terms)
    assert vector.shape == (table_size(terms),)
    assert vector.dtype == np.uint64
    if words:
        np.testing.assert_array_equal(vector, of_tff(words, terms))
    else:
        assert not vector.any()


def test_a_full_table_is_equal_to_tffs() -> None:
    words = [f"word{'x' * (i % 30)}{i}" for i in range(3000)]
    terms = TableTerms(3000, 42, 4, 7)
    np.testing.assert_array_equal(table_vector(words, terms), of_tff(words, terms))


def test_a_device_counts_each_word_once() -> None:
    terms = TableTerms(10)
    np.testing.assert_array_equal(table_vector(["a", "b", "a"], terms), table_vector(["a", "b"], terms))


@pytest.mark.parametrize("word", ["", "x" * 43, "a\0b"])
def test_words_that_would_be_read_as_others_are_refused(word: str) -> None:
    with pytest.raises(DataError, match="1 to 42 bytes"):
        table_vector(["fine", word], TableTerms(10))


def test_terms_have_bounds() -> None:
    for wrong in ({"capacity": 0}, {"capacity": 100_000}, {"repetitions": 2}, {"repetitions": 7}, {"longest_bytes": 0}):
        with pytest.raises(DataError, match="TableTerms must be between"):
            TableTerms(**({"capacity": 10} | wrong))


@pytest.mark.parametrize("devices", [1, 2, 3, 1000, 2**32])
def test_the_bits_of_a_sum_hold_the_greatest_one(devices: int) -> None:
    assert (2 ** bits_of_sum(devices) - 1) // 2 < devices * (PRIME - 1) <= 2 ** bits_of_sum(devices) - 1
