"""Geometries: the shipped QWERTY, and units that depend on the keys alone."""

import numpy as np
import pytest

from keyboard_app.input.layout import LAYOUTS, load_layout
from model.device.gliding.decoder import GlideDecoder
from model.device.gliding.geometry import Box, KeyGeometry, qwerty
from model.device.gliding.gesture import Gesture


def letters_of(layout: str, width: float, row_height: float) -> KeyGeometry:
    """Returns the boxes of all keys on the first page of a layout, as wide as their rows are stretched to."""
    boxes: dict[str, Box] = {}
    for row, keys in enumerate(load_layout(LAYOUTS / f"{layout}.json").pages["letters"]):
        left, scale = 0.0, width / sum(key.width for key in keys)
        for key in keys:
            boxes.setdefault(key.label, (left, row * row_height, key.width * scale, row_height))
            left += key.width * scale
    return KeyGeometry(boxes)


def test_qwerty_is_the_shipped_layout() -> None:
    shipped = letters_of("qwerty", 360, 54)
    assert shipped.boxes.keys() == set("abcdefghijklmnopqrstuvwxyz")
    for letter, box in qwerty(0, 0, 360, 162).boxes.items():
        assert shipped.boxes[letter] == pytest.approx(box)


@pytest.mark.parametrize("layout", sorted(path.stem for path in LAYOUTS.glob("*.json")))
def test_every_shipped_layout_can_be_glided(layout: str) -> None:
    geometry = letters_of(layout, 412, 60)
    points = geometry.in_pixels(geometry.centres[[geometry.letters.index(letter) for letter in "keyboard"]])
    at = np.linspace(0, 7, 80)
    x, y = (np.interp(at, range(8), points[:, axis]) for axis in (0, 1))
    found = GlideDecoder(["the", "keyboard", "keyword", "board"], geometry).decode(Gesture(x, y, 12 * np.arange(80)))
    assert found[0].word == "keyboard"


def test_units() -> None:
    keys = qwerty(5, 7, 360, 3 * 36 * 1.35)
    assert keys.unit == pytest.approx(36), "the width of a key of a phone's aspect"
    assert keys.centres.mean(axis=0) == pytest.approx([0, 0])
    assert keys.in_pixels(keys.centres[0]) == pytest.approx([5 + 0.5 * 36 + 18, 7 + 1.5 * 36 * 1.35])
    assert keys.in_units(keys.in_pixels(np.array([1.5, -2]))) == pytest.approx([1.5, -2])


def test_only_single_letters_count_and_their_case_does_not() -> None:
    boxes = {
        "Q": (0, 0, 1, 1),
        "q": (9, 9, 1, 1),
        "⇧": (0, 0, 1, 1),
        "enter": (0, 0, 0, 0),
        ".": (0, 0, 1, 1),
        "é": (2, 0, 1, 1),
    }
    assert KeyGeometry(boxes).boxes == {"q": (0, 0, 1, 1), "é": (2, 0, 1, 1)}


def test_gaps_between_keys_do_not_change_the_unit() -> None:
    whole = qwerty(0, 0, 360, 162)
    drawn = KeyGeometry({key: (x + 2, y + 5, w - 4, h - 10) for key, (x, y, w, h) in whole.boxes.items()})
    wider = KeyGeometry({key: (x - 3, y - 5, w + 6, h + 10) for key, (x, y, w, h) in whole.boxes.items()})
    assert drawn.unit == pytest.approx(whole.unit)
    assert wider.unit == pytest.approx(whole.unit)


def test_keys_of_two_hands_count_as_wide_as_they_are() -> None:
    parted = KeyGeometry({key: (60.0 * i, 0, 20, 27) for i, key in enumerate("abcdef")})
    assert parted.unit == pytest.approx(np.sqrt(1.5 * 20 * 27 / 1.35)), "a gap counts up to half of a key"
    assert KeyGeometry({"a": (5, 5, 20, 27)}).unit == pytest.approx(20)
