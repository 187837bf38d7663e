"""The place of keys, with a keyring that is a file, one that is locked, and one that never answers."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from data.errors import DataError
from keyboard_app.device import Device
from keyboard_app.recording import keyholder
from keyboard_app.recording.keyholder import KEY, obtain_key, read_key, where_kept
from keyboard_app.recording.personal_file import Seen
from keyboard_app.recording.user_profile import Profile

SEEN = Seen(message=1, trained=1, deletion=0)


class FileKeyring(KeyringBackend):
    """A stand-in for the platform's keyring, in a file of the test."""

    priority = 5

    def __init__(self, path: Path) -> None:
        self._path = path

    def _all(self) -> dict[str, str]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps(self._all() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


class LockedKeyring(FileKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the\ncollection!")

    set_password: Any = get_password


class SilentKeyring(FileKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(60)  # in a thread that is abandoned
        return None

    set_password: Any = get_password


@pytest.fixture
def use_keyring(monkeypatch: pytest.MonkeyPatch) -> Any:
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_without_a_keyring_the_key_is_in_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    key = obtain_key(tmp_path, [])
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    assert json.loads((tmp_path / KEY).read_bytes())["key"] == key.hex()
    assert read_key(tmp_path) == obtain_key(tmp_path, []) == key
    assert where_kept(tmp_path) == f"in the file {tmp_path / KEY}"
    assert obtain_key(tmp_path / "another", []) != key


def test_permissions_of_a_readable_key_file_are_restored(tmp_path: Path) -> None:
    key = obtain_key(tmp_path, [])
    (tmp_path / KEY).chmod(0o644)
    assert read_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_with_a_keyring_no_file_of_the_profile_holds_the_key(tmp_path: Path, use_keyring: Any) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring"))
    key = obtain_key(tmp_path / "profile", [])
    assert key.hex() in (tmp_path / "keyring").read_text()
    assert key.hex() not in (tmp_path / "profile" / KEY).read_text()
    assert read_key(tmp_path / "profile") == key
    assert where_kept(tmp_path / "profile") == "in the keyring of this machine"
    thrown_away = obtain_key(tmp_path / "script", [], use_keyring=False)
    assert thrown_away.hex() not in (tmp_path / "keyring").read_text()


@pytest.mark.parametrize("kind", [LockedKeyring, SilentKeyring])
def test_a_keyring_that_does_not_answer(
    tmp_path: Path, use_keyring: Any, monkeypatch: pytest.MonkeyPatch, kind: type[FileKeyring], small_model_folder: Path
) -> None:
    monkeypatch.setattr(keyholder, "PATIENCE", 0.2)
    use_keyring(FileKeyring(tmp_path / "keyring"))
    with Device.open(tmp_path / "profile", small_model_folder, consenting=True) as device:
        device.keyboard.press("a")
        device.keyboard.enter()
    use_keyring(kind(tmp_path / "keyring"))
    with pytest.raises(DataError, match="in the keyring of this machine, which does not answer") as raised:
        Profile.open(tmp_path / "profile")
    assert "\n" not in str(raised.value)
    with Profile.open(tmp_path / "new"):
        assert "in the file" in where_kept(tmp_path / "new"), "a new profile keeps its key in a file"
    use_keyring(FileKeyring(tmp_path / "keyring"))
    with Profile.open(tmp_path / "profile") as profile:
        assert [m.text for m in profile.store.messages()] == ["A"], "nothing was set aside meanwhile"


@pytest.mark.parametrize(
    "loss", ["no file", "cut short", "wrong length", "no longer in the keyring", "not in hexadecimal"]
)
def test_a_lost_key(tmp_path: Path, use_keyring: Any, small_model_folder: Path, loss: str) -> None:
    if "keyring" in loss:
        use_keyring(FileKeyring(tmp_path / "keyring"))
    profile = tmp_path / "profile"
    with Device.open(profile, small_model_folder, consenting=True) as device:
        device.keyboard.press("a")
        device.keyboard.enter()
        device.profile.save_personal(device.models.global_model.weights, device.models.global_model, SEEN)
    key = profile / KEY
    if loss == "no file":
        key.unlink()
    elif loss == "cut short":
        key.write_bytes(key.read_bytes()[:20])
    elif loss == "wrong length":
        key.write_text(json.dumps({"id": "x", "key": "ab"}))
    elif loss == "not in hexadecimal":
        key.write_text(json.dumps({"id": "x", "key": "zz"}))
    else:
        (tmp_path / "keyring").unlink()
    with Device.open(profile, small_model_folder, consenting=True) as device:
        assert "the key of the recorded messages is lost" in " ".join(device.profile.notices)
        assert "the shared model is in use" in " ".join(device.profile.notices)
        assert all("\n" not in notice for notice in device.profile.notices)
        assert (profile / "store.sqlite.locked").exists()
        assert device.profile.store.messages() == []
        device.keyboard.press("b")
        device.keyboard.enter()
    with Device.open(profile, small_model_folder) as device:
        assert device.profile.notices == []
        assert [m.text for m in device.profile.store.messages()] == ["B"]
