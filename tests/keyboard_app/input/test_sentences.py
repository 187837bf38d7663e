"""Where automatic capitals are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.input.sentences import starts_sentence


@pytest.mark.parametrize(
    "before",
    [
        *(
            "",
            " ",
            "hi. ",
            "hi!  ",
            "hi?! ",
            "hi\n",
            "hi \n",
            'he said "',
            "(“",
            '"hi." ',
            "(hi.) ",
            "(“hi!”) ",
            "see yhat.io. ",
            "'",
            "¿",
        ),
        *("I like b. ", "no. ", "1. ", "a\n\n", "he said “"),
    ],
)
def test_a_sentence_starts(before: str) -> None:
    assert starts_sentence(before)


@pytest.mark.parametrize(
    "before",
    [
        *(
            "hi",
            "hi ",
            "hi.",
            "hi, ",
            "wait... ",
            "wait…",
            "wait… ",
            "(wait...) ",
            "e.g. ",
            "i.e. ",
            "(e.g. ",
            "at 5 p.m. ",
            "Mr. ",
            "see prof. ",
            "a Ph.D. ",
            "on Jan. ",
            "eg. ",
        ),
        *("(", "hi (", "hi. (", '"hi" ', "hi.. ", "it's", "3' ", 'a 3" '),
    ],
)
def test_no_sentence_starts(before: str) -> None:
    assert not starts_sentence(before)


@given(
    st.text("ab'", min_size=3, max_size=8).filter(str.isalpha),
    st.text('"”’)]}»', max_size=3),
    st.text(" ", min_size=1, max_size=3),
)
def test_closing_marks_and_spaces_change_nothing(word: str, closing: str, space: str) -> None:
    assert starts_sentence(f"it is {word}.{closing}{space}")
    assert not starts_sentence(f"it is {word}{closing}{space}")
    assert not starts_sentence(f"it is {word}...{closing}{space}")


@given(st.text("abcxyz", min_size=1, max_size=4).map(lambda letters: ".".join(letters) + "."))
def test_letters_with_periods_end_no_sentence(abbreviation: str) -> None:
    assert starts_sentence(f"so {abbreviation} ") == (len(abbreviation) == 2)
