"""The folders in which the coordinator keeps its models and the learner its states, for the first and the newest rounds.

    models/000000/    the first model             states/000000/    the first round, as the learner prepared it
    models/000012/    the model of round 12       states/000012/    the learner's state after round 12, and the round to come

The store says which round made the newest model; folders of later rounds were left by attempts that were cut off. A model that was
taken over has a number of its own, and is the first one from then on.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from model.device.folder import Model, load_model, recover, save_model

_KEPT = 2  # newest models and states, beside the first


class ModelFolders:
    """The folders of models and states inside a coordinator's folder."""

    def __init__(self, folder: Path) -> None:
        self._models, self._states = folder / "models", folder / "states"

    def model_folder(self, number: int) -> Path:
        """Returns the folder of the model that a round made; number 0 is the first model."""
        return self._models / f"{number:06}"

    def state_folder(self, number: int) -> Path:
        """Returns the folder of the learner's state after a round; number 0 is the state before any."""
        return self._states / f"{number:06}"

    def newest_model(self, newest: int, shipped: Path) -> Model:
        """Loads the model of the newest committed round, or the shipped one before any; removes folders of later rounds.

        Raises:
          DataError: a model is damaged.
        """
        for folder, number in self._numbered():
            if number > newest:
                shutil.rmtree(folder, ignore_errors=True)
        first = self.model_folder(0)
        recover(first)
        if not newest and not first.exists():
            save_model(first, load_model(shipped))
        return load_model(self.model_folder(newest))

    def save(self, number: int, model: Model) -> None:
        """Saves the model of a round that is about to be committed."""
        folder = self.model_folder(number)
        shutil.rmtree(folder, ignore_errors=True)  # left by an attempt that was cut off
        save_model(folder, model)

    def remove_old(self, newest: int, first: int) -> None:
        """Removes all folders but those of the newest rounds and of the first model, from which the learner's process is made."""
        for parent in (self._models, self._states):
            for folder in sorted(parent.glob("[0-9]*"))[:-_KEPT]:
                if int(folder.name) < newest and int(folder.name) not in (0, first):
                    shutil.rmtree(folder, ignore_errors=True)

    def _numbered(self) -> Iterator[tuple[Path, int]]:
        for parent in (self._models, self._states):
            for folder in parent.glob("[0-9]*"):
                yield folder, int(folder.name)
