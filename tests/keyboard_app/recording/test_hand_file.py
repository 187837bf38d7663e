"""The file of a person's hand: sealed, whole after reading, set aside when it is damaged or of another version."""

import json
import os
from pathlib import Path

import pytest

from data.errors import DataError
from keyboard_app.recording.hand_file import load_hand, save_hand
from keyboard_app.recording.user_profile import HAND, Profile
from keyboard_app.recording.vault import Vault
from model.device.gliding.geometry import qwerty
from model.device.gliding.hand import Hand

VAULT = Vault(bytes(32))
KEYS = qwerty(0, 0, 400, 168)


@pytest.fixture
def hand() -> Hand:
    hand = Hand()
    for place in range(9):
        hand.taps.learn("e", 100.3 + place, 30.1, KEYS)
        hand.glides.learn("q", 20.7, 28.9 + place, KEYS)
    return hand


def test_it_is_read_as_it_was_written_and_is_small_and_sealed(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / HAND
    save_hand(path, hand, VAULT)
    read = load_hand(path, VAULT)
    assert {letter: row.tolist() for letter, row in read.taps.sums.items()} == {"e": hand.taps.sums["e"].tolist()}
    assert read.glides.sums["q"].tolist() == hand.glides.sums["q"].tolist()
    sealed = path.read_bytes()
    assert b"taps" not in sealed
    assert len(sealed) < 1000
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DataError, match="another key"):
        load_hand(path, Vault(bytes(31) + b"1"))


def test_an_unknown_hand_can_be_saved(tmp_path: Path) -> None:
    save_hand(tmp_path / HAND, Hand(), VAULT)
    assert load_hand(tmp_path / HAND, VAULT).taps.sums == {}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"version": 2, "taps": {}, "glides": {}}, "another version"),
        ({}, "another version"),
        ([1], "damaged"),
        ({"version": 1, "taps": {"e": [1, 2]}}, "damaged"),
        ({"version": 1, "taps": {"e": [1, 2, 3, 4, 5]}}, "impossible"),
        ({"version": 1, "taps": {"e": [float("nan")] * 5}}, "impossible"),
        ({"version": 1, "taps": {"e": [10**400] * 5}}, "damaged"),
        ({"version": 1, "taps": {"ee": [1, 0, 0, 0, 0]}}, "damaged"),
        ({"version": 1, "taps": "e"}, "damaged"),
    ],
)
def test_impossible_content_is_one_clear_line(content: object, line: str, tmp_path: Path) -> None:
    path = tmp_path / HAND
    path.write_bytes(VAULT.seal(json.dumps(content).encode(), "hand"))
    with pytest.raises(DataError, match=line) as caught:
        load_hand(path, VAULT)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_damaged_file_is_set_aside_with_a_notice(hand: Hand, tmp_path: Path) -> None:
    with Profile.open(tmp_path / "profile", use_keyring=False) as profile:
        profile.save_hand(hand)
        path = profile.path / HAND
        path.write_bytes(path.read_bytes()[:-1])
        assert profile.load_hand().taps.sums == {}
        assert "learned anew" in profile.notices[-1]
        assert not path.exists()
        assert path.with_name(f"{HAND}.damaged").exists()
        profile.save_hand(hand)
        assert list(profile.load_hand().taps.sums) == ["e"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="this user may read everything")
def test_a_file_that_may_not_be_read_stays(hand: Hand, tmp_path: Path) -> None:
    with Profile.open(tmp_path / "profile", use_keyring=False) as profile:
        profile.save_hand(hand)
        path = profile.path / HAND
        before = path.read_bytes()
        path.chmod(0)
        profile.load_hand()
        profile.save_hand(Hand())
        path.chmod(0o600)
        assert path.read_bytes() == before
        assert "make sure that you may read the file" in profile.notices[-1]
