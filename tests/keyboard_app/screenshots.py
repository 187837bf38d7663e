"""Pictures of the real window: `python -m tests.keyboard_app.screenshots FOLDER [--model DIR] [--text FILE]`, under a display.

Types the lines of a text, one message a line, learning on the way, and saves `typing.png`, `learning.png` and `plot.png`.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from keyboard_app.device import Device
from keyboard_app.kivy_settings import prepare_kivy
from keyboard_app.learning import Learning
from keyboard_app.typist import type_message
from keyboard_app.worker import run
from model.device.folder import PRETRAINED

_LINES = [
    "are you coming to the climbing hall tonight?",
    "yes, I will bring the ropes and the chalk",
    "great, the climbing hall closes at ten",
    "let's meet at the climbing hall at seven",
    "I will bring the snacks and the chalk too",
    "see you at the climbing hall!",
] * 6
_SENT = ["Are you coming tonight?", "I'll bring the ropes and some snacks 😀", "Let's meet at seven, by the door."]
_BEGUN = "See you at the cl"


def _steps(app: object, folder: Path) -> Iterator[bool]:
    """What happens in the window; yields to let a frame pass."""
    from kivy.core.window import Window

    screen = app.screen

    def press(text: str) -> Iterator[bool]:
        for character in text:
            screen.key("space" if character == " " else "character", character)
            yield True

    def settle() -> Iterator[bool]:
        for _ in range(4):
            yield True

    for message in _SENT:
        yield from press(message)
        screen.key("enter")
    yield from press(_BEGUN)
    yield from settle()
    screen.ids.text_area.caret_shown = True
    yield from settle()
    Window.screenshot(str(folder / "typing.png"))
    screen.learn()
    while screen.device.worker.task is not None and screen.progress < 0.4:
        yield True
    yield from settle()
    Window.screenshot(str(folder / "learning.png"))
    while screen.device.worker.task is not None:
        yield True
    screen.toggle_panel()
    yield from settle()
    Window.screenshot(str(folder / "plot.png"))
    yield from settle()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=PRETRAINED)
    parser.add_argument("--text", type=Path)
    options = parser.parse_args()
    lines = [line for line in options.text.read_text("utf-8").split("\n") if line.strip()] if options.text else _LINES
    options.folder.mkdir(parents=True, exist_ok=True)
    prepare_kivy()
    from kivy.clock import Clock

    from keyboard_app.window import KeyboardApp

    with (
        tempfile.TemporaryDirectory() as profile,
        Device.open(Path(profile), options.model, consenting=True, use_keyring=False) as device,
    ):
        half = len(lines) // 2
        for line in lines[:half]:
            type_message(device.keyboard, line)
        run(Learning(device.profile, device.models))
        for line in lines[half:]:
            type_message(device.keyboard, line)
        app = KeyboardApp(device)
        steps = _steps(app, options.folder)

        def step(_elapsed: float) -> None:
            if next(steps, None) is None:
                app.stop()

        Clock.schedule_interval(step, 0.05)
        app.run()
    for picture in options.folder.glob("*0001.png"):  # Kivy counts its screenshots
        picture.replace(picture.with_name(picture.name.replace("0001", "")))


if __name__ == "__main__":
    main()
