"""The devices of a federation: how they join and leave, and their requests and messages in the round that is under way."""

import math
from enum import StrEnum

from data.errors import DataError
from federation.aggregation.privacy import may_take_part
from federation.coordinator.device_book import DeviceBook
from federation.coordinator.round_machine import GIVING, MessageRefusedError, RefusalKind, Round, Stage
from federation.coordinator.rounds_in_view import RoundsInView
from federation.coordinator.storage.presence import Presence
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
)
from federation.protocol.discovery.round_plans import RoundPlan
from federation.protocol.signed_requests import check_enrolment

_PRESENCE_SECONDS = 1.0  # between two writes for the other processes of a cluster
_COUNT_SECONDS = 1.0  # between two counts of the members
_SAVE_SECONDS = 10.0  # between two writes of when devices were last seen
# A device that has not checked in for this long is away: `keyboard device` checks in every ten seconds, a window every minute.
AWAY_SECONDS = 90.0


class Readiness(StrEnum):
    """Whether a device could take part in a round, as its owner's list shows it."""

    READY = "ready"
    NOT_READY = "not ready"  # by its own word
    AWAY = "away"
    LEFT_OUT = "left out"
    LEFT = "left"
    REMOVED = "removed"


class OtherVocabularyError(DataError):
    """A device's model has another vocabulary than the federation's: it has to fetch the newest model first."""


