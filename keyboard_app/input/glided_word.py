"""A word that was glided, and the words that it may have been instead."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.tokenizer import normalize

ALTERNATIVES = 3


@dataclass(frozen=True)
class GlidedWord:
    """A word that a glide has just put into a text."""

    start: int  # index in the text of what was inserted
    inserted: str  # the word, with spaces around it where they were needed
    others: tuple[str, ...] = ()  # the other words that the glide may have meant, likeliest first
    space_waited: bool = False  # whether the space before it came with a suggestion
    refused: tuple[str, ...] = ()  # lower-case words that were glided and taken away at this place before

    @property
    def word(self) -> str:
        """The word alone."""
        return self.inserted.strip(" ")

    @property
    def word_start(self) -> int:
        """The index in the text of the word alone."""
        return self.start + self.inserted.index(self.word)

    @property
    def end(self) -> int:
        """The index in the text behind what was inserted."""
        return self.start + len(self.inserted)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The words that are offered in its place."""
        return self.others[:ALTERNATIVES]

    @property
    def refused_with_it(self) -> tuple[str, ...]:
        """The words that are not meant at this place once this one is taken away."""
        return (*self.refused, normalize(self.word))


def in_order(words: Sequence[str], refused: Sequence[str]) -> list[str]:
    """Returns the words that a glide may mean, likeliest first, those that were refused at this place last; each word once."""
    once = list({normalize(word): word for word in reversed(words)}.values())[::-1]
    return sorted(once, key=lambda word: normalize(word) in refused)
