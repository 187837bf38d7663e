"""The coordinator's status, for its operator: rounds, devices, sums and errors, but no single device's update."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from federation.aggregation.privacy import Privacy, Spent
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.enrolled_devices import AWAY_SECONDS
from federation.coordinator.learner.round_report import RoundReport
from federation.coordinator.round_machine import Stage
from federation.coordinator.rounds import OpenRound
from federation.coordinator.settings.settings_change import ALL, Value, fixed_because, values_of
from federation.coordinator.settings_in_force import SettingsInForce

_ROUNDS, _ERRORS, _EVENTS = 200, 20, 100  # number of the newest ones in a status
_DEVICES = 200  # that were seen latest: a list of all would take seconds in a large federation


@dataclass(frozen=True)
class ModelStatus:
    """The newest global model."""

    round: int
    digest: str


@dataclass(frozen=True)
class OpenRoundStatus:
    """The round that is under way; counts are of devices."""

    number: int
    stage: Stage
    seconds_left: float | None  # until the stage's deadline; None without one
    selected: int
    expected: int  # still in the round
    given: int  # that have sent their message of the stage
    minimum: int
    target: int
    of_words: bool = False  # whether it belongs to a word discovery


@dataclass(frozen=True)
class DeviceStatus:
    """A device that has joined."""

    id: str
    enrolled: float  # seconds since 1970, as all times here
    seen: float
    rounds: int  # rounds with the device's update in the sum
    state: str  # state in the round, for people; "free" outside of a round, "left" or "removed" after that


@dataclass(frozen=True)
class RoundRecord:
    """A round of the past, or the one under way."""

    number: int
    state: str  # open, summed, committed or aborted
    started: float
    ended: float | None
    reason: str  # reason of an abort
    selected: int
    counted: int  # devices in the sum
    report: RoundReport


@dataclass(frozen=True)
class ErrorRecord:
    """Something that went wrong."""

    time: float
    text: str


@dataclass(frozen=True)
class EventRecord:
    """Something that happened."""

    time: float
    text: str


@dataclass(frozen=True)
class SettingRecord:
    """A setting, in force from the next round on at the latest."""

    name: str  # of its option, with underscores
    label: str
    unit: str
    value: Value
    shown: str
    fixed: str  # reason why it cannot change any more; otherwise empty


@dataclass(frozen=True)
class CoordinatorStatus:
    """The whole status of a coordinator."""

    model: ModelStatus
    wanted: int  # rounds still to run
    paused: bool
    ready: bool  # whether the learner has prepared the next round
    exhausted: str  # reason why no round can follow: the privacy budget is exhausted; otherwise empty
    spent: Spent | None
    round: OpenRoundStatus | None
    devices: tuple[DeviceStatus, ...]  # those that were seen latest
    open_codes: int
    rounds: tuple[RoundRecord, ...]  # newest last
    errors: tuple[ErrorRecord, ...]  # newest first
    privacy: Privacy = field(default_factory=Privacy)
    spent_after: Spent | None = None  # privacy spent once the next round has ended as well
    events: tuple[EventRecord, ...] = ()  # newest first, errors included
    settings: tuple[SettingRecord, ...] = ()
    wait: str = ""  # when the next round begins and why not now, for people; empty without such a reason
    obstacle: str = ""  # why no round can begin or succeed, and what the owner can do; empty if one can
    members: int = 0  # devices that belong to the federation
    active: int = 0  # of these, the devices that checked in lately

    def to_json(self) -> dict[str, Any]:
        """Returns the status as JSON values: a round's report is part of its row, and infinite figures become null."""
        content = asdict(self)
        for row, record in zip(content["rounds"], self.rounds, strict=True):
            del row["report"]
            row |= record.report.to_json()
        finite: dict[str, Any] = _finite(content | {name: content[name] or {} for name in ("spent", "spent_after")})
        return finite


