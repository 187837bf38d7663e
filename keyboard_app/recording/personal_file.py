"""The file of a personal network: its weights, sealed, with what the network has seen of the person's messages.

Sealed are a line of JSON (`Seen`) and the content of a safetensors file behind it.
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
    """What a network may hold: messages with ids up to `message`, except those deleted up to deletion number `deletion`.

    `trained` is the newest one typed here that it was trained on; those behind it were held back to judge it.
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
      DataError: it is missing, damaged, or was sealed with another key.
    """
    try:
        content = vault.open(path.read_bytes(), _IDENTITY)
        seen, _, weights = content.partition(b"\n")
        return Personal(*from_bytes(weights, str(path)), Seen(**json.loads(seen)))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UserFacingError as error:
        raise DataError(f"{path}: {error}") from error
