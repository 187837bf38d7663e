"""The words that left this keyboard in word discoveries, and the words that it may therefore offer in the next one.

Two sums, one with a keyboard and one without it, in which all others have the same numbers, differ by the keyboard's numbers. A
word discovery adds no noise that would hide them. So **a word is in at most one sum that counts, for one vocabulary**, in any
federation. Rounds may fail and have to be repeated:

- A round in which this keyboard gave no shares for unmasking can be repeated with the same words. A sum can only be unmasked if
  more than half of its keyboards give shares: with n keyboards, k neighbours and a threshold t, at least n t / k of them, and
  `neighbours.keeps_secrets` makes sure that 2 t > k. Those never repeat their words unchanged, so they remain in any
  sums that a coordinator adds and subtracts.
- A round in which it did give them and that did not count, by the coordinator's word, may have a sum that is known. Then the rules
  are those of model deltas (`keyboard_app.federating.model_history`): at most `UPDATES_PER_MODEL` such sums, and in a repetition
  each word is left out with a probability of one half, drawn anew, so that a difference shows words of all keyboards.

Words are recorded before the message with them is sent. If the keyboard's process dies in between, they never left, and the record
lists them all the same. The keyboard asks for the outcome when it starts again: they did not count, and it may offer them again.

A word that has been in that many sums waits for the next vocabulary. The words of the first round are revealed at most once, for
one list of buckets.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

from data.errors import DataError
from federation.protocol import api_messages
from federation.protocol.discovery.round_plans import COUNT, REVEAL
from federation.protocol.discovery.word_counts import CountTerms
from keyboard_app.federating.model_history import UPDATES_PER_MODEL


@dataclass(frozen=True)
class OfferedWords:
    """The words in a masked vector that left this keyboard in a round of a word discovery."""

    kind: str  # COUNT or REVEAL
    vocabulary: str  # digest of the vocabulary that lacks them
    words: tuple[str, ...]
    counts: CountTerms  # of the discovery's first round
    counted_in: str = ""  # of REVEAL: the name of the first round
    published: str = ""  # of REVEAL: SHA-256 of the published buckets
    helped: bool = False  # whether this keyboard gave its shares for unmasking

    def to_record(self) -> dict[str, str]:
        """Returns the fields as texts, for a record that is encrypted."""
        texts = asdict(self) | {"words": " ".join(self.words), "helped": "yes" if self.helped else ""}
        return texts | {"counts": self.counts.to_json()}

    @classmethod
    def from_record(cls, content: dict[str, str]) -> Self | None:
        """Reads the output of `to_record` from a record with more fields; None if it is that of a model delta."""
        if "kind" not in content:
            return None
        texts = {name: content[name] for name in ("kind", "vocabulary", "counted_in", "published")}
        words, counts = tuple(content["words"].split()), CountTerms.from_json(content["counts"])
        return cls(words=words, counts=counts, helped=content["helped"] == "yes", **texts)


@dataclass(frozen=True)
class Offering:
    """Words that were offered in a round, and its outcome."""

    url: str
    round_name: str
    outcome: str
    offered: OfferedWords

    @property
    def may_be_known(self) -> bool:
        """Whether the sum may be known although the round did not count."""
        return self.offered.helped and self.outcome != api_messages.COUNTED


class WordRecord:
    """All words that were offered so far, oldest first."""

    def __init__(self, offerings: Sequence[Offering]) -> None:
        self._offerings = offerings

    def used(self, vocabulary: str) -> frozenset[str]:
        """Returns the words that are not offered again for a vocabulary: they were counted, or are in too many sums."""
        rows = self._of(COUNT, vocabulary)
        counted = {word for row in rows if row.outcome == api_messages.COUNTED for word in row.offered.words}
        sums = Counter(word for row in rows if row.may_be_known for word in row.offered.words)
        return frozenset(counted | {word for word, times in sums.items() if times >= UPDATES_PER_MODEL})

    def repeated(self, vocabulary: str) -> frozenset[str]:
        """Returns the words that are in a sum which may be known, and may be offered again for a vocabulary."""
        rows = [row for row in self._of(COUNT, vocabulary) if row.may_be_known]
        return frozenset(word for row in rows for word in row.offered.words) - self.used(vocabulary)

    def counted_in(self, url: str, round_name: str) -> OfferedWords | None:
        """Returns the words of a first round, if this keyboard was counted in it."""
        found = [row for row in self._offerings if (row.url, row.round_name) == (url, round_name)]
        if not found or found[0].outcome != api_messages.COUNTED or found[0].offered.kind != COUNT:
            return None
        return found[0].offered

    def to_reveal(self, url: str, wanted: OfferedWords, coin: Callable[[], bool]) -> OfferedWords:
        """Returns the words of `wanted`, those of a second round, that may still be revealed; in a repetition, half of them.

        Raises:
          DataError: the coordinator publishes other buckets than it did before for the same first round.
        """
        rows = [row for row in self._of(REVEAL, wanted.vocabulary) if row.url == url]
        rows = [row for row in rows if row.offered.counted_in == wanted.counted_in]
        if any(row.offered.published != wanted.published for row in rows):
            raise DataError("the coordinator asks for the words of other buckets than before: this keyboard refuses")
        repeated = sum(row.may_be_known for row in rows)
        if repeated >= UPDATES_PER_MODEL or any(row.outcome == api_messages.COUNTED for row in rows):
            return replace(wanted, words=())
        return replace(wanted, words=tuple(word for word in wanted.words if not repeated or coin()))

    def check(self, url: str, offered: OfferedWords) -> None:
        """Checks, within a transaction, that words may leave.

        Raises:
          DataError: one of them may not.
        """
        allowed = (
            not self.used(offered.vocabulary) & set(offered.words)
            if offered.kind == COUNT
            else self.to_reveal(url, offered, lambda: True).words == offered.words
        )
        if not allowed:
            raise DataError("these words have left this keyboard before: it does not offer them again")

    def _of(self, kind: str, vocabulary: str) -> list[Offering]:
        return [r for r in self._offerings if (r.offered.kind, r.offered.vocabulary) == (kind, vocabulary)]
