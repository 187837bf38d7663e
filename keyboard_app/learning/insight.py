"""Measures of the effect of learning: recall by week and by model, the person's own words, keystrokes saved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from data.tokenizer import tokenize
from data.vocabulary import UNKNOWN, Vocabulary
from keyboard_app.learning.recall import recall
from keyboard_app.recording.database.records import Day, Message, Ranks
from keyboard_app.recording.database.store import Store
from model.device.suggesting.personal import Smoothing

FEWEST_CHARACTERS = 500  # about a hundred words


@dataclass(frozen=True)
class Period:
    """Recall at 3 over a period of typing; None if no word in it is in the vocabulary."""

    name: str
    words: int  # number of typed words that are in the vocabulary
    recall_at_3: float | None  # of the model in use when the words were typed
    global_recall_at_3: float | None  # of the global model on the same words

    @classmethod
    def of(cls, name: str, ranks: Iterable[Ranks]) -> "Period":
        """Builds a period from the ranks of its words."""
        known = [r for r in ranks if r.rank is not None]
        return cls(name, len(known), recall([r.rank for r in known]), recall([r.global_rank for r in known]))


def recall_by_week(store: Store) -> list[Period]:
    """Returns recall by week of local time, oldest first, without empty weeks. A week is named by its Monday, ISO 8601."""
    weeks: dict[str, list[Ranks]] = {}
    for message in store.ranked_messages():
        day = datetime.fromisoformat(message.time).astimezone().date()
        weeks.setdefault((day - timedelta(days=day.weekday())).isoformat(), []).extend(message.ranks)
    return [Period.of(week, weeks[week]) for week in sorted(weeks)]


def recall_by_model(store: Store) -> list[Period]:
    """Returns recall by model in use, oldest first: a period ends with each learning, rollback or reset.

    Periods without typing are left out.
    """
    begins = sorted(
        [*store.history.learned_up_to(), *((change.message, change.what) for change in store.history.changes())]
    )
    periods, name, ranks = [], "before learning", list[Ranks]()
    for message in store.ranked_messages():
        while begins and message.id > begins[0][0]:
            if ranks:
                periods.append(Period.of(name, ranks))
            name, ranks = begins.pop(0)[1], []
        ranks.extend(message.ranks)
    return [*periods, Period.of(name, ranks)] if ranks else periods


@dataclass(frozen=True)
class NewWord:
    """A word that is not in the vocabulary and that the keyboard has learned to suggest."""

    word: str  # in lower case
    times: int  # number of times it was written
    since: str  # time of the first message with it, UTC, ISO 8601


def new_words(messages: Sequence[Message], vocabulary: Vocabulary) -> list[NewWord]:
    """Returns the person's own words that are suggested, newest first."""
    times: dict[str, int] = {}
    since: dict[str, str] = {}
    for message in messages:
        for token in tokenize(message.text):
            if vocabulary.id(token.word) == UNKNOWN and token.word[0].isalpha():
                times[token.word] = times.get(token.word, 0) + 1
                since.setdefault(token.word, message.time)
    offered_from = Smoothing().offered_from
    return [NewWord(word, times[word], since[word]) for word in reversed(since) if times[word] >= offered_from]


@dataclass(frozen=True)
class SavedKeys:
    """Keystrokes saved by suggestions over some time: the keystroke savings rate (KSR), 1 - keystrokes / characters.

    Enter and Shift cost no keystroke. Corrections of one's own mistakes do, and messages that were never sent do not count.
    """

    keystrokes: int
    characters: int  # of the messages sent, with single spaces

    @property
    def share(self) -> float | None:
        """The savings rate, at least 0; None below `FEWEST_CHARACTERS`, where a few words would decide it."""
        if self.characters < FEWEST_CHARACTERS:
            return None
        return max(1 - self.keystrokes / self.characters, 0.0)


@dataclass(frozen=True)
class Saved:
    """Keystrokes saved today and ever."""

    today: SavedKeys
    ever: SavedKeys

    @classmethod
    def of(cls, days: Sequence[Day], today: date) -> "Saved":
        """Adds up the days."""

        def total(some: Iterable[Day]) -> SavedKeys:
            chosen = list(some)
            return SavedKeys(sum(day.keystrokes for day in chosen), sum(day.characters for day in chosen))

        return cls(total(day for day in days if day.day == today.isoformat()), total(days))
