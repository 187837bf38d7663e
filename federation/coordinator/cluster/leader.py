"""The rounds of the process that leads a cluster: it alone opens and closes them, and it goes on with the round that it finds.

A process that is killed leaves one of these behind; its successor continues there (the steps are those of `rounds`):

- a round that was announced in part: it is repeated;
- an open round, up to the commit: it goes on, from its events and partial sums; one of another version of the coordinator, which
  this process cannot read, is repeated;
- a sum: its model is made.
"""

from pathlib import Path
from typing import Any, ClassVar

from data.errors import DataError
from federation.coordinator.cluster.journal import Journal, Opening
from federation.coordinator.cluster.partial_sums import PartialSum
from federation.coordinator.cluster.replicated_round import ReplicatedRound
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.round_machine import Round, Rules, Stage
from federation.coordinator.rounds import CoordinatorSettings, Rounds
from federation.coordinator.rounds_in_view import OpenRound
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.storage.lease import Lease
from federation.coordinator.storage.presence import Presence
from federation.coordinator.store import CoordinatorStore
from federation.protocol.discovery.round_plans import RoundPlan


class LeaderRounds(Rounds):
    """Rounds that other processes take part in."""

    def __init__(self, store: CoordinatorStore, folders: ModelFolders, shipped: Path, *more: Any) -> None:
        """Continues the rounds of an earlier leader; the arguments are those of `Rounds`."""
        self._journal = Journal(store.database)
        self._told: object = None  # what the other processes know
        self._kept: int | None = None  # the round of which messages are kept
        super().__init__(store, folders, shipped, *more)

    def tick(self, now: float) -> None:
        """Applies what other processes did, then does the work that is due."""
        self._catch_up()
        super().tick(now)
        open_now = None if self.open_round is None else self.open_round.number
        if self._kept not in (None, open_now):
            self._journal.drop_closed()
        self._kept = open_now
        self._tell()

    def begin_unmasking(self) -> OpenRound | None:
        """Returns the round whose sum is ready to be unmasked, with the partial sums of all processes."""
        opened = super().begin_unmasking()
        if opened is not None and isinstance(opened.machine, ReplicatedRound):
            opened.machine.shared.gather()
        return opened

    def suspend(self, now: float) -> None:
        """Leaves the round that is under way to the other processes."""

    def _continue(self, now: float) -> None:
        number, found = self._journal.position().number, None
        try:
            opening = None if number is None else self._journal.opening(number)
            found = None if opening is None else self._round_of(opening)
        except DataError as error:  # processes of two versions take turns while a cluster is updated
            self._store.events.add_error(f"this process cannot go on with round {number}: {error}", now)
        self._abort_open_rounds(now, None if found is None else found.number)
        if found is not None:
            self.open_round = found
            found.unmasking = bool(self._store.counted(found.number))
            self._store.events.add(f"another process leads the federation: round {found.number} goes on", now)
        self._journal.drop_closed()

    def _close(self, number: int, now: float) -> None:
        super()._close(number, now)
        self._journal.drop_closed()

    def _machine(self, number: int, plan: RoundPlan, rules: Rules, now: float, group: frozenset[str] | None) -> Round:
        opening = Opening(number, now, plan, rules, group)
        self._journal.open(opening)
        return self._round_of(opening).machine

    def _round_of(self, opening: Opening) -> OpenRound:
        partial = PartialSum(self._store.database, opening.number, opening.plan)
        return OpenRound(opening.number, opening.plan, ReplicatedRound(opening, self._journal, partial))

    def _catch_up(self) -> None:
        opened = self.open_round
        if opened is None or not isinstance(opened.machine, ReplicatedRound) or opened.machine.over:
            return
        position, stage = self._journal.position(), opened.machine.stage
        if position.number != opened.number:
            return
        if opened.machine.broken:
            opening = self._journal.opening(opened.number)
            if opening is not None:
                opened.machine = self._round_of(opening).machine
        elif position.place != opened.machine.place:
            opened.machine.catch_up()
        self.changed += opened.machine.stage != stage

    def _tell(self) -> None:
        known = self.model_digest, self.settings, self.conduct.version
        if known != self._told:
            self._journal.tell()
            self._told = known


class ClusterLeader(Coordinator):
    """The federation of a cluster in the process that leads it."""

    KIND: ClassVar[type[Rounds]] = LeaderRounds

    def __init__(
        self, folder: Path, shipped: Path, settings: CoordinatorSettings, now: float, database: str, lease: Lease
    ) -> None:
        """Continues the federation in a folder and a PostgreSQL database, as long as the process has the lease."""
        self._lease = lease
        super().__init__(folder, shipped, settings, SecureSummation, now, database)

    def tick(self, now: float) -> None:
        """Does the work that is due; lets a round begin once every device that can take part has come to any process.

        Raises:
          LeaseLostError: another process leads by now.
        """
        self._lease.check_lost()
        super().tick(now)
        if self.rounds.current is not None and self.rounds.current.stage == Stage.SELECTION:
            self.devices.begin_if_all_are_here(now)

    def _opened(self, store: CoordinatorStore) -> None:
        store.database.guard = self._lease.check

    def _devices(self, now: float) -> EnrolledDevices:
        return EnrolledDevices(self.store, self.rounds, now, Presence(self.store.database))
