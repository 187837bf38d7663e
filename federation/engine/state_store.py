"""The state of a TFF process on disk, from which a killed run continues, bit for bit.

A state is saved once per round, as a flat list of arrays (`federation.engine.state_files`). Saving the state's own structure with
TFF's `FileProgramStateManager` fails with the `typing-extensions` that the rest of this project needs.
"""

import asyncio
import errno
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from data.errors import DataError, UserFacingError
from federation.engine.state_files import ArrayStateManager, DamagedStateError

T = TypeVar("T")

_DISK_FULL = "the disk is full: free some space and start again; what was saved before is kept"

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
        raise UserFacingError(_DISK_FULL) from error
    except tf.errors.OpError as error:
        raise UserFacingError(f"TensorFlow cannot read or write a file: {error.message}") from error
    finally:
        loop.close()


class StateStore:
    """Saves and restores the state of a learning process after each round."""

    def __init__(self, folder: Path) -> None:
        """Opens a store in `folder`. It keeps the newest round and the one before it."""
        self._folder = folder
        self._manager = ArrayStateManager(folder)

    def save(self, round_number: int, state: State) -> None:
        """Saves the state after a round.

        Raises:
          UserFacingError: the state cannot be written, for example because the disk is full.
        """
        flat = [np.asarray(array) for array in tf.nest.flatten(state)]
        try:
            wait_for(self._manager.save(flat, round_number))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserFacingError(_DISK_FULL) from error
            raise UserFacingError(f"cannot save a state in {self._folder}: {error.strerror or error}") from error

    def latest(self, like: State) -> tuple[State, int]:
        """Returns the state after the newest saved round, and the round's number; `like` itself and 0 if there is none.

        If the newest state is damaged, it is removed and the one before it is returned: that round has to be repeated.

        Args:
          like: any state of the same process, which provides the structure and the types.

        Raises:
          DataError: all states are damaged, or they were saved with other settings.
        """
        flat = [np.asarray(array) for array in tf.nest.flatten(like)]
        damaged: list[tuple[int, DamagedStateError]] = []
        versions: list[int] | None = wait_for(self._manager.get_versions())
        for number in reversed(versions or []):
            try:
                found = wait_for(self._manager.load(number, flat))
            except DamagedStateError as error:
                damaged.append((number, error))
                continue
            for later, why in damaged:
                print(f"{why}: continuing after round {number}", file=sys.stderr)
                self._manager.remove(later)
            return tf.nest.pack_sequence_as(like, found), number
        if damaged:
            _, why = damaged[0]
            raise DataError(f"{why}. Restore {self._folder} from a backup, or start in another folder")
        return like, 0
