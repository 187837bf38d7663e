"""The emoji that a person uses, the last ones of today first, behind them the commonest of all time."""

from collections.abc import Callable

from keyboard_app.recording.store import Store

KIND = "emoji"  # of the words marked in the store
_SHOWN = 40


class RecentEmoji:
    """What was used while `records()` holds is kept sealed in the store, as how often; what else was used, until this is gone."""

    def __init__(self, store: Store, records: Callable[[], bool]) -> None:
        self._store = store
        self._records = records
        self._last: list[str] = []

    @property
    def signs(self) -> list[str]:
        """What to offer, best first."""
        times = self._store.words_marked(KIND)
        common = sorted(times, key=lambda sign: -times[sign])
        return list(dict.fromkeys([*self._last, *common]))[:_SHOWN]

    def use(self, sign: str) -> None:
        """One was typed.

        Raises:
          DataError: it could not be kept.
        """
        if not self._records():
            return
        self._last = [sign, *(other for other in self._last if other != sign)]
        self._store.mark_word(KIND, sign)
