"""The store: messages and the models' ranks of their words, encrypted, in one SQLite file that survives a kill at any time."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from data.errors import DataError, UserFacingError
from keyboard_app.recording.damage import set_aside
from keyboard_app.recording.database import queries, schema
from keyboard_app.recording.database.learning_history import LearningHistory
from keyboard_app.recording.database.marked_words import MarkedWords
from keyboard_app.recording.database.queries import data_errors, newest_message, number, rows, transaction
from keyboard_app.recording.database.records import Day, Message, Ranked, Ranks
from keyboard_app.recording.database.salvage import has_messages_of, salvage
from keyboard_app.recording.database.spare_room import SpareRoom
from keyboard_app.recording.database.trusted_clock import TrustedClock
from keyboard_app.recording.vault import UnsealError, Vault

_ADD = "INSERT INTO messages (time, record, text, ranks, imported) VALUES (?, ?, ?, ?, ?)"
_LOG_ENDINGS = ("-wal", "-shm")  # of SQLite's companion files; the newest messages may be in the log only
_FEW = 8  # messages whose deletion fits into the spare room


class Store:
    """The recorded messages of one person. For one thread; each change is one transaction.

    A method raises DataError if the file cannot be read or written; nothing has changed then. A message that cannot be decrypted
    is skipped and counted in `unreadable`.
    """

    def __init__(self, connection: sqlite3.Connection, vault: Vault, room: SpareRoom | None = None) -> None:
        self._connection = connection
        self._vault = vault
        self._room = room  # for deleting on a full disk; None for a reader
        self.on_deletion: Callable[[], None] = lambda: None  # called before messages are deleted
        self._damaged: set[int] = set()
        self._clock = self._read_clock()
        self.words = MarkedWords(connection, vault)
        self.history = LearningHistory(connection)

    @classmethod
    def open(cls, path: Path, vault: Vault, notices: list[str]) -> Self:
        """Opens the file or creates it; encrypts the file of an older keyboard and removes its plain text.

        A file that is damaged or encrypted with another key is set aside and replaced by a new one with the messages that can
        still be read, and a line about it is added to `notices`.

        Raises:
          DataError: the file cannot be opened, or a newer version of the keyboard wrote it.
        """
        room = SpareRoom(path.parent)
        try:
            store = cls(_connect(path, vault, room), vault, room)
        except UnsealError:
            damaged = has_messages_of(vault, path)  # then only the record that the key is checked with is damaged
            store = cls._begin_again(path, vault, notices, "damaged" if damaged else "locked")
        except schema.DAMAGE as error:
            if not schema.is_damage(error):
                raise DataError(
                    f"cannot open {path} ({schema.told(error)}): check that the folder can be written to and the disk is not full"
                ) from error
            store = cls._begin_again(path, vault, notices, "damaged")
        with suppress(UserFacingError):  # a full disk: the next opening tries again
            if schema.untidy(store._connection):
                store.tidy()
        room.keep()
        return store

    @classmethod
    def _begin_again(cls, path: Path, vault: Vault, notices: list[str], mark: str) -> Self:
        """Sets the file aside, and begins a new one with what can be read."""
        aside = set_aside(path, _LOG_ENDINGS, mark)
        with data_errors():
            connection = schema.connect(path, vault)
        rescued = 0
        if mark == "damaged":
            with suppress(sqlite3.Error):  # a full disk
                rescued = salvage(aside, connection, vault)
        why = "the recorded messages were damaged" if mark == "damaged" else "the key of the recorded messages is lost"
        messages = f"{rescued:,} {'message' if rescued == 1 else 'messages'}"
        kept = f", with the {messages} that could still be read" if rescued else ""
        notices.append(f"{why}: they are kept in {aside}, and a new recording was started{kept}")
        return cls(connection, vault, SpareRoom(path.parent))

    @classmethod
    def read(cls, path: Path, vault: Vault) -> Self:
        """Opens the file read-only, even while another process writes to it.

        Raises:
          DataError: the file is missing, damaged, encrypted with another key, or written by an older keyboard.
        """
        try:
            connection = schema.connect_to_read(path)
            schema.check_key(connection, vault)
            schema.check_rows(connection)
            connection.text_factory = schema.readable
            return cls(connection, vault)
        except schema.DAMAGE as error:
            raise DataError(
                f"cannot read {path} ({schema.told(error)}): open the keyboard with this profile first"
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    @property
    def unreadable(self) -> int:
        """Number of messages that could not be decrypted when they were read."""
        return len(self._damaged)

    def add_message(self, text: str, ranks: Sequence[Ranks], typed: Day | None = None) -> int:
        """Records a message with the ranks of its words, in order, and adds to the day's typing; returns the message's id."""
        with transaction(self._connection) as db:
            if typed is not None:
                db.execute(
                    "INSERT INTO days VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE SET "
                    "keystrokes = keystrokes + excluded.keystrokes, characters = characters + excluded.characters",
                    typed,
                )
            db.execute(_ADD, (*schema.seal_message(self._vault, text, ranks, self._time_to_record()), 0))
            return self.newest_message()

    def set_ranks(self, message: int, ranks: Sequence[Ranks]) -> None:
        """Records the ranks of the words of a message, unless it was deleted."""
        for time, record in rows(self._connection, "SELECT time, record FROM messages WHERE id = ?", message):
            sealed = self._vault.seal(schema.pack_ranks(ranks), schema.identity("ranks", time, record))
            with transaction(self._connection) as db:
                db.execute("UPDATE messages SET ranks = ? WHERE id = ?", (sealed, message))

    def seal_import(self, text: str, time: str) -> schema.SealedMessage:
        """Encrypts a message that was not typed here, for `add_imported`; may be called in another thread."""
        return schema.seal_message(self._vault, text, [], time)

    def add_imported(self, sealed: Iterable[schema.SealedMessage]) -> None:
        """Records messages that were not typed here, oldest first: all of them or none."""
        with transaction(self._connection) as db:
            db.executemany(_ADD, [(*columns, 1) for columns in sealed])

    def messages(self) -> list[Message]:
        """Returns all messages: imported ones, then those typed here, each oldest first."""
        return list(self.stream())[::-1]

    def stream(self) -> Iterator[Message]:
        """Yields all messages, newest first, imported ones last; decrypts each on demand."""
        query = "SELECT id, time, record, text, learning, imported FROM messages ORDER BY imported, id DESC"
        for id_, time, record, text, learning, imported in rows(self._connection, query):
            opened = self._open(id_, "text", text, time, record)
            if opened is not None:
                yield Message(id_, opened.decode(), learning, time, bool(imported))

    def learnable(self) -> list[Message]:
        """Returns the messages that may be learned from, in the order of `messages`: all since the last reset."""
        reset = number(self._connection, "SELECT coalesce(max(message), 0) FROM changes WHERE what = 'reset'")
        return [message for message in self.messages() if message.id > reset]

    def ranks(self, after: int = 0) -> list[Ranks]:
        """Returns the ranks of all words of the messages with ids above `after`, in the order of typing."""
        return [ranks for message in self.ranked_messages(after) for ranks in message.ranks]

    def ranked_messages(self, after: int = 0) -> list[Ranked]:
        """Returns the ranks, by message, of the messages typed here with ids above `after`, oldest first."""
        query = "SELECT id, time, record, ranks, learning FROM messages WHERE id > ? AND NOT imported ORDER BY id"
        found = []
        for id_, time, record, ranks, learning in rows(self._connection, query, after):
            packed = self._open(id_, "ranks", ranks, time, record)
            if packed is not None:
                found.append(Ranked(id_, time, learning, [Ranks(*pair) for pair in schema.unpack_ranks(packed)]))
        return found

    def _open(self, message: int, column: str, sealed: Any, time: Any, record: Any) -> bytes | None:
        """Decrypts a column of a message; counts the message as damaged and returns None if that fails."""
        with suppress(UnsealError):
            if isinstance(sealed, bytes) and isinstance(time, str) and isinstance(record, bytes):
                return self._vault.open(sealed, schema.identity(column, time, record))
        self._damaged.add(message)
        return None

    def newest_message(self) -> int:
        """Returns the highest id given so far; 0 before any message."""
        return newest_message(self._connection)

    def count_messages(self) -> int:
        """Returns the number of messages, including those that cannot be decrypted."""
        return number(self._connection, "SELECT count(*) FROM messages")

    def count_before(self, time: str) -> int:
        """Returns the number of messages recorded before a time (UTC, ISO 8601)."""
        return number(self._connection, "SELECT count(*) FROM messages WHERE time < ?", time)

    def delete(self, messages: Iterable[int]) -> None:
        """Deletes messages permanently and rewrites the file and its log without them.

        Works on a full disk, too: a few messages at a time in the spare room, which is free again after each step. Ids that no
        message has are ignored.

        Raises:
          DataError: the messages could not be deleted.
        """
        # SQLite refuses larger numbers.
        wanted = [message for message in messages if 0 < message <= schema.LARGEST]
        self.on_deletion()
        self._make_room_for(
            lambda: self._delete(wanted),
            *(lambda few=wanted[at : at + _FEW]: self._delete(few) for at in range(0, len(wanted), _FEW)),
        )

    def _delete(self, messages: Sequence[int]) -> None:
        with self._connection as db:
            for message in messages:
                if db.execute("DELETE FROM messages WHERE id = ?", (message,)).rowcount:
                    db.execute("INSERT INTO deletions (message) VALUES (?)", (message,))
            schema.mark_untidy(db)

    def delete_all(self) -> None:
        """Deletes all messages and all marked words permanently, as `delete` does."""
        ids = [row[0] for row in rows(self._connection, "SELECT id FROM messages")]
        self.on_deletion()
        self._make_room_for(
            self._delete_everything,
            *(lambda few=ids[at : at + _FEW]: self._delete(few) for at in range(0, len(ids), _FEW)),
            self._delete_everything,
        )

    def _delete_everything(self) -> None:
        with self._connection as db:
            db.execute("INSERT INTO deletions (message) SELECT id FROM messages")
            for table in ("messages", "words"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
            schema.mark_untidy(db)

    def _delete_in_place(self, deletion: Callable[[], None]) -> None:
        """Deletes without a log: the last resort, since killing the process meanwhile damages the file."""
        if self._connection.execute("PRAGMA journal_mode = MEMORY").fetchone() != ("memory",):
            raise sqlite3.OperationalError("the disk is full, and another process reads the file")
        deletion()
        with suppress(sqlite3.OperationalError):  # still no room: the next opening does it
            self._connection.execute("PRAGMA journal_mode = WAL")

    def _make_room_for(self, deletion: Callable[[], None], *steps: Callable[[], None]) -> None:
        """Deletes in one transaction, or, if the disk is full, step by step in the spare room; then rewrites the file."""
        with data_errors():
            try:
                deletion()
            except sqlite3.OperationalError as error:
                if not schema.is_full(error) or self._room is None:
                    raise
                self._room.give()
                try:
                    for step in steps:
                        step()
                        with suppress(sqlite3.Error):
                            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                except sqlite3.OperationalError as full:
                    if not schema.is_full(full):
                        raise
                    self._delete_in_place(deletion)
        try:
            self.tidy()
        finally:
            if self._room is not None:
                self._room.keep()

    def delete_before(self, time: str) -> int:
        """Permanently deletes the messages recorded before a time (UTC, ISO 8601); returns their number."""
        old = [row[0] for row in rows(self._connection, "SELECT id FROM messages WHERE time < ?", time)]
        if old:
            self.delete(old)
        return len(old)

    def certain_time(self, reading: datetime) -> datetime | None:
        """Takes a reading of the clock; returns a time, in UTC, that has certainly come (`TrustedClock.read`), or None.

        It is for the age of messages: a clock that is wrong for one start must not make all of them look old. Before the first
        reading, the time of the newest message typed here counts as one; without any, nothing is certain.
        """
        certain = None
        if self._clock is None:
            typed = rows(self._connection, "SELECT time FROM messages WHERE NOT imported ORDER BY id DESC LIMIT 1")
            newest = _time_of(typed[0][0]) if typed else None
            self._clock = None if newest is None else TrustedClock(newest)
        if self._clock is None:
            self._clock = TrustedClock(reading)
        else:
            self._clock, certain = self._clock.read(reading)
        with suppress(UserFacingError), transaction(self._connection) as db:  # a full disk must not prevent typing
            db.execute("INSERT OR REPLACE INTO marks VALUES ('clock', ?)", (self._clock.to_json(),))
        return certain

    def _read_clock(self) -> TrustedClock | None:
        found = rows(self._connection, "SELECT value FROM marks WHERE name = 'clock'")
        return TrustedClock.from_json(found[0][0]) if found else None

    def _time_to_record(self) -> str:
        """Returns the time, but never one before the last reading believed: a slow clock must not make a new message look old."""
        if self._clock is None:
            return queries.now()
        return max(queries.now(), self._clock.believed.isoformat(timespec="seconds"))

    def tidy(self) -> None:
        """Rewrites the file and its log without deleted content.

        If the disk is full, the next opening of the file tries again.

        Raises:
          DataError: the file cannot be written.
        """
        with data_errors():
            schema.tidy(self._connection)

    def last_deletion(self) -> int:
        """Returns the number of deletions so far."""
        return number(self._connection, "SELECT coalesce(max(id), 0) FROM deletions")

    def deleted_since(self, deletion: int, up_to_message: int) -> int:
        """Returns the number of messages with ids up to `up_to_message` that were deleted after this deletion."""
        query = "SELECT count(*) FROM deletions WHERE id > ? AND message <= ?"
        return number(self._connection, query, deletion, up_to_message)

    def days(self) -> list[Day]:
        """Returns the typing by day, oldest first."""
        return [
            Day(*row) for row in rows(self._connection, "SELECT day, keystrokes, characters FROM days ORDER BY day")
        ]

    def known_words_at_learnings(self) -> list[int]:
        """Returns for each learning with new messages the number of vocabulary words typed by then."""
        at, known = {}, 0
        for message in self.ranked_messages():
            known += sum(r.rank is not None for r in message.ranks)
            if message.learning is not None:
                at[message.learning] = known
        return list(at.values())


def _connect(path: Path, vault: Vault, room: SpareRoom) -> sqlite3.Connection:
    """Opens the file, with the spare room if the disk is full, and without checking it if even that is not enough."""
    for full in (False, True):
        if full:
            room.give()
        try:
            schema.check_whole(path)
            return schema.connect(path, vault)
        except sqlite3.OperationalError as error:
            if not schema.is_full(error):
                raise
    return schema.connect(path, vault, alone=True)


def _time_of(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
