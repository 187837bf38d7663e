"""The word discoveries in the coordinator's store. Each change is one transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated

from sqlalchemy import Update, exists, insert, select, update

from data.errors import DataError
from federation.coordinator.storage.tables import discoveries, participations, rounds, word_rounds
from federation.coordinator.store import CoordinatorStore
from federation.protocol.discovery.offer import OfferTerms
from federation.protocol.discovery.round_plans import COUNT, LEAST_K, REVEAL, WordPlan, read_plan
from federation.protocol.discovery.word_counts import CountTerms
from federation.protocol.json_messages import Between, JsonMessage
from federation.protocol.secure_aggregation.messages import MAX_DEVICES

FOUND, FAILED = "found", "failed"  # states of a discovery that is over; before, COUNT or REVEAL
DEFAULT_K = 10
_NEWEST = select(discoveries).order_by(discoveries.c.id.desc()).limit(1)


@dataclass(frozen=True)
class DiscoveryTerms(JsonMessage):
    """The requirements of a discovery.

    Raises:
      DataError: a number is not within its bounds.
    """

    k: Annotated[int, Between(LEAST_K, MAX_DEVICES)] = DEFAULT_K  # devices that must have a word
    offer: OfferTerms = field(default_factory=OfferTerms)
    counts: CountTerms = field(default_factory=CountTerms)


@dataclass(frozen=True)
class FoundWord:
    """A word and the number of devices that offered it.

    `struck` if the owner does not want it in the vocabulary; `no_typo` if it joins although it looks like a typo.
    """

    word: str
    devices: int
    struck: bool = False
    no_typo: bool = False


@dataclass(frozen=True)
class CountedBuckets:
    """The result of a first sum."""

    round_name: str
    devices: int  # in the sum
    buckets: dict[int, int]  # the published buckets, with the number of devices that have a word in them
    capacity: int  # words that the table of the second round needs room for
    offers: int  # words that all devices offered, each as often as devices offered it


@dataclass(frozen=True)
class Discovery:
    """A word discovery. Times are seconds since 1970."""

    id: int
    state: str
    started: float
    ended: float | None
    vocabulary: str  # digest of the vocabulary that lacks the words
    terms: DiscoveryTerms
    counted: CountedBuckets | None
    words: tuple[FoundWord, ...]  # most devices first
    note: str  # why it failed, or what was left out

    @property
    def going_on(self) -> bool:
        """Whether it needs another round."""
        return self.state in (COUNT, REVEAL)


@dataclass(frozen=True)
class FailedRound:
    """A round of a discovery that was aborted; `unmasked` if its sum could be unmasked, so that it may be known."""

    reason: str
    unmasked: bool


class DiscoveryStore:
    """The discoveries, newest last. The store's errors pass through."""

    def __init__(self, store: CoordinatorStore) -> None:
        self._store = store

    def add(self, vocabulary: str, terms: DiscoveryTerms, now: float) -> None:
        """Adds a discovery that begins with its first round."""
        row = {"state": COUNT, "started": now, "vocabulary": vocabulary, "terms": terms.to_json()}
        self._store.database.add(insert(discoveries).values(**row))

    def newest(self) -> Discovery | None:
        """Returns the newest discovery."""
        for number, state, started, ended, vocabulary, terms, counted, words, note in self._store.rows(_NEWEST):
            return Discovery(
                *(number, state, started, ended, vocabulary),
                DiscoveryTerms.from_json(terms),
                _counted(json.loads(counted)),
                tuple(FoundWord(**word) for word in json.loads(words)),
                note,
            )
        return None

    def add_round(self, number: int, discovery: int, plan: WordPlan) -> None:
        """Records that a round, open in the store, belongs to a discovery."""
        row = {"round": number, "discovery": discovery, "kind": plan.KIND, "plan": plan.to_json()}
        with self._store.transaction() as db:
            db.execute(insert(word_rounds).values(**row))

    def plan_of(self, number: int) -> WordPlan:
        """Returns the plan of a discovery's round.

        Raises:
          DataError: there is no such round.
        """
        for (text,) in self._store.rows(select(word_rounds.c.plan).where(word_rounds.c.round == number)):
            plan = read_plan(text)
            if isinstance(plan, WordPlan):
                return plan
        raise DataError(f"round {number} is not one of a word discovery")

    def failed_rounds(self, discovery: Discovery) -> list[FailedRound]:
        """Returns the aborted rounds of a discovery in its present state, oldest first."""
        unmasked = exists().where(participations.c.round == rounds.c.number)
        of, kind = word_rounds.c.discovery == discovery.id, word_rounds.c.kind == discovery.state
        query = (
            select(rounds.c.reason, unmasked)
            .join_from(rounds, word_rounds, word_rounds.c.round == rounds.c.number)
            .where(of, kind, rounds.c.state == "aborted")
            .order_by(rounds.c.number)
        )
        rows = self._store.rows(query)
        return [FailedRound(reason, bool(unmasked)) for reason, unmasked in rows]

    def keep_counts(self, number: int, discovery: int, counted: CountedBuckets, now: float) -> None:
        """Ends the first round, of which the sum is read; the second follows.

        Raises:
          DataError: the round has no sum.
        """
        self._end_round(number, discovery, now, state=REVEAL, counted=json.dumps(asdict(counted)))

    def keep_words(self, number: int, discovery: int, words: Sequence[FoundWord], note: str, now: float) -> None:
        """Ends the second round and the discovery.

        Raises:
          DataError: the round has no sum.
        """
        self._end_round(number, discovery, now, state=FOUND, words=_packed(words), note=note, ended=now)

    def end(self, discovery: int, state: str, note: str, now: float) -> None:
        """Ends a discovery without a second sum."""
        with self._store.transaction() as db:
            db.execute(_change(discovery).values(state=state, note=note, ended=now))

    def change_words(self, discovery: int, words: Sequence[FoundWord]) -> None:
        """Stores words of a discovery in place of those that it has."""
        with self._store.transaction() as db:
            db.execute(_change(discovery).values(words=_packed(words)))

    def counted_devices(self, number: int) -> Collection[str]:
        """Returns the devices in the sum of a round."""
        return self._store.counted(number)

    def devices_in(self, round_name: str) -> list[str]:
        """Returns the devices in the sum of a round, by its name."""
        joined = participations.join(rounds, rounds.c.number == participations.c.round)
        query = select(participations.c.device).select_from(joined).where(rounds.c.name == round_name)
        return [device for (device,) in self._store.rows(query)]

    def _end_round(self, number: int, discovery: int, now: float, **changes: object) -> None:
        with self._store.transaction() as db:
            summed = (rounds.c.number == number) & (rounds.c.state == "summed")
            committed = update(rounds).where(summed).values(state="committed", sum=None, ended=now)
            if db.execute(committed).rowcount != 1:
                raise DataError(f"round {number} has no sum to read")
            db.execute(_change(discovery).values(**changes))


def _change(discovery: int) -> Update:
    return update(discoveries).where(discoveries.c.id == discovery)


def _packed(words: Sequence[FoundWord]) -> str:
    return json.dumps([asdict(word) for word in words])


def _counted(content: Mapping[str, object]) -> CountedBuckets | None:
    if not content:
        return None
    buckets = content["buckets"]
    if not isinstance(buckets, dict):
        raise DataError("the published buckets in the store are damaged")
    devices, capacity, offers = (int(str(content[name])) for name in ("devices", "capacity", "offers"))
    return CountedBuckets(
        str(content["round_name"]), devices, {int(b): int(n) for b, n in buckets.items()}, capacity, offers
    )
