"""The global models that a keyboard has accepted, and its questions to the person about those that it does not accept by itself.

Two sums over the same model, one with a device and one without it, differ by the device's update. A round may fail, so a keyboard
has to be able to repeat it. But a coordinator must not be able to have as many sums over one model as it likes. Therefore a
keyboard, without asking the person,

- gives at most `UPDATES_PER_MODEL` masked updates that start from the same weights, in any federation;
- never returns to an older model of its federation: one of a round before the newest that it has accepted, or of the same round,
  or one that it has left for another.

A federation is recognized by its coordinator's certificate, so leaving it and joining it again changes nothing. A coordinator can
choose the numbers of rounds, but not the digests of weights.
"""

import sqlite3
from dataclasses import dataclass

from data.errors import DataError
from keyboard_app.federating.membership_schema import (
    met_identity,
    met_tag,
    question_identity,
    question_tag,
    round_identity,
    seal,
    sqlite_errors_as_data_errors,
    transaction,
    unseal,
)
from keyboard_app.recording.vault import Vault

UPDATES_PER_MODEL = 3
AGAIN, OLDER = "again", "older"  # kinds of questions
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Question:
    """A question to the person: whether the keyboard may take part in rounds on a model."""

    kind: str  # AGAIN: it has given `UPDATES_PER_MODEL` updates on the model; OLDER: it has accepted a newer one
    model: str  # digest of the model's weights
    round: int  # number of the round that made the model
    newest: int  # number of the round that made the newest model accepted; -1 if it was not recorded
    answer: str = ""  # YES, NO, or empty

    def __str__(self) -> str:
        if self.kind == AGAIN:
            asked, limit = "another update on the same model", f"gives at most {UPDATES_PER_MODEL} on one model"
        elif self.newest > self.round:
            asked, limit = f"an update on an older model, of round {self.round} after {self.newest}", "does not go back"
        else:
            asked, limit = "an update on a model that it had replaced", "does not go back"
        said = ", and you said no" if self.answer == NO else ""
        return f"the coordinator asks for {asked}: this keyboard {limit} unless you say yes{said}"


class NotAllowedError(DataError):
    """The keyboard does not accept a model without the person's consent."""

    def __init__(self, question: Question) -> None:
        super().__init__(str(question))
        self.question = question


class ModelHistory:
    """The models and questions of one federation, in the file of the membership. Each change is one transaction."""

    def __init__(self, connection: sqlite3.Connection, vault: Vault, federation: str) -> None:
        self._connection, self._vault, self._federation = connection, vault, federation

    def check(self, model: str, number: int) -> None:
        """Checks that this keyboard may give an update that starts from a model; asks the person if it may not.

        Args:
          model: digest of the weights.
          number: number of the round that made them.

        Raises:
          NotAllowedError: the person has to say yes first; the question is stored.
        """
        with transaction(self._connection):
            question = self._question(model, number, AGAIN, OLDER)
            if question is not None and not question.answer:
                self._ask(question)
        if question is not None:
            raise NotAllowedError(question)

    def accept(self, model: str, number: int) -> None:
        """Records that this keyboard accepts a model, before the model is used; drops the questions about other models.

        Raises:
          NotAllowedError: it is older than one that was accepted, and the person has not said yes; the question is stored.
        """
        with transaction(self._connection) as db:
            question = self._question(model, number, OLDER)
            if question is not None and not question.answer:
                self._ask(question)
            met = self._met()
            # Weights that were accepted last stay of the round that was named first: a lower one would make older models newer.
            if question is None and not (met and met[-1][0] == model and number <= met[-1][1]):
                tag = met_tag(self._vault, self._federation, model)
                content = {"federation": self._federation, "model": model, "round": str(number)}
                sealed = seal(self._vault, met_identity(tag), **content)
                db.execute("INSERT OR REPLACE INTO met (tag, sealed) VALUES (?, ?)", (tag, sealed))
                for row, asked in self._asked():
                    if asked.model != model:
                        db.execute("DELETE FROM questions WHERE id = ?", (row,))
        if question is not None:
            raise NotAllowedError(question)

    def check_repeats(self, model: str) -> None:
        """Checks, within a transaction of the caller, that one more update on a model may leave the device.

        Raises:
          NotAllowedError: the person has to say yes first.
        """
        question = self._question(model, 0, AGAIN)
        if question is not None:
            raise NotAllowedError(question)

    def updates(self, model: str) -> int:
        """Returns the number of updates that left this keyboard and start from a model, in any federation."""
        with sqlite_errors_as_data_errors():
            return self._given(model)

    def questions(self) -> list[Question]:
        """Returns the questions to which the person has not said yes, oldest first."""
        with sqlite_errors_as_data_errors():
            return [question for _, question in self._asked() if question.answer != YES]

    def answer(self, question: Question, yes: bool) -> None:
        """Stores the person's answer to a question, which may still be changed."""
        tag = question_tag(self._vault, self._federation, question.model, question.kind)
        with transaction(self._connection) as db:
            db.execute("UPDATE questions SET answer = ? WHERE tag = ?", (YES if yes else NO, tag))

    def _question(self, model: str, number: int, *kinds: str) -> Question | None:
        """Returns the question that stands between a model and its use, if any."""
        met = self._met()
        newest = met[-1][1] if met else -1
        older = bool(met) and met[-1][0] != model and (number <= newest or model in dict(met))
        answers = {(asked.kind, asked.model): asked.answer for _, asked in self._asked()}
        for kind, arises in ((OLDER, older), (AGAIN, self._given(model) >= UPDATES_PER_MODEL)):
            answer = answers.get((kind, model), "")
            if kind in kinds and arises and answer != YES:
                return Question(kind, model, number, newest, answer)
        return None

    def _ask(self, question: Question) -> None:
        tag = question_tag(self._vault, self._federation, question.model, question.kind)
        content = {"federation": self._federation, "kind": question.kind, "model": question.model}
        numbers = {"round": str(question.round), "newest": str(question.newest)}
        sealed = seal(self._vault, question_identity(tag), **content, **numbers)
        self._connection.execute(
            "INSERT OR REPLACE INTO questions (tag, sealed, answer) VALUES (?, ?, '')", (tag, sealed)
        )

    def _given(self, model: str) -> int:
        rows = self._connection.execute("SELECT tag, sealed FROM shared").fetchall()
        opened = [unseal(self._vault, round_identity(tag), sealed) for tag, sealed in rows]
        # Words of a discovery, which have a `kind`, depend on no weights.
        return sum(one["model"] == model for one in opened if "kind" not in one)

    def _met(self) -> list[tuple[str, int]]:
        """Returns the digests and rounds of the models accepted in this federation, the latest last."""
        rows = self._connection.execute("SELECT tag, sealed FROM met ORDER BY id").fetchall()
        opened = [unseal(self._vault, met_identity(tag), sealed) for tag, sealed in rows]
        return [(one["model"], int(one["round"])) for one in opened if one["federation"] == self._federation]

    def _asked(self) -> list[tuple[int, Question]]:
        """Returns the questions of this federation with the ids of their rows, oldest first."""
        rows = self._connection.execute("SELECT id, tag, sealed, answer FROM questions ORDER BY id").fetchall()
        opened = [
            (row, unseal(self._vault, question_identity(tag), sealed), answer) for row, tag, sealed, answer in rows
        ]
        return [
            (row, Question(one["kind"], one["model"], int(one["round"]), int(one["newest"]), answer))
            for row, one, answer in opened
            if one["federation"] == self._federation
        ]
