"""Takes pictures of the real window: `python -m tests.keyboard_app.screenshots FOLDER [--model DIR] [--all]`, on a display.

Types a sample on a temporary profile, learning on the way, and saves the pictures of the README: `keyboard.png` with light and
dark phones, and `keyboard-wide.png` with a tablet and a desktop. With `--all`, also saves every state of the window at the sizes of a
phone, a tablet and a desktop, in light and dark.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from keyboard_app.device import Device
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording import store
from keyboard_app.window.kivy_settings import prepare_kivy
from model.device.folder import PRETRAINED

_LINES = [
    "are you coming to the climbing hall tonight?",
    "yes, I will bring the ropes and the chalk",
    "great, the climbing hall closes at ten",
    "let's meet at the climbing hall at seven",
    "I will bring the snacks and the chalk too",
    "see you at the climbing hall!",
]
_SENT = ["Are you coming tonight?", "I'll bring the ropes and some snacks 😀", "Let's meet at seven, by the door."]
_UNFINISHED = "See you at the clim"
_WEEKS = 5
_SIZES = {"phone": (412, 892), "tablet": (820, 1180), "desktop": (1280, 800)}
_GAP, _GROUND = 24, "#7A8496"
_README = {
    "keyboard.png": ("phone-light-typing", "phone-dark-emoji", "phone-dark-learned", "phone-light-private"),
    "keyboard-wide.png": ("tablet-dark-typing", "desktop-light-typing"),
}
_WIDE_HEIGHT = 800  # height that pictures of several heights are scaled to, in pixels
_HELD = 0.6  # seconds to hold a key until its alternates are shown


def _write_history(device: Device) -> None:
    """Writes some weeks of typing, with learning after each week, by setting the clock of the store back."""
    real = store._now
    for weeks_ago in reversed(range(_WEEKS)):
        then = datetime.now(UTC) - timedelta(weeks=weeks_ago)
        store._now = partial(then.isoformat, timespec="seconds")
        for line in _LINES * 2:
            type_message(device.keyboard, line)
        run(Learning(device.profile, device.models))
    store._now = real


def _shots(app: Any, take: Any, wanted: Collection[str] | None) -> Iterator[None]:
    """Brings the window into each state and takes its picture, or only the wanted ones; yields to let a frame pass."""
    from kivy.core.window import Window
    from kivy.tests.common import UnitTestTouch

    screen, composer = app.screen, app.screen.composer

    def settle(frames: int = 12) -> Iterator[None]:
        for _ in range(frames):
            yield

    def hold() -> Iterator[None]:
        key = next(key for key in composer.ids.keypad.shown_keys() if key.label.lower() == "e")
        fingers.append(UnitTestTouch(*key.center))
        fingers[-1].touch_down()
        end = time.monotonic() + _HELD
        while time.monotonic() < end:
            yield

    def enlarge() -> None:
        screen.device.choose(text_scale=1.5)
        screen.apply_settings()

    def ask(step: int) -> None:
        screen._show_welcome()
        screen._welcome.step = step

    def page(name: str) -> Callable[[], None]:
        return partial(setattr, screen, "page", name)

    def all_of(*steps: Callable[[], object]) -> Callable[[], None]:
        def run_all() -> None:
            for step in steps:
                step()

        return run_all

    fingers: list[Any] = []
    states: dict[str, Callable[[], Any]] = {
        "typing": lambda: None,
        "accents": hold,
        "digits": lambda: setattr(composer.ids.keypad, "page", "symbols"),
        "emoji": composer.show_emoji,
        "emoji-search": composer.search_emoji,
        "forgotten": lambda: composer.hold(composer.keyboard.strip[1]),
        "selection": all_of(composer.select_all, composer.open_menu),
        "private": lambda: screen.set_private(True),
        "learned": page("learned"),
        "data": page("data"),
        "federation": page("federation"),
        "settings": page("settings"),
        "large": enlarge,
        "large-learned": all_of(enlarge, page("learned")),
        "large-settings": all_of(enlarge, page("settings")),
        **{f"welcome-{step + 1}": partial(ask, step) for step in range(3)},
    }

    def undo() -> None:
        while fingers:
            fingers.pop().touch_up()
        if screen._welcome is not None:
            screen.remove_widget(screen._welcome)
            screen._welcome = None
        composer._menu.close()
        composer.undo()
        composer.edit_message()
        composer.show_keys()
        composer.keyboard.text = _UNFINISHED
        screen.set_private(False)
        screen.page = "learned" if screen.beside else ""
        screen.device.choose(text_scale=1.0)
        screen.apply_settings()
        composer.refresh()

    for message in _SENT:
        screen.type_text(message)
        screen.key("enter")
        yield
    screen.type_text(_UNFINISHED)
    screen.device.look_back()
    while screen.device.worker.task is not None:
        yield
    for kind, size in _SIZES.items():
        for theme in ("light", "dark"):
            for state, begin in states.items():
                name = f"{kind}-{theme}-{state}"
                if wanted is not None and name not in wanted:
                    continue
                if Window.size != size:
                    Window.size = size
                    yield from settle()
                screen.device.choose(theme=theme)
                undo()
                yield from settle(4)
                yield from begin() or ()
                yield from settle()
                composer.ids.text_area.restart_blinking()
                yield
                take(name)
                yield


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Puts pictures in a row, scaled to one height."""
    heights = {picture.height for picture in pictures}
    height = max(heights) if len(heights) == 1 else _WIDE_HEIGHT
    pictures = [
        p if p.height == height else p.resize((round(p.width * height / p.height), height), Image.Resampling.LANCZOS)
        for p in pictures
    ]
    width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) + 1)
    whole = Image.new("RGB", (width, height + 2 * _GAP), _GROUND)
    left = _GAP
    for picture in pictures:
        whole.paste(picture, (left, _GAP))
        left += picture.width + _GAP
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=PRETRAINED)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    prepare_kivy()
    from kivy.clock import Clock
    from kivy.core.window import Window

    from keyboard_app.window.app import KeyboardApp

    taken: dict[str, Path] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Device.open(Path(folder) / "profile", options.model, consenting=True, use_keyring=False) as device,
    ):

        def take(name: str) -> None:
            taken[name] = Path(Window.screenshot(f"{folder}/{name}.png"))

        device.choose(consent=True)
        _write_history(device)
        app = KeyboardApp(device)
        shots = _shots(app, take, None if options.all else {name for names in _README.values() for name in names})

        def step(_elapsed: float) -> None:
            try:
                next(shots)
            except StopIteration:
                app.stop()

        Clock.schedule_interval(step, 0)
        app.run()
        for file, names in _README.items():
            pictures = [Image.open(taken[name]).convert("RGB") for name in names]
            _side_by_side(pictures).save(options.folder / file, optimize=True)
        if options.all:
            for name, path in taken.items():
                Image.open(path).convert("RGB").save(options.folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
