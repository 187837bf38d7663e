"""The file of a person's hand: where they touch the keys (`model.device.gliding.hand`), encrypted.

The encrypted content is a JSON object: the version of the format, and for taps and glides the sums of each letter.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from keyboard_app.recording.vault import Vault
from model.device.gliding.hand import Hand

_IDENTITY = "hand"
_VERSION = 1
_KINDS = ("taps", "glides")
_MOST_BYTES = 1 << 18  # a hand with all the letters of a layout has a few thousand


def save_hand(path: Path, hand: Hand, vault: Vault) -> None:
    """Writes the file by rename.

    Raises:
      DataError: it cannot be written.
    """
    kinds = dict(zip(_KINDS, (hand.taps, hand.glides), strict=True))
    sums = {kind: {letter: row.tolist() for letter, row in model.sums.items()} for kind, model in kinds.items()}
    content = json.dumps({"version": _VERSION, **sums}).encode()
    try:
        write_by_rename(path, vault.seal(content, _IDENTITY), mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error


def load_hand(path: Path, vault: Vault) -> Hand:
    """Reads the file.

    Raises:
      DataError: the file is missing, damaged, of another version, or encrypted with another key.
    """
    try:
        with path.open("rb") as file:
            sealed = file.read(_MOST_BYTES + 1)
        if len(sealed) > _MOST_BYTES:
            raise ValueError("it is too large")
        return _hand_of(json.loads(vault.open(sealed, _IDENTITY)))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UserFacingError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}") from error


def _hand_of(content: Any) -> Hand:
    if content.get("version") != _VERSION:
        raise DataError("it was written by another version of the keyboard")
    arrays: dict[str, Any] = {}
    for kind in _KINDS:
        sums = content.get(kind, {})
        arrays[f"{kind}_letters"] = np.array([ord(letter) for letter in sums], np.uint32)
        arrays[kind] = np.array([sums[letter] for letter in sums], np.float64).reshape(len(sums), -1 if sums else 5)
    return Hand.from_arrays(arrays)
