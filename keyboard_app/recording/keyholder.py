"""The key of a profile: in the platform's keyring, or else in a file that only its owner may read.

`key.json` in the profile says where: `{"id": …, "keyring": true}` names an entry of the keyring, `{"id": …, "key": …}` holds the
key itself. A keyring may ask the person for a password, or never answer, as on a server without a login session. A thread
therefore asks it, with a time limit.
"""

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.files import write_by_rename
from keyboard_app.recording.damage import set_aside
from keyboard_app.recording.vault import KEY_BYTES

KEY = "key.json"
SERVICE = "federated-keyboard"
PATIENCE = 30.0  # seconds to wait for a keyring, which may be asking for its password
_BEST_EFFORT = 1  # priority from which `keyring` recommends a backend; backends that store plain text are below


class _UnreachableError(Exception):
    """No keyring is installed, or it does not answer."""


def obtain_key(profile: Path, notices: list[str], use_keyring: bool = True) -> bytes:
    """Returns the profile's key; creates one if there is none, or if it is lost, which adds a line to `notices`.

    Args:
      profile: the profile folder.
      notices: lines for the person.
      use_keyring: whether a new key may be stored in the platform's keyring.

    Raises:
      DataError: the key is in a keyring that does not answer, or a new key cannot be written.
    """
    path = profile / KEY
    if path.exists():
        with suppress(LookupError):
            return read_key(profile)
        notices.append(
            f"this profile has a new key, because the old one was lost or damaged; the old file is kept as {set_aside(path)}"
        )
    key, identity = secrets.token_bytes(KEY_BYTES), secrets.token_hex(8)
    content: dict[str, object] = {"id": identity, "key": key.hex()}
    if use_keyring and _give(identity, key):
        content = {"id": identity, "keyring": True}
    try:
        write_by_rename(path, json.dumps(content).encode(), mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: check that the disk is not full") from error
    return key


def read_key(profile: Path) -> bytes:
    """Returns the profile's key.

    Raises:
      LookupError: the key is missing or damaged.
      DataError: the key is in a keyring that does not answer.
    """
    path = profile / KEY
    try:
        content = json.loads(path.read_bytes())
        if "key" in content:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)  # copying a profile may have lost its permissions
            return _checked(content["key"])
        identity = content["id"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LookupError(f"{path} holds no key") from error
    try:
        found = _ask(lambda keyring: keyring.get_password(SERVICE, identity))
    except _UnreachableError as error:
        raise DataError(
            f"the key of {profile} is in the keyring of this machine, which does not answer ({error}): log in and unlock it, or "
            "choose another profile with --profile"
        ) from error
    if found is None:
        raise LookupError(f"the keyring has no key {identity}")
    try:
        return _checked(found)
    except (ValueError, TypeError) as error:
        raise LookupError(f"the keyring's entry {identity} is not a key") from error


def where_kept(profile: Path) -> str:
    """Returns the place of the key, in words for the person."""
    try:
        content = json.loads((profile / KEY).read_bytes())
    except (OSError, ValueError):
        return "nowhere"
    return "in the keyring of this machine" if "keyring" in content else f"in the file {profile / KEY}"


def _checked(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        raise ValueError("the key has the wrong length")
    return key


def _give(identity: str, key: bytes) -> bool:
    """Stores the key in the keyring; returns whether it can be read back."""

    def store(keyring: Any) -> bool:
        if keyring.get_keyring().priority < _BEST_EFFORT:
            return False
        keyring.set_password(SERVICE, identity, key.hex())
        return bool(keyring.get_password(SERVICE, identity) == key.hex())

    try:
        return bool(_ask(store))
    except _UnreachableError:
        return False


def _ask(question: Callable[[Any], Any]) -> Any:
    """Asks the keyring in a thread, which is abandoned if there is no answer in time."""
    answers: list[Any] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            import keyring  # looks for its backends when imported, which not every profile needs
        except ImportError as error:  # on a phone
            errors.append(error)
            return
        try:
            answers.append(question(keyring))
        except BaseException as error:  # backends raise errors of any type
            errors.append(error)

    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if answers:
        return answers[0]
    if errors:
        raise _UnreachableError(" ".join(str(errors[0]).split()) or type(errors[0]).__name__)
    raise _UnreachableError("no answer in time")
