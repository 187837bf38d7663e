"""What a person has told the keyboard about words."""

from dataclasses import dataclass, field


@dataclass
class Wishes:
    """Words in lower case, as the model knows them. Shared by who offers words and who is told; a change counts at once."""

    insisted: set[str] = field(default_factory=set)  # never corrected
    forgotten: set[str] = field(default_factory=set)  # never offered
    offensive: bool = False  # whether offensive words are offered that the person has not typed
