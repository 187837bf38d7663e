"""Tables are decoded by TFF, also those of devices that do not follow the protocol."""

from collections import Counter

import numpy as np
import pytest

from data.errors import DataError
from federation.discovery.decoding import decode_table
from federation.protocol.discovery.word_table import PRIME, TableTerms, table_size, table_vector

TERMS = TableTerms(60, longest_bytes=12, repetitions=3, seed=7)
WORDS = [f"wörd{i}" for i in range(40)]


def tables(devices: int) -> tuple[np.ndarray, Counter[str]]:
    rng = np.random.default_rng(0)
    held = [rng.choice(WORDS, 10, replace=False).tolist() for _ in range(devices)]
    total = sum((table_vector(own, TERMS) for own in held), np.zeros(table_size(TERMS), np.uint64))
    return total, Counter(word for own in held for word in own)


def cell(total: np.ndarray, repetition: int, row: int) -> np.ndarray:
    """Returns a view of one cell: chunks, count, check."""
    columns = TERMS.chunks + 2
    return total[: TERMS.repetitions * TERMS.rows * columns].reshape(TERMS.repetitions, TERMS.rows, columns)[
        repetition, row
    ]


def test_every_word_of_the_exact_sum_comes_back_with_its_devices() -> None:
    total, held = tables(60)
    assert total.max() > PRIME, "the sum is taken modulo the prime only when it is decoded"
    assert decode_table(total, TERMS, 60) == held


def test_an_empty_table_has_no_words() -> None:
    assert decode_table(np.zeros(table_size(TERMS), np.uint64), TERMS, 3) == {}


def test_words_where_they_do_not_belong_end_the_decoding_and_are_ignored() -> None:
    """TFF's decoder would add and subtract these two words forever."""
    total, held = tables(5)
    first, second = table_vector(["first"], TERMS), table_vector(["second"], TERMS)
    rows = [[int(np.flatnonzero(cells_of(v)[r, :, -2])[0]) for r in range(3)] for v in (first, second)]
    cell(total, 0, rows[1][0])[:] += cell(first, 0, rows[0][0])
    cell(total, 1, rows[0][1])[:] += cell(second, 1, rows[1][1])
    try:
        found = decode_table(total, TERMS, 5)
    except DataError as error:
        assert "something other than a table" in str(error)
    else:
        assert {word: found[word] for word in held if word in found}.items() <= held.items()


def cells_of(vector: np.ndarray) -> np.ndarray:
    return vector[: TERMS.repetitions * TERMS.rows * (TERMS.chunks + 2)].reshape(TERMS.repetitions, TERMS.rows, -1)


def test_contradicting_counts_have_no_devices() -> None:
    total, held = tables(5)
    forged = table_vector(["forged"], TERMS)
    forged[TERMS.repetitions * TERMS.rows * (TERMS.chunks + 2) :] *= np.uint64(1000)
    assert decode_table(total + forged, TERMS, 6) == held | {"forged": 0}


def test_a_table_that_is_too_full_says_what_to_do() -> None:
    total = table_vector([f"word{i}" for i in range(200)], TERMS)
    with pytest.raises(DataError, match=r"more words than its capacity of 60.*greater capacity"):
        decode_table(total, TERMS, 1)
    with pytest.raises(DataError, match="0 words could be read"):
        decode_table(np.full(table_size(TERMS), 12_345, np.uint64), TERMS, 1)
    with pytest.raises(DataError, match="numbers, not the shape"):
        decode_table(total[:-1], TERMS, 1)
