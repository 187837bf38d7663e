"""Where the coordinator keeps its models and the learner its states: a folder of each for the first and the newest rounds.

    models/000000/    the model to start from            states/000000/next.json    what the learner says of the first round
    models/000012/    that of round 12                   states/000012/…            its state after that, and of the round to come

Which round made the newest model is in the store: folders of later ones were left by an attempt that was cut off.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from data.files import write_by_rename
from model.device.folder import Model, load_model, recover, save_model

NEXT = "next.json"  # in a state's folder: what the learner says of the round after it, and that the folder is whole
_KEPT = 2


class Shelf:
    """The folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def model_folder(self, number: int) -> Path:
        """Where the model lies that a round made; 0 for the one to start from."""
        return self._folder / "models" / f"{number:06}"

    def state_folder(self, number: int) -> Path:
        """Where the learner keeps its state after a round."""
        return self._folder / "states" / f"{number:06}"

    def newest_model(self, newest: int, shipped: Path) -> Model:
        """The model of the newest committed round, or the shipped one where there is none; what is of later rounds goes.

        Raises:
          DataError: a model is damaged.
        """
        for parent in (self._folder / "models", self._folder / "states"):
            for folder in parent.glob("[0-9]*"):
                if int(folder.name) > newest:
                    shutil.rmtree(folder, ignore_errors=True)
        first = self.model_folder(0)
        recover(first)
        if not newest and not first.exists():
            save_model(first, load_model(shipped))
        return load_model(self.model_folder(newest))

    def put(self, number: int, model: Model) -> None:
        """Keeps the model of a round that is about to be committed."""
        folder = self.model_folder(number)
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
        save_model(folder, model)

    def remove_old(self, newest: int) -> None:
        """Keeps a few of the newest, and the first, which the learner's process is made from."""
        for parent in (self._folder / "models", self._folder / "states"):
            for folder in sorted(parent.glob("[0-9]*"))[:-_KEPT]:
                if 0 < int(folder.name) < newest:
                    shutil.rmtree(folder, ignore_errors=True)

    def told(self, number: int) -> dict[str, Any] | None:
        """What the learner said of the round after this one, if it did."""
        path = self.state_folder(number) / NEXT
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def keep_told(self, number: int, told: dict[str, Any]) -> None:
        """Keeps that."""
        write_by_rename(self.state_folder(number) / NEXT, json.dumps(told).encode())
