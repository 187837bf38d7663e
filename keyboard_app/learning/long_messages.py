"""What is left to do after a long message was sent: counting its words and recording their ranks, in short steps.

The message itself is recorded when it is sent. If the keyboard ends before the rest is done, the next start counts the words of
the recorded message. Only the ranks are then missing, from which the share of suggested words is computed.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from data.errors import UserFacingError
from keyboard_app.learning.models import Models
from keyboard_app.recording.records import Ranks
from keyboard_app.recording.store import Store

LONG = 120  # characters; the ranks of a shorter message take less than a frame
_WHEN_CLOSING = 1_000  # most steps that closing the keyboard waits for


class LongMessages:
    """The messages of which something is left to do, oldest first. For the typing thread."""

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models
        self._left: deque[tuple[int, Iterator[Ranks | None], list[Ranks]]] = deque()

    def add(self, message: int, text: str) -> None:
        """Adds a message that was just recorded, given its id."""
        self._left.append((message, self._models.learn_in_steps(text), []))

    def proceed(self, steps: int | None = None) -> bool:
        """Does some steps, of about a millisecond each, or all of them; returns whether any are left."""
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
        """Does what little is left, or leaves it."""
        self.proceed(_WHEN_CLOSING)
