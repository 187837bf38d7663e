"""A model that is to take the place of a federation's newest one between two rounds: `federate serve --model DIR --take-over`."""

from pathlib import Path

from data.errors import DataError
from federation.coordinator.model_folders import ModelFolders
from federation.coordinator.rounds import Rounds
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.store import FILE, CoordinatorStore
from model.device.folder import Model, load_model
from model.device.weights import digest


def model_to_take_over(folder: Path, wanted: Path | None, agreed: bool, database: str | None = None) -> Model | None:
    """Returns the model that is to be taken over, or None if the federation in a folder builds on it already, or is a new one.

    Args:
      folder: the coordinator's folder.
      wanted: the model folder that was asked for; None to go on with the federation's own model.
      agreed: whether the operator wants the federation to go on from another model.
      database: address of the PostgreSQL database that the federation keeps its rounds in, if it does.

    Raises:
      DataError: the federation builds on another model, and the operator has not agreed; or a model is damaged.
      StoreError: the store cannot be read.
    """
    if wanted is None or (database is None and not (folder / FILE).exists()):
        return None
    store = CoordinatorStore.of(folder, database)
    try:
        first = ModelFolders(folder).model_folder(store.newest_takeover()[0])
    finally:
        store.close()
    if not first.exists():
        return None
    begun, model = digest(load_model(first).weights), load_model(wanted)
    if digest(model.weights) == begun:
        return None
    if not agreed:
        raise DataError(
            f"the federation in {folder} builds on the model {begun[:12]}… and does not continue from {wanted}, the model "
            f"{digest(model.weights)[:12]}…, by itself. Leave out --model; add --take-over, and every device changes to that "
            "model; or begin a new federation with another --folder"
        )
    return model


class TakeOver:
    """A model that waits for the end of a round: a sum that has no model yet is made into one first."""

    def __init__(self, model: Model, rounds: Rounds, settings: SettingsInForce) -> None:
        """Lets no round open until the model is taken over."""
        self._model: Model | None = model
        self._rounds, self._settings = rounds, settings
        rounds.taking_over = True

    def apply(self, now: float) -> bool:
        """Takes the model over if no round is under way; returns whether the learner has to be started again.

        Raises:
          DataError, StoreError, OSError: the model or the settings cannot be stored; nothing has changed for the rounds.
        """
        if self._model is None or self._rounds.open_round is not None or self._rounds.summed() is not None:
            return False
        # The noise of a new tree must not repeat that of the tree before. A state that exists already keeps its own seed.
        self._settings.renew_noise()
        self._rounds.take_over(self._model, now)
        self._model, self._rounds.taking_over = None, False
        return True
