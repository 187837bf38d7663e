from hypothesis import given
from hypothesis import strategies as st

from data.tokenizer import normalize, restore_case, tokenize


def words(text: str) -> list[str]:
    return [token.word for token in tokenize(text)]


def test_words_numbers_and_punctuation() -> None:
    assert words("Don’t go, it's 5:30! :-) wow...") == ["don't", "go", ",", "it's", "5:30", "!", "wow", ".", ".", "."]
    assert words("rock 'n' roll's 3,000 well-known") == ["rock", "n", "roll's", "3,000", "well", "known"]


def test_other_languages_and_emoji_are_accepted() -> None:
    assert words("Größe naïve cafe\u0301 снег 東京 🙂🙂 _x_") == ["größe", "naïve", "café", "снег", "東京", "x"]


@given(st.text())
def test_tokens_are_pieces_of_the_text_in_order(text: str) -> None:
    end = 0
    for token in tokenize(text):
        assert token.start >= end
        end = token.start + len(token.text)
        assert text[token.start : end] == token.text
        assert token.word == normalize(token.text)


@given(st.text())
def test_a_normalized_word_is_one_token(text: str) -> None:
    for token in tokenize(text):
        if token.word.isascii():
            assert words(token.word) == [token.word]


def test_case_follows_the_typed_prefix() -> None:
    assert restore_case("hello", "He") == "Hello"
    assert restore_case("hello", "HE") == "HELLO"
    assert restore_case("hello", "he") == "hello"
    assert restore_case("hello", sentence_start=True) == "Hello"
    assert restore_case("i'm") == "I'm"
