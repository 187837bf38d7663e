"""Which characters the window can draw, and in which font, on a machine without fonts of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fontTools.ttLib import TTFont

from keyboard_app.input.emoji_catalogue import catalogue
from keyboard_app.input.offers import Kind, Offer
from keyboard_app.window.drawing.character_map import characters, has_pictures
from tests.keyboard_app.window.color_font import SIZE, save_color_font

SAMPLES = {
    "Latin": "Größe, Łódź, Việt, ʃə, ǆ",
    "Greek": "Γειά σου, ἀρχή",
    "Cyrillic": "Привет, ґава, ӣ",
    "Arabic": "السلام",
    "Armenian": "Բարեւ",
    "Bengali": "বাংলা",
    "Devanagari": "नमस्ते क्षत्रिय ।",
    "Ethiopic": "ሰላም",
    "Georgian": "გამარჯობა",
    "Gujarati": "નમસ્તે",
    "Gurmukhi": "ਪੰਜਾਬੀ",
    "Hebrew": "שלום",
    "Kannada": "ಕನ್ನಡ",
    "Khmer": "ខ្មែរ",
    "Lao": "ພາສາລາວ",
    "Malayalam": "മലയാളം",
    "Myanmar": "မြန်မာ",
    "Odia": "ଓଡ଼ିଆ",
    "Sinhala": "සිංහල",
    "Tamil": "தமிழ்",
    "Telugu": "తెలుగు",
    "Thai": "สวัสดี",
    "symbols": "→ ✓ ★ € ₹ ™ © ↩",
}
YELLOW = (250, 200, 0)
NO_EMOJI = "🍕\u200d🚀"


@pytest.fixture
def fonts(display: None) -> ModuleType:
    from keyboard_app.window.kivy_settings import prepare_kivy

    prepare_kivy()
    from keyboard_app.window.drawing import fonts

    return fonts


@pytest.fixture
def glyphs(fonts: ModuleType) -> ModuleType:
    from keyboard_app.window.drawing import glyphs

    return glyphs


@pytest.fixture
def use_emoji_font(glyphs: ModuleType, fonts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Returns a function that makes a file the emoji font, as if the app had been started with it."""
    kept = (fonts.color_emoji_font, fonts.font_of, glyphs.drawn_once, glyphs.is_drawable)

    def use(file: Path) -> None:
        monkeypatch.setenv(fonts.EMOJI_FONT_VARIABLE, str(file))
        for each in kept:
            each.cache_clear()

    yield use
    for each in kept:
        each.cache_clear()


def ink(run: Any) -> np.ndarray:
    """Returns the pixels of a run that are not transparent, [n, 4]: red, green, blue and opacity."""
    pixels = np.frombuffer(run.texture.pixels, np.uint8).reshape(-1, 4)
    return pixels[pixels[:, 3] > 0]


def test_the_character_map_of_each_font_equals_that_of_fonttools(fonts: ModuleType) -> None:
    for font in (*fonts._LETTERS, fonts._MONOCHROME_EMOJI):
        assert characters(font.file) == set(TTFont(font.file, lazy=True).getBestCmap()), font.name


def test_a_file_that_is_not_a_font_has_no_characters_and_no_pictures(tmp_path: Path) -> None:
    for name, content in {"empty": b"", "text": b"not a font at all" * 9, "cut": b"\0\1\0\0\0\x09" + bytes(20)}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("empty", "text", "cut", "missing"):
        assert characters(tmp_path / name) == frozenset()
        assert not has_pictures(tmp_path / name)


@pytest.mark.parametrize("script", SAMPLES)
def test_each_script_is_drawn_by_a_font_that_has_it(script: str, fonts: ModuleType) -> None:
    for font, part in fonts.runs(SAMPLES[script]):
        assert font.has(part), f"{part!r} would be a box"


def test_a_character_that_no_font_has_is_a_box_in_the_wide_font(fonts: ModuleType) -> None:
    assert fonts.font_of("中") is fonts.WIDE
    assert not fonts.WIDE.has("中")


