"""All text in the real window has enough contrast with its background, as measured from the painted pixels."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from keyboard_app.window.drawing.theme import THEMES
from tests.keyboard_app.window.contrast import CLEAR, contrast

_SIZES = {"phone": (412, 892), "desktop": (1280, 800)}


class Written(NamedTuple):
    """A piece of text or an icon, its colour, and its left, bottom, right and top edge in window pixels."""

    name: str
    ink: str
    box: tuple[float, float, float, float]


def as_hex(color: Any) -> str:
    return "#" + "".join(f"{round(255 * share):02X}" for share in color[:3])


def _box(widget: Any, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    return (*widget.to_window(left, bottom), *widget.to_window(left + width, bottom + height))


def _writing(widget: Any) -> Iterator[Written]:
    """Yields the text and icons of a widget itself, without its children."""
    from kivy.uix.label import Label

    from keyboard_app.window.drawing.look import look
    from keyboard_app.window.keys.emoji_key import EmojiKey
    from keyboard_app.window.keys.key import Key
    from keyboard_app.window.keys.suggestion_strip import SuggestionPlace
    from keyboard_app.window.widgets.chart import Chart
    from keyboard_app.window.widgets.icon import Icon
    from keyboard_app.window.widgets.text_view import TextView

    whole = (widget.x, widget.y, widget.width, widget.height)
    middle = (widget.center_x - 12, widget.center_y - 12, 24, 24)
    if isinstance(widget, Label) and widget.text:
        ink = widget.disabled_color if widget.disabled else widget.color
        width, height = widget.texture_size
        box = (widget.center_x - width / 2, widget.center_y - height / 2, width, height)
        yield Written(repr(widget.text), as_hex(ink), _box(widget, *box))
    elif isinstance(widget, TextView) and widget.text:
        yield Written(repr(widget.text), as_hex(widget.color), _box(widget, *whole))
    elif isinstance(widget, SuggestionPlace) and widget.shown:
        yield Written(repr(widget.shown), as_hex(widget.color), _box(widget, *whole))
    elif isinstance(widget, Key):
        ink = widget.icon_color if widget.icon else look.muted if widget.action == "space" else look.text
        yield Written(f"the key {widget.name}", as_hex(ink), _box(widget, *middle))
        if widget.hint:
            corner = (widget.right - widget.hint_width - 6, widget.top - widget.hint_height - 4)
            box = _box(widget, *corner, widget.hint_width, widget.hint_height)
            yield Written(f"the hint of {widget.name}", as_hex(look.muted), box)
    elif isinstance(widget, Icon) and widget.icon:
        yield Written(f"the icon {widget.icon}", as_hex(widget.icon_color), _box(widget, *middle))
    elif isinstance(widget, Chart):
        yield Written("a chart", as_hex(widget.text_color), _box(widget, *whole))
    elif isinstance(widget, EmojiKey) and widget.emoji:
        yield Written(widget.emoji, as_hex(widget.color), _box(widget, *whole))


def written(widget: Any, within: tuple[float, float, float, float]) -> Iterator[Written]:
    """Yields the text and icons in a part of the window that are completely in view."""
    from kivy.uix.scrollview import ScrollView

    if widget.opacity == 0:
        return
    if isinstance(widget, ScrollView):
        own = _box(widget, widget.x, widget.y, widget.width, widget.height)
        left, bottom, right, top = own
        within = max(within[0], left), max(within[1], bottom), min(within[2], right), min(within[3], top)
    for each in _writing(widget):
        left, bottom, right, top = each.box
        if left >= within[0] - 1 and bottom >= within[1] - 1 and right <= within[2] + 1 and top <= within[3] + 1:
            yield each
    for child in widget.children:
        yield from written(child, within)


def paper(part: np.ndarray) -> str:
    """Returns the most common colour."""
    numbers = part.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colors, counts = np.unique(numbers, return_counts=True)
    return f"#{colors[counts.argmax()]:06X}"


def unclear(person: Any, root: Any) -> tuple[int, list[str]]:
    """Counts the text and icons below a widget, and lists those with too little contrast."""
    from kivy.core.window import Window

    painted = person.pixels()
    found, count = [], 0
    for name, ink, box in written(root, (0, 0, *Window.size)):
        left, bottom, right, top = (round(edge) for edge in box)
        part = painted[max(bottom, 0) : top, max(left, 0) : right]
        if part.size == 0:
            continue
        count += 1
        ground = paper(part)
        if (clear := contrast(ink, ground)) < CLEAR:
            found.append(f"{name}: {ink} on {ground} is {clear:.2f}")
    return count, found


@pytest.mark.parametrize("kind", _SIZES)
def test_all_text_has_enough_contrast_where_it_is_painted(
    open_window: Callable[..., Any], device: Any, kind: str
) -> None:
    for _ in range(12):
        device.profile.store.add_message("i think you are good", [])
    person = open_window(device, *_SIZES[kind])
    screen, composer = person.screen, person.screen.composer
    person.say("hello there")
    states: dict[str, Callable[[], object]] = {
        "words": lambda: person.type_physically("go cl"),
        "a correction": lambda: person.type_physically(" tgink"),
        "symbols": lambda: setattr(composer.ids.keypad, "page", "symbols"),
        "a menu": lambda: (composer.select_all(), composer.open_menu()),
        "emoji": composer.show_emoji,
        "searching emoji": composer.search_emoji,
        "what it learned": lambda: (composer.edit_message(), screen.show_page("learned")),
        "my data": lambda: screen.show_page("data"),
        "the federation": lambda: screen.show_page("federation"),
        "settings": lambda: screen.show_page("settings"),
        "the first questions": screen.first_opening.ask,
    }
    if kind == "desktop":  # pages are shown beside the messages there
        states = {state: states[state] for state in ("words", "what it learned", "my data", "settings")}
    found, counts = {}, []
    for state, begin in states.items():
        begin()
        for theme in THEMES:
            device.choose(theme=theme)
            for private in (False, True):
                screen.set_private(private)
                screen.apply_settings()
                person.wait(4)
                count, bad = unclear(person, screen.first_opening.welcome or screen)
                counts.append(count)
                if bad:
                    found[state, theme, private] = bad
        if state == "symbols":
            composer.ids.keypad.page = "letters"
    assert min(counts) >= 4
    assert not found


def test_too_little_contrast_is_found(person: Any) -> None:
    from keyboard_app.window.drawing.look import look

    person.wait()
    count, found = unclear(person, person.screen)
    assert count > 40
    assert not found
    look.board = look.key = look.key_special = look.text
    person.wait()
    _, found = unclear(person, person.screen)
    assert len(found) > 20
    look._paint()
