"""The tour of a minute at the first opening: three sentences, and what the keyboard learned from them."""

from dataclasses import dataclass, replace

SENTENCES = 3

_TASKS = (
    "Write a sentence that you often write, and send it. The strip above the keys suggests words: tap one to take it.",
    "Send the same sentence again, and watch the strip: your words come sooner now.",
    "Once more. Words in a lighter colour continue a suggestion: a tap on them takes them all.",
)


@dataclass(frozen=True)
class Tour:
    """How far a person is in the tour."""

    sent: int = 0  # sentences
    keys: int = 0  # that the last sentence took
    characters: int = 0  # of the last sentence

    @property
    def over(self) -> bool:
        """Whether all sentences are sent."""
        return self.sent >= SENTENCES

    @property
    def heading(self) -> str:
        """The number of the sentence to write."""
        return f"A tour: sentence {self.sent + 1} of {SENTENCES}"

    @property
    def text(self) -> str:
        """What to do next, after what the last sentence took."""
        if not self.sent:
            return _TASKS[0]
        return f"{self.outcome} {_TASKS[min(self.sent, SENTENCES - 1)]}"

    @property
    def outcome(self) -> str:
        """What the last sentence took."""
        keys, characters = "key" if self.keys == 1 else "keys", "character" if self.characters == 1 else "characters"
        return f"{self.keys} {keys} for {self.characters} {characters}."

    def after(self, keys: int, characters: int) -> "Tour":
        """Returns the tour after another sentence, which took a number of keys."""
        return replace(self, sent=self.sent + 1, keys=keys, characters=characters)
