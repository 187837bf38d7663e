"""The state of a process of TFF on disk: what a killed run goes on from, bit for bit, and a next round from the last.

`tff.program.FileProgramStateManager` keeps one version a round. It is given a flat list of arrays: saving the state's own
structure fails with the `typing-extensions` that the rest of this project needs. A save that is killed leaves a folder with
`_temp` and a number behind its name, and the version before it whole.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

T = TypeVar("T")


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to.

    `asyncio.run` takes Ctrl-C for a wish to cancel the coroutine, and forgets it where that ends without waiting for anything
    more, as TFF's savers do.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


class StateStore:
    """Saves and restores the state of a learning process after each round."""

    def __init__(self, folder: Path) -> None:
        """Keeps the newest round in `folder`; the one before goes when it is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*_temp*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._manager = tff.program.FileProgramStateManager(folder, "round_", keep_total=1, keep_first=False)

    def save(self, round_number: int, state: Any) -> None:
        """Saves the state after a round."""
        flat = [np.asarray(array) for array in tf.nest.flatten(state)]
        wait_for(self._manager.save(flat, round_number))

    def latest(self, like: Any) -> tuple[Any, int]:
        """The state after the newest saved round, and that round; `like` itself and 0 where none was saved.

        `like` is a state of the same process: its structure and types are what is read back.
        """
        flat = [np.asarray(array) for array in tf.nest.flatten(like)]
        found, round_number = wait_for(self._manager.load_latest(flat))
        if found is None:
            return like, 0
        return tf.nest.pack_sequence_as(like, list(found)), round_number
