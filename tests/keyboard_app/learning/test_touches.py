"""The hand learns from touches of recorded messages alone, is kept sealed, and is forgotten."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import DataError
from keyboard_app.device import Device
from keyboard_app.learning.touch_picture import touch_picture, touches_in_words
from keyboard_app.learning.touches import Meant, Tap, Touches
from keyboard_app.recording.user_profile import HAND
from model.device.gliding.geometry import qwerty
from model.device.gliding.gesture import Gesture
from model.device.gliding.hand import Hand

KEYS = qwerty(0, 0, 400, 162)
Count = Callable[[], dict[str, int]]


@pytest.fixture
def device(device: Device) -> Device:
    device.use_keys(KEYS.boxes)
    device.keyboard.capitalizes = device.keyboard.autocorrects = False
    return device


def touch(device: Device, letter: str, right: float = 0.2, down: float = 0.1) -> Tap | None:
    """Returns a tap on the key of a letter, off its middle by parts of the key's width and height."""
    x, y, width, height = KEYS.boxes[letter]
    return device.touches.tap(letter, x + (0.5 + right) * width, y + (0.5 + down) * height, (x, y, width, height))


def write(device: Device, text: str) -> None:
    for letter in text:
        device.keyboard.press(letter, tap=touch(device, letter) if letter.isalpha() else None)


def counts(device: Device) -> dict[str, int]:
    device.catch_up()
    return {letter: round(row[0]) for letter, row in device.touches.hand.taps.sums.items()}


def glides(device: Device) -> dict[str, int]:
    return {letter: round(row[0]) for letter, row in device.touches.hand.glides.sums.items()}


def over(word: str) -> Gesture:
    points = np.array([KEYS.in_pixels(KEYS.centres[KEYS.letters.index(letter)]) for letter in word])
    steps = [np.linspace(one, other, 12) for one, other in pairwise(points)]
    path = np.concatenate(steps)
    return Gesture(path[:, 0], path[:, 1], np.arange(len(path)) * 12.0)


def test_a_sent_message_teaches_and_one_that_was_not_sent_does_not(device: Device) -> None:
    write(device, "hello there")
    assert counts(device) == {}
    device.keyboard.enter()
    assert device.touches.hand.taps.sums == {}, "the frame of the key learns nothing"
    assert counts(device) == {"h": 2, "e": 3, "l": 2, "o": 1, "t": 1, "r": 1}
    offsets, _ = device.touches.hand.taps.of("e")
    assert (offsets > 0.02).all(), "the touches were right of and below the middle"


def test_private_mode_secrets_and_no_consent_teach_nothing(device: Device) -> None:
    device.private = True
    write(device, "hello")
    device.keyboard.enter()
    device.private = False
    write(device, "my code is 4111 1111 1111 1111")
    device.keyboard.enter()
    assert device.sent is not None
    assert device.sent.id is None
    device._consenting = False
    write(device, "hello")
    device.keyboard.enter()
    assert counts(device) == {}


def test_accepted_glides_teach_and_those_taken_back_do_not(device: Device) -> None:
    assert device.glide(over("think"))
    device.keyboard.backspace()
    assert device.glide(over("good"))
    assert device.keyboard.text == "good"
    device.keyboard.enter()
    assert counts(device) == {}
    assert glides(device) == {"g": 1, "d": 1}


def test_it_survives_the_process_sealed_and_is_in_no_export(
    device: Device, small_model_folder: Path, tmp_path: Path
) -> None:
    write(device, "hello")
    device.keyboard.enter()
    device.catch_up()
    sealed = (device.profile.path / HAND).read_bytes()
    for word in (b"taps", b"glides", b"version"):
        assert word not in sealed
    device.my_data.export(tmp_path / "export.jsonl")
    assert "taps" not in (tmp_path / "export.jsonl").read_text()
    write(device, "so")
    device.keyboard.enter()
    device.close()
    with Device.open(tmp_path / "profile", small_model_folder, consenting=True) as again:
        assert counts(again) == {"h": 1, "e": 1, "l": 2, "o": 2, "s": 1}, "closing saved the rest"


@pytest.mark.parametrize("forget", [Device.reset, lambda device: device.my_data.delete_all()])
def test_it_is_forgotten_with_all_else(
    device: Device, forget: Callable[[Device], object], small_model_folder: Path
) -> None:
    write(device, "hello")
    device.keyboard.enter()
    device.catch_up()
    assert (device.profile.path / HAND).exists()
    write(device, "so")
    device.keyboard.enter()
    forget(device)
    assert counts(device) == {}, "also what it was still to learn from"
    assert not (device.profile.path / HAND).exists()


