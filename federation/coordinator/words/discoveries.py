"""Word discoveries, one at a time: which round comes next, and what its sum means.

1. The owner starts a discovery (`start`). It needs two rounds, which come before those that make models.
2. The first sum says which buckets have words of at least k devices (`read_counts`). Without any, the discovery ends here.
3. The second round publishes these buckets to the same devices. TFF, in the learner, decodes the words of its sum (`keep_words`).
4. The owner strikes out words (`strike`), keeps those that only look like typos (`keep_as_typed`), and saves them (`as_json`).

A round that fails before its sum can be unmasked is repeated, up to five times. One of which the sum may be known is not: devices
offer a word at most once, so the discovery has failed, and the owner may start another. What is stored here survives SIGKILL.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from data.errors import DataError
from federation.coordinator.store import CoordinatorStore
from federation.coordinator.words.discovery_store import (
    FAILED,
    FOUND,
    Discovery,
    DiscoveryStore,
    DiscoveryTerms,
    FoundWord,
)
from federation.coordinator.words.word_sums import published_buckets, table_of, words_of
from federation.protocol.discovery.round_plans import COUNT, CountPlan, RevealPlan, WordPlan, packed_buckets
from federation.protocol.discovery.word_table import TableTerms
from federation.protocol.secure_aggregation.modular_vectors import Vector

_MOST_FAILURES = 5  # failed rounds in one state of a discovery


class Discoveries:
    """The word discoveries of a federation."""

    def __init__(self, store: CoordinatorStore) -> None:
        self._store, self._events = DiscoveryStore(store), store.events

    @property
    def newest(self) -> Discovery | None:
        """The newest discovery, whatever its state."""
        return self._store.newest()

    @property
    def current(self) -> Discovery | None:
        """The discovery that needs another round."""
        newest = self._store.newest()
        return newest if newest is not None and newest.going_on else None

    def start(self, vocabulary: str, terms: DiscoveryTerms, now: float) -> Discovery:
        """Starts a discovery of words that a vocabulary, named by its digest, lacks; draws the seed of the buckets.

        Raises:
          DataError: another one is going on.
        """
        if self.current is not None:
            raise DataError("a word discovery is going on already: wait for its end, or stop the rounds")
        terms = replace(terms, counts=replace(terms.counts, seed=secrets.randbits(32)))
        self._store.add(vocabulary, terms, now)
        self._events.add(f"a word discovery begins: which new words do at least {terms.k:,} devices have?", now)
        started = self.current
        if started is None:
            raise DataError("the word discovery could not be stored")
        return started

    def next_discovery(self, vocabulary: str, now: float) -> Discovery | None:
        """Returns the discovery that needs a round on a model of this vocabulary; ends one that cannot go on."""
        discovery = self.current
        if discovery is None:
            return None
        failed = self._store.failed_rounds(discovery)
        lost = [one for one in failed if one.unmasked]
        if discovery.vocabulary != vocabulary:
            self._fail(discovery, "the federation's model has another vocabulary by now", now)
        elif lost:
            self._fail(discovery, lost[0].reason, now)
        elif len(failed) >= _MOST_FAILURES:
            self._fail(discovery, f"{len(failed)} rounds failed, the last one because of {failed[-1].reason}", now)
        else:
            return discovery
        return None

    def plan(self, discovery: Discovery, round_name: str, model: str, cohort: int) -> WordPlan:
        """Returns the plan of a discovery's next round, with at most `cohort` devices in its sum.

        Raises:
          DataError: the plan would not be within the bounds that devices accept.
        """
        terms, of = discovery.terms, (round_name, model, discovery.vocabulary, cohort, discovery.terms.k)
        if discovery.state == COUNT or discovery.counted is None:
            return CountPlan(*of, terms.offer, terms.counts)
        table = TableTerms(discovery.counted.capacity, seed=secrets.randbits(32))
        published = packed_buckets(discovery.counted.buckets)
        return RevealPlan(*of, discovery.counted.round_name, terms.counts, published, table)

    def devices(self, discovery: Discovery) -> frozenset[str] | None:
        """Returns the only devices that the next round is for; None if it is for all. Only devices that were counted reveal."""
        if discovery.counted is None:
            return None
        return frozenset(self._store.devices_in(discovery.counted.round_name))

    def opened(self, number: int, discovery: Discovery, plan: WordPlan) -> None:
        """Records that a round is open."""
        self._store.add_round(number, discovery.id, plan)

    def plan_of(self, number: int) -> WordPlan:
        """Returns the plan of a round.

        Raises:
          DataError: it is not a round of a discovery.
        """
        return self._store.plan_of(number)

    def read_counts(self, number: int, total: bytes, now: float) -> None:
        """Publishes the buckets with words of at least k devices.

        Raises:
          ImplausibleSumError: honest devices cannot have this sum.
          DataError: it is not the sum of a first round.
        """
        plan, discovery = self.plan_of(number), self._of_a_sum()
        if not isinstance(plan, CountPlan):
            raise DataError(f"round {number} counts no words")
        counted = published_buckets(plan, total, len(self._store.counted_devices(number)))
        self._store.keep_counts(number, discovery.id, counted, now)
        found = len(counted.buckets)
        self._events.add(f"{found:,} buckets have words of at least {plan.k:,} of {counted.devices:,} devices", now)
        if not found:
            self._store.end(discovery.id, FOUND, "", now)
            self._events.add(f"the word discovery has ended: no new word has {plan.k:,} devices", now)

    def table(self, number: int, total: bytes) -> Vector:
        """Returns the summed table of a second round, to be decoded.

        Raises:
          ImplausibleSumError: honest devices cannot have this sum.
          DataError: it is not the sum of a second round.
        """
        plan = self.plan_of(number)
        if not isinstance(plan, RevealPlan):
            raise DataError(f"round {number} reveals no words")
        return table_of(plan, total, len(self._store.counted_devices(number)))

    def keep_words(self, number: int, decoded: Mapping[str, int], vocabulary: Collection[str], now: float) -> None:
        """Ends a discovery with the words of a decoded table; `vocabulary` has the words of the model.

        Raises:
          DataError: it is not the sum of a second round.
        """
        plan, discovery = self.plan_of(number), self._of_a_sum()
        if not isinstance(plan, RevealPlan) or discovery.counted is None:
            raise DataError(f"round {number} reveals no words")
        read = words_of(plan, decoded, discovery.counted, set(vocabulary))
        self._store.keep_words(number, discovery.id, read.words, read.note, now)
        left_out = f" ({read.note})" if read.note else ""
        words = f"{len(read.words):,} {'word' if len(read.words) == 1 else 'words'}"
        self._events.add(f"the word discovery has found {words}{left_out}: look at them on the dashboard", now)

    def stop(self, now: float) -> None:
        """Ends the discovery that is going on."""
        if (discovery := self.current) is not None:
            self._fail(discovery, "stopped by the operator", now)

    def strike(self, words: Collection[str], struck: bool) -> None:
        """Strikes words of the newest discovery out, or takes them back in.

        Raises:
          DataError: it has not found them.
        """
        self._change(words, lambda word: replace(word, struck=struck))

    def keep_as_typed(self, words: Collection[str], no_typo: bool) -> None:
        """Records that words of the newest discovery are no typos, or takes that back.

        Raises:
          DataError: it has not found them.
        """
        self._change(words, lambda word: replace(word, no_typo=no_typo))

    def as_json(self) -> dict[str, Any]:
        """Returns the words of the newest discovery that are not struck out, as `federate grow` reads them.

        Raises:
          DataError: no discovery has found any.
        """
        discovery = self._found()
        words = [
            {"word": w.word, "devices": w.devices} | ({"no_typo": True} if w.no_typo else {})
            for w in discovery.words
            if not w.struck
        ]
        counted = discovery.counted
        figures = {"devices": counted.devices, "offers": counted.offers} if counted else {}
        return {"words": words, **figures, "k": discovery.terms.k, "vocabulary_sha256": discovery.vocabulary}

    def _change(self, words: Collection[str], change: Callable[[FoundWord], FoundWord]) -> None:
        discovery = self._found()
        known = {found.word for found in discovery.words}
        if missing := sorted(set(words) - known):
            raise DataError(f"the newest word discovery has not found {missing[0]!r}")
        changed = [change(word) if word.word in words else word for word in discovery.words]
        self._store.change_words(discovery.id, changed)

    def _found(self) -> Discovery:
        newest = self._store.newest()
        if newest is None or newest.state != FOUND or not newest.words:
            raise DataError(
                "no word discovery has found words: start one, with at least as many devices as a word must have"
            )
        return newest

    def _of_a_sum(self) -> Discovery:
        discovery = self.current
        if discovery is None:
            raise DataError("no word discovery is going on")
        return discovery

    def _fail(self, discovery: Discovery, reason: str, now: float) -> None:
        self._store.end(discovery.id, FAILED, reason, now)
        self._events.add(f"the word discovery has failed: {reason}", now)
