"""The person's access to the recorded messages: reading, searching, deleting and exporting them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.errors import DataError
from data.files import write_by_rename
from keyboard_app.learning.models import Models
from keyboard_app.learning.touches import Touches
from keyboard_app.my_data.source import EXPORTED_USER
from keyboard_app.recording.database.records import Message
from keyboard_app.recording.recent_emoji import RecentEmoji
from keyboard_app.recording.user_profile import Profile, profile_around

PAGE = 50


class MyData:
    """The recorded messages, decrypted in memory only. For the typing thread."""

    def __init__(self, profile: Profile, models: Models, touches: Touches, emoji: RecentEmoji) -> None:
        self._profile = profile
        self._models, self._touches, self._emoji = models, touches, emoji

    def page(self, search: str = "", skip: int = 0, count: int = PAGE) -> list[Message]:
        """Returns messages that contain a text, ignoring case: newest first, imported ones after those typed here.

        Args:
          search: the text; if empty, every message matches.
          skip: number of matches to skip.
          count: number of matches to return at most.
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
        """Returns the number of recorded messages."""
        return self._profile.store.count_messages()

    def count_older(self, days: int) -> int:
        """Returns the number of recorded messages that are older than this many days."""
        return self._profile.store.count_before(
            (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        )

    def delete(self, messages: Iterable[int]) -> None:
        """Deletes messages by id, permanently; suggestions forget them at once, the personal network when it learns again.

        Raises:
          DataError: the messages could not be deleted; or they were, but the file could not be rewritten, and the next opening
            tries again.
        """
        try:
            self._profile.store.delete(messages)
        finally:
            self.suggest_by_what_is_left()

    def delete_all(self) -> None:
        """Deletes all messages, all marked words and emoji, and where the person touches the keys, permanently.

        Raises:
          DataError: as for `delete`.
        """
        try:
            self._touches.forget()
            self._profile.drop_hand()
            self._profile.store.delete_all()
            self._emoji.forget()
            self._models.word_preferences.forgotten.clear()
            self._models.word_preferences.insisted.clear()
        finally:
            self.suggest_by_what_is_left()

    def suggest_by_what_is_left(self) -> None:
        """Counts the person's n-grams again from the remaining messages."""
        self._models.use_messages([message.text for message in self._profile.store.learnable()])

    @property
    def still_held(self) -> int:
        """Number of deleted messages that the personal network in use may still hold; learning again brings it to 0."""
        seen = self._models.seen
        return 0 if seen is None else self._profile.store.deleted_since(seen.deletion, seen.message)

    def export(self, path: Path) -> int:
        """Writes all messages, unencrypted, as JSON Lines that only the owner may read; returns their number.

        Raises:
          DataError: the file cannot be written, or lies in the folder of a profile.
        """
        messages = self._profile.store.messages()
        lines = [
            json.dumps({"user": EXPORTED_USER, "time": m.time, "text": m.text}, ensure_ascii=False) + "\n"
            for m in sorted(messages, key=lambda m: m.time)
        ]
        write_export(path, "".join(lines).encode(), self._profile.path)
        return len(messages)


def write_export(path: Path, content: bytes, profile: Path) -> None:
    """Writes a file that only the owner may read, anywhere but in the folder of a profile.

    Raises:
      DataError: the file cannot be written, or lies in the folder of a profile, this one or another.
    """
    try:
        around, is_folder = profile_around(path, profile), path.is_dir()
        if around is None and not is_folder:
            write_by_rename(path, content, mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: choose another place") from error
    except (RuntimeError, ValueError) as error:  # links in a circle; a path with a zero character
        raise DataError(f"cannot write {path}: it is not a usable path: choose another place") from error
    if around is not None:
        raise DataError(f"{path} lies in the profile {around}, whose files must stay as they are: choose another place")
    if is_folder:
        raise DataError(f"{path} is a folder: name a file in it")