def test_glides_are_decoded_with_the_hand_and_without_it_once_it_is_forgotten(device: Device) -> None:
    words = device.gliding.words(over("good"), "")
    before = device.gliding._built
    for _ in range(25):
        device.touches.accept([Meant(device.touches.glide(over("think")), "think")])  # type: ignore[arg-type]
    device.catch_up()
    assert device.gliding._building is not None
    device.gliding._building.join()
    built = device.gliding._built
    assert built is not before
    assert built is not None
    assert built.basis.known.glides.sums["t"][0] == 25
    device.touches.forget()
    assert device.gliding.words(over("good"), "") == words
    assert device.gliding._built is not None
    assert device.gliding._built.basis.known.glides.sums == {}


def test_suggestions_and_corrections_are_told_where_the_keys_were_touched(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    correct, suggest = device.models.correct, device.models.suggest

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def call(context: str, word: str, touches: Any = None) -> Any:
            asked.append(touches)
            return work(context, word, touches)

        return call

    monkeypatch.setattr(device.models, "correct", noted(correct))
    monkeypatch.setattr(device.models, "suggest", noted(suggest))
    device.keyboard.autocorrects = True
    device.keyboard.press("t", tap=touch(device, "t"))
    device.keyboard.press("h", as_typed=True)
    device.keyboard.press("r", tap=touch(device, "r", right=-0.49))
    _ = device.keyboard.strip
    assert len(asked) >= 2
    for touches in asked:
        assert touches[1] is None
        assert min(touches[2], key=touches[2].get) == "e", "the finger was at the edge to e"
    device.keyboard.backspace()
    asked.clear()
    device.keyboard.press("e", as_typed=True)
    _ = device.keyboard.strip
    assert [touches[2] for touches in asked] == [None] * len(asked)


def test_a_tap_on_keys_that_are_not_in_use_is_none(device: Device) -> None:
    x, y, width, height = KEYS.boxes["e"]
    assert device.touches.tap("e", x, y, (x, y, width, height)) is not None
    assert device.touches.tap("e", x, y, (x, y, width + 1, height)) is None, "the size has changed"
    device.use_keys({"1": (0, 0, 5, 5)})
    assert device.touches.tap("e", x, y, (x, y, width, height)) is None
    assert device.touches.glide(over("so")) is None


@pytest.fixture
def full_disk() -> Iterator[tuple[Touches, list[Hand]]]:
    saved: list[Hand] = []

    def save(hand: Hand) -> None:
        saved.append(hand)
        raise DataError("no space left on the device")

    touches = Touches(Hand(), save)
    touches.use_keys(KEYS.boxes)
    yield touches, saved


def test_it_learns_a_little_in_each_frame_and_saves_once_at_the_end(full_disk: tuple[Touches, list[Hand]]) -> None:
    touches, saved = full_disk
    tap = touches.tap("e", *KEYS.boxes["e"][:2], KEYS.boxes["e"])
    assert tap is not None
    touches.accept([Meant(tap, "e")] * 45)
    assert touches.proceed()
    assert not saved
    assert touches.proceed()
    assert not touches.proceed()
    assert len(saved) == 1, "a full disk does not keep a person from typing"
    assert not touches.proceed()
    assert len(saved) == 1
    assert touches.hand.taps.sums["e"][0] == 45


def test_the_picture_and_its_sentence_say_where_the_keys_are_touched() -> None:
    hand = Hand()
    assert "you will see here" in touches_in_words(hand)
    assert all(key.taps is None and key.glides is None for key in touch_picture(hand, KEYS))
    x, y, width, height = KEYS.boxes["e"]
    for _ in range(200):
        hand.taps.learn("e", x + 0.75 * width, y + 0.7 * height, KEYS)
    for _ in range(3):
        hand.taps.learn("a", *KEYS.boxes["a"][:2], KEYS)
    keys = {key.letter: key for key in touch_picture(hand, KEYS)}
    spot = keys["e"].taps
    assert spot is not None
    assert (spot.x, spot.y) == pytest.approx((x + 0.75 * width, y + 0.7 * height), abs=0.03 * width)
    assert 0 < spot.across < width / 2
    assert keys["a"].taps is None, "three touches say little"
    assert keys["e"].glides is None
    assert keys["e"].box == (x, y, width, height)
    line = touches_in_words(hand)
    assert "203 touches landed below and to the right of the middle of the keys" in line
    for _ in range(297):
        hand.taps.learn("l", KEYS.boxes["l"][0] + 0.1 * width, KEYS.boxes["l"][1] + 0.1 * height, KEYS)
    assert "above and to the left" in touches_in_words(hand)
