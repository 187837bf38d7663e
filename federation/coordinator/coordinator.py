"""The coordinator without a network: who belongs to the federation, which round goes on, and which model is the newest.

What becomes of a round:

1. rounds are wanted and the federation has devices: a round opens, a row in the store;
2. devices check in and give what `round_machine` asks of them; masked updates are added up as they come and not kept;
3. shares enough to unmask the sum are there: who is in it is kept, then the sum is unmasked, and kept too;
4. the learner makes the next model and its own next state of the sum, in folders named after the round;
5. one transaction says that the round is committed: only then is that model the newest.

Whoever kills the coordinator before 3 ends the round without a trace but its row; once the sum is kept it goes on from 4 when it
starts again; folders of rounds that were not committed are removed. A sum that could be unmasked and made no model still counts as
spent privacy, and its devices as having taken part. Clocks and randomness are handed in; for one thread.
"""

import json
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import DataError
from federation.aggregation.privacy import Privacy, may_take_part
from federation.coordinator.model_folders import Shelf
from federation.coordinator.round_machine import GIVING, MessageRefusedError, Round, Rules, Stage, Summation
from federation.coordinator.store import CoordinatorStore
from federation.protocol.api_messages import COUNTED, NOT_COUNTED, REST, WAIT, Call, CheckIn, Enrolment, Plan
from federation.protocol.json_messages import read_json
from federation.protocol.round_terms import Terms
from federation.protocol.signed_requests import check_enrolment
from federation.reports.model_card import federation_card
from model.device.folder import WEIGHTS, load_model
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning
from model.device.weights import Provenance, digest, load_weights, next_provenance

_ON_CARD = 20  # newest rounds that a model's card tells of
_RETRIES = 5  # rounds aborted one after the other before somebody has to look
_SEEN_SECONDS = 10.0  # between two writes of when devices were seen
_BACKOFF_SECONDS, _LONGEST_BACKOFF = 1.0, 60.0


