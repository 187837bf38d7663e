"""The key of a profile: in the platform's keyring, or else in a file that only its owner may read.

`key.json` in the profile says where: `{"id": …, "keyring": true, "copy": …}` names an entry of the keyring twice, and
`{"id": …, "key": …, "copy": …, "sha256": …}` holds the key twice and its SHA-256, in hexadecimal: without the key everything
recorded would be lost, so one damaged byte must not destroy it. A keyring may ask the person for a password, or never answer, as
on a server without a login session. A thread therefore asks it, with a time limit.
"""

import hashlib
import json
import os
import re
import secrets
import stat
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
      DataError: the file of the key exists and may not be read; the key is in a keyring that does not answer; or a new key cannot
        be written.
    """
    path = profile / KEY
    with suppress(LookupError):
        return read_key(profile, notices)
    if os.path.lexists(path):
        notices.append(
            f"this profile has a new key, because the old one was lost or damaged; the old file is kept as {set_aside(path)}"
        )
    key, identity = secrets.token_bytes(KEY_BYTES), secrets.token_hex(8)
    content: dict[str, object] = _content_with(identity, key)
    if use_keyring and _give(identity, key):
        content = {"id": identity, "keyring": True, "copy": identity}
    try:
        write_by_rename(path, json.dumps(content).encode(), mode=0o600)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: check that the disk is not full") from error
    return key


def read_key(profile: Path, notices: list[str] | None = None) -> bytes:
    """Returns the profile's key, even if a byte of its file is damaged; makes the file readable for its owner alone.

    Args:
      profile: the profile folder.
      notices: receives a line for the person if the file was damaged, or if others could read it.

    Raises:
      LookupError: the key is missing or damaged beyond repair.
      DataError: the file may not be read, or the key is in a keyring that does not answer; nothing was changed.
    """
    path, told = profile / KEY, [] if notices is None else notices
    content = _read(path, told)
    key, intact = _key_in(content)
    if key is None:
        return _from_keyring(profile, content)
    if not intact:
        with suppress(OSError):  # a full disk: the next opening tries again
            write_by_rename(path, json.dumps(_content_with(secrets.token_hex(8), key)).encode(), mode=0o600)
            told.append(f"{path} was damaged: the key in it could still be read, and the file was written again")
    return key


def _read(path: Path, told: list[str]) -> bytes:
    """Reads the file; restores its permissions, which copying a profile may have changed."""
    try:
        try:
            content = path.read_bytes()
        except PermissionError:
            path.chmod(0o600)  # works if the file is the person's own
            content = path.read_bytes()
            told.append(f"the permissions of {path} did not let you read it: now only you may read it")
        mode = path.stat().st_mode
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise LookupError(f"{path} holds no key") from error
    except OSError as error:
        raise DataError(
            f"cannot read the key {path}: {error.strerror}: make sure that the file is yours and that you may read it; "
            "nothing was changed"
        ) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        try:
            path.chmod(0o600)
            told.append(f"other users could read {path}: now only you may read it")
        except OSError as error:
            told.append(f"other users may be able to read {path}, and that cannot be changed ({error.strerror})")
    return content


def _content_with(identity: str, key: bytes) -> dict[str, object]:
    text = key.hex()
    return {"id": identity, "key": text, "copy": text, "sha256": hashlib.sha256(key).hexdigest()}


def _key_in(content: bytes) -> tuple[bytes | None, bool]:
    """Finds the key in the file's content; returns it, or None, and whether the file is intact or of an older keyboard."""
    found = [run.decode() for run in re.findall(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", content)]
    for text in dict.fromkeys(found):
        if found.count(text) > 1 or hashlib.sha256(bytes.fromhex(text)).hexdigest() in found:
            key = bytes.fromhex(text)
            try:
                known = json.loads(content)
                return key, bool(_content_with(str(known["id"]), key) == known)
            except (ValueError, TypeError, KeyError, RecursionError):
                return key, False
    single = re.search(rb'"key": *"([0-9a-f]{64})"', content)  # an older keyboard kept no copy
    return (bytes.fromhex(single[1].decode()), True) if single else (None, False)


def _from_keyring(profile: Path, content: bytes) -> bytes:
    """Returns the key from the entry of the keyring that the file's content names."""
    entries = re.findall(rb"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", content) if b'"key"' not in content else []
    names = [entry.decode() for entry in dict.fromkeys(entries)]
    try:
        found = _ask(lambda keyring: [keyring.get_password(SERVICE, name) for name in names]) if names else []
    except _UnreachableError as error:
        raise DataError(
            f"the key of {profile} is in the keyring of this machine, which does not answer ({error}): log in and unlock it, or "
            "choose another profile with --profile"
        ) from error
    for text in found:
        with suppress(ValueError, TypeError):
            return _checked(text)
    raise LookupError(f"{profile / KEY} and the keyring hold no key")


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
