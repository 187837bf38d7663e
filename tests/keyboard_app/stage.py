"""The states of the window that are photographed (`tests.keyboard_app.screenshots`)."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from model.device.gliding.geometry import qwerty

UNFINISHED = "See you at the "  # the message being typed, and the moment for which the page compares three models
_HELD = 0.6  # seconds to hold a key until its alternates are shown
_STRETCH = 4  # points of a glide between two keys: the trail shows 28


class Stage:
    """Brings an open window into each state that is photographed, and back."""

    def __init__(self, app: Any) -> None:
        """Takes the app, whose window is open."""
        self.screen, self.composer = app.screen, app.screen.composer
        self._fingers: list[Any] = []
        self.states: dict[str, Callable[[], Iterator[None] | None]] = {
            "typing": lambda: None,
            "phrase": self._show_phrase,
            "ghost": self._show_ghost,
            "glide": self._glide,
            "glided": partial(self._glide, lift=True),
            "emoji-word": self._name_emoji,
            "number-row": partial(self._set_keys, number_row=True),
            "left-hand": partial(self._set_keys, one_handed="left"),
            "lowest-keys": partial(self._set_keys, key_height=0.8),
            "highest-keys": partial(self._set_keys, key_height=1.5, number_row=True),
            "accents": self._hold_key,
            "digits": partial(setattr, self.composer.ids.keypad, "page", "symbols"),
            "emoji": self.composer.show_emoji,
            "emoji-search": self.composer.search_emoji,
            "forgotten": lambda: self.composer.hold(self.composer.keyboard.strip[1]),
            "selection": self._open_menu,
            "private": partial(self.screen.set_private, True),
            **{page: partial(self._show_page, page) for page in ("learned", "data", "federation", "settings")},
            "models": self._show_models,
            "curves": self._show_curves,
            "hand": self._show_hand,
            "keys-settings": partial(self._show_settings, "key_height"),
            "about": self._show_about,
            **{f"tour-{step + 1}": partial(self._show_tour, step) for step in range(3)},
            "large": self._enlarge,
            "large-learned": partial(self._show_page, "learned", large=True),
            "large-settings": partial(self._show_page, "settings", large=True),
            **{f"welcome-{step + 1}": partial(self._show_welcome, step) for step in range(3)},
        }

    def reset(self) -> None:
        """Returns from any state to the unfinished message."""
        screen, composer = self.screen, self.composer
        while self._fingers:
            self._fingers.pop().touch_up()
        screen.first_opening.leave()
        screen.first_opening._end()
        composer._menu.close()
        composer.undo()
        composer.edit_message()
        composer.show_keys()
        composer.keyboard.text = UNFINISHED
        screen.set_private(False)
        screen.page = "learned" if screen.beside else ""
        screen.device.choose(text_scale=1.0, key_height=1.0, number_row=False, one_handed="off")
        screen.apply_settings()
        composer.refresh()

    def _show_phrase(self) -> Iterator[None]:
        self.composer.keyboard.text = "See you "
        self.composer.refresh()
        yield from settle()

    def _show_ghost(self) -> Iterator[None]:
        self.composer.keyboard.text = "See you a"
        self.screen.type_text("t ")
        yield from settle()

    def _glide(self, lift: bool = False) -> Iterator[None]:
        """Glides a word, and lifts the finger if wanted."""
        from kivy.tests.common import UnitTestTouch

        self.composer.keyboard.text = "Let's go "
        self.composer.refresh()
        yield from settle(30)  # until the decoder knows the keys at this size
        keys = {key.label.lower(): key for key in self.composer.ids.keypad.shown_keys()}
        path = _rounded([keys[letter].center for letter in "climbing"])
        finger = UnitTestTouch(*path[0])
        self._fingers.append(finger)
        finger.touch_down()
        for x, y in path[1:]:
            finger.touch_move(x, y)
        yield
        if lift:
            self._fingers.pop().touch_up()

    def _hold_key(self) -> Iterator[None]:
        from kivy.tests.common import UnitTestTouch

        key = next(key for key in self.composer.ids.keypad.shown_keys() if key.label.lower() == "e")
        self._fingers.append(UnitTestTouch(*key.center))
        self._fingers[-1].touch_down()
        end = time.monotonic() + _HELD
        while time.monotonic() < end:
            yield

    def _open_menu(self) -> None:
        self.composer.select_all()
        self.composer.open_menu()

    def _enlarge(self) -> None:
        self.screen.device.choose(text_scale=1.5)
        self.screen.apply_settings()

    def _show_page(self, name: str, large: bool = False) -> None:
        if large:
            self._enlarge()
        self.screen.page = name

    def _show_models(self) -> Iterator[None]:
        """Scrolls to the suggestions of three models, at the end of the page "What it learned"."""
        self._show_page("learned")
        page = self.screen._pages["learned"]
        while f"“{UNFINISHED}”" not in page.moment:  # the models are compared once typing pauses
            yield
        yield from settle()
        page.children[0].scroll_y = 0

    def _show_curves(self) -> Iterator[None]:
        """Scrolls to the curves of three models."""
        self._show_page("learned")
        yield from settle()
        page = self.screen._pages["learned"]
        page.ids.scroll.scroll_to(page.ids.compared.__self__, animate=False)

    def _show_hand(self) -> Iterator[None]:
        """Scrolls to the picture of the person's touches."""
        self._show_page("learned")
        yield from settle()
        page = self.screen._pages["learned"]
        page.ids.scroll.scroll_to(page.ids.hand.__self__, animate=False)

    def _show_settings(self, name: str) -> Iterator[None]:
        """Scrolls to a setting."""
        self._show_page("settings")
        yield from settle()
        page = self.screen._pages["settings"]
        page.ids.scroll.scroll_to(page.ids[name].__self__, animate=False)

    def _show_about(self) -> Iterator[None]:
        self._show_page("settings")
        yield from settle()
        self.screen._pages["settings"].ids.scroll.scroll_y = 0

    def _name_emoji(self) -> Iterator[None]:
        self.composer.keyboard.text = "Let's order pizza "
        self.composer.refresh()
        yield from settle()

    def _set_keys(self, **choices: Any) -> Iterator[None]:
        self.screen.device.choose(**choices)
        self.screen.apply_settings()
        yield from settle()

    def _show_tour(self, step: int) -> None:
        self.screen.first_opening.begin_tour()
        tour = self.screen.first_opening._tour
        for _ in range(step):
            tour = tour.after(12, 30)
        self.screen.first_opening._show(tour)

    def give_hand(self) -> None:
        """Lets the device learn where a person touches the keys who lands a little low."""
        rng, geometry = np.random.default_rng(0), qwerty(0, 0, 400, 180)
        for letter in geometry.letters * 30:
            left, top, width, height = geometry.boxes[letter]
            x, y = rng.normal((left + 0.55 * width, top + 0.62 * height), (0.16 * width, 0.14 * height))
            self.screen.device.touches.hand.taps.learn(letter, x, y, geometry)

    def _show_welcome(self, step: int) -> None:
        self.screen.first_opening.ask()
        self.screen.first_opening.welcome.step = step


def settle(frames: int = 12) -> Iterator[None]:
    """Lets some frames pass."""
    for _ in range(frames):
        yield


def _rounded(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points of a finger that passes corners as people do, without stopping: a Catmull-Rom spline."""
    points = np.array([corners[0], *corners, corners[-1]], float)
    ways = (points[2:] - points[:-2]) / 4
    path = [tuple(points[1])]
    for (start, slope), (end, other) in pairwise(zip(points[1:-1], ways, strict=True)):
        for t in np.linspace(0, 1, _STRETCH + 1)[1:]:
            bend = (t - 2 * t**2 + t**3) * slope + (t**3 - t**2) * other
            path.append(tuple((1 - 3 * t**2 + 2 * t**3) * start + (3 * t**2 - 2 * t**3) * end + bend))
    return path
