"""The coordinator without a network: its devices and its rounds, over one store."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.round_machine import Rules, Summation
from federation.coordinator.rounds import CoordinatorSettings, Rounds
from federation.coordinator.rounds_in_view import RoundsInView
from federation.coordinator.store import CoordinatorStore
from federation.protocol.api_messages import PlanOfRound


class FederationInView:
    """A federation as its devices meet it. Requests are signed for `session`, which is new with each start."""

    devices: EnrolledDevices

    def __init__(self, store: CoordinatorStore, rounds: RoundsInView) -> None:
        self.session = secrets.token_hex(16)
        self.store, self.in_view = store, rounds

    def tick(self, now: float) -> None:
        """Does the work that is due: ends stages, stores when devices were seen."""
        self.devices.save_seen(now)
        self.in_view.tick(now)

    def close(self) -> None:
        """Stores when devices were seen, and closes the store."""
        try:
            self.devices.close()
        finally:
            self.store.close()


class Coordinator(FederationInView):
    """A federation in a folder."""

    KIND: ClassVar[type[Rounds]] = Rounds

    def __init__(
        self,
        folder: Path,
        shipped: Path,
        settings: CoordinatorSettings,
        secure_sum: Callable[[PlanOfRound, Rules], Summation],
        now: float,
        database: str | None = None,
    ) -> None:
        """Continues the federation in `folder`, or begins one there; the other arguments are those of `Rounds`.

        Its store is the SQLite file in the folder, or, with the address of a PostgreSQL `database`, there.

        Raises:
          DataError: a model is damaged, the store was written by a newer version, or the federation keeps its store elsewhere.
          StoreError: the store cannot be read or written.
        """
        store = CoordinatorStore.of(folder, database)
        try:
            self._opened(store)
            self.rounds = self.KIND(store, ModelFolders(folder), shipped, settings, secure_sum, now)
        except BaseException:
            store.close()
            raise
        super().__init__(store, self.rounds)
        self.devices = self._devices(now)

    def _opened(self, store: CoordinatorStore) -> None:
        """Prepares the store."""

    def _devices(self, now: float) -> EnrolledDevices:
        return EnrolledDevices(self.store, self.rounds, now)
