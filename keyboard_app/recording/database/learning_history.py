"""The history of the personal model: each learning with the gate's decision, and each rollback or reset."""

import sqlite3
from collections.abc import Sequence

from keyboard_app.recording.database import queries
from keyboard_app.recording.database.queries import newest_message, number, rows, transaction
from keyboard_app.recording.database.records import Change, Judgement
from model.device.suggesting.personal import USUAL_TRUST


class LearningHistory:
    """The history, on the store's connection. A method raises DataError if the file cannot be read or written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add_learning(
        self, messages: Sequence[int], words: int, loss_before: float, loss_after: float, judgement: Judgement
    ) -> None:
        """Records a learning, the ids of the messages that it trained on or held out, and the gate's decision."""
        with transaction(self._connection) as db:
            learning = db.execute(
                "INSERT INTO learnings (time, words, loss_before, loss_after) VALUES (?, ?, ?, ?)",
                (queries.now(), words, loss_before, loss_after),
            ).lastrowid
            db.execute("INSERT INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (learning, *judgement))
            db.executemany(
                "UPDATE messages SET learning = ? WHERE id = ? AND learning IS NULL",
                [(learning, message) for message in messages],
            )

    def learnings(self) -> list[tuple[str, int]]:
        """Returns the time of each learning, in ISO 8601, and the number of words learned from, oldest first."""
        return [
            (str(time), int(words))
            for time, words in rows(self._connection, "SELECT time, words FROM learnings ORDER BY id")
        ]

    def last_learning(self) -> int:
        """Returns the id of the last learning; 0 before any."""
        return number(self._connection, "SELECT coalesce(max(id), 0) FROM learnings")

    def last_judgement(self) -> Judgement | None:
        """Returns the gate's last decision; None before any learning, or if an older keyboard without a gate did the last one."""
        query = "SELECT * FROM judgements WHERE learning = (SELECT max(id) FROM learnings)"
        found = rows(self._connection, query)
        return Judgement(*found[0][1:])._replace(personal=bool(found[0][3])) if found else None

    def add_change(self, what: str, personal: bool) -> None:
        """Records a rollback or reset of the personal model."""
        with transaction(self._connection) as db:
            db.execute(
                "INSERT INTO changes (time, what, personal, learning, message) "
                "VALUES (?, ?, ?, (SELECT coalesce(max(id), 0) FROM learnings), ?)",
                (queries.now(), what, int(personal), newest_message(self._connection)),
            )

    def changes(self) -> list[Change]:
        """Returns the changes of the personal model other than learning, oldest first."""
        query = "SELECT time, what, personal, learning, message FROM changes ORDER BY id"
        return [Change(*row)._replace(personal=bool(row[2])) for row in rows(self._connection, query)]

    def ngram_trust(self, global_model: str) -> float:
        """Returns the weight of the n-grams that the last learning chose, or the usual one if the models have changed since."""
        last = self.last_judgement()
        if last is None or last.global_model != global_model or self.changed_since_learning() is not None:
            return USUAL_TRUST
        return last.ngram_trust

    def changed_since_learning(self) -> Change | None:
        """Returns the last rollback or reset; None if there is none, or if a learning followed it."""
        changes = self.changes()
        return changes[-1] if changes and changes[-1].learning == self.last_learning() else None

    def learned_up_to(self) -> list[tuple[int, str]]:
        """Returns for each learning with new messages the id of the newest one, and a name for the time after it."""
        query = "SELECT max(id), learning FROM messages WHERE learning IS NOT NULL AND NOT imported GROUP BY learning"
        return [(message, f"learning {learning}") for message, learning in rows(self._connection, query)]
