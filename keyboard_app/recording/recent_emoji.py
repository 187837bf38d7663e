"""The emoji that a person uses: this session's most recent ones first, then the most frequent ones."""

from collections.abc import Callable

from keyboard_app.recording.database.store import Store

KIND = "emoji"  # the kind under which the store marks them
_SHOWN = 40


class RecentEmoji:
    """The emoji that a person uses. Their counts are kept encrypted in the store; while `records()` is false, nothing is kept."""

    def __init__(self, store: Store, records: Callable[[], bool]) -> None:
        self._store = store
        self._records = records
        self._last: list[str] = []
        self._signs: list[str] | None = None  # read from the store when they are asked for, and kept for the next key

    @property
    def signs(self) -> list[str]:
        """The emoji to offer, best first."""
        if self._signs is None:
            times = self._store.words.marked(KIND)
            common = sorted(times, key=lambda sign: -times[sign])
            self._signs = list(dict.fromkeys([*self._last, *common]))[:_SHOWN]
        return self._signs

    def forget(self) -> None:
        """Forgets the emoji of this session; the store deletes their counts."""
        self._last, self._signs = [], None

    def use(self, sign: str) -> None:
        """Counts one use of an emoji.

        Raises:
          DataError: the store cannot be written.
        """
        if not self._records():
            return
        self._last = [sign, *(other for other in self._last if other != sign)]
        self._signs = None
        self._store.words.mark(KIND, sign)
