"""Splits text into the tokens that the model reads, and gives predicted words the case of what a person typed.

A token is a word, a number, or one of the punctuation marks `. , ! ?`. Everything else, including emoji and other symbols,
separates tokens and is never predicted.

A word ends where UAX #29 ("Unicode Text Segmentation") puts a word boundary, with these differences, which the vocabulary
depends on:

- digits and underscores are no part of a word, and the only marks inside English words are apostrophes;
- a script that is written without spaces (Thai, Lao, Khmer, Burmese, Chinese, Japanese) is not divided into words, for which UAX
  #29 refers to dictionaries: the letters up to the next other character are one word.

Canonically equivalent texts have the same words (UAX #15): `é` may be one character or two.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from data.marks import MARKS, ZWJ, ZWNJ

PUNCTUATION = frozenset(".,!?")

_INVISIBLE = "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"  # soft hyphens, writing directions
# Hebrew and Armenian write some marks as if they were letters: the geresh, and those of emphasis, exclamation and question.
_LETTERS = rf"[^\W\d_]+(?:[{MARKS}{_INVISIBLE}\u05f3\u055a-\u055c\u055e]+[^\W\d_]*)*"
# Between letters: apostrophes, the points of Catalan and Greek, the gershayim, and the quotation mark in its place.
_INSIDE = "(?:['’·\u0387\u2027\u05f4]|(?<=[\u05d0-\u05ea])\"(?=[\u05d0-\u05ea]))"
_WORD = rf"{_LETTERS}(?:{_INSIDE}{_LETTERS})*"
_TOKEN = re.compile(rf"{_WORD}|\d+(?:[.,:]\d+)*|[.,!?]")
# For the cursor, the letters, digits and underscores between two other characters are one word.
_RUN = re.compile(rf"(?:{_WORD}|\w[{MARKS}]*|(?<=\w)['’](?=\w))+")

# Invisible characters change no word, and neither do joiners at its end or after letters that do not join.
_WITHOUT_EFFECT = re.compile(rf"[{_INVISIBLE}]|(?<=[\0-\u058f])[{ZWNJ}{ZWJ}]+|{ZWNJ}+$")

# English capitalizes these words everywhere in a sentence.
_ALWAYS_CAPITAL = {"i": "I", "i'm": "I'm", "i'd": "I'd", "i'll": "I'll", "i've": "I've"}


class Token(NamedTuple):
    """One token of a text: `word` is its normalized form, `text` the form as typed, `start` its offset in characters."""

    word: str
    text: str
    start: int


def tokenize(text: str) -> list[Token]:
    """Splits a message into tokens, in order; `text[t.start:t.start + len(t.text)] == t.text` for each."""
    return [Token(normalize(m.group()), m.group(), m.start()) for m in _TOKEN.finditer(text)]


def runs(text: str) -> Iterator[tuple[int, int]]:
    """Yields the start and end of each word as a cursor meets it, where letters, digits and underscores belong together."""
    return (match.span() for match in _RUN.finditer(text))


def normalize(text: str) -> str:
    """Returns the form of a token that the model uses: composed, in lower case."""
    if text.isascii():
        return text.lower()
    return compose(compose(text).lower())  # the lower case of a composed text may be decomposed


def compose(text: str) -> str:
    """Returns a token in the form that all its spellings share: composed (NFC), with straight apostrophes."""
    if text.isascii():
        return text
    # Decomposed, so that the character before a joiner is the same in all spellings.
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", _WITHOUT_EFFECT.sub("", decomposed)).replace("’", "'")


def restore_case(word: str, typed: str = "", sentence_start: bool = False) -> str:
    """Returns a word of the model in the case that suits its prefix `typed`.

    A prefix of two or more capital letters makes the whole word upper case. A word with capitals of its own keeps them (iPhone,
    McKinley). A capital first letter, or the start of a sentence, capitalizes others. The English `I` is always a capital.
    """
    letters = [c for c in typed if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return word.upper()
    word = _ALWAYS_CAPITAL.get(word, word)
    if word == word.lower() and (sentence_start or (letters and typed[0].isupper())):
        return word[:1].title() + word[1:]
    return word
