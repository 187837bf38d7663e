"""Recording needs consent; private mode and texts that look like secrets are never recorded."""

import json
from pathlib import Path

import pytest

from data.errors import DataError
from keyboard_app.device import Device, Sent
from keyboard_app.learning.insight import Saved, SavedKeys
from keyboard_app.recording.database.store import Store
from tests.keyboard_app.ranked import own_words


def send(device: Device, text: str) -> None:
    for character in text:
        device.keyboard.press(character)
    device.keyboard.enter()


def state(device: Device) -> tuple:
    store = device.profile.store
    return store.messages(), store.days(), store.newest_message(), own_words(device.models), device.models._ngram.length


def test_nothing_is_recorded_without_consent(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder) as device:
        before = state(device)
        for consent in (None, False):
            if consent is not None:
                device.choose(consent=consent)
            assert not device.records
            send(device, "zebra zebra")
            assert device.sent is not None
            assert device.sent.id is None
            assert "you have not agreed" in device.sent.why_not
            assert state(device) == before
        device.choose(consent=True)
        assert device.records
        send(device, "zebra zebra")
        assert device.sent == Sent(1)
    with Device.open(tmp_path, small_model_folder) as device:
        assert device.records, "the answer is saved"
        device.choose(consent=False)
        assert not device.records, "consent can be withdrawn"


def test_private_mode_records_learns_and_counts_nothing(device: Device) -> None:
    send(device, "zebra")
    before = state(device)
    device.private = True
    send(device, "quagga quagga quagga")
    assert device.sent == Sent(None, "not recorded: private mode is on")
    assert state(device) == before
    assert not device.automatic.learn_if_due(rested=1e9)
    device.private = False
    send(device, "zebra")
    day = device.profile.store.days()[0]
    assert (day.keystrokes, day.characters) == (10, 10), "keys pressed in private mode never count"


def test_a_text_that_looks_like_a_secret_is_sent_and_not_recorded(device: Device) -> None:
    before = state(device)
    send(device, "4111 1111 1111 1111")
    assert device.sent == Sent(None, "not recorded: it looks like a card number")
    assert state(device) == before
    assert device.keyboard.text == ""


def test_running_a_script_implies_consent_and_changes_no_setting(tmp_path: Path, small_model_folder: Path) -> None:
    with Device.open(tmp_path, small_model_folder, consenting=True) as device:
        send(device, "zebra")
        assert device.sent == Sent(1)
        assert device.profile.settings.consent is None
    assert not (tmp_path / "settings.json").exists()


def test_keystrokes_saved_are_counted_by_day(device: Device) -> None:
    for word in device.keyboard.suggestions[:1]:
        device.keyboard.take(word)
    device.keyboard.enter()
    typed = len(device.profile.store.messages()[0].text)
    assert device.saved() == Saved(SavedKeys(1, typed), SavedKeys(1, typed))


def test_keys_of_a_text_that_is_never_sent_do_not_count(device: Device) -> None:
    for key in "quagga":
        device.keyboard.press(key)
    device.keyboard.select_all()
    device.keyboard.backspace()
    send(device, "zebra")
    assert device.saved().ever == SavedKeys(5, 5), "Enter costs nothing"


def test_a_message_that_cannot_be_recorded_stays_in_the_text_field_and_counts_once(device: Device) -> None:
    device.profile.store._connection.execute("PRAGMA query_only = ON")  # as on a read-only disk
    for character in "zebra":
        device.keyboard.press(character)
    with pytest.raises(DataError, match="cannot be read or written"):
        device.keyboard.enter()
    assert device.keyboard.text == "Zebra"
    device.profile.store._connection.execute("PRAGMA query_only = OFF")
    device.keyboard.enter()
    assert [m.text for m in device.profile.store.messages()] == ["Zebra"]
    assert device.profile.store.days()[0].keystrokes == 5


def test_settings_reveal_no_typed_word(device: Device) -> None:
    device.choose(consent=True)
    send(device, "zebra")
    assert "zebra" not in json.dumps((device.profile.path / "settings.json").read_text())
    assert isinstance(device.profile.store, Store)
