"""States of TFF programs as files of plain arrays, one for each version.

`tff.program.FileProgramStateManager` saves a state as a SavedModel, in a thread that ends afterwards. Until the process ends,
TensorFlow keeps something of each such thread, and of each SavedModel that is saved or loaded: about 0.1 MiB for each save and
load of a small state.

These files are in the safetensors format, with the SHA-256 of the arrays in the header. A file is written under another name,
flushed to disk, and renamed: a save that was killed leaves the versions before it intact. States that earlier releases saved as a
SavedModel are still read.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_federated as tff
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors
from tensorflow_federated.python.program.program_state_manager import ProgramStateExistsError

from data.errors import DataError
from data.files import write_by_rename

Arrays = list[Any]  # NumPy arrays, and NumPy numbers for those without dimensions

_PREFIX = "round_"
_NAME = re.compile(_PREFIX + r"(\d+)(\.safetensors)?")  # without the ending: a folder of an earlier release
_CHECKSUM = "sha256"


class DamagedStateError(DataError):
    """The file of a state is incomplete or has been changed."""


class ArrayStateManager(tff.program.ProgramStateManager[Arrays]):
    """A state manager of TFF for flat lists of arrays. It keeps the newest version and the one before it."""

    def __init__(self, folder: Path, kept: int = 2) -> None:
        """Keeps the newest `kept` versions in `folder`, and removes the files of saves that were killed."""
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*_temp*"):  # of an earlier release
            shutil.rmtree(leftover, ignore_errors=True)
        for leftover in folder.glob(f".{_PREFIX}*"):
            leftover.unlink(missing_ok=True)
        self._folder, self._kept = folder, kept
        self._earlier_release = tff.program.FileProgramStateManager(folder, _PREFIX)

    async def get_versions(self) -> list[int] | None:
        """Returns the saved versions in ascending order; None if there is none."""
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted({int(name[1]) for name in found if name}) or None

    async def load(self, version: int, structure: Arrays) -> Arrays:
        """Returns the state of a version.

        Args:
          version: the version.
          structure: a list of as many arrays.

        Raises:
          ProgramStateNotFoundError: there is no such version.
          DamagedStateError: the file is damaged.
          DataError: the state has another number of arrays.
        """
        path = self._file(version)
        if not path.exists():
            return list(await self._earlier_release.load(version, structure))
        arrays = _read(path)
        if len(arrays) != len(structure):
            raise DataError(f"{path} was saved with other settings: it has {len(arrays)} arrays, not {len(structure)}")
        return arrays

    async def save(self, program_state: Arrays, version: int) -> None:
        """Saves the state of a version, then removes all but the newest versions.

        Raises:
          ProgramStateExistsError: the version exists already.
          OSError: the file cannot be written.
        """
        if version in (await self.get_versions() or []):
            raise ProgramStateExistsError(version=version, path=str(self._folder))
        arrays = {f"{place:04}": np.asarray(array, order="C") for place, array in enumerate(program_state)}
        content = to_safetensors(arrays, {_CHECKSUM: _checksum(arrays)})
        write_by_rename(self._file(version), content, mode=0o600)  # a state may hold the seed of the noise, a secret
        for older in (await self.get_versions() or [])[: -self._kept]:
            self.remove(older)

    def remove(self, version: int) -> None:
        """Removes a version."""
        self._file(version).unlink(missing_ok=True)
        shutil.rmtree(self._folder / f"{_PREFIX}{version}", ignore_errors=True)

    def _file(self, version: int) -> Path:
        return self._folder / f"{_PREFIX}{version}.safetensors"


def _read(path: Path) -> Arrays:
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            stated = (file.metadata() or {}).get(_CHECKSUM)
    except SafetensorError as error:
        raise DamagedStateError(f"{path} is damaged: {error}") from error
    if stated != _checksum(arrays):
        raise DamagedStateError(f"{path} is damaged: its contents do not have the checksum in its header")
    return [array[()] for array in arrays.values()]


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> str:
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
