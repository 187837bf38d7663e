"""The work that is left after a message was sent: recording its words' ranks, and counting those of a long one, in short steps.

The message itself is recorded when it is sent, and the words of a message of usual length are counted then, too. If the keyboard
ends before the rest is done, the next start counts the words of the recorded message. Only the ranks are then missing, from which
the share of suggested words is computed.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from data.errors import UserFacingError
from keyboard_app.learning.models import Models
from keyboard_app.recording.database.records import Ranks
from keyboard_app.recording.database.store import Store

_LONG = 120  # characters; the words of a shorter message are counted in a fraction of a millisecond
_WHEN_CLOSING = 1_000  # most steps that closing the keyboard waits for


class SentMessages:
    """The messages for which work is left, oldest first. For the typing thread."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models
        self._left: deque[tuple[int, Iterator[Ranks | None], list[Ranks]]] = deque()

    def add(self, message: int, text: str) -> None:
        """Adds a message that was just recorded, given its id; the words of a message of usual length can be suggested at once."""
        left = self._models.learn_in_steps(text)
        if len(text) < _LONG:
            next(left)  # counts its words
        self._left.append((message, left, []))

    def proceed(self, steps: int | None = None) -> bool:
        """Does some steps, of a millisecond or two each, or all of them; returns whether any are left."""
        while self._left and (steps is None or steps > 0):
            message, left, ranks = self._left[0]
            done = list(islice(left, steps))
            ranks += [found for found in done if found is not None]
            if steps is None or len(done) < steps:
                self._left.popleft()
                with suppress(UserFacingError):  # a full disk: the message is recorded, and only its ranks are lost
                    self._store.set_ranks(message, ranks)
            steps = None if steps is None else steps - max(len(done), 1)
        return bool(self._left)

    def close(self) -> None:
        """Does the work that is left if it is little, and drops it otherwise."""
        self.proceed(_WHEN_CLOSING)
        self._left.clear()
