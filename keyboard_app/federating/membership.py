"""The keyboard's membership of a federation and the record of its shared updates, in one SQLite file of the profile.

The coordinator's address, the device's key and the rounds' names are encrypted with the profile's key
(`keyboard_app.recording.vault`). Times, numbers of words and sizes are not. A keyboard that leaves deletes its key and keeps the
record of its shared updates.

The process may be killed at any point. The key to join with is saved before the coordinator receives it, so that the link's
single-use code stays valid for this device. The wish to leave is saved before the coordinator is told.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from data.errors import DataError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.membership_schema import (
    JOINING,
    MEMBERSHIP,
    SENT,
    UNKNOWN,
    connect,
    federation_of,
    round_identity,
    round_tag,
    salvage,
    seal,
    sqlite_errors_as_data_errors,
    transaction,
    unseal,
)
from keyboard_app.federating.model_history import ModelHistory
from keyboard_app.federating.word_record import OfferedWords, Offering, WordRecord
from keyboard_app.recording.damage import set_aside
from keyboard_app.recording.database.schema import DAMAGE, is_damage, told
from keyboard_app.recording.vault import UnsealError, Vault

FILE = "federation.sqlite"


@dataclass(frozen=True)
class Joined:
    """The federation that the keyboard belongs to."""

    url: str  # of the coordinator's API
    certificate: str  # the coordinator's, PEM
    key: Ed25519PrivateKey  # this device's
    since: str  # time of joining, UTC, ISO 8601
    leaving: bool  # whether the person has asked to leave; the coordinator may not know yet


@dataclass(frozen=True)
class SharedUpdate:
    """A masked update that left the device, and its outcome; with `offered`, the masked words of a word discovery."""

    time: str  # UTC, ISO 8601
    url: str  # of the coordinator's API
    round_name: str
    model: str  # digest of the global weights that training started from
    words: int  # number of words trained on, or offered
    bytes: int  # size of the masked update
    clipped: bool | None  # None if an older version of the keyboard sent the update without recording this
    outcome: str  # `sent` until it is known; one of `api_messages.OUTCOMES`
    offered: OfferedWords | None = None


class Membership:
    """The open file, for one thread. Each change is one transaction. An error of SQLite is raised as a DataError."""

    def __init__(self, connection: sqlite3.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    @classmethod
    def open(cls, profile: Path, vault: Vault, notices: list[str] | None = None) -> Self:
        """Opens a profile's file, or creates it. Encrypts a plain file that an older version of the keyboard wrote.

        A file that is damaged or encrypted with another key is renamed and replaced by a new one with the rows that can still be
        read, with a line about it in `notices`. If the membership cannot be read, the keyboard belongs to no federation.

        Raises:
          DataError: the file cannot be opened, or a newer version of the keyboard wrote it.
        """
        path = profile / FILE
        try:
            if path.exists() and not path.stat().st_size and notices is not None:
                notices.append(f"the file of your federation, {path}, was empty: join the federation again")
            path.touch(mode=0o600)
            return cls(connect(path, vault), vault)
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror}") from error
        except UnsealError:
            aside = set_aside(path, ("-journal",), "locked")
            damage = "was encrypted with a key that no longer exists"
        except DAMAGE as error:
            if not is_damage(error):
                raise DataError(
                    f"cannot open {path} ({told(error)}): check that the folder can be written to and the disk is not full"
                ) from error
            aside = set_aside(path, ("-journal",))
            damage = "was damaged"
        with sqlite_errors_as_data_errors():
            path.touch(mode=0o600)
            connection = connect(path, vault)
            belongs, updates = salvage(aside, connection, vault)
        if updates or belongs:
            damage = "was damaged"  # not locked: the key fits
        if notices is not None:
            kept = f"; {updates:,} of the updates that you shared can still be read" if updates else ""
            what = "the rest can still be read" if belongs else f"join the federation again{kept}"
            notices.append(f"the file of your federation {damage} and is kept as {aside}: {what}")
        return cls(connection, vault)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def joined(self) -> Joined | None:
        """The federation that this keyboard belongs to, if any."""
        row = self._row("SELECT sealed, joined, leaving FROM membership")
        if row is None:
            return None
        content = unseal(self._vault, MEMBERSHIP, row[0])
        return Joined(content["url"], content["certificate"], _key(content["key"]), row[1], bool(row[2]))

    @property
    def joining(self) -> JoinLink | None:
        """The link of a federation that has not yet answered the request to join."""
        row = self._row("SELECT sealed FROM joining")
        return None if row is None else JoinLink.parse(unseal(self._vault, JOINING, row[0])["link"])

    def begin_joining(self, link: JoinLink) -> Ed25519PrivateKey:
        """Returns the key to enrol with, saved until `join` or `give_up`; another call with the same link returns the same key.

        Raises:
          DataError: the keyboard belongs to a federation already.
        """
        if self.joined is not None:
            raise DataError("this keyboard belongs to a federation already: leave that one first")
        if (row := self._row("SELECT sealed FROM joining")) is not None:
            begun = unseal(self._vault, JOINING, row[0])
            if begun["link"] == str(link):
                return _key(begun["key"])
        key = Ed25519PrivateKey.generate()
        sealed = seal(self._vault, JOINING, link=str(link), key=key.private_bytes_raw().hex())
        self._change("INSERT OR REPLACE INTO joining VALUES (1, ?)", sealed)
        return key

    def give_up(self) -> None:
        """Stops trying to join, and deletes the key that was made for it."""
        self._change("DELETE FROM joining")

    def join(self, url: str, certificate: str, key: Ed25519PrivateKey) -> None:
        """Saves the membership.

        Raises:
          DataError: the keyboard belongs to a federation already.
        """
        if self.joined is not None:
            raise DataError("this keyboard belongs to a federation already: leave that one first")
        raw = key.private_bytes_raw().hex()
        sealed = seal(self._vault, MEMBERSHIP, url=url, certificate=certificate, key=raw)
        with transaction(self._connection) as db:
            db.execute("INSERT INTO membership VALUES (1, ?, ?, 0)", (sealed, _now()))
            db.execute("DELETE FROM joining")

    def history(self) -> ModelHistory:
        """Returns the models that this keyboard has accepted in its federation, and its questions about others.

        Raises:
          DataError: the keyboard belongs to no federation.
        """
        joined = self.joined
        if joined is None:
            raise DataError("this keyboard belongs to no federation: join one first")
        return ModelHistory(self._connection, self._vault, federation_of(joined.certificate))

    def wish_to_leave(self) -> None:
        """Records that the person has asked to leave; the coordinator has not been told yet."""
        self._change("UPDATE membership SET leaving = 1")

    def leave(self) -> None:
        """Deletes the membership with its key, but not the record of shared updates.

        Those whose outcome the coordinator has not told yet become `unknown`: nobody can ask for it any more.
        """
        with transaction(self._connection) as db:
            db.execute("DELETE FROM membership")
            db.execute("UPDATE shared SET outcome = ? WHERE outcome = ?", (UNKNOWN, SENT))

    def sent(
        self,
        url: str,
        round_name: str,
        model: str,
        words: int,
        size: int,
        clipped: bool,
        offered: OfferedWords | None = None,
    ) -> None:
        """Records a masked update that is about to leave the device, or, with `offered`, masked words of a word discovery.

        Raises:
          DataError: an update has left in a round of this name, which would not count as another; or one of the words may not
            leave again.
          NotAllowedError: too many have left that start from the same model, and the person has not said yes to more.
        """
        tag = round_tag(self._vault, url, round_name)
        content = {"url": url, "round": round_name, "model": model} | (offered.to_record() if offered else {})
        sealed = seal(self._vault, round_identity(tag), **content)
        history = self.history() if self.joined is not None else None
        with transaction(self._connection) as db:
            if db.execute("SELECT 1 FROM shared WHERE tag = ?", (tag,)).fetchone():
                raise DataError(
                    f"this keyboard has already given an update in round {round_name}: it does not give a second one"
                )
            if offered is not None:
                self.word_record().check(url, offered)
            elif history is not None:
                history.check_repeats(model)
            db.execute(
                "INSERT INTO shared (time, tag, sealed, words, bytes, clipped, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_now(), tag, sealed, words, size, clipped, SENT),
            )

    def gives_shares(self, url: str, round_name: str) -> None:
        """Records that the shares which unmask the sum of a word discovery's round are about to leave the device."""
        tag = round_tag(self._vault, url, round_name)
        with transaction(self._connection) as db:
            row = db.execute("SELECT sealed FROM shared WHERE tag = ?", (tag,)).fetchone()
            if row is not None:
                content = unseal(self._vault, round_identity(tag), row[0]) | {"helped": "yes"}
                sealed = seal(self._vault, round_identity(tag), **content)
                db.execute("UPDATE shared SET sealed = ? WHERE tag = ?", (sealed, tag))

    def word_record(self) -> WordRecord:
        """Returns the words that left this keyboard in word discoveries."""
        return record_of(self.shared())

    def record_outcome(self, url: str, round_name: str, outcome: str) -> None:
        """Records the outcome of an update that was sent, unless it is known already: one of `api_messages.OUTCOMES`."""
        tag = round_tag(self._vault, url, round_name)
        self._change("UPDATE shared SET outcome = ? WHERE tag = ? AND outcome = ?", outcome, tag, SENT)

    def unresolved(self) -> list[str]:
        """Returns the rounds of this federation in which an update left the device whose outcome is not known yet."""
        return [one.round_name for one in self._shared(SENT)]

    def shared(self) -> list[SharedUpdate]:
        """Returns every update that left the device, oldest first."""
        return self._shared()

    def _shared(self, outcome: str | None = None) -> list[SharedUpdate]:
        query = """
            SELECT time, tag, sealed, words, bytes, clipped, outcome FROM shared
            WHERE ?1 IS NULL OR outcome = ?1 ORDER BY id
        """
        with sqlite_errors_as_data_errors():
            rows = self._connection.execute(query, (outcome,)).fetchall()
        found = []
        for time, tag, sealed, words, size, clipped, known in rows:
            origin = unseal(self._vault, round_identity(tag), sealed)
            was_clipped = None if clipped is None else bool(clipped)
            offered = OfferedWords.from_record(origin)
            place = origin["url"], origin["round"], origin["model"]
            found.append(SharedUpdate(time, *place, words, size, was_clipped, known, offered))
        return found

    def _row(self, query: str) -> tuple[Any, ...] | None:
        with sqlite_errors_as_data_errors():
            row: tuple[Any, ...] | None = self._connection.execute(query).fetchone()
            return row

    def _change(self, statement: str, *values: object) -> None:
        with transaction(self._connection) as db:
            db.execute(statement, values)


def record_of(shared: Sequence[SharedUpdate]) -> WordRecord:
    """Returns the words that left a keyboard, from the record of all that it shared."""
    return WordRecord([Offering(s.url, s.round_name, s.outcome, s.offered) for s in shared if s.offered is not None])


def _key(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
