"""Pictures of the real window: `python -m tests.keyboard_app.screenshots FOLDER [--model DIR] [--all]`, under a display.

Types a sample on a profile that is thrown away, learning on the way, and saves `keyboard.png`: a phone, light and dark, and what
it learned, side by side. With `--all` it saves each page at the sizes of a phone, a tablet and a desktop too, light and dark.
"""

import argparse
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from keyboard_app.device import Device
from keyboard_app.learning.learning import Learning
from keyboard_app.learning.worker import run
from keyboard_app.recording import store
from keyboard_app.typing.typist import type_message
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
_BEGUN = "See you at the clim"
_WEEKS = 5
_SIZES = {"phone": (412, 892), "tablet": (820, 1180), "desktop": (1280, 800)}
_GAP, _GROUND = 24, "#7A8496"
_README = ("phone-light-typing", "phone-dark-emoji", "phone-dark-learned", "phone-light-private")


def _write_history(device: Device) -> None:
    """Some weeks of typing, learning after each of them, by a clock that is put back."""
    real = store._now
    for weeks_ago in reversed(range(_WEEKS)):
        then = datetime.now(UTC) - timedelta(weeks=weeks_ago)
        store._now = lambda then=then: then.isoformat(timespec="seconds")
        for line in _LINES * 2:
            type_message(device.keyboard, line)
        run(Learning(device.profile, device.models))
    store._now = real


def _shots(app: Any, take: Any, everything: bool) -> Iterator[None]:
    """What happens in the window; yields to let a frame pass."""
    from kivy.core.window import Window

    screen = app.screen

    def settle(frames: int = 12) -> Iterator[None]:
        for _ in range(frames):
            yield

    def shoot(name: str) -> Iterator[None]:
        yield from settle()
        screen.composer.ids.text_area.restart_blinking()
        yield
        take(name)
        yield

    for message in _SENT:
        screen.type_text(message)
        screen.key("enter")
        yield
    screen.type_text(_BEGUN)
    screen.device.look_back()
    while screen.device.worker.task is not None:
        yield
    for kind, size in (_SIZES if everything else {"phone": _SIZES["phone"]}).items():
        Window.size = size
        yield from settle()
        for theme in ("light", "dark"):
            screen.device.choose(theme=theme)
            screen.apply_settings()
            pages: dict[str, Any] = {
                "typing": lambda: None,
                "emoji": screen.composer.show_emoji,
                "private": lambda: screen.set_private(True),
                "learned": lambda: screen.show_page("learned"),
                "data": lambda: screen.show_page("data"),
                "federation": lambda: screen.show_page("federation"),
                "settings": lambda: screen.show_page("settings"),
            }
            for page, begin in pages.items():
                name = f"{kind}-{theme}-{page}"
                if everything or name in _README:
                    begin()
                    yield from shoot(name)
                    screen.composer.show_keys()
                    screen.set_private(False)
                    screen.page = "learned" if screen.beside else ""
                    yield from settle(2)


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

    from keyboard_app.window.window import KeyboardApp

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
        shots = _shots(app, take, options.all)

        def step(_elapsed: float) -> None:
            try:
                next(shots)
            except StopIteration:
                app.stop()

        Clock.schedule_interval(step, 0)
        app.run()
        pictures = [Image.open(taken[name]).convert("RGB") for name in _README]
        width = sum(picture.width for picture in pictures) + _GAP * (len(pictures) + 1)
        whole = Image.new("RGB", (width, pictures[0].height + 2 * _GAP), _GROUND)
        left = _GAP
        for picture in pictures:
            whole.paste(picture, (left, _GAP))
            left += picture.width + _GAP
        whole.save(options.folder / "keyboard.png", optimize=True)
        if options.all:
            for name, path in taken.items():
                Image.open(path).convert("RGB").save(options.folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
