"""The view of the rounds that devices' requests need: the round that is under way, the newest model, and who is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from federation.aggregation.privacy import Privacy
from federation.coordinator.conduct.conduct import Conduct
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.round_machine import MessageRefusedError, RefusalKind, Round, Rules
from federation.coordinator.store import CoordinatorStore
from federation.protocol.api_messages import Plan
from federation.protocol.discovery.round_plans import RoundPlan
from model.device.folder import Model
from model.device.learning.finetuning import ROUND_TRAINING, FineTuning

_BACKOFF_SECONDS = 15.0


@dataclass(frozen=True)
class CoordinatorSettings:
    """How rounds are run."""

    rules: Rules = field(default_factory=Rules)
    training: FineTuning = ROUND_TRAINING
    privacy: Privacy = field(default_factory=Privacy)
    backoff_seconds: float = _BACKOFF_SECONDS  # before the round after an aborted one; doubled with each abort in a row


@dataclass
class OpenRound:
    """The round that is under way."""

    number: int
    plan: RoundPlan
    machine: Round
    unmasking: bool = False  # whether the store has recorded who is in the sum

    @property
    def of_words(self) -> bool:
        """Whether it belongs to a word discovery."""
        return not isinstance(self.plan, Plan)


class RoundsInView:
    """The rounds as devices meet them. `changed` grows whenever waiting devices should check in again."""

    settings: CoordinatorSettings
    model: Model  # the newest global one
    model_digest: str
    conduct: Conduct

    def __init__(self, store: CoordinatorStore, folders: ModelFolders) -> None:
        self.folders, self.changed = folders, 0
        self.open_round: OpenRound | None = None
        self._store = store

    @property
    def current(self) -> Round | None:
        """The round that is under way."""
        return None if self.open_round is None else self.open_round.machine

    @property
    def newest_folder(self) -> Path:
        """Folder of the newest global model."""
        return self.folders.model_folder(self._store.newest_committed())

    def tick(self, now: float) -> None:
        """Ends stages whose time is over."""
        raise NotImplementedError

    def named(self, round_name: str) -> OpenRound:
        """Returns the round that is under way.

        Raises:
          MessageRefusedError: no round of this name is under way.
        """
        if self.open_round is None or self.open_round.machine.name != round_name:
            raise MessageRefusedError(f"round {round_name} is no longer under way", RefusalKind.LATE)
        return self.open_round

    @contextmanager
    def noticing(self, current: Round) -> Iterator[Round]:
        """Counts a change of the round's stage within the context as a change for waiting devices."""
        before = current.stage
        try:
            yield current
        finally:
            if current.stage != before:
                self.changed += 1
            for when, line in current.history:
                self._store.events.add(f"{self._numbered(current)}: {line}", when)
            current.history.clear()

    def _numbered(self, current: Round) -> str:
        opened = self.open_round
        return f"round {opened.number}" if opened is not None and opened.machine is current else "the round"
