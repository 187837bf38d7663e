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
    assert decode_table(total, TERMS, 600) == held


def test_an_empty_table_has_no_words() -> None:
    assert decode_table(np.zeros(table_size(TERMS), np.uint64), TERMS, 30) == {}


def test_words_where_they_do_not_belong_end_the_decoding_and_are_ignored() -> None:
    """TFF's decoder would add and subtract these two words forever."""
    total, held = tables(5)
    first, second = table_vector(["first"], TERMS), table_vector(["second"], TERMS)
    rows = [[int(np.flatnonzero(cells_of(v)[r, :, -2])[0]) for r in range(3)] for v in (first, second)]
    cell(total, 0, rows[1][0])[:] += cell(first, 0, rows[0][0])
    cell(total, 1, rows[0][1])[:] += cell(second, 1, rows[1][1])
    try:
        found = decode_table(total, TERMS, 50)
    except DataError as error:
        assert "its counts contradict its values" in str(error)
    else:
        assert {word: found[word] for word in held if word in found}.items() <= held.items()


def cells_of(vector: np.ndarray) -> np.ndarray:
    return vector[: TERMS.repetitions * TERMS.rows * (TERMS.chunks + 2)].reshape(TERMS.repetitions, TERMS.rows, -1)


def test_contradicting_counts_have_no_devices() -> None:
    total, held = tables(5)
    forged = table_vector(["forged"], TERMS)
    forged[TERMS.repetitions * TERMS.rows * (TERMS.chunks + 2) :] *= np.uint64(1000)
    assert decode_table(total + forged, TERMS, 60) == held | {"forged": 0}


def test_a_word_that_is_counted_too_often_does_not_hide_the_others() -> None:
    times = (PRIME - 1) // TERMS.repetitions - 5
    total, held = tables(5)
    liar = table_vector([*list(held)[:1], "often"], TERMS) * np.uint64(times) % np.uint64(PRIME)
    often = Counter({"often": times, next(iter(held)): times})
    assert decode_table(total + liar, TERMS, 60) == held + often


@pytest.mark.parametrize("seed", range(2))
def test_decoding_ends_whatever_a_device_adds_to_cells_of_its_choice(seed: int) -> None:
    """Whole words with any count in cells where they belong, and where they do not."""
    rng = np.random.default_rng(seed)
    total, _ = tables(3)
    for word in WORDS[:6]:
        vector = cells_of(table_vector([word], TERMS))
        for repetition in range(TERMS.repetitions):
            row = int(np.flatnonzero(vector[repetition, :, -2])[0])
            at = row if rng.random() < 0.8 else int(rng.integers(TERMS.rows))
            times = np.uint64(rng.choice([1, 2, PRIME // 3, PRIME // 3 + 1, PRIME // 2, PRIME - 1]))
            cell(total, repetition, at)[:] += vector[repetition, row] * times % np.uint64(PRIME)
    with pytest.raises(DataError, match="its counts contradict its values"):
        decode_table(total, TERMS, 60)


def test_a_sum_that_cannot_be_decoded_says_why() -> None:
    full = table_vector([f"word{i}" for i in range(200)], TERMS)
    with pytest.raises(DataError, match=r"about (1[5-9]\d|2[0-4]\d) different words, and its capacity is 60"):
        decode_table(full, TERMS, 200)
    with pytest.raises(DataError, match="numbers, not the shape"):
        decode_table(full[:-1], TERMS, 1)
