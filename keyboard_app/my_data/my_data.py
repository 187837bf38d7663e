"""What a keyboard has recorded of its person, for that person: to read, search, delete, and take along."""

import json
from collections.abc import Iterable
from pathlib import Path

from data.errors import DataError
from data.files import write_by_rename
from keyboard_app.learning.models import Models
from keyboard_app.recording.records import Message
from keyboard_app.recording.user_profile import Profile

EXPORTED_USER = "me"
PAGE = 50


class MyData:
    """The recorded messages, opened in memory only. For the typing thread."""

    def __init__(self, profile: Profile, models: Models) -> None:
        self._profile = profile
        self._models = models

    def page(self, search: str = "", skip: int = 0, count: int = PAGE) -> list[Message]:
        """Messages that hold a text, capitals or not, newest first; those imported come after those typed here.

        Args:
          search: the text; any message holds the empty one.
          skip: how many such messages to pass over.
          count: how many to return at most.
        """
        found: list[Message] = []
        wanted = search.casefold()
        for message in self._profile.store.stream():
            if wanted in message.text.casefold():
                if skip > 0:
                    skip -= 1
                    continue
                found.append(message)
                if len(found) == count:
                    break
        return found

    def count(self) -> int:
        """How many messages are recorded."""
        return self._profile.store.count_messages()

    def delete(self, messages: Iterable[int]) -> None:
        """Deletes messages by their ids, for good; suggestions forget them at once, the personal network by relearning.

        Raises:
          DataError: nothing was deleted, or the file could not be rewritten for lack of room, which is then done later.
        """
        try:
            self._profile.store.delete(messages)
        finally:
            self.suggest_by_what_is_left()

    def delete_all(self) -> None:
        """Deletes all messages and all words that were marked, for good.

        Raises:
          DataError: as `delete`.
        """
        try:
            self._profile.store.delete_all()
            self._models.word_preferences.forgotten.clear()
            self._models.word_preferences.insisted.clear()
        finally:
            self.suggest_by_what_is_left()

    def suggest_by_what_is_left(self) -> None:
        """Has the person's n-grams forget what was deleted."""
        self._models.use_messages([message.text for message in self._profile.store.learnable()])

    @property
    def still_held(self) -> int:
        """How many deleted messages the personal network in use may still hold; relearning brings it to 0."""
        seen = self._models.seen
        return 0 if seen is None else self._profile.store.deleted_since(seen.deletion, seen.message)

    def export(self, path: Path) -> int:
        """Writes all messages, in the clear, as a corpus of JSON Lines that only its owner may read; returns how many.

        Raises:
          DataError: the file cannot be written.
        """
        messages = self._profile.store.messages()
        lines = [
            json.dumps({"user": EXPORTED_USER, "time": m.time, "text": m.text}, ensure_ascii=False) + "\n"
            for m in sorted(messages, key=lambda m: m.time)
        ]
        try:
            write_by_rename(path, "".join(lines).encode(), mode=0o600)
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror}: choose another place") from error
        return len(messages)
