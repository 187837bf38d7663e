"""A process of a cluster that does not lead: it answers devices, and adds their masked updates to a sum of its own."""

from collections.abc import Callable
from pathlib import Path

from data.errors import DataError
from federation.coordinator.cluster.journal import Journal
from federation.coordinator.cluster.partial_sums import PartialSum
from federation.coordinator.cluster.replicated_round import ReplicatedRound
from federation.coordinator.conduct.conduct import Conduct
from federation.coordinator.coordinator import FederationInView
from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.rounds_in_view import CoordinatorSettings, OpenRound, RoundsInView
from federation.coordinator.storage.presence import Presence
from federation.coordinator.store import CoordinatorStore
from model.device.folder import load_model
from model.device.weights import digest


class MemberRounds(RoundsInView):
    """The rounds as the leader runs them."""

    def __init__(
        self, store: CoordinatorStore, folders: ModelFolders, settings: Callable[[], CoordinatorSettings]
    ) -> None:
        """Reads the federation as it is; `settings` reads how its rounds are run.

        Raises:
          DataError: its model or its settings are damaged.
        """
        super().__init__(store, folders)
        self._journal, self._read_settings = Journal(store.database), settings
        self._version, self._model_number = -1, -1
        self._catch_up()

    def tick(self, now: float) -> None:
        """Applies what other processes did, and ends stages whose time is over."""
        self._catch_up()
        if self.current is not None:
            with self.noticing(self.current) as current:
                current.tick(now)

    def _catch_up(self) -> None:
        position = self._journal.position()
        if position.version != self._version:
            self._read_federation()
            self._version = position.version
            self.changed += 1
        opened = self.open_round
        if position.number is None:
            self.changed += opened is not None
            self.open_round = None
        elif opened is None or opened.number != position.number or _broken(opened):
            if opened is not None and opened.number != position.number:
                self.open_round = None  # it is over, also if this process cannot read the next one
                self.changed += 1
            opening = self._journal.opening(position.number)
            if opening is not None:
                partial = PartialSum(self._store.database, opening.number, opening.plan)
                machine = ReplicatedRound(opening, self._journal, partial)
                self.open_round = OpenRound(opening.number, opening.plan, machine)
                self.changed += 1
        elif isinstance(opened.machine, ReplicatedRound) and opened.machine.place != position.place:
            stage = opened.machine.stage
            opened.machine.catch_up()
            self.changed += opened.machine.stage != stage

    def _read_federation(self) -> None:
        self.settings, self.conduct = self._read_settings(), Conduct(self._store)
        newest = self._store.newest_committed()
        if newest != self._model_number:
            self.model = load_model(self.folders.model_folder(newest))
            self.model_digest, self._model_number = digest(self.model.weights), newest


class ClusterMember(FederationInView):
    """A federation that another process leads. Requests are signed for the `session` of this process."""

    def __init__(
        self, folder: Path, settings: Callable[[], CoordinatorSettings], now: float, database: str | None
    ) -> None:
        """Takes part in the federation in a folder and a PostgreSQL database; `settings` reads how its rounds are run.

        Raises:
          DataError: no process has led the federation yet, or something in it is damaged.
          StoreError: the database cannot be read or written.
        """
        store = CoordinatorStore.of(folder, database)
        try:
            folders = ModelFolders(folder)
            if not folders.model_folder(store.newest_committed()).exists():
                raise DataError(f"the federation in {folder} has not begun yet: start another process that leads it")
            super().__init__(store, MemberRounds(store, folders, settings))
        except BaseException:
            store.close()
            raise
        self.devices = EnrolledDevices(self.store, self.in_view, now, Presence(self.store.database))


def _broken(opened: OpenRound) -> bool:
    return isinstance(opened.machine, ReplicatedRound) and opened.machine.broken
