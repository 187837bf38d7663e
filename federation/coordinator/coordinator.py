"""The coordinator without a network: who belongs to the federation, which round goes on, and which model is the newest.

What becomes of a round:

1. rounds are wanted and the federation has devices: a round opens, a row in the store;
2. devices check in and give what `round_machine` asks of them; masked updates are added up as they come and not kept;
3. the sum is unmasked, and kept in the store together with who is in it, in one transaction;
4. the learner makes the next model and its own next state of the sum, in folders named after the round;
5. one transaction says that the round is committed: only then is that model the newest.

Whoever kills the coordinator before 3 ends the round without a trace but its row; between 3 and 5 it goes on from 4 when it starts
again; folders of rounds that were not committed are removed. Clocks and randomness are handed in; for one thread.
"""

import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.files import write_by_rename
from federation.card import federation_card
from federation.coordinator.round_machine import GIVING, Refused, Round, Rules, SecureSum, Stage
from federation.coordinator.store import CoordinatorStore
from federation.privacy import Privacy, may_take_part
from federation.protocol.calls import COUNTED, NOT_COUNTED, REST, WAIT, Call, CheckIn, Enrolment, Plan
from federation.protocol.signed_requests import check_enrolment
from federation.protocol.terms import Terms
from model.device.finetuning import ROUND_TRAINING, FineTuning
from model.device.folder import WEIGHTS, load_model, recover, save_model
from model.device.weights import digest, load_weights, next_provenance

NEXT = "next.json"  # in a state's folder: what the learner says of the round after it, and that the folder is whole
_KEPT_MODELS = 2
_RETRIES = 5  # rounds aborted one after the other before somebody has to look
_BACKOFF_SECONDS, _LONGEST_BACKOFF = 1.0, 60.0


@dataclass(frozen=True)
class Settings:
    """How rounds go."""

    rules: Rules = field(default_factory=Rules)
    training: FineTuning = ROUND_TRAINING
    privacy: Privacy = field(default_factory=Privacy)
    backoff_seconds: float = _BACKOFF_SECONDS  # before the first round after an aborted one; doubled with each


@dataclass(frozen=True)
class Next:
    """What the learner says of the round that comes next."""

    terms: Terms | None  # None where there is none to come
    exhausted: str  # why there is none: the privacy budget
    spent: dict[str, Any]  # privacy, by all rounds so far (`federation.accounting.Spent`)

    @classmethod
    def from_told(cls, told: dict[str, Any]) -> "Next":
        """Reads an answer of the learner."""
        return cls(Terms.from_json(told["terms"]) if told["terms"] else None, told["exhausted"], told["spent"])


@dataclass(frozen=True)
class Summed:
    """A round whose sum is there and whose model is not yet."""

    number: int
    total: bytes  # vectors of the round's `Terms.layout`, packed


