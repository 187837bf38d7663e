from dataclasses import fields

import pytest

from keyboard_app.window.drawing.theme import THEMES, Palette, Theme, palette
from tests.keyboard_app.window.contrast import CLEAR, WRITTEN, contrast


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("theme", THEMES)
def test_every_pair_of_ink_and_paper_has_enough_contrast(theme: Theme, private: bool) -> None:
    colors = palette(theme, private)
    unclear = {
        (ink, paper): round(contrast(getattr(colors, ink), getattr(colors, paper)), 2)
        for ink, paper in WRITTEN
        if contrast(getattr(colors, ink), getattr(colors, paper)) < CLEAR
    }
    assert not unclear


@pytest.mark.parametrize(("one", "other", "expected"), [("#000000", "#FFFFFF", 21.0), ("#777777", "#FFFFFF", 4.48)])
def test_contrast_follows_the_guidelines(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
def test_private_mode_looks_different_throughout(theme: Theme) -> None:
    usual, private = palette(theme, False), palette(theme, True)
    for role in ("background", "board", "key", "key_special", "accent", "bubble"):
        assert getattr(usual, role) != getattr(private, role)


def test_every_ink_and_paper_is_a_colour() -> None:
    names = {field.name for field in fields(Palette)}
    assert {name for pair in WRITTEN for name in pair} <= names
