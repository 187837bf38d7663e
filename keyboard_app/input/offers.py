"""What stands above the keys: the word as it was typed, the words that may take its place, an emoji for it."""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """Why something is offered."""

    TYPED = "typed"  # the word as it stands; taking it insists on it
    NEXT = "next"  # a word to go on with
    COMPLETION = "completion"
    CORRECTION = "correction"  # of a slip
    EMOJI = "emoji"  # goes behind the word it is offered for


class Offer(NamedTuple):
    """One of them, in the casing it would be inserted with."""

    text: str
    kind: Kind
    applied: bool = False  # whether space or punctuation puts it in the place of what was typed
