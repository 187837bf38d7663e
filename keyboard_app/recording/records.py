"""What the store tells of: messages, what was expected of them, learnings, and what else became of the personal model."""

from typing import NamedTuple

from model.device.suggesting.personal import USUAL_TRUST


class Ranks(NamedTuple):
    """How many words each model put before the one that was typed, before it had learned it; None for an unknown word."""

    rank: int | None
    global_rank: int | None


class Message(NamedTuple):
    """A message as it was sent; `learning` is the first learning that trained on it or held it back."""

    id: int
    text: str
    learning: int | None
    time: str  # UTC, ISO 8601
    imported: bool  # it was not typed here: it is learned from, and its words were not predicted


class Ranked(NamedTuple):
    """What was expected of a message's words, in order."""

    id: int
    time: str  # UTC, ISO 8601
    learning: int | None  # as of Message
    ranks: list[Ranks]


class Judgement(NamedTuple):
    """What a learning decided, as the table `judgements` has it."""

    global_model: str
    kept: str
    personal: bool
    words: int
    old_perplexity: float
    new_perplexity: float
    old_recall_at_3: float
    new_recall_at_3: float
    ngram_trust: float = USUAL_TRUST

    def __str__(self) -> str:
        would = "" if self.kept == "new" else "would have gone "
        return (
            f"kept the {self.kept} model: on {self.words:,} words held back perplexity {would}{self.old_perplexity:.1f} → "
            f"{self.new_perplexity:.1f}, recall at 3 {self.old_recall_at_3:.1%} → {self.new_recall_at_3:.1%}"
        )


class Change(NamedTuple):
    """Something that was done to the personal model other than learning: `rolled back` or `reset`."""

    time: str
    what: str
    personal: bool  # whether a personal network was in use afterwards
    learning: int  # the last one before; 0 for none
    message: int  # the newest one before; 0 for none


class Day(NamedTuple):
    """How much was typed on a day, of local time."""

    day: str  # ISO 8601
    keystrokes: int
    characters: int  # of what was sent
