"""The coordinator without a network: its devices and its rounds, over one store."""

import secrets
from collections.abc import Callable
from pathlib import Path

from federation.coordinator.enrolled_devices import EnrolledDevices
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.round_machine import Rules, Summation
from federation.coordinator.rounds import CoordinatorSettings, Rounds
from federation.coordinator.store import CoordinatorStore
from federation.protocol.api_messages import PlanOfRound


class Coordinator:
    """A federation in a folder. Requests are signed for `session`, which is new with each start."""

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
        self.session = secrets.token_hex(16)
        self.store = CoordinatorStore.of(folder, database)
        try:
            self.rounds = Rounds(self.store, ModelFolders(folder), shipped, settings, secure_sum, now)
        except BaseException:
            self.store.close()
            raise
        self.devices = EnrolledDevices(self.store, self.rounds, now)

    def tick(self, now: float) -> None:
        """Does the work that is due: ends stages, opens rounds, stores when devices were seen."""
        self.devices.save_seen(now)
        self.rounds.tick(now)

    def close(self) -> None:
        """Closes the store; a round that is under way is aborted at the next start."""
        self.devices.close()
        self.store.close()
