"""A sum that cannot be decoded says what honest devices cannot have sent."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from federation.discovery.table_checks import reason_unreadable
from federation.protocol.discovery.word_table import PRIME, TableTerms, table_size, table_vector

TERMS = TableTerms(60, longest_bytes=12, repetitions=3, seed=7)
CELLS = TERMS.repetitions * TERMS.rows * (TERMS.chunks + 2)
COLUMNS = TERMS.chunks + 2
FORM = "the wrong form"


def summed(devices: list[list[str]]) -> np.ndarray:
    return sum((table_vector(words, TERMS) for words in devices), np.zeros(table_size(TERMS), np.uint64))


def test_too_many_words_are_told_from_words_that_nobody_may_enter() -> None:
    full = summed([[f"word{i}" for i in range(200)]])
    said = reason_unreadable(full, TERMS, 200)
    assert said.endswith("different words, and its capacity is 60")
    assert 150 < int(said.split()[3]) < 250
    assert reason_unreadable(full, TERMS, 199).startswith("it counts 200 words, but its devices may enter at most 199")


def test_noise_and_half_a_table_are_named() -> None:
    honest = summed([["byu", "provo"], ["byu"]])
    noise = np.random.default_rng(0).integers(0, PRIME, table_size(TERMS), np.uint64)
    assert reason_unreadable(honest + noise, TERMS, 99).startswith("its counts contradict its values: ")
    half = table_vector(["half"], TERMS)
    half[: TERMS.rows * COLUMNS] = 0
    half[CELLS : CELLS + TERMS.rows] = 0
    assert reason_unreadable(honest + half, TERMS, 99).startswith("its repetitions contradict each other: ")


def test_a_check_that_fits_no_word_leaves_the_form_as_the_reason() -> None:
    unchecked = table_vector(["unchecked"], TERMS)
    unchecked[:CELLS].reshape(-1, COLUMNS)[:, -1] *= np.uint64(3)
    assert FORM in reason_unreadable(unchecked, TERMS, 9)


@given(st.lists(st.lists(st.text("abcdefg", min_size=1, max_size=8), max_size=6, unique=True), max_size=8))
def test_tables_of_honest_devices_contradict_nothing(devices: list[list[str]]) -> None:
    assert FORM in reason_unreadable(summed(devices), TERMS, sum(map(len, devices)))
