"""The words that a person has marked, by forgetting, insisting or using them, encrypted."""

import sqlite3
from contextlib import suppress

from keyboard_app.recording.database import schema
from keyboard_app.recording.database.queries import rows, transaction
from keyboard_app.recording.vault import UnsealError, Vault


class MarkedWords:
    """The marked words, on the store's connection. A method raises DataError if the file cannot be read or written."""

    def __init__(self, connection: sqlite3.Connection, vault: Vault) -> None:
        self._connection, self._vault = connection, vault

    def marked(self, kind: str) -> dict[str, int]:
        """Returns the words marked with this kind, each with its count."""
        marked = {}
        for tag, sealed in rows(self._connection, "SELECT tag, sealed FROM words WHERE kind = ?", kind):
            with suppress(UnsealError):
                word, times = self._vault.open(sealed, _identity(kind, tag)).decode().split("\t")
                marked[word] = int(times)
        return marked

    def mark(self, kind: str, word: str, times: int = 1) -> None:
        """Marks a word with a kind and adds to its count."""
        times += self.marked(kind).get(word, 0)
        tag = self._vault.tag(f"{kind}\t{word}")
        sealed = self._vault.seal(f"{word}\t{times}".encode(), _identity(kind, tag))
        with transaction(self._connection) as db:
            db.execute("INSERT OR REPLACE INTO words VALUES (?, ?, ?)", (kind, tag, sealed))

    def unmark(self, kind: str, word: str) -> None:
        """Removes a mark permanently."""
        with transaction(self._connection) as db:
            db.execute("DELETE FROM words WHERE kind = ? AND tag = ?", (kind, self._vault.tag(f"{kind}\t{word}")))
            schema.mark_untidy(db)


def _identity(kind: str, tag: bytes) -> str:
    """Returns the identity that a word is encrypted with."""
    return f"words {kind} {tag.hex()}"
