"""Text to the tokens the model reads, and back to the casing a person types.

A token is a word (letters, with apostrophes inside), a number, or one of the marks `. , ! ?`. Everything else, emoji and other
symbols included, separates tokens and is never predicted.
"""

import re
from typing import NamedTuple

PUNCTUATION = frozenset(".,!?")

# A letter is what Unicode calls one, or a combining accent; a curly apostrophe is an apostrophe.
_LETTERS = r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\W\d_]*)*"
_TOKEN = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*|\d+(?:[.,:]\d+)*|[.,!?]")

# The words English writes with a capital wherever they stand.
_ALWAYS_CAPITAL = {"i": "I", "i'm": "I'm", "i'd": "I'd", "i'll": "I'll", "i've": "I've"}


class Token(NamedTuple):
    """One token of a text: `word` as the model knows it, `text` as it was typed, from offset `start` on."""

    word: str
    text: str
    start: int


def tokenize(text: str) -> list[Token]:
    """Splits a message into tokens, in order; `text[t.start:t.start + len(t.text)] == t.text` for each."""
    return [Token(normalize(m.group()), m.group(), m.start()) for m in _TOKEN.finditer(text)]


def normalize(text: str) -> str:
    """The form of a typed token that the model knows: lower-cased, with a straight apostrophe."""
    return text.lower().replace("’", "'")


def restore_case(word: str, typed: str = "", sentence_start: bool = False) -> str:
    """Gives a word of the model the casing of what a person has typed of it so far.

    `typed` all in capitals (two letters or more) makes the whole word so, a capital first letter or the start of a sentence
    capitalizes it, and the English `I` stays one.
    """
    letters = [c for c in typed if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return word.upper()
    word = _ALWAYS_CAPITAL.get(word, word)
    if sentence_start or (letters and typed[0].isupper()):
        return word[:1].upper() + word[1:]
    return word
