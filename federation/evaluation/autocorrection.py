"""Measurement of autocorrection: the typos that it corrects, and the correct words that it breaks.

1. Each word of at least two letters in held-out users' messages is typed twice after the words before it: as it is, and with one
   random typo.
2. A typo is a neighbouring key (six of ten), a missing letter, a doubled letter, or two letters swapped. A draw that leaves the
   word unchanged does not count.
3. At the end of the word, `Suggester.correct` corrects it or leaves it. It uses the model alone, not the person's earlier words
   or rejected corrections.

The thresholds of `Suggester.correct` were chosen by this measurement on validation users.
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

_KINDS = {"neighbour": 6, "missing": 2, "doubled": 1, "swapped": 1}  # kinds of typos, and their weights
_NEIGHBOURS = {letter: sorted(near) for letter, near in qwerty_neighbours().items()}


@dataclass(frozen=True)
class TypoScores:
    """Counts of words and typos, which `+` adds up over users; the fields are keys of the command's JSON."""

    slips: int = 0  # typos
    mended: int = 0  # typos corrected to the intended word
    changed_wrongly: int = 0  # typos corrected to another word
    offered: int = 0  # typos with the intended word among the three suggestions
    words: int = 0  # words typed without a typo
    spoilt: int = 0  # words typed without a typo that the keyboard changed
    unknown: int = 0  # words typed without a typo that are outside the vocabulary
    unknown_spoilt: int = 0  # words outside the vocabulary that the keyboard changed

    def __add__(self, other: "TypoScores") -> "TypoScores":
        return TypoScores(**{name: value + getattr(other, name) for name, value in self.__dict__.items()})

    @property
    def summary(self) -> dict[str, Any]:
        """The counts, and their shares of typos and of words."""
        shares = {
            "mended_share": self.mended / max(self.slips, 1),
            "changed_wrongly_share": self.changed_wrongly / max(self.slips, 1),
            "offered_share": self.offered / max(self.slips, 1),
            "spoilt_share": self.spoilt / max(self.words, 1),
        }
        return self.__dict__ | shares


def make_typo(word: str, random: Random) -> str:
    """Returns the word with one random typo, or unchanged if the typo has no effect on it."""
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


def measure_typos(work: Sequence[tuple[Model, Sequence[str]]]) -> TypoScores:
    """Returns the sum of the scores of all users, given a model and messages for each, on all processors."""
    with progress_bar("correcting typos", len(work)) as bar:
        return sum(map_in_processes(_measure_user, work, bar), TypoScores())


def _measure_user(model_and_messages: tuple[Model, Sequence[str]]) -> TypoScores:
    model, messages = model_and_messages
    reader, total = Reader(model.start(), phrases=model.phrases), TypoScores()
    suggester = Suggester(reader, model.vocabulary, lexicon=model.lexicon)
    for text in messages:
        # The message is the seed, so that its typos do not depend on the other messages.
        random = Random(hashlib.sha256(text.encode()).digest())
        for token in tokenize(text):
            if len(token.word) > 1 and token.word[0].isalpha():
                total += _measure_word(suggester, text[: token.start], token.word, random, model)
    return total


def _measure_word(suggester: Suggester, context: str, word: str, random: Random, model: Model) -> TypoScores:
    spoilt, known = suggester.correct(context, word) is not None, word in model.vocabulary
    words = TypoScores(words=1, spoilt=spoilt, unknown=not known, unknown_spoilt=spoilt and not known)
    typed = make_typo(word, random)
    if typed == word:
        return words
    corrected = suggester.correct(context, typed)
    return words + TypoScores(
        slips=1,
        mended=corrected == word,
        changed_wrongly=corrected not in (None, word),
        offered=word in suggester.suggest(context, typed),
    )
