"""Typing in all scripts, and in long texts: the word at the cursor is whole, and a key reads only the text near the cursor."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import tokenizer
from keyboard_app.input import sentences, text_field, word_at_cursor
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.text_field import Move, TextField
from keyboard_app.input.word_at_cursor import LONGEST, begun_word, ended_word, whole_word

WORDS = ["नमस्ते", "வணக்கம்", "বাংলা", "สวัสดี", "שָׁלוֹם", "مُحَمَّد", "می‌خواهم", "cafe\u0301", "don't", 'צה"ל', "hello"]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)
NEAR = 3_000  # characters


@settings(deadline=None)
@given(SENTENCES)
def test_each_key_of_a_word_belongs_to_it(words: list[str]) -> None:
    asked: list[tuple[str, str]] = []

    def suggest(context: str, prefix: str) -> list[str]:
        asked.append((context, prefix))
        return []

    keyboard = Keyboard(suggest, lambda _text: None)
    keyboard.capitalizes = False
    for place, word in enumerate(words):
        before = keyboard.text
        for length, character in enumerate(word, 1):
            keyboard.press(character)
            assert keyboard.strip is not None
            # A quotation mark or an apostrophe may end the word, as long as no letter follows.
            if character not in "\"'":
                assert asked[-1] == (before, word[:length]), "nothing is suggested as if a word began after a mark"
        assert keyboard.word == word
        keyboard.space()
        assert ended_word(keyboard.text) == word
        assert keyboard.text == " ".join(words[: place + 1]) + " "


@settings(deadline=None)
@given(SENTENCES, st.sampled_from([" ", "  ", ", ", "\n", " 🙂 "]))
def test_moves_and_deletions_take_whole_words(words: list[str], between: str) -> None:
    text = between.join(words)
    starts = [len(between.join([*words[:place], ""])) for place in range(len(words))]
    for place, (start, word) in enumerate(zip(starts, words, strict=True)):
        end = start + len(word)
        assert whole_word(text, end) == begun_word(text[:end]) == word
        field = TextField(text, end, end)
        field.move(Move.WORD_LEFT)
        assert field.cursor == start
        field.move(Move.WORD_RIGHT)
        assert field.cursor == end
        field.select_word(start + 1)
        assert field.selected == word
        field.move_to(end)
        assert field.delete(Move.WORD_LEFT)
        assert field.text == between.join([*words[:place], "", *words[place + 1 :]])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The lengths of the texts that were searched for words."""
    lengths: list[int] = []

    def spied(function: Any) -> Any:
        def spy(text: str) -> Any:
            lengths.append(len(text))
            return function(text)

        return spy

    monkeypatch.setattr(word_at_cursor, "tokenize", spied(tokenizer.tokenize))
    monkeypatch.setattr(text_field, "runs", spied(tokenizer.runs))
    monkeypatch.setattr(sentences, "_goes_on", spied(sentences._goes_on))
    yield lengths


LONG_TEXTS = ["word " * 8_000, "a" * 32_000, "नमस्ते" * 6_000, "a.b." * 8_000, "Hello.\n" * 5_000, "ab, " * 8_000]


@pytest.mark.parametrize("text", LONG_TEXTS, ids=[text[:5] for text in LONG_TEXTS])
def test_a_key_reads_only_the_text_near_the_cursor(text: str, read: list[int]) -> None:
    contexts: list[str] = []

    def suggest(context: str, _prefix: str) -> list[str]:
        contexts.append(context)
        return []

    keyboard = Keyboard(suggest, lambda _text: None, lambda context, _word: contexts.append(context))
    keyboard.paste(text)
    for place in (len(text), len(text) // 2, 3):
        keyboard.move_to(place)
        for key in ("a", " ", "b", ".", " "):
            del read[:], contexts[:]
            keyboard.press(key)
            assert keyboard.strip is not None
            assert keyboard.ahead is not None
            assert sum(read) <= NEAR
            assert all(len(context) <= 4_000 + LONGEST for context in contexts)
        del read[:]
        keyboard.backspace()
        keyboard.move(Move.LEFT)
        keyboard.move(Move.LINE_START)
        assert sum(read) <= NEAR


def test_a_word_is_found_in_a_long_text_without_reading_all_of_it(read: list[int]) -> None:
    text = "some words " * 4_000
    field = TextField(text, 20_004, 20_004)
    for _ in range(3):
        field.move(Move.WORD_LEFT)
        field.move(Move.WORD_RIGHT)
        field.select_word(field.cursor)
        assert field.selected in ("some", "words")
    assert sum(read) <= NEAR


def test_nothing_is_suggested_within_a_very_long_word() -> None:
    keyboard = Keyboard(lambda _context, prefix: [prefix or "next"], lambda _text: None)
    keyboard.text = "a" * LONGEST
    assert keyboard.word == "a" * LONGEST
    assert keyboard.suggestions == ["a" * LONGEST]
    keyboard.press("a")
    assert (keyboard.word, keyboard.suggestions, keyboard.strip) == ("", [], [])
    keyboard.space()
    assert keyboard.suggestions == ["next"]