def status_of(coordinator: Coordinator, now: float, in_force: SettingsInForce | None = None) -> CoordinatorStatus:
    """Returns the status of a coordinator now, with its settings if they are given."""
    rounds, store = coordinator.rounds, coordinator.store
    scheduled, paused = store.schedule()
    upcoming, private = rounds.next_round, rounds.settings.privacy.private
    members, minimum = store.members.count(), rounds.settings.rules.minimum
    few = members - rounds.conduct.most_left_out <= minimum  # otherwise nothing stands in the way of a round
    return CoordinatorStatus(
        ModelStatus(rounds.model.provenance.round, rounds.model_digest),
        scheduled,
        paused,
        ready=upcoming is not None,
        exhausted=upcoming.exhausted if upcoming else "",
        spent=upcoming.spent if upcoming and private else None,
        round=None if rounds.open_round is None else _open_round(rounds.open_round, now),
        devices=_devices(coordinator),
        open_codes=store.members.open_codes(now),
        rounds=_rounds(coordinator),
        errors=tuple(ErrorRecord(time, text) for time, text in store.events.errors(_ERRORS)),
        privacy=rounds.settings.privacy,
        spent_after=upcoming.spent_after if upcoming and private else None,
        events=tuple(EventRecord(time, text) for time, text in store.events.newest(_EVENTS)),
        settings=() if in_force is None else _settings(in_force),
        wait=rounds.failures.backoff.line(now) if scheduled and not paused else "",
        obstacle=rounds.conduct.obstacle(store.members.ids(), minimum, now) if few else "",
        members=members,
        active=store.members.number_seen(now - AWAY_SECONDS),
    )


def progress_of(coordinator: Coordinator, now: float) -> dict[str, Any]:
    """Returns the part of the status that changes during a round, as JSON values; it costs the same with any number of devices."""
    rounds = coordinator.rounds
    opened = None if rounds.open_round is None else asdict(_open_round(rounds.open_round, now))
    return {"ready": rounds.next_round is not None, "wanted": coordinator.store.schedule()[0], "round": _finite(opened)}


def _settings(in_force: SettingsInForce) -> tuple[SettingRecord, ...]:
    settings = in_force.wanted or in_force.current
    begun, values = in_force.begun, values_of(settings)
    return tuple(
        SettingRecord(
            *(name, setting.label, setting.unit, values[name], setting.shown(values[name])),
            fixed_because(name, settings) if begun else "",
        )
        for name, setting in ALL.items()
    )


def _open_round(opened: OpenRound, now: float) -> OpenRoundStatus:
    machine = opened.machine
    # At the commit nothing more is expected of a device: those that unmasking did without have done their part as well.
    done = machine.stage == Stage.COMMIT
    return OpenRoundStatus(
        opened.number,
        machine.stage,
        None if math.isinf(machine.deadline) else max(0.0, machine.deadline - now),
        selected=len(machine.cohort),
        expected=len(machine.counted if done else machine.expected),
        given=len(machine.counted if done else machine.given),
        minimum=machine.rules.minimum,
        target=machine.rules.target,
        of_words=opened.of_words,
    )


def _devices(coordinator: Coordinator) -> tuple[DeviceStatus, ...]:
    return tuple(
        DeviceStatus(
            row.id,
            row.enrolled,
            row.seen,
            row.rounds,
            ("removed" if row.removed else "left")
            if row.gone is not None
            else coordinator.devices.state_in_round(row.id),
        )
        for row in coordinator.store.members.devices(_DEVICES)
    )


def _rounds(coordinator: Coordinator) -> tuple[RoundRecord, ...]:
    return tuple(
        RoundRecord(
            row.number,
            row.state,
            row.started,
            row.ended,
            row.reason,
            row.cohort,
            row.counted,
            RoundReport.from_json(json.loads(row.report)),
        )
        for row in coordinator.store.rounds(_ROUNDS)
    )


def _finite(content: Any) -> Any:
    """Returns JSON values with null in place of infinity, which JSON lacks."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