class EnrolledDevices:
    """The devices that have joined. Their requests are already authenticated here (`signed_requests`)."""

    def __init__(
        self, store: CoordinatorStore, rounds: RoundsInView, now: float, presence: Presence | None = None
    ) -> None:
        """Begins with devices that have joined; `presence` is shared with other processes that answer devices."""
        self._store, self._rounds = store, rounds
        self.book = DeviceBook(store)
        self._seen: dict[str, float] = {}  # time of each device's latest check-in since the last write
        # By device: the time of its latest check-in since the start, whether it is ready, and whether it shares words.
        self._checked_in: dict[str, tuple[float, bool, bool]] = {}
        self._presence = presence
        self._untold = set[str]()  # devices that checked in here since the other processes were told
        self._counted = -math.inf, 0  # when the members were counted, and how many they were
        self._grouped = ""  # name of the round whose group was chosen
        self._saved = self._told = now

    def invite(self, now: float, name: str = "") -> str:
        """Returns a new code, with which one device can enrol within a week; the device gets this name."""
        return self.book.new_link(now, name)[0]

    def enrol(self, enrolment: Enrolment, now: float) -> None:
        """Lets a device join.

        Raises:
          DataError: the device's name is not a public key, the signature is not by that key, or the code is not valid.
        """
        check_enrolment(enrolment.device, enrolment.signature, enrolment.code)
        repeated = self._store.members.belongs(enrolment.device)
        self._store.members.enrol(enrolment.code, enrolment.device, now)
        if not repeated:
            self._store.events.add(f"device {self._store.members.name_of(enrolment.device)} joined", now)

    def belongs(self, device: str) -> bool:
        """Returns whether a device has joined and not left."""
        # A device that checked in here belongs, unless it left through another process of the cluster.
        return (self._presence is None and device in self._checked_in) or self._store.members.belongs(device)

    def leave(self, device: str, now: float, removed: bool = False) -> None:
        """Ends a device's membership, by its own wish or its owner's; in the round that is under way it drops out."""
        self._withdraw(device, now)
        self._store.members.leave(device, now, removed)
        self._counted = -math.inf, 0
        self._checked_in.pop(device, None)
        self._store.events.add(
            f"device {self._store.members.name_of(device)} {'was removed' if removed else 'left'}", now
        )
        self.begin_if_all_are_here(now)

    def was_removed(self, device: str) -> bool:
        """Returns whether the owner has removed a device."""
        return self._store.members.was_removed(device)

    def let_back(self, device: str, now: float) -> None:
        """Lets a device that was left out take part again.

        Raises:
          DataError: it is not left out.
        """
        name = self._store.members.name_of(device)
        if self._rounds.conduct.left_out(device, now) is None:
            raise DataError(f"device {name} is not left out of rounds")
        self._rounds.conduct.let_back(device, now)
        self._rounds.changed += 1
        self._store.events.add(f"device {name} may take part in rounds again", now)

    def save_seen(self, now: float) -> None:
        """Stores when devices were last seen, at most every few seconds: thousands of requests must not each cost a write."""
        if now - self._saved >= _SAVE_SECONDS:
            self.book.save()
            if self._seen:
                self._store.members.record_seen(self._seen)
            self._seen, self._saved = {}, now
        if self._presence is not None and now - self._told >= _PRESENCE_SECONDS:
            self._told = now
            self._presence.write(
                {device: self._checked_in[device] for device in self._untold if device in self._checked_in}
            )
            self._untold.clear()
            if self._rounds.current is not None and self._rounds.current.stage == Stage.SELECTION:
                for device, theirs in self._presence.read(now - AWAY_SECONDS).items():
                    self._checked_in[device] = max(theirs, self._checked_in.get(device, theirs))

    def close(self) -> None:
        """Stores when devices were last seen."""
        self.save_seen(math.inf)

    def check_in(self, device: str, check_in: CheckIn, now: float) -> Call:
        """Returns a device's next task. A device whose round is over learns what became of it, whatever its vocabulary.

        Raises:
          OtherVocabularyError: the device's vocabulary is not the federation's.
        """
        knows_words = check_in.vocabulary_sha256 == self._rounds.model.vocabulary.sha256
        self._seen[device] = now
        self._checked_in[device] = now, check_in.ready and knows_words, check_in.words and knows_words
        if self._presence is not None:
            self._untold.add(device)
        self.save_seen(now)
        self._rounds.tick(now)
        current = self._rounds.current
        if check_in.round_name and (current is None or check_in.round_name != current.name):
            return self._after_round(device, check_in.round_name, now)
        if not knows_words:
            self._withdraw(device, now)
            raise OtherVocabularyError(
                "the vocabulary of this device's model is not the federation's: update the keyboard, which then fetches the model"
            )
        if current is None or current.over:
            return self._call(REST, "", "no round is open")
        if current.stage == Stage.SELECTION and (reason := self._why_not(device, check_in, current, now)):
            self._withdraw(device, now)
            self.begin_if_all_are_here(now)
            return self._call(REST, "", reason)
        return self._in_round(device, current, now)

    def plan(self, device: str, round_name: str, now: float) -> RoundPlan:
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
            try:
                current.give(stage, device, message, now)
            except MessageRefusedError as error:
                if error.kind == RefusalKind.INVALID:
                    self.book.note_error(device, str(error), now)
                raise

    def found_invalid(self, device: str, round_name: str, reason: str) -> None:
        """Notes that a device sent a message of a round that is too large to be read."""
        current = self._rounds.current
        if current is not None and current.name == round_name:
            current.found_invalid(device, reason)

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
        if device not in (current.counted if current.stage == Stage.COMMIT else current.expected):
            return "dropped out"
        if current.stage == Stage.COMMIT:
            return "in the sum"
        return f"done with {current.stage}" if current.gave(device) else f"at {current.stage}"

    def last_seen(self, device: str) -> float:
        """Returns the time of a device's latest check-in since the coordinator started; 0 without one."""
        return self._checked_in.get(device, (0.0, False, False))[0]

    def readiness(self, device: str, now: float) -> Readiness:
        """Returns whether a device of the federation could take part in a round: of a word discovery, if one is open."""
        if self._rounds.conduct.left_out(device, now) is not None:
            return Readiness.LEFT_OUT
        seen, ready, words = self._checked_in.get(device, (-math.inf, False, False))
        if now - seen >= AWAY_SECONDS:
            return Readiness.AWAY
        return Readiness.READY if (words if self._of_words else ready) else Readiness.NOT_READY

    @property
    def _of_words(self) -> bool:
        """Whether the round that is under way belongs to a word discovery."""
        opened = self._rounds.open_round
        return opened is not None and opened.of_words

    def _why_not(self, device: str, check_in: CheckIn, current: Round, now: float) -> str:
        """Returns why a device cannot be selected for a round, for people; empty if it can."""
        out = self._rounds.conduct.left_out(device, now)
        if out is not None:
            return f"this federation leaves this device out of rounds for now: {out.reason}"
        if self._of_words and not check_in.words:
            return "this device shares no new words"
        if not self._of_words and not check_in.ready:
            return "this device is not ready"
        if not self._may_take_part(device):
            return "this device took part recently: it is the turn of other devices"
        self._choose_group(current, now)
        if not current.admits(device) and self._of_words:
            return "the second round of a word discovery is for the devices of its first round"
        if not current.admits(device):
            return (
                "a device makes rounds fail, and the federation finds out which: other devices take part in this round"
            )
        return ""

    def _choose_group(self, current: Round, now: float) -> None:
        """Decides, once enough devices are there, which of them may take part in a round; without any suspicion all may."""
        conduct, minimum = self._rounds.conduct, current.rules.minimum
        if self._grouped == current.name or current.group is not None or not conduct.suspicion(now):
            return
        ready = [device for device in self._checked_in if self.readiness(device, now) == Readiness.READY]
        present = [device for device in ready if self._may_take_part(device)]
        if len(present) < minimum:
            return
        self._grouped = current.name
        group = conduct.group(present, minimum, now)
        if group is not None:
            with self._rounds.noticing(current):
                current.restrict(group, now)
            self._rounds.changed += 1  # devices that were told to rest may be in the group

    def _after_round(self, device: str, round_name: str, now: float) -> Call:
        """Answers a device whose round is no longer under way."""
        outcome = self.outcome(device, round_name, now)
        if not outcome:
            return self._call(WAIT, round_name, "the model is being made")
        return self._call(REST, "", "the round is over", outcome)

    def _in_round(self, device: str, current: Round, now: float) -> Call:
        with self._rounds.noticing(current):
            selected = current.check_in(device, now)
        self.begin_if_all_are_here(now)
        if not selected and device in current.counted:  # its shares were not needed, but its update is in the sum
            return self._call(WAIT, current.name, f"the round is at {current.stage}")
        if not selected:
            dropped = device in current.cohort
            return self._call(REST, "", "the round continued without this device" if dropped else "the round is full")
        if current.stage in GIVING and not current.gave(device):
            return self._call(current.stage, current.name, "")
        return self._call(WAIT, current.name, f"the round is at {current.stage}")

    def _withdraw(self, device: str, now: float) -> None:
        """Lets a device drop out of the round that is under way, if any."""
        if self._rounds.current is not None:
            with self._rounds.noticing(self._rounds.current) as current:
                current.withdraw(device, now)

    def begin_if_all_are_here(self, now: float) -> None:
        """Lets a round with the minimum of devices begin without waiting for others, if no other can come."""
        current = self._rounds.current
        if current is None or current.stage != Stage.SELECTION or len(current.cohort) < current.rules.minimum:
            return
        if not self._others_may_come(current, now) and not self._store.members.open_codes(now):
            with self._rounds.noticing(current):
                current.hurry(now, "every device that can take part is here")

    def _others_may_come(self, current: Round, now: float) -> bool:
        """Returns whether a device may still be selected for a round. A list of all members would take long in each check-in."""
        for device in self._checked_in:
            if self._may_come(device, current, now) and self._store.members.belongs(device):
                return True
        if current.group is None and not self._rounds.settings.privacy.private:  # otherwise some may not come
            if now - self._counted[0] >= _COUNT_SECONDS:
                self._counted = now, self._store.members.count()
            if self._counted[1] > len(self._checked_in) + self._rounds.conduct.most_left_out:
                return True  # one that has not checked in yet
        return any(self._may_come(device, current, now) for device in self._store.members.ids())

    def _may_come(self, device: str, current: Round, now: float) -> bool:
        """Returns whether a device that is not in a round may still be selected for it; it may be away for a moment."""
        if device in current.cohort or not current.admits(device):
            return False
        cannot = (Readiness.LEFT_OUT, Readiness.NOT_READY)
        return self.readiness(device, now) not in cannot and self._may_take_part(device)

    def _may_take_part(self, device: str) -> bool:
        privacy = self._rounds.settings.privacy
        if not privacy.private:
            return True
        last, done = self._store.last_participation(device)
        return may_take_part(privacy, last, done + 1)

    def _call(self, task: str, round_name: str, reason: str, outcome: str = "") -> Call:
        rounds = self._rounds
        return Call(task, round_name, reason, outcome, rounds.model_digest, rounds.model.provenance.round)
