"""Room on the disk that is kept for the moment when the disk is full: deleting, too, needs room for SQLite's log."""

import os
from contextlib import suppress
from pathlib import Path

_NAME = "spare"
_SIZES = (1 << 20, 1 << 19, 1 << 18, 1 << 17)  # bytes


class SpareRoom:
    """A file in a folder that only takes up room, until it is deleted because the room is needed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def keep(self) -> None:
        """Takes up the room, or a part of it if there is less; does nothing if it is taken up already."""
        if self._path.exists():
            return
        for size in _SIZES:
            try:
                with self._path.open("xb") as file:
                    file.write(os.urandom(size))  # zeros might take up no room
                return
            except OSError:
                self.give()

    def give(self) -> None:
        """Frees the room."""
        with suppress(OSError):
            self._path.unlink()
