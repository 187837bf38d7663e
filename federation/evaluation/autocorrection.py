"""How a keyboard deals with slips of the finger: how many it mends, and how many words it spoils that were meant as typed.

1. Each word of two letters or more of held-out users' messages is typed twice after the words before it: as it is, and with one
   slip, drawn by a seed.
2. A slip is that of a neighbouring key (six of ten), a missing letter, a doubled letter, or two letters swapped. One that leads to
   the same word again is no slip.
3. At the end of the word the keyboard corrects it or does not, as `Suggester.correct` decides, by the model alone: what a person
   has written or insisted on before it does not know.

What the keyboard asks of a correction was chosen by this on validation users.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from data.tokenizer import tokenize
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.suggesting.corrections import qwerty_neighbours
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

_KINDS = {"neighbour": 6, "missing": 2, "doubled": 1, "swapped": 1}  # and their weights
_NEIGHBOURS = {letter: sorted(near) for letter, near in qwerty_neighbours().items()}


@dataclass(frozen=True)
class SlipScores:
    """Sums over words, so that those of users add up (`+`)."""

    slips: int = 0
    mended: int = 0
    changed_wrongly: int = 0  # a slip put right into another word than was meant
    offered: int = 0  # slips with the word that was meant among three suggestions
    words: int = 0
    spoilt: int = 0  # words typed as they were written that were changed
    unknown: int = 0  # words that the vocabulary lacks
    unknown_spoilt: int = 0

    def __add__(self, other: "SlipScores") -> "SlipScores":
        return SlipScores(**{name: value + getattr(other, name) for name, value in self.__dict__.items()})

    @property
    def summary(self) -> dict[str, Any]:
        """The counts, and the shares of slips and of words."""
        shares = {
            "mended_share": self.mended / max(self.slips, 1),
            "changed_wrongly_share": self.changed_wrongly / max(self.slips, 1),
            "offered_share": self.offered / max(self.slips, 1),
            "spoilt_share": self.spoilt / max(self.words, 1),
        }
        return self.__dict__ | shares


def slip(word: str, random: Random) -> str:
    """A word as a finger that slips once types it; the word itself if the slip that was drawn changes nothing in it."""
    kind = random.choices(list(_KINDS), list(_KINDS.values()))[0]
    place = random.randrange(len(word))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    match kind:
        case "neighbour":
            return before + random.choice(_NEIGHBOURS.get(letter, [letter])) + after
        case "missing":
            return before + after
        case "doubled":
            return before + letter * 2 + after
        case _:
            return before + after[:1] + letter + after[1:]


def measure_slips(work: Sequence[tuple[Model, Sequence[str]]]) -> SlipScores:
    """Scores of users' messages, each with slips of its own, on all processors."""
    with progress_bar("slipping", len(work)) as bar:
        return sum(map_in_processes(_measure_user, work, bar), SlipScores())


def _measure_user(model_and_messages: tuple[Model, Sequence[str]]) -> SlipScores:
    model, messages = model_and_messages
    suggester, total = Suggester(Reader(model.start()), model.vocabulary), SlipScores()
    for text in messages:
        # Whoever else is measured beside this message, its slips are the same.
        random = Random(hashlib.sha256(text.encode()).digest())
        for token in tokenize(text):
            if len(token.word) > 1 and token.word[0].isalpha():
                total += _measure_word(suggester, text[: token.start], token.word, random, model)
    return total


def _measure_word(suggester: Suggester, context: str, word: str, random: Random, model: Model) -> SlipScores:
    spoilt, known = suggester.correct(context, word) is not None, word in model.vocabulary
    words = SlipScores(words=1, spoilt=spoilt, unknown=not known, unknown_spoilt=spoilt and not known)
    typed = slip(word, random)
    if typed == word:
        return words
    corrected = suggester.correct(context, typed)
    return words + SlipScores(
        slips=1,
        mended=corrected == word,
        changed_wrongly=corrected not in (None, word),
        offered=word in suggester.suggest(context, typed),
    )
