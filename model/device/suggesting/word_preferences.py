"""A person's decisions about words: never to correct them, or never to offer them."""

from dataclasses import dataclass, field


@dataclass
class WordPreferences:
    """A person's decisions about words, in lower case. The keyboard changes them and the suggester reads them, at once."""

    insisted: set[str] = field(default_factory=set)  # never corrected
    forgotten: set[str] = field(default_factory=set)  # never offered
    offensive: bool = False  # offers offensive words even if the person has not typed them