@dataclass(frozen=True)
class CoordinatorSettings:
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
    spent: dict[str, Any]  # privacy, by all rounds so far (`federation.aggregation.accounting.Spent`)
    unmasked: int  # the place of the newest round that this counts (`CoordinatorStore.newest_unmasked`)

    @classmethod
    def from_told(cls, told: dict[str, Any]) -> "Next":
        """Reads an answer of the learner."""
        terms = told["terms"]
        if isinstance(terms, str):  # as an older learner wrote them: a JSON text, empty if there are none
            terms = read_json(terms) if terms else None
        return cls(
            None if terms is None else Terms.from_content(terms),
            told["exhausted"],
            told["spent"],
            told["unmasked"],
        )


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
        settings: CoordinatorSettings,
        secure_sum: Callable[[Plan, Rules], Summation],
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
        self._number, self._unmasking = 0, False
        self._plan: Plan | None = None
        self._secure_sum = secure_sum
        self._failures, self._not_before = 0, now
        self.shelf = Shelf(folder)
        self._seen: dict[str, float] = {}  # when devices were heard of, since that was kept
        self._kept_seen = now
        self.store = CoordinatorStore.open(folder / "coordinator.sqlite")
        try:
            if self.store.abort_open_rounds("the coordinator was started again", now):
                self.store.add_error("a round was cut off by the end of the coordinator: it is run anew", now)
            newest = self.store.newest_committed()
            self.model = self.shelf.newest_model(newest, shipped)
        except BaseException:
            self.store.close()
            raise
        self.model_digest = digest(self.model.weights)
        self.next: Next | None = None
        if (told := self.shelf.told(newest)) is not None:
            self.next = Next.from_told({"unmasked": -1} | told)
        self._count_unmasked()

    def prepared(self, told: dict[str, Any]) -> None:
        """The learner has said what the next round is told."""
        self.next = Next.from_told(told)
        self.shelf.keep_told(self.store.newest_committed(), told)

    def _count_unmasked(self) -> None:
        """Has the learner say anew what comes next where a sum was unmasked that it does not know of."""
        if self.next is not None and self.next.unmasked != self.store.newest_unmasked():
            self.next = None

    def close(self) -> None:
        """Gives the store free; a round that goes on is aborted at the next start."""
        self._keep_seen(math.inf)
        self.store.close()

    @property
    def newest_folder(self) -> Path:
        """Where the newest global model lies."""
        return self.shelf.model_folder(self.store.newest_committed())

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
        self._seen[device] = now
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
          MessageRefusedError: there is no such round, or the device is not in it.
        """
        self.tick(now)
        current = self._named(round_name)
        if device not in current.cohort or self._plan is None:
            raise MessageRefusedError("this device was not selected for the round")
        return self._plan

    def needs(self, device: str, round_name: str, stage: Stage, now: float) -> bytes:
        """What a device needs for a stage.

        Raises:
          MessageRefusedError: there is no such round, it is not at that stage, or the device has no part in it.
        """
        self.tick(now)
        current = self._named(round_name)
        if stage != current.stage:
            late = list(Stage).index(stage) < list(Stage).index(current.stage)
            raise MessageRefusedError(f"the round is at {current.stage}, not at {stage}", late=late, early=not late)
        return current.needs(device)

    def largest(self, round_name: str, stage: Stage) -> int:
        """The most bytes that a message of a stage may have.

        Raises:
          MessageRefusedError: there is no such round.
        """
        return self._named(round_name).secure.largest(stage)

    def give(self, device: str, round_name: str, stage: Stage, message: bytes, now: float) -> None:
        """Takes a device's message of a stage.

        Raises:
          MessageRefusedError: it cannot be taken; the round is unharmed.
        """
        self.tick(now)
        self._named(round_name)
        self._in_round(lambda r: r.give(stage, device, message, now))

    def withdraw(self, device: str, round_name: str, now: float) -> None:
        """A device cannot go on with a round.

        Raises:
          MessageRefusedError: there is no such round.
        """
        self.tick(now)
        self._named(round_name)
        self._in_round(lambda r: r.withdraw(device, now))

    def _named(self, round_name: str) -> Round:
        if self.round is None or self.round.name != round_name:
            raise MessageRefusedError(f"there is no round {round_name} here any more", late=True)
        return self.round

    def _keep_seen(self, now: float) -> None:
        if self._seen and now - self._kept_seen >= _SEEN_SECONDS:  # not a write for each of thousands of requests
            self.store.saw(self._seen)
            self._seen, self._kept_seen = {}, now

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
        self._keep_seen(now)
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
        name, self._unmasking = secrets.token_hex(8), False
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
            terms,
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
        self._count_unmasked()
        self._failures += 1
        wait = min(self.settings.backoff_seconds * 2 ** (self._failures - 1), _LONGEST_BACKOFF)
        self._not_before = now + wait
        if self._failures >= _RETRIES and self.store.wishes()[0]:
            self.pause(True)
            self.store.add_error(f"paused after {self._failures} rounds in a row that were aborted", now)

    def begin_unmasking(self) -> Round | None:
        """The round whose sum is to be unmasked now, which may take seconds; `keep_sum` or `fail` comes next.

        From here on its devices have taken part, and the privacy is spent, whatever comes next.
        """
        current = self.round
        if current is None or current.stage != Stage.COMMIT:
            return None
        if not self._unmasking:
            self.store.begin_unmasking(self._number, len(current.cohort), current.counted)
            self._unmasking = True
        return current

    def keep_sum(self, total: bytes) -> None:
        """The sum of the round that goes on: from here on a restart goes on with it."""
        assert self._unmasking  # noqa: S101
        self.store.keep_sum(self._number, total)

    def fail(self, reason: str, now: float) -> None:
        """The round cannot be finished: no sum of it, or no model of the sum, can be had."""
        summed = self.store.summed()
        if self.round is not None:
            self._in_round(lambda r: r.abort(reason))
            self._tidy(now)
        elif summed is not None:  # of a coordinator before this one
            self.store.abort_round(summed[0], reason, len(self.store.counted(summed[0])), now)
            self.store.add_error(f"round {summed[0]} was aborted: {reason}", now)
            self._count_unmasked()

    def summed(self) -> Summed | None:
        """The round whose model is to be made; `commit` or `fail` comes next."""
        found = self.store.summed()
        return None if found is None else Summed(*found)

    def commit(self, number: int, told: dict[str, Any], now: float) -> None:
        """Makes what the learner left in the round's `state_folder`, and said of it, the newest global model.

        Raises:
          DataError: the round's sum is gone, or the weights are not of the model; nothing was changed.
        """
        weights, _ = load_weights(self.shelf.state_folder(number) / WEIGHTS, self.model.vocabulary.sha256)
        coming = Next.from_told(told)
        report = told["metrics"] | {"spent": told["spent"]}
        provenance = next_provenance(self.model.weights, self.model.provenance)
        card = self._card(provenance, report, told["promise"])
        updated = replace(self.model, weights=weights, provenance=provenance, card=card)
        self.shelf.put(number, updated)
        self.store.commit_round(number, json.dumps(report), now)
        self.model, self.model_digest, self.next = updated, digest(weights), coming
        if self.round is not None and self.round.stage == Stage.COMMIT:
            self.round.committed()
            self.round = self._plan = None
        self._failures, self._not_before = 0, now
        self.changed += 1
        self.shelf.remove_old(number)

    def _card(self, provenance: Provenance, report: dict[str, Any], promise: str) -> str:
        earlier = [json.loads(row.report) for row in self.store.rounds(_ON_CARD) if row.state == "committed"]
        first = load_model(self.shelf.model_folder(0))
        done = provenance.round - first.provenance.round
        return federation_card(first, provenance, [*earlier, report][-_ON_CARD:], done, promise)
