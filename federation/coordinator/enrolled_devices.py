"""The devices of a federation: how they join and leave, and their requests and messages in the round that is under way."""

import math
import secrets

from data.errors import DataError
from federation.aggregation.privacy import may_take_part
from federation.coordinator.round_machine import GIVING, MessageRefusedError, RefusalKind, Round, Stage
from federation.coordinator.rounds import Rounds
from federation.coordinator.store import CoordinatorStore
from federation.protocol.api_messages import (
    COUNTED,
    NOT_COUNTED,
    REST,
    UNKNOWN,
    WAIT,
    Call,
    CheckIn,
    Enrolment,
    Plan,
)
from federation.protocol.signed_requests import check_enrolment

_SAVE_SECONDS = 10.0  # between two writes of when devices were last seen


class EnrolledDevices:
    """The devices that have joined. Their requests are already authenticated here (`signed_requests`)."""

    def __init__(self, store: CoordinatorStore, rounds: Rounds, now: float) -> None:
        self._store, self._rounds = store, rounds
        self._seen: dict[str, float] = {}  # time of each device's latest check-in since the last write
        self._saved = now

    def invite(self, now: float) -> str:
        """Returns a new code, with which one device can enrol."""
        code = secrets.token_urlsafe(15)
        self._store.add_code(code, now)
        return code

    def enrol(self, enrolment: Enrolment, now: float) -> None:
        """Lets a device join.

        Raises:
          DataError: the device's name is not a public key, the signature is not by that key, or the code is unknown or used.
        """
        check_enrolment(enrolment.device, enrolment.signature, enrolment.code)
        repeated = self._store.belongs(enrolment.device)
        self._store.enrol(enrolment.code, enrolment.device, now)
        if not repeated:
            self._store.events.add(f"device {enrolment.device[:12]}… joined", now)

    def belongs(self, device: str) -> bool:
        """Returns whether a device has joined and not left."""
        return self._store.belongs(device)

    def leave(self, device: str, now: float) -> None:
        """Removes a device from the federation and from the round that is under way."""
        if self._rounds.current is not None:
            with self._rounds.noticing(self._rounds.current) as current:
                current.withdraw(device, now)
        self._store.leave(device, now)
        self._store.events.add(f"device {device[:12]}… left", now)

    def save_seen(self, now: float) -> None:
        """Stores when devices were last seen, at most every few seconds: thousands of requests must not each cost a write."""
        if self._seen and now - self._saved >= _SAVE_SECONDS:
            self._store.record_seen(self._seen)
            self._seen, self._saved = {}, now

    def close(self) -> None:
        """Stores when devices were last seen."""
        self.save_seen(math.inf)

    def check_in(self, device: str, check_in: CheckIn, now: float) -> Call:
        """Returns a device's next task.

        Raises:
          DataError: the device's vocabulary is not the federation's.
        """
        if check_in.vocabulary_sha256 != self._rounds.model.vocabulary.sha256:
            raise DataError(
                "the vocabulary of this device's model is not the federation's: install the federation's model on the device"
            )
        self._seen[device] = now
        self.save_seen(now)
        self._rounds.tick(now)
        current = self._rounds.current
        if check_in.round_name and (current is None or check_in.round_name != current.name):
            return self._after_round(device, check_in.round_name, now)
        if current is None or current.over:
            return self._call(REST, "", "no round is open")
        return self._in_round(device, current, now)

    def plan(self, device: str, round_name: str, now: float) -> Plan:
        """Returns the plan of a round, for a device in it.

        Raises:
          MessageRefusedError: the round is not under way, or the device is not in it.
        """
        self._rounds.tick(now)
        opened = self._rounds.named(round_name)
        if device not in opened.machine.cohort:
            raise MessageRefusedError("this device was not selected for the round")
        return opened.plan

    def needs(self, device: str, round_name: str, stage: Stage, now: float) -> bytes:
        """Returns the coordinator's message to a device for a stage.

        Raises:
          MessageRefusedError: the round is not under way or not at that stage, or the device takes no part in it.
        """
        self._rounds.tick(now)
        current = self._rounds.named(round_name).machine
        if stage != current.stage:
            kind = RefusalKind.LATE if stage.place < current.stage.place else RefusalKind.EARLY
            raise MessageRefusedError(f"the round is at {current.stage}, not at {stage}", kind)
        return current.needs(device)

    def largest(self, round_name: str, stage: Stage) -> int:
        """Returns the most bytes that a message of a stage may have.

        Raises:
          MessageRefusedError: the round is not under way.
        """
        return self._rounds.named(round_name).machine.secure.largest(stage)

    def give(self, device: str, round_name: str, stage: Stage, message: bytes, now: float) -> None:
        """Takes a device's message of a stage.

        Raises:
          MessageRefusedError: the message cannot be accepted; the round is unharmed.
        """
        self._rounds.tick(now)
        with self._rounds.noticing(self._rounds.named(round_name).machine) as current:
            current.give(stage, device, message, now)

    def withdraw(self, device: str, round_name: str, now: float) -> None:
        """Stops waiting for a device that cannot continue a round.

        Raises:
          MessageRefusedError: the round is not under way.
        """
        self._rounds.tick(now)
        with self._rounds.noticing(self._rounds.named(round_name).machine) as current:
            current.withdraw(device, now)

    def outcome(self, device: str, round_name: str, now: float) -> str:
        """Returns the outcome of a device's update in a round; empty until the round is over."""
        self._rounds.tick(now)
        state, counted = self._store.state_for(round_name, device)
        if state in ("open", "summed"):
            return ""
        if state == "committed":
            return COUNTED if counted else NOT_COUNTED
        return NOT_COUNTED if state == "aborted" else UNKNOWN

    def state_in_round(self, device: str) -> str:
        """Returns where a device is in the round that is under way, for people."""
        current = self._rounds.current
        if current is None or device not in current.cohort:
            return "free"
        if device not in current.expected:
            return "dropped out"
        return f"done with {current.stage}" if current.gave(device) else f"at {current.stage}"

    def _after_round(self, device: str, round_name: str, now: float) -> Call:
        """Answers a device whose round is no longer under way."""
        outcome = self.outcome(device, round_name, now)
        if not outcome:
            return self._call(WAIT, round_name, "the model is being made")
        return self._call(REST, "", "the round is over", outcome)

    def _in_round(self, device: str, current: Round, now: float) -> Call:
        if current.stage == Stage.SELECTION and not self._may_take_part(device):
            return self._call(REST, "", "this device took part recently: it is the turn of other devices")
        with self._rounds.noticing(current):
            selected = current.check_in(device, now)
            if current.stage == Stage.SELECTION and len(current.cohort) >= self._store.most_possible():
                current.hurry(now, "every device of the federation is here")
        if not selected and device in current.counted:  # its shares were not needed, but its update is in the sum
            return self._call(WAIT, current.name, f"the round is at {current.stage}")
        if not selected:
            dropped = device in current.cohort
            return self._call(REST, "", "the round continued without this device" if dropped else "the round is full")
        if current.stage in GIVING and not current.gave(device):
            return self._call(current.stage, current.name, "")
        return self._call(WAIT, current.name, f"the round is at {current.stage}")

    def _may_take_part(self, device: str) -> bool:
        privacy = self._rounds.settings.privacy
        if not privacy.private:
            return True
        last, done = self._store.last_participation(device)
        return may_take_part(privacy, last, done + 1)

    def _call(self, task: str, round_name: str, reason: str, outcome: str = "") -> Call:
        rounds = self._rounds
        return Call(task, round_name, reason, outcome, rounds.model_digest, rounds.model.provenance.round)
