"""The state of a TFF process on disk, from which a killed run continues, bit for bit.

`tff.program.FileProgramStateManager` saves one version per round. It gets a flat list of arrays: saving the state's own
structure fails with the `typing-extensions` that the rest of this project needs. A killed save leaves a folder whose name
ends in `_temp` and a number, and the version before it intact.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from data.errors import UserFacingError

T = TypeVar("T")

State = Any  # any structure of arrays: the state of a TFF process, @SERVER, alone or with arrays beside it


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; returns its result.

    `asyncio.run` turns Ctrl-C into a cancellation of the coroutine, which is lost if the coroutine ends without awaiting
    anything more, as TFF's savers do.

    Raises:
      UserFacingError: TensorFlow cannot read or write a file, for example because the disk is full.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    except tf.errors.ResourceExhaustedError as error:
        raise UserFacingError(
            "the disk is full: free some space and start again; what was saved before is kept"
        ) from error
    except tf.errors.OpError as error:
        raise UserFacingError(f"TensorFlow cannot read or write a file: {error.message}") from error
    finally:
        loop.close()


class StateStore:
    """Saves and restores the state of a learning process after each round."""

    def __init__(self, folder: Path) -> None:
        """Opens a store in `folder`. It keeps the newest round, and deletes the round before once the newest is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*_temp*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._manager = tff.program.FileProgramStateManager(folder, "round_", keep_total=1, keep_first=False)

    def save(self, round_number: int, state: State) -> None:
        """Saves the state after a round."""
        flat = [np.asarray(array) for array in tf.nest.flatten(state)]
        wait_for(self._manager.save(flat, round_number))

    def latest(self, like: State) -> tuple[State, int]:
        """Returns the state after the newest saved round, and the round's number; `like` itself and 0 if there is none.

        `like` is any state of the same process, which provides the structure and the types.
        """
        flat = [np.asarray(array) for array in tf.nest.flatten(like)]
        found, round_number = wait_for(self._manager.load_latest(flat))
        if found is None:
            return like, 0
        return tf.nest.pack_sequence_as(like, list(found)), round_number
