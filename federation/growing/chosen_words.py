"""The choice of found words that join a vocabulary, and the reasons to leave others out."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from data.errors import DataError
from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from federation.growing.counts_files import Counted, printable

LEAST_DEVICES = 3  # fewer people could be identified by a word of theirs
_LONGEST = 20  # characters, as devices offer them
_SHORTEST = 2
_NAMED = 8  # words that a line names

NO_WORD = "not a word as the tokenizer has it"
TOO_FEW = f"from fewer than {LEAST_DEVICES} devices"
KNOWN = "in the vocabulary already"
OFFENSIVE = "on the list of offensive words"
TYPO = "probably a typo of a likelier word"
NO_ROOM = "no room"


@dataclass(frozen=True)
class Chosen:
    """The words that join a vocabulary, in the order of their new ids, and those left out by reason."""

    words: tuple[Counted, ...]
    left_out: dict[str, list[str]]


def with_wishes(found: Sequence[Counted], include: Sequence[str], exclude: Sequence[str]) -> list[Counted]:
    """Returns found words without those of `exclude`, and with those of `include` marked as no typos.

    Raises:
      DataError: a named word was not found, or is both included and excluded.
    """
    texts = {word.text for word in found}
    for word in (*include, *exclude):
        if word not in texts:
            raise DataError(f"{printable(word)} is not among the found words: name words of the file")
        if word in include and word in exclude:
            raise DataError(f"{printable(word)} is both included and excluded: decide on one")
    kept = [word for word in found if word.text not in exclude]
    return [replace(word, no_typo=True) if word.text in include else word for word in kept]


def choose_words(
    found: Sequence[Counted],
    vocabulary: Vocabulary,
    room: int | None,
    offensive: Container[str],
    is_typo: Callable[[Counted], bool],
) -> Chosen:
    """Chooses the words that join a vocabulary.

    Args:
      found: the words with their counts, the most frequent first.
      vocabulary: the vocabulary that they join.
      room: the number of words that there is room for; None for any number.
      offensive: words that never join.
      is_typo: returns whether a word is probably a typo.
    """
    kept: list[Counted] = []
    left_out: dict[str, list[str]] = {}
    for word in found:
        reason = _reason(word, vocabulary, offensive, is_typo)
        if reason is None and room is not None and len(kept) == room:
            reason = NO_ROOM
        if reason is None:
            kept.append(word)
        else:
            left_out.setdefault(reason, []).append(word.text)
    return Chosen(tuple(kept), left_out)


def _reason(
    word: Counted, vocabulary: Vocabulary, offensive: Container[str], is_typo: Callable[[Counted], bool]
) -> str | None:
    text = word.text
    if not _SHORTEST <= len(text) <= _LONGEST or [t.word for t in tokenize(text)] != [text] or not text[0].isalpha():
        return NO_WORD
    if word.devices < LEAST_DEVICES:
        return TOO_FEW
    if text in vocabulary:
        return KNOWN
    if text in offensive or text.removesuffix("'s") in offensive:
        return OFFENSIVE
    return TYPO if not word.no_typo and is_typo(word) else None


def lines_about(chosen: Chosen) -> list[str]:
    """Returns a line for people about each reason for which words were left out."""
    lines = []
    for reason, words in chosen.left_out.items():
        named = ", ".join(printable(word) for word in words[:_NAMED]) + (", …" if len(words) > _NAMED else "")
        hint = "; --include takes words in" if reason == TYPO else ""
        lines.append(f"left out, {reason}: {len(words):,} word{'s' * (len(words) != 1)} ({named}){hint}")
    return lines
