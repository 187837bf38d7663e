"""Splits text into the tokens that the model reads, and gives predicted words the case of what a person typed.

A token is a word (letters, with apostrophes inside), a number, or one of the punctuation marks `. , ! ?`. Everything else,
including emoji and other symbols, separates tokens and is never predicted.
"""

import re
from typing import NamedTuple

PUNCTUATION = frozenset(".,!?")

# Letters are those of Unicode, with combining accents; a curly apostrophe counts as a straight one.
_LETTERS = r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\W\d_]*)*"
_TOKEN = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*|\d+(?:[.,:]\d+)*|[.,!?]")

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


def normalize(text: str) -> str:
    """Returns the form of a token that the model uses: lower case, with a straight apostrophe."""
    return text.lower().replace("’", "'")


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
        return word[:1].upper() + word[1:]
    return word