class Coordinator:
    """See above. `changed` counts up whenever waiting devices may have something to do."""

    def __init__(
        self,
        folder: Path,
        shipped: Path,
        settings: Settings,
        secure_sum: Callable[[Plan, Rules], SecureSum],
        now: float,
    ) -> None:
        """Takes up what an earlier coordinator left in `folder`.

        Args:
          folder: everything the coordinator keeps.
          shipped: the model folder to start from where there is none yet.
          settings: how rounds go.
          secure_sum: the server's side of secure aggregation for a round of this plan and these rules.
          now: seconds since 1970.

        Raises:
          DataError: a model or the store is damaged.
        """
        self.settings = settings
        self.session = secrets.token_hex(16)
        self.changed = 0
        self.round: Round | None = None
        self._number = 0
        self._plan: Plan | None = None
        self._secure_sum = secure_sum
        self._failures, self._not_before = 0, now
        self._folder = folder
        self._seen: dict[str, float] = {}
        self.store = CoordinatorStore.open(folder / "coordinator.sqlite")
        try:
            if self.store.abort_open_rounds("the coordinator was started again", now):
                self.store.add_error("a round was cut off by the end of the coordinator: it is run anew", now)
            self._remove_uncommitted()
            first = self.model_folder(0)
            recover(first)
            if not self.store.newest_committed() and not first.exists():
                save_model(first, load_model(shipped))
            self.model = load_model(self.model_folder(self.store.newest_committed()))
        except BaseException:
            self.store.close()
            raise
        self.model_digest = digest(self.model.weights)
        self.next: Next | None = None
        told = self.state_folder(self.store.newest_committed()) / NEXT
        if told.exists():
            self.next = Next.from_told(json.loads(told.read_text("utf-8")))

    def prepared(self, told: dict[str, Any]) -> None:
        """The learner has said what the next round is told."""
        self.next = Next.from_told(told)
        write_by_rename(self.state_folder(self.store.newest_committed()) / NEXT, json.dumps(told).encode())

    def close(self) -> None:
        """Gives the store free; a round that goes on is aborted at the next start."""
        self.store.close()

    def model_folder(self, number: int) -> Path:
        """Where the model lies that a round made; 0 for the one to start from."""
        return self._folder / "models" / f"{number:06}"

    def state_folder(self, number: int) -> Path:
        """Where the learner keeps its state after a round."""
        return self._folder / "states" / f"{number:06}"

    # Devices.

    def invite(self, now: float) -> str:
        """A new code, good for one device."""
        code = secrets.token_urlsafe(15)
        self.store.add_code(code, now)
        return code

    def enrol(self, enrolment: Enrolment, now: float) -> None:
        """A device joins.

        Raises:
          DataError: its name is no key, the signature is not its own, or the code is not good.
        """
        check_enrolment(enrolment.device, enrolment.signature, enrolment.code)
        self.store.enrol(enrolment.code, enrolment.device, now)

    def leave(self, device: str, now: float) -> None:
        """A device leaves the federation, and the round."""
        if self.round is not None:
            self._in_round(lambda r: r.withdraw(device, now))
        self.store.leave(device, now)

    def check_in(self, device: str, check_in: CheckIn, now: float) -> Call:
        """What a device is to do.

        Raises:
          DataError: it types with another vocabulary.
        """
        if check_in.vocabulary_sha256 != self.model.vocabulary.sha256:
            raise DataError(
                "this federation's model has another vocabulary than the device's: give the device this federation's model"
            )
        self._saw(device, now)
        self.tick(now)
        current = self.round
        if check_in.round_name and (current is None or check_in.round_name != current.name):
            state, counted = self.store.state_for(check_in.round_name, device)
            if state == "summed":
                return self._call(WAIT, check_in.round_name, "the model is being made")
            outcome = COUNTED if state == "committed" and counted else NOT_COUNTED
            return replace(self._call(REST, "", "the round is over"), outcome=outcome)
        if current is None or current.over:
            return self._call(REST, "", "no round is open")
        if current.stage == Stage.SELECTION and not self._may_take_part(device):
            return self._call(REST, "", "this device took part lately: others have their turn")
        selected = self._in_round(lambda r: r.check_in(device, now))
        if not selected:
            late = device in current.cohort
            return self._call(REST, "", "the round went on without this device" if late else "the round is full")
        if current.stage in GIVING and not current.gave(device):
            return self._call(current.stage, current.name, "")
        return self._call(WAIT, current.name, f"the round is at {current.stage}")

    def _may_take_part(self, device: str) -> bool:
        if not self.settings.privacy.private:
            return True
        last, done = self.store.last_participation(device)
        return may_take_part(self.settings.privacy, last, done + 1)

    def _call(self, task: str, round_name: str, reason: str) -> Call:
        return Call(task, round_name, reason, "", self.model_digest, self.model.provenance.round)

    def device_state(self, device: str) -> str:
        """Where a device is in the round that goes on, for people."""
        current = self.round
        if current is None or device not in current.cohort:
            return "free"
        if device not in current.expected:
            return "dropped out"
        return f"gave {current.stage}" if current.gave(device) else f"at {current.stage}"

    @property
    def round_number(self) -> int:
        """The number of the newest round that this coordinator opened."""
        return self._number

    def plan(self, device: str, round_name: str, now: float) -> Plan:
        """How the round goes, for a device in it.

        Raises:
          Refused: there is no such round, or the device is not in it.
        """
        self.tick(now)
        current = self._named(round_name)
        if device not in current.cohort or self._plan is None:
            raise Refused("this device was not selected for the round")
        return self._plan

    def needs(self, device: str, round_name: str, stage: Stage, now: float) -> bytes:
        """What a device needs for a stage.

        Raises:
          Refused: there is no such round, it is not at that stage, or the device has no part in it.
        """
        self.tick(now)
        current = self._named(round_name)
        if stage != current.stage:
            late = list(Stage).index(stage) < list(Stage).index(current.stage)
            raise Refused(f"the round is at {current.stage}, not at {stage}", late=late, early=not late)
        return current.needs(device)

    def largest(self, round_name: str, stage: Stage) -> int:
        """The most bytes that a message of a stage may have.

        Raises:
          Refused: there is no such round.
        """
        return self._named(round_name).secure.largest(stage)

    def give(self, device: str, round_name: str, stage: Stage, message: bytes, now: float) -> None:
        """Takes a device's message of a stage.

        Raises:
          Refused: it cannot be taken; the round is unharmed.
        """
        self.tick(now)
        self._named(round_name)
        self._in_round(lambda r: r.give(stage, device, message, now))

    def withdraw(self, device: str, round_name: str, now: float) -> None:
        """A device cannot go on with a round.

        Raises:
          Refused: there is no such round.
        """
        self.tick(now)
        self._named(round_name)
        self._in_round(lambda r: r.withdraw(device, now))

    def _named(self, round_name: str) -> Round:
        if self.round is None or self.round.name != round_name:
            raise Refused(f"there is no round {round_name} here any more", late=True)
        return self.round

    def _saw(self, device: str, now: float) -> None:
        if now - self._seen.get(device, 0.0) > 10.0:  # not a write for each of thousands of requests
            self._seen[device] = now
            self.store.saw(device, now)

    # Rounds.

    def want(self, rounds: int) -> None:
        """So many more rounds, from now on."""
        self._failures = 0
        self.store.wish(rounds, paused=False)

    def pause(self, paused: bool) -> None:
        """No new round begins while it is paused; one that goes on ends as it may."""
        self.store.wish(self.store.wishes()[0], paused)

    def stop(self, now: float) -> None:
        """No more rounds; one that goes on is aborted, unless its sum is there."""
        self.store.wish(0, paused=False)
        if self.round is not None and self.round.stage != Stage.COMMIT:
            self._in_round(lambda r: r.abort("stopped by whoever runs the coordinator"))
            self._tidy(now)

    def tick(self, now: float) -> None:
        """Ends stages whose time is over, tidies up after a round that is, and opens the next if one is wanted."""
        if self.round is not None:
            self._in_round(lambda r: r.tick(now))
            self._tidy(now)
        if self.round is None and now >= self._not_before:
            rounds, paused = self.store.wishes()
            if rounds and not paused and self.next is not None and self.store.summed() is None:
                if self.next.terms is None:
                    self.pause(True)
                    self.store.add_error(f"paused: {self.next.exhausted}", now)
                else:
                    self._open(self.next.terms, now)

    def _open(self, terms: Terms, now: float) -> None:
        name = secrets.token_hex(8)
        self._number = self.store.start_round(name, self.model_digest, now)
        training = self.settings.training
        self._plan = Plan(
            name,
            self.model_digest,
            self.model.vocabulary.sha256,
            training.learning_rate,
            training.clipping_norm,
            training.passes,
            training.max_words,
            self._number,
            terms.to_json(),
        )
        self.round = Round(name, self.settings.rules, self._secure_sum(self._plan, self.settings.rules), now)
        self.changed += 1

    def _in_round(self, step: Callable[[Round], Any]) -> Any:
        """Does something with the round and notes whether devices that wait should look again."""
        assert self.round is not None  # noqa: S101
        before = self.round.stage
        try:
            return step(self.round)
        finally:
            if self.round.stage != before:
                self.changed += 1

    def _tidy(self, now: float) -> None:
        if self.round is None or self.round.stage != Stage.ABORTED:
            return
        aborted, self.round, self._plan = self.round, None, None
        self.store.abort_round(self._number, aborted.reason, len(aborted.cohort), now)
        self.store.add_error(f"round {self._number} was aborted: {aborted.reason}", now)
        self._failures += 1
        wait = min(self.settings.backoff_seconds * 2 ** (self._failures - 1), _LONGEST_BACKOFF)
        self._not_before = now + wait
        if self._failures >= _RETRIES and self.store.wishes()[0]:
            self.pause(True)
            self.store.add_error(f"paused after {self._failures} rounds in a row that were aborted", now)

    def unmasking(self) -> Round | None:
        """The round whose sum is to be unmasked now, which may take seconds; `keep_sum` or `fail` comes next."""
        current = self.round
        return current if current is not None and current.stage == Stage.COMMIT else None

    def keep_sum(self, total: bytes) -> None:
        """The sum of the round that goes on: from here on a restart goes on with it."""
        current = self.unmasking()
        assert current is not None  # noqa: S101
        self.store.keep_sum(self._number, total, len(current.cohort), sorted(current.counted))

    def fail(self, reason: str, now: float) -> None:
        """The round cannot be finished: no sum of it, or no model of the sum, can be had."""
        summed = self.store.summed()
        if self.round is not None:
            self._in_round(lambda r: r.abort(reason))
            self._tidy(now)
        elif summed is not None:  # of a coordinator before this one
            self.store.abort_round(summed[0], reason, len(self.store.counted(summed[0])), now)
            self.store.add_error(f"round {summed[0]} was aborted: {reason}", now)

    def summed(self) -> Summed | None:
        """The round whose model is to be made; `commit` or `fail` comes next."""
        found = self.store.summed()
        return None if found is None else Summed(*found)

    def commit(self, number: int, told: dict[str, Any], now: float) -> None:
        """Makes what the learner left in the round's `state_folder`, and said of it, the newest global model.

        Raises:
          DataError: the round's sum is gone, or the weights are not of the model; nothing was changed.
        """
        weights, _ = load_weights(self.state_folder(number) / WEIGHTS, self.model.vocabulary.sha256)
        coming = Next.from_told(told)
        report = told["metrics"] | {"spent": told["spent"]}
        provenance = next_provenance(self.model.weights, self.model.provenance)
        counted = len(self.store.counted(number))
        card = federation_card(provenance, counted, self.model.card, told.get("promise", ""))
        updated = replace(self.model, weights=weights, provenance=provenance, card=card)
        folder = self.model_folder(number)
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
        save_model(folder, updated)
        self.store.commit_round(number, json.dumps(report), now)
        self.model, self.model_digest, self.next = updated, digest(weights), coming
        if self.round is not None and self.round.stage == Stage.COMMIT:
            self.round.committed()
            self.round = self._plan = None
        self._failures, self._not_before = 0, now
        self.changed += 1
        self._remove_old(number)

    def _remove_uncommitted(self) -> None:
        newest = self.store.newest_committed()
        for parent in (self._folder / "models", self._folder / "states"):
            for folder in parent.glob("[0-9]*"):
                if int(folder.name) > newest:
                    shutil.rmtree(folder, ignore_errors=True)

    def _remove_old(self, newest: int) -> None:
        for parent in (self._folder / "models", self._folder / "states"):
            for folder in sorted(parent.glob("[0-9]*"))[:-_KEPT_MODELS]:
                if 0 < int(folder.name) < newest:  # the first is what the learner's process is made from
                    shutil.rmtree(folder, ignore_errors=True)
