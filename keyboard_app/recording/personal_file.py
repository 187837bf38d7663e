"""The file of a personal network: its encrypted weights, and which of the person's messages it was trained on.

The encrypted content is a line of JSON (`Seen`) followed by a safetensors file.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from keyboard_app.recording.vault import Vault
from model.device.weights import Provenance, Weights, from_bytes, to_bytes

_IDENTITY = "personal weights"


@dataclass(frozen=True)
class Seen:
    """The messages that a network may hold: ids up to `message`, except those deleted up to deletion number `deletion`.

    `trained` is the newest message typed here that it was trained on; later ones were held out for the gate.
    """

    message: int
    trained: int
    deletion: int


class Personal(NamedTuple):
    """A personal network."""

    weights: Weights
    provenance: Provenance
    seen: Seen


def save_personal(path: Path, personal: Personal, vault: Vault) -> None:
    """Writes the file by rename."""
    seen = json.dumps(asdict(personal.seen)).encode() + b"\n"
    write_by_rename(path, vault.seal(seen + to_bytes(personal.weights, personal.provenance), _IDENTITY), mode=0o600)


def load_personal(path: Path, vault: Vault) -> Personal:
    """Reads the file.

    Raises:
      DataError: the file is missing, damaged, or encrypted with another key.
    """
    try:
        content = vault.open(path.read_bytes(), _IDENTITY)
        seen, _, weights = content.partition(b"\n")
        return Personal(*from_bytes(weights, str(path)), Seen(**json.loads(seen)))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UserFacingError as error:
        raise DataError(f"{path}: {error}") from error
