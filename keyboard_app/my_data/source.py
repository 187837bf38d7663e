"""The content of a file to import: messages by author."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from data.errors import DataError

EXPORTED_USER = "me"  # the author in the keyboard's own exports
TEXT = "text"
_LONGEST_LINE = 80  # characters shown of a line
_NAMED = 20  # most authors listed in a message


def count_of_messages(count: int) -> str:
    """Returns the number with its noun."""
    return f"{count:,} {'message' if count == 1 else 'messages'}"


@dataclass(frozen=True)
class Source:
    """The content of a file.

    `messages` are lists by author, oldest first. The author is empty in plain text, and where the format marks the messages that
    the person sent: only those are in it then. `doubtful` counts, by author, messages that were left out because another
    person's words may be in them.
    """

    kind: str  # `TEXT`, or the name of the format
    messages: Mapping[str, list[str]]
    doubtful: Mapping[str, int] = field(default_factory=dict)

    @property
    def people(self) -> dict[str, int]:
        """The authors with their numbers of messages, most messages first; empty if no author is named."""
        counts = {name: len(texts) for name, texts in self.messages.items() if name}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def own(self) -> str | None:
        """The author who is certainly the person; None if the person has to say who they are, or whether the text is theirs."""
        if self.kind != TEXT and set(self.messages) in ({""}, {EXPORTED_USER}):
            return next(iter(self.messages))
        return None

    def beginning(self, lines: int) -> list[str]:
        """Returns the first lines of plain text, shortened, for the person to look at."""
        texts = next(iter(self.messages.values()), [])[:lines]
        return [text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…" for text in texts]

    def __str__(self) -> str:
        people = self.people
        names = [f"{name} ({count_of_messages(count)})" for name, count in list(people.items())[:_NAMED]]
        if len(people) > _NAMED:
            names.append(f"{len(people) - _NAMED:,} more")
        return ", ".join(names) or "nobody"

    def of(self, person: str | None) -> list[str]:
        """Returns the messages of one person, who need not be named in plain text or if there is only one.

        Raises:
          DataError: the person was not named and there are several, or the file has nobody of that name.
        """
        if self.own == "" or (person is None and len(self.messages) == 1):
            return next(iter(self.messages.values()))
        if person is not None and person in self.messages:
            return self.messages[person]
        if self.kind == TEXT:
            raise DataError(f"it is plain text, which does not say that {person} wrote it: leave the name out")
        who = f"nobody called {person} wrote in it" if person else "several people wrote in it"
        raise DataError(f"{who}: name one of {self}")

    def doubtful_of(self, person: str | None) -> int:
        """Returns the number of messages of a person that were left out because another person's words may be in them."""
        return self.doubtful.get(person or self.own or "", 0)
