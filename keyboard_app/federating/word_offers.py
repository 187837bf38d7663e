"""A keyboard's part in word discoveries: which of its person's words it offers, and for which plans.

It offers words that its vocabulary lacks, from the messages that rounds may learn from (`federation.protocol.discovery.offer`), if
its person wants to share new words. With nothing to offer, it takes part all the same, with zeros: otherwise its absence would
show that nothing new was written, and its presence the opposite. A keyboard that shares no words says so before the selection:
that is its person's choice, and shows nothing about what they write.
"""

import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import DataError
from federation.protocol.discovery.offer import OfferTerms, words_to_offer
from federation.protocol.discovery.round_plans import COUNT, REVEAL, CountPlan, RevealPlan, WordPlan
from federation.protocol.discovery.word_counts import count_vector, words_in
from federation.protocol.discovery.word_table import table_vector
from federation.protocol.secure_aggregation.modular_vectors import Vector
from keyboard_app.federating.word_record import OfferedWords, WordRecord
from keyboard_app.recording.database.records import FORGOTTEN
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.settings import UserSettings
from model.device.folder import Model
from model.device.suggesting.offensive import offensive_words

_ALL = OfferTerms(words_per_device=10_000)  # for words that were chosen before


@dataclass(frozen=True)
class WordSource:
    """The words of the person."""

    shares: Callable[[], bool] = lambda: False  # whether the person wants to share new words
    texts: Callable[[], Sequence[str]] = tuple  # the messages that rounds may learn from
    forgotten: Callable[[], Container[str]] = frozenset  # words that the person wants not to see again


def shares_words(settings: UserSettings) -> bool:
    """Returns whether the person wants to share new words in word discoveries."""
    return settings.consent is not False and settings.take_part and settings.share_new_words


def recorded_words(store: Store, shares: Callable[[], bool]) -> WordSource:
    """Returns the words of recorded messages; `shares` returns whether the person wants to share new ones."""
    return WordSource(
        shares,
        lambda: [message.text for message in store.learnable()],
        lambda: frozenset(store.words.marked(FORGOTTEN)),
    )


def next_words(source: WordSource, record: WordRecord, model: Model, offer: OfferTerms | None = None) -> list[str]:
    """Returns the words that would be offered in the next word discovery on a model, those of the most messages first.

    `offer` has its limits; without it, the usual ones are taken.
    """
    vocabulary, forgotten = model.vocabulary, source.forgotten()
    used, limits = record.used(vocabulary.sha256), offer or OfferTerms()
    found = words_to_offer(source.texts(), frozenset(vocabulary.words), used, limits, offensive_words())
    return [word for word in found if word not in forgotten]


def check_word_plan(plan: WordPlan, round_name: str, model: Model) -> None:
    """Checks that a plan is for this round and this keyboard's vocabulary.

    Raises:
      DataError: it is not.
    """
    if plan.round_name != round_name:
        raise DataError("the coordinator sent the plan of another round: it is refused")
    if plan.vocabulary_sha256 != model.vocabulary.sha256:
        raise DataError("the coordinator's plan is for another vocabulary than this keyboard's: it is refused")


def offered_words(
    plan: WordPlan, source: WordSource, record: WordRecord, url: str, model: Model, draw: Callable[[int], int]
) -> OfferedWords:
    """Returns the words that this keyboard offers in a round; none if the person does not want to share any.

    Args:
      plan: the round's plan, checked.
      source: the person's words.
      record: the words that left before.
      url: the coordinator's address.
      model: the model of which the vocabulary lacks the words.
      draw: takes a number and returns as many unpredictable bits.

    Raises:
      DataError: the coordinator contradicts what it said in an earlier round.
    """
    rng = np.random.default_rng(draw(128))

    def coin() -> bool:
        return bool(rng.random() < 0.5)

    vocabulary = plan.vocabulary_sha256
    if isinstance(plan, CountPlan):
        again = record.repeated(vocabulary)
        found = next_words(source, record, model, plan.offer) if source.shares() else []
        return OfferedWords(
            COUNT, vocabulary, tuple(word for word in found if word not in again or coin()), plan.counts
        )
    published = hashlib.sha256(plan.published.encode()).hexdigest()
    counted = record.counted_in(url, plan.counted_in)
    words: list[str] = []
    if counted is not None and source.shares():
        if (counted.counts, counted.vocabulary) != (plan.counts, vocabulary):
            raise DataError("the coordinator names other terms of the first round than it did then: it is refused")
        kept = set(next_words(source, WordRecord([]), model, _ALL))  # not those of messages deleted since
        words = [word for word in words_in(counted.words, plan.buckets, plan.counts) if word in kept]
    wanted = OfferedWords(REVEAL, vocabulary, tuple(words), plan.counts, plan.counted_in, published)
    return record.to_reveal(url, wanted, coin)


def word_vectors(plan: WordPlan, words: Sequence[str]) -> tuple[Vector]:
    """Returns the vector that a device sends, before it is masked: values of the plan's layout."""
    if isinstance(plan, RevealPlan):
        return (table_vector(words, plan.table),)
    return (count_vector(words, plan.counts),)
