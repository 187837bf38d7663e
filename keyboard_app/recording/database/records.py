"""The records of the store: messages, ranks of their words, the gate's decisions, and other changes of the personal model."""

from typing import NamedTuple

from model.device.suggesting.personal import USUAL_TRUST

FORGOTTEN, INSISTED = "forgotten", "insisted"  # kinds of words that the person has marked


class Ranks(NamedTuple):
    """The number of words that each model ranked above the typed word before learning from it; None for an unknown word."""

    rank: int | None  # by the model in use
    global_rank: int | None


class Message(NamedTuple):
    """A message as sent; `learning` is the first learning that trained on it or held it out."""

    id: int
    text: str
    learning: int | None
    time: str  # UTC, ISO 8601
    imported: bool  # whether it was imported, not typed here: it has no ranks


class Ranked(NamedTuple):
    """The ranks of a message's words, in order."""

    id: int
    time: str  # UTC, ISO 8601
    learning: int | None  # as in Message
    ranks: list[Ranks]


class Judgement(NamedTuple):
    """The gate's decision after a learning, with the columns of the table `judgements`."""

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
        change = "changed" if self.kept == "new" else "would have changed"
        return (
            f"kept the {self.kept} model: on {self.words:,} held-out words, the new one {change} perplexity from "
            f"{self.old_perplexity:.1f} to {self.new_perplexity:.1f} and recall at 3 from {self.old_recall_at_3:.1%} to "
            f"{self.new_recall_at_3:.1%}"
        )


class Change(NamedTuple):
    """A change of the personal model other than learning: `rolled back` or `reset`."""

    time: str
    what: str
    personal: bool  # whether a personal network was in use afterwards
    learning: int  # the last learning before it; 0 if there was none
    message: int  # the newest message before it; 0 if there was none


class Day(NamedTuple):
    """The amount of typing on one day of local time."""

    day: str  # ISO 8601
    keystrokes: int
    characters: int  # in messages sent
