"""Words of all scripts are whole words, however their letters are composed."""

import re
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.marks import MARKS, is_mark, without_marks
from data.tokenizer import compose, normalize, restore_case, runs, tokenize

WORDS = [
    *("नमस्ते", "क्‍षण", "வணக்கம்", "বাংলা", "സ്വാഗതം", "അവന്‍", "สวัสดี", "ສະບາຍດີ", "ជំរាបសួរ", "မင်္ဂလာပါ"),
    *("שָׁלוֹם", 'צה"ל', "צה״ל", "צ׳ק", "مُحَمَّد", "می‌خواهم", "کتاب‌ها", "Հայաստա՜ն"),
    *("größe", "naïve", "l'été", "don't", "col·legi", "việt", "снег", "καλημέρα", "한국어", "東京", "ぱんつ"),
]
Form = Literal["NFC", "NFD"]
FORMS: list[Form] = ["NFC", "NFD"]
LETTERS = st.sampled_from("aekzé ñßжщאשمیکनमதভสກ가東ὰ")
LETTER = LETTERS.filter(str.isalpha)
MARK = st.sampled_from(
    "\u0301\u0308\u0323\u093e\u094d\u09be\u0bcd\u0e31\u0e35\u05b8\u05c1\u064e\u0651\u200d\ufe0f\U0001e944"
)
PARTED = ["नमस्ते", "دنیا", "สวัสดี", "café", "5", "🙂", "-", "_", "…"]


def words(text: str) -> list[str]:
    return [token.word for token in tokenize(text)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_any_script_is_one_token(word: str, form: Form) -> None:
    text = unicodedata.normalize(form, word)
    assert words(f"({text})") == words(f"{text} ") == [unicodedata.normalize("NFC", word.lower())]
    assert [f"🙂{text} -"[start:end] for start, end in runs(f"🙂{text} -")] == [text]


@example("ὰ\u200d")
@given(st.lists(st.builds(str.__add__, LETTER, st.text(MARK, max_size=3)), min_size=1, max_size=8).map("".join))
def test_letters_and_their_marks_are_one_word_however_they_are_composed(word: str) -> None:
    forms = [unicodedata.normalize(form, word) for form in FORMS]
    assert [len(tokenize(form)) for form in forms] == [1, 1]
    assert tokenize(forms[0])[0].text == forms[0]
    assert words(forms[0]) == words(forms[1]) == words(word)


@given(st.text(st.characters(max_codepoint=0x1FFFF)))
def test_equivalent_texts_have_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text)) == words(text)


@given(st.text(st.characters(max_codepoint=0x1FFFF)))
def test_normalized_is_normalized(text: str) -> None:
    for token in tokenize(text):
        assert normalize(token.word) == token.word
        assert unicodedata.is_normalized("NFC", token.word)


@given(st.lists(st.sampled_from(PARTED), max_size=8))
def test_what_separates_words_does_so_in_all_scripts(parts: list[str]) -> None:
    expected = [part for part in parts if part[0].isalnum()]
    assert words(" ".join(parts)) == expected


def test_invisible_characters_change_no_word() -> None:
    assert words("exam\u00adple ab\u200dc \u200fשלום\u200f می‌ ab\u200b") == ["example", "abc", "שלום", "می", "ab"]
    assert compose("Don’t") == "Don't"


def test_marks_are_the_same_everywhere() -> None:
    everything = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    marks = "".join(c for c in everything if is_mark(c))
    assert "".join(re.findall(f"[{MARKS}]", everything)) == marks
    assert without_marks(everything) == "".join(c for c in everything if not is_mark(c))


def test_scripts_without_capitals_get_none() -> None:
    assert restore_case("გამარჯობა", sentence_start=True) == "გამარჯობა"
    assert restore_case("ǆep", sentence_start=True) == "ǅep"
