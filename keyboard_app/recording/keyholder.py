"""Where the key of a profile is kept: in the platform's keyring, or where there is none in a file that its owner alone may read.

`key.json` in the profile says which: `{"id": …, "keyring": true}` names an entry of the keyring, `{"id": …, "key": …}` holds the
key itself. A keyring may ask the person for a password, or never answer at all, as on a server that nobody is logged in to; so it
is asked in a thread, and not waited for for ever.
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
PATIENCE = 30.0  # seconds for a keyring, which may be asking for its password
_BEST_EFFORT = 1  # the priority from which on `keyring` recommends a backend; plaintext ones are below


class _UnreachableError(Exception):
    """No keyring, or one that does not answer."""


def obtain_key(profile: Path, notices: list[str], use_keyring: bool = True) -> bytes:
    """The profile's key; a new one where there is none, or where the one there was is gone, with a line in `notices`.

    Args:
      profile: the profile folder.
      notices: lines for the person.
      use_keyring: whether a new key may be given to the platform's keyring.

    Raises:
      DataError: the key is in a keyring that does not answer, or it cannot be written.
    """
    path = profile / KEY
    if path.exists():
        with suppress(LookupError):
            return read_key(profile)
        notices.append(
            f"the key of this profile is lost or damaged; a new one is begun, the old file is {set_aside(path)}"
        )
    key, identity = secrets.token_bytes(KEY_BYTES), secrets.token_hex(8)
    content: dict[str, object] = {"id": identity, "key": key.hex()}
    if use_keyring and _give(identity, key):
        content = {"id": identity, "keyring": True}
    try:
        write_by_rename(path, json.dumps(content).encode(), mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: see that the disk is not full") from error
    return key


def read_key(profile: Path) -> bytes:
    """The profile's key.

    Raises:
      LookupError: it is not there, or is damaged.
      DataError: it is in a keyring that does not answer.
    """
    path = profile / KEY
    try:
        content = json.loads(path.read_bytes())
        if "key" in content:
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)  # a copy of the profile may have lost it
            return _checked(content["key"])
        identity = content["id"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LookupError(f"no key in {path}") from error
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
        raise LookupError(f"what the keyring has as {identity} is no key") from error


def where_kept(profile: Path) -> str:
    """Where the key is, in words for the person."""
    try:
        content = json.loads((profile / KEY).read_bytes())
    except (OSError, ValueError):
        return "nowhere"
    return "in the keyring of this machine" if "keyring" in content else f"in the file {profile / KEY}"


def _checked(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        raise ValueError("a key of another length")
    return key


def _give(identity: str, key: bytes) -> bool:
    """Gives the key to the keyring; whether it can be had back from there."""

    def store(keyring: Any) -> bool:
        if keyring.get_keyring().priority < _BEST_EFFORT:
            return False
        keyring.set_password(SERVICE, identity, key.hex())
        return keyring.get_password(SERVICE, identity) == key.hex()

    try:
        return bool(_ask(store))
    except _UnreachableError:
        return False


def _ask(question: Callable[[Any], Any]) -> Any:
    """Asks the keyring in a thread of its own, which is left behind where no answer comes."""
    answers: list[Any] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            import keyring  # looks for its backends when it is imported, which not every profile needs
        except ImportError as error:  # on a phone
            errors.append(error)
            return
        try:
            answers.append(question(keyring))
        except BaseException as error:  # backends raise what they please
            errors.append(error)

    thread = threading.Thread(target=ask, name="keyring", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if answers:
        return answers[0]
    if errors:
        raise _UnreachableError(" ".join(str(errors[0]).split()) or type(errors[0]).__name__)
    raise _UnreachableError("it said nothing")