@pytest.mark.parametrize("word", ["हिन्दी", "ខ្មែរ", "မြန်မာ", "السلام"])
def test_a_word_is_measured_as_it_is_drawn(word: str, fonts: ModuleType, glyphs: ModuleType) -> None:
    """Letters that are shaped together are narrower than the same letters side by side."""
    from kivy.core.text import Label

    drawn = glyphs.glyphs(word, 40)
    (run,) = drawn.runs
    pixels = np.frombuffer(run.texture.pixels, np.uint8).reshape(-1, round(run.width), 4)
    columns = np.flatnonzero(pixels[:, :, 3].any(axis=0))
    assert drawn.width - 4 <= columns[-1] + 1 <= drawn.width
    ends = glyphs.cluster_ends(word, 40)
    assert list(ends) == sorted(ends)
    assert ends[-1] == drawn.width
    # The text of this label is not shaped, because no text of its size has been drawn before.
    apart = Label(text=word, font_name=fonts.font_of(word[0]).name, font_size=41)
    assert drawn.width < apart.get_extents(word)[0] - 1


def test_a_label_has_the_script_of_its_text_and_a_font_for_each_part(fonts: ModuleType) -> None:
    assert fonts.script_of("plain") == "Latn"
    assert fonts.script_of("a हिन्दी word") == "Deva"
    assert fonts.marked_up("a [b] & ह") == "a &bl;b&br; &amp; [font=NotoSansDevanagari]ह[/font]"
    assert fonts.marked_up("😀") == "[font=NotoEmoji]😀[/font]"


def test_labels_accept_all_script_codes(fonts: ModuleType) -> None:
    from kivy.uix.label import Label

    for sample in SAMPLES.values():
        label = Label(text=fonts.marked_up(sample), markup=True, font_script_name=fonts.script_of(sample))
        label.texture_update()
        assert label.texture_size[0] > 0


def test_all_emoji_can_be_drawn_without_a_system_font(fonts: ModuleType, glyphs: ModuleType) -> None:
    assert fonts.color_emoji_font() is None
    for category, some in catalogue().categories.items():
        assert all(glyphs.is_drawable(each.sign) for each in some), category
    (run,) = glyphs.glyphs("🍕", 20).runs
    assert not run.colored
    assert (ink(run)[:, :3] == 255).all(), "white, so that the canvas can give it the colour of the text"


@pytest.mark.parametrize("sign", [NO_EMOJI, "\U0001faff", "\ue000"])
def test_an_emoji_that_would_be_a_box_or_two_pictures_is_not_drawable(sign: str, glyphs: ModuleType) -> None:
    assert not glyphs.is_drawable(sign)


def test_the_strip_leaves_out_an_emoji_that_cannot_be_drawn(person: Any) -> None:
    word = Offer("word", Kind.COMPLETION)
    for sign, shown in {"🍕": ["word", "🍕"], NO_EMOJI: ["word"]}.items():
        person.strip.offers = [word, Offer(sign, Kind.EMOJI)]
        assert person.offered == shown


def test_a_category_with_only_a_few_emoji_is_left_out(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyboard_app.window.keys import emoji_panel

    drawable = [each.sign for each in catalogue().categories["Food"]]
    drawable += [each.sign for each in catalogue().categories["Flags"][:6]]
    monkeypatch.setattr(emoji_panel, "is_drawable", drawable.__contains__)
    person.touch_keys(["emoji"])
    names = [control.name for control in person.screen.controls()]
    assert "food" in names
    assert not {"smileys", "flags"} & set(names)


def test_an_emoji_has_the_colours_of_the_colour_font_and_one_missing_there_has_a_single_colour(
    use_emoji_font: Callable[[Path], None], glyphs: ModuleType, tmp_path: Path
) -> None:
    save_color_font(tmp_path / "color.ttf", "😀", YELLOW)
    use_emoji_font(tmp_path / "color.ttf")
    face, pizza = glyphs.glyphs("😀🍕", 20).runs
    assert face.colored
    assert (ink(face)[:, :3] == YELLOW).all()
    assert face.texture.size == (SIZE, SIZE)
    assert 20 < face.height < 26, "the picture is scaled down to a line's height"
    assert not pizza.colored
    assert pizza.x == pytest.approx(face.width)
    assert glyphs.is_drawable("😀")
    assert glyphs.is_drawable("🍕")


def test_a_font_without_colour_pictures_is_not_used_as_the_colour_font(
    use_emoji_font: Callable[[Path], None], fonts: ModuleType
) -> None:
    use_emoji_font(fonts.WIDE.file)
    assert fonts.color_emoji_font() is None
