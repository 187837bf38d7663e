"""The offers above the keys: the typed word, words that may replace it, and an emoji for it."""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """The reason why a text is offered."""

    TYPED = "typed"  # the word as typed; taking it insists on it
    NEXT = "next"  # a word to continue with
    COMPLETION = "completion"
    CORRECTION = "correction"  # of a typo
    GLIDED = "glided"  # another word that a glide may have meant; taking it replaces the glided one
    EMOJI = "emoji"  # inserted after the word that it is offered for


class Offer(NamedTuple):
    """One offer, cased as it would be inserted."""

    text: str
    kind: Kind
    applied: bool = False  # whether space or punctuation replaces the typed word by it
    rest: str = ""  # the words that probably follow, which can be taken together with it

    @property
    def is_word(self) -> bool:
        """Whether it is a word that the models suggest, which may be continued."""
        return self.kind in (Kind.NEXT, Kind.COMPLETION, Kind.CORRECTION)
