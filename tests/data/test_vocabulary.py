import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.tokenizer import tokenize
from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary

MESSAGES = {"a": ["Hi there, hi", "xylophone xylophone xylophone"], "b": ["hi you"], "c": ["hi there you!"]}


def test_words_of_too_few_people_are_left_out() -> None:
    vocabulary = Vocabulary.build(MESSAGES.values(), size=100, min_users=2)
    assert vocabulary.words == (*SPECIALS, "hi", "there", "you")
    assert vocabulary.encode("hi xylophone") == [3, UNKNOWN]


def test_the_size_includes_the_specials() -> None:
    assert len(Vocabulary.build(MESSAGES.values(), size=5, min_users=1)) == 5


def test_saved_and_loaded(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build(MESSAGES.values(), size=100, min_users=1)
    vocabulary.save(tmp_path / "vocabulary.txt")
    assert Vocabulary.load(tmp_path / "vocabulary.txt").words == vocabulary.words
    assert vocabulary.sha256 == hashlib.sha256((tmp_path / "vocabulary.txt").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "content", [b"", b"the\nand\n", b"<pad>\n<unk>\n<s>\nhi\nhi\n", b"<pad>\n<unk>\n<s>\na b\n", b"\xff"]
)
def test_a_file_that_is_not_a_vocabulary_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"vocabulary\.txt"):
        Vocabulary.load(path)


@pytest.mark.parametrize(
    "word", ["a" * 65, "well.done", "Zebra", "be\x07ll", "be\u200bll", "go\u202eod", "cafe\u0301", "😀", "<b>"]
)
def test_a_word_that_no_text_has_as_a_token_is_refused_in_one_printable_line(word: str) -> None:
    with pytest.raises(DataError, match="is not a word that anybody can type") as error:
        Vocabulary([*SPECIALS, "fine", word]).check_words()
    assert str(error.value).isascii() and len(str(error.value)) < 400


@given(st.text(max_size=200))
def test_every_token_of_any_text_of_usual_length_is_accepted(text: str) -> None:
    words = {token.word for token in tokenize(text)}
    Vocabulary([*SPECIALS, *(word for word in sorted(words) if len(word) <= 64)]).check_words()
