"""What a person sent and what the models had expected, in one SQLite file that survives being cut off at any moment."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from data.errors import DataError
from keyboard_app.damage import set_aside
from model.device.personal import USUAL_TRUST

_VERSION = 3
_JUDGEMENTS = """
CREATE TABLE judgements (
    learning INTEGER PRIMARY KEY REFERENCES learnings (id),
    global_model TEXT NOT NULL,  -- digest of the global weights that learning started from
    kept TEXT NOT NULL,          -- new, or old: the network in use before
    personal INTEGER NOT NULL,   -- 1 if a personal network was in use afterwards, 0 for the global one
    words INTEGER NOT NULL,      -- in the vocabulary, in the messages held back, that both were compared on
    old_perplexity REAL NOT NULL,
    new_perplexity REAL NOT NULL,
    old_recall_at_3 REAL NOT NULL,
    new_recall_at_3 REAL NOT NULL,
    ngram_trust REAL NOT NULL    -- how far the person's n-grams are trusted over the network then in use
);
"""
_TRUST = f"ALTER TABLE judgements ADD COLUMN ngram_trust REAL NOT NULL DEFAULT {USUAL_TRUST};"
_SCHEMA = f"""
CREATE TABLE learnings (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,          -- UTC, ISO 8601
    words INTEGER NOT NULL,      -- targets learned from, ends of messages included, each counted once
    loss_before REAL NOT NULL,   -- of the global model on the newest of them, mean in nats
    loss_after REAL NOT NULL     -- of the personal model on the same
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    text TEXT NOT NULL,
    learning INTEGER REFERENCES learnings (id)  -- the first that trained on it or held it back
);
CREATE TABLE predictions (
    message INTEGER NOT NULL REFERENCES messages (id),
    position INTEGER NOT NULL,   -- of the word in its message
    rank INTEGER,                -- words that the model in use put before it; NULL where it is not in the vocabulary
    global_rank INTEGER,         -- the same of the global model
    PRIMARY KEY (message, position)
) WITHOUT ROWID;
{_JUDGEMENTS}
"""
_UPGRADES = {0: _SCHEMA, 1: _JUDGEMENTS, 2: _TRUST}  # by the version that a file has


class Ranks(NamedTuple):
    """How many words each model put before the one that was typed, before it had learned it; None for an unknown word."""

    rank: int | None
    global_rank: int | None


class Message(NamedTuple):
    """A message as it was sent; `learning` is the first learning that trained on it or held it back."""

    id: int
    text: str
    learning: int | None


class Judgement(NamedTuple):
    """What a learning decided, as the table `judgements` has it."""

    global_model: str
    kept: str
    personal: bool
    words: int
    old_perplexity: float
    new_perplexity: float
    old_recall_at_3: float
    new_recall_at_3: float
    ngram_trust: float = USUAL_TRUST

    def __str__(self) -> str:
        would = "" if self.kept == "new" else "would have gone "
        return (
            f"kept the {self.kept} model: on {self.words:,} words held back perplexity {would}{self.old_perplexity:.1f} → "
            f"{self.new_perplexity:.1f}, recall at 3 {self.old_recall_at_3:.1%} → {self.new_recall_at_3:.1%}"
        )


class Store:
    """The recorded messages of one person. For one thread; each change is one transaction.

    Whatever the file refuses is a DataError, and then nothing was changed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path, notices: list[str]) -> Self:
        """Opens the file, or begins one.

        A damaged file is set aside, a new one begun, and a line about it added to `notices`.

        Raises:
          DataError: the file cannot be opened, or a newer version of the keyboard wrote it.
        """
        try:
            _check(path)
            return cls(_connect(path))
        except sqlite3.OperationalError as error:
            raise DataError(f"cannot open {path} ({error}): check that the folder can be written to") from error
        except sqlite3.DatabaseError:
            # The newest messages may be in the write-ahead log alone.
            aside = set_aside(path, ["-wal", "-shm"])
            notices.append(f"the recorded messages were damaged: they lie in {aside}, and new ones are begun")
        with _told():
            return cls(_connect(path))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Opens the file to look at it only, even while another process writes to it.

        Raises:
          DataError: there is none, or it is damaged.
        """
        try:
            connection = _connect_to_read(path)
            connection.execute("SELECT count(*) FROM predictions")
            return cls(connection)
        except sqlite3.DatabaseError as error:
            raise DataError(f"cannot read {path} ({error}): type a message in this profile first") from error

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def add_message(self, text: str, ranks: Sequence[Ranks]) -> int:
        """Records a message with the ranks of its words, in order; returns its id."""
        with _told(), self._connection as db:
            message = db.execute("INSERT INTO messages (time, text) VALUES (?, ?)", (_now(), text)).lastrowid
            db.executemany(
                "INSERT INTO predictions VALUES (?, ?, ?, ?)", [(message, i, *r) for i, r in enumerate(ranks)]
            )
        assert message is not None  # noqa: S101 (sqlite3 types it for statements that insert nothing)
        return message

    def messages(self) -> list[Message]:
        """All messages, oldest first."""
        return [Message(*row) for row in self._rows("SELECT id, text, learning FROM messages ORDER BY id")]

    def ranks(self, after: int = 0) -> list[Ranks]:
        """The ranks of all words of the messages with ids above `after`, in the order of typing."""
        query = "SELECT rank, global_rank FROM predictions WHERE message > ? ORDER BY message, position"
        return [Ranks(*row) for row in self._rows(query, after)]

    def add_learning(
        self, messages: Sequence[int], words: int, loss_before: float, loss_after: float, judgement: Judgement
    ) -> None:
        """Records a learning that trained on or held back the messages with these ids, and what was decided."""
        with _told(), self._connection as db:
            learning = db.execute(
                "INSERT INTO learnings (time, words, loss_before, loss_after) VALUES (?, ?, ?, ?)",
                (_now(), words, loss_before, loss_after),
            ).lastrowid
            db.execute("INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (learning, *judgement))
            db.executemany(
                "UPDATE messages SET learning = ? WHERE id = ? AND learning IS NULL",
                [(learning, message) for message in messages],
            )

    def last_judgement(self) -> Judgement | None:
        """What was decided last; None before any learning, and where a keyboard without a gate did the last."""
        # The file of an older keyboard, read without opening it, lacks the table or its last column.
        present = {name for (name,) in self._rows("SELECT name FROM pragma_table_info('judgements')")}
        columns = [name for name in Judgement._fields if name in present]
        if not columns:
            return None
        query = f"SELECT {', '.join(columns)} FROM judgements WHERE learning = (SELECT max(id) FROM learnings)"  # noqa: S608
        rows = self._rows(query)
        return Judgement(*rows[0])._replace(personal=bool(rows[0][2])) if rows else None

    def ngram_trust(self, global_model: str) -> float:
        """The trust in the n-grams that the last learning chose if it was on the global model of this digest, else the usual."""
        last = self.last_judgement()
        return last.ngram_trust if last is not None and last.global_model == global_model else USUAL_TRUST

    def known_words_at_learnings(self) -> list[int]:
        """For each learning that had new messages, how many words in the vocabulary had been typed by then."""
        query = """
            SELECT (SELECT count(rank) FROM predictions WHERE message <= last)
            FROM (SELECT max(id) AS last FROM messages WHERE learning IS NOT NULL GROUP BY learning)
            ORDER BY last
        """
        return [row[0] for row in self._rows(query)]

    def _rows(self, query: str, *parameters: int) -> list[tuple]:
        with _told():
            return self._connection.execute(query, parameters).fetchall()


@contextmanager
def _told() -> Iterator[None]:
    """Makes a DataError of whatever SQLite says."""
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(
            f"the recorded messages cannot be read or written ({error}): see that the disk is not full and not write-protected"
        ) from error


def _check(path: Path) -> None:
    """Looks for damage as a reader: one that may write would merge the log into the damaged file and delete it."""
    if not path.exists():
        return
    with closing(_connect_to_read(path)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check found damage")


def _connect_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise DataError(f"{path} was written by a newer keyboard: update this one")
        if version in _UPGRADES:
            # One script is one transaction only if it says so; a kill in the middle leaves the file as it was.
            connection.executescript(f"BEGIN; {_UPGRADES[version]} PRAGMA user_version = {_VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
