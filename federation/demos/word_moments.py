"""The moments at which people wrote new words, and what a keyboard does at each: whether it suggests the word and keeps it.

A moment is a message up to a new word. A keyboard without a window (`keyboard keys`) types it four times: up to the word, with the
first three letters of the word, with the whole word and a space, at which a keyboard corrects typos, and with a typo of the word
and a space.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from data.tokenizer import tokenize
from federation.demos.owners import pressed
from federation.demos.people import Person
from federation.evaluation.autocorrection import make_typo

_EACH = 2  # moments of each word, each of another person
_LENGTHS = range(8, 33)  # characters before the word: a context, but not too many keys to press
LETTERS = 3


@dataclass(frozen=True)
class WordMoment:
    """A new word and what its writer had written before it in the message, with a space at the end."""

    word: str
    context: str

    @property
    def typo(self) -> str:
        """The word with a random typo, which is the same in every run."""
        random, typo = Random(self.word), self.word
        while typo == self.word:
            typo = make_typo(self.word, random)
        return typo


@dataclass(frozen=True)
class Answer:
    """What a keyboard did at a moment."""

    next: list[str]  # the suggestions before the word's first letter, best first
    letters: list[str]  # those after its first three letters
    became: str  # the word in the field after a space
    mended: str  # what the word with a typo has become after a space


def moments_of(people: Sequence[Person], words: Collection[str]) -> list[WordMoment]:
    """Returns the first suitable moment of each word and person, for at most two people a word, in the order of the words."""
    found: dict[str, list[str]] = {word: [] for word in words}
    for person in people:
        seen: set[str] = set()
        for text in person.typed:
            line = " ".join(text.split())
            for token in tokenize(line):
                before = line[: token.start]
                word = token.word
                if word not in found or word in seen or len(before) not in _LENGTHS or not before.endswith(" "):
                    continue
                seen.add(word)
                if before.isprintable() and len(found[word]) < _EACH:
                    found[word].append(before)
    return [WordMoment(word, context) for word, contexts in found.items() for context in contexts]


def answers(moments: Sequence[WordMoment], profile: Path, shipped: Path) -> list[Answer]:
    """Returns what the keyboard of a profile does at each moment.

    Raises:
      DataError: the keyboard failed.
    """
    lines = [
        moment.context + typed
        for moment in moments
        for typed in ("", moment.word[:LETTERS], f"{moment.word} ", f"{moment.typo} ")
    ]
    found = pressed(lines, shipped, profile)
    return [
        Answer(a["suggestions"], b["suggestions"], _last_word(c["text"]), _last_word(d["text"]))
        for a, b, c, d in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True)
    ]


def _last_word(text: str) -> str:
    tokens = tokenize(text)
    return tokens[-1].text if tokens else ""


def figures(moments: Sequence[WordMoment], found: Sequence[Answer]) -> dict[str, int]:
    """Returns at how many moments, and for how many words at some moment, the word was offered; and how often it was left.

    `next` and `letters` count moments at which the word was offered before its first and after its third letter, `kept` those at
    which it stayed as typed, `mended` those at which its typo was corrected to it, and `mistaken` those at which its typo became
    another word. `words_offered` counts words offered at some moment, `words_kept` those that always stayed.
    """
    offered_next, offered, kept, mended, mistaken, changed = 0, 0, 0, 0, 0, set()
    words = set()
    for moment, answer in zip(moments, found, strict=True):
        first, later = (moment.word in map(str.lower, offers) for offers in (answer.next, answer.letters))
        stayed = answer.became.lower() == moment.word
        offered_next, offered, kept = offered_next + first, offered + later, kept + stayed
        mended += answer.mended.lower() == moment.word
        mistaken += answer.mended.lower() not in (moment.word, moment.typo)
        if first or later:
            words.add(moment.word)
        if not stayed:
            changed.add(moment.word)
    everything = {moment.word for moment in moments}
    return {
        "moments": len(moments),
        "next": offered_next,
        "letters": offered,
        "kept": kept,
        "mended": mended,
        "mistaken": mistaken,
        "words": len(everything),
        "words_offered": len(words),
        "words_kept": len(everything - changed),
    }


def examples(
    moments: Sequence[WordMoment], before: Sequence[Answer], after: Sequence[Answer], count: int
) -> list[dict[str, Any]]:
    """Returns the clearest moments, each of another word: the keyboard suggests the word now, and corrects its typo.

    An entry has the `word`, its `typo`, the `context`, and for `before` and `after` the fields of `Answer`.
    """

    def clearness(place: int) -> tuple[int, int]:
        moment, old, new = moments[place], before[place], after[place]
        offered = (moment.word in map(str.lower, new.next)) + (moment.word in map(str.lower, new.letters))
        corrected = (new.became.lower() == moment.word != old.became.lower()) + (new.mended.lower() == moment.word)
        return offered + corrected, offered

    rows: list[dict[str, Any]] = []
    for place in sorted(range(len(moments)), key=clearness, reverse=True):
        moment = moments[place]
        if clearness(place)[1] and moment.word not in (row["word"] for row in rows):
            row = {"word": moment.word, "typo": moment.typo, "context": moment.context.rstrip()}
            rows.append(row | {"before": vars(before[place]), "after": vars(after[place])})
        if len(rows) == count:
            break
    return rows
