"""Suggestions of several words: a suggested word is continued while the next word is likely enough."""

from collections.abc import Generator
from typing import Protocol

from data.tokenizer import tokenize
from model.device.suggesting.suggestions import Suggester, words_of

# Lower values show more words that are wrong, which a person has to read. Measured on validation users, see the README of the
# keyboard.
LEAST_PROBABILITY = 0.3
MOST_WORDS = 4  # in a continuation: more would not fit on a strip


class Continue(Protocol):
    """Finds the words that probably follow a suggested one; a step of a network lies between two yields."""

    def __call__(self, context: str, word: str, /) -> Generator[None, None, list[str]]:
        """Returns the words that follow `word` after `context`, in their order; none if no word is likely enough."""


def continuation(suggester: Suggester, context: str, word: str) -> Generator[None, None, list[str]]:
    """Finds the words that probably follow a suggested word, in lower case; yields after each step of the network.

    Each is the likeliest word that may be suggested after the words before it, and has a probability of at least
    `LEAST_PROBABILITY`. Punctuation ends a continuation, as it is never suggested.
    """
    before, words = words_of(context), [token.word for token in tokenize(word)]
    first = len(words)
    while len(words) - first < MOST_WORDS:
        following = suggester.likely_after(before, words, LEAST_PROBABILITY)
        yield
        if following is None:
            break
        words.append(following)
    return words[first:]
