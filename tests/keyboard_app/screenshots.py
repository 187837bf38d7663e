"""Takes pictures of the real window: `python -m tests.keyboard_app.screenshots FOLDER [--model DIR] [--all]`, on a display.

1. Three other keyboards take part in federated rounds, which make a newer global model.
2. A keyboard on a temporary profile types some weeks of messages and learns from them. Then it installs that model and learns
   again.
3. The window opens, and the pictures of the README are saved: `keyboard.png` with light and dark phones, and `keyboard-wide.png`
   with a tablet and a desktop. With `--all`, each state of the window is also saved at seven sizes, in light and dark.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image

from keyboard_app import device as device_module
from keyboard_app.device import Device
from keyboard_app.federating.local_rounds import answer_all
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.recording.database import queries
from keyboard_app.window.kivy_settings import prepare_kivy
from model.device.folder import PRETRAINED
from tests.keyboard_app.stage import UNFINISHED, Stage, settle

_LINES = [
    "are you coming to the climbing hall tonight?",
    "yes, I will bring the ropes and the chalk",
    "great, the climbing hall closes at ten",
    "let's meet at the climbing hall at seven",
    "I will bring the snacks and the chalk too",
    "see you at the climbing hall!",
]
_SENT = ["Are you coming tonight?", "I'll bring the ropes and some snacks 😀", "Let's meet at seven, by the door."]
_WEEKS = 5
_OTHERS = (  # messages on the other keyboards, a tuple for each keyboard
    ("see you at the lake tomorrow", "are you coming to the lake too?", "the water is so warm today"),
    ("see you at the lake after work", "bring your bike and something to drink", "we are at the lake already"),
    ("see you at the beach or at the lake?", "let's go swimming tonight", "at the lake then, at six"),
)
_TIMES = 40  # repetitions of these messages
_ROUNDS = 2  # federated rounds
_SIZES = {"phone": (412, 892), "tablet": (820, 1180), "desktop": (1280, 800)}
_MORE_SIZES = {"tiny": (320, 480), "small": (360, 640), "tall": (412, 915), "short": (800, 600)}
_GAP, _GROUND = 24, "#7A8496"  # pixels between pictures, and the colour behind them
_README = {
    "keyboard.png": ("phone-light-phrase", "phone-dark-glide", "phone-dark-learned", "phone-light-private"),
    "keyboard-wide.png": ("tablet-dark-learned", "desktop-light-models"),
}
_WIDE_HEIGHT = 800  # height that pictures are scaled to if their heights differ, in pixels


def _federate(folder: Path, shipped: Path) -> Path:
    """Runs federated rounds with the other keyboards; returns the folder of the newest global model."""
    profiles = [folder / f"keyboard-{number}" for number in range(len(_OTHERS))]
    for profile, lines in zip(profiles, _OTHERS, strict=True):
        with Device.open(profile, shipped, consenting=True, use_keyring=False) as device:
            device.choose(consent=True)
            for line in lines * _TIMES:
                device.profile.store.add_message(line, [])
    newest = shipped
    for number in range(_ROUNDS):
        before, newest = newest, folder / f"global-{number + 1}"
        command: list[str | Path] = [sys.executable, "-m", "federation", "round", "--profiles", *profiles]
        subprocess.run([*command, "--model", before, "--out", newest], check=True)
    return newest


def _install(device: Device, newest: Path) -> None:
    """Installs a newer global model as a keyboard does after a round, and checks that the comparison shows something."""
    device.profile.mailbox.release(newest)
    answer_all(device.profile, device.models)
    suggested = device.compare(UNFINISHED)
    if len({words[0] for words in suggested.values()}) < len(suggested):
        sys.exit(f"after {UNFINISHED!r}, two models suggest the same word first: {suggested}")


def _write_history(device: Device) -> None:
    """Types some weeks of messages and learns after each week, with the clocks of the device and the store set back."""
    real = queries.now, device_module._today
    clock, device.profile.store._clock = (
        device.profile.store._clock,
        None,
    )  # which believes in no time before the newest
    for weeks_ago in reversed(range(_WEEKS)):
        then = datetime.now(UTC) - timedelta(weeks=weeks_ago)
        queries.now = partial(then.isoformat, timespec="seconds")
        device_module._today = then.astimezone().date().isoformat
        for line in _LINES * 2:
            type_message(device.keyboard, line)
        device.catch_up()
        run(Learning(device.profile, device.models))
    queries.now, device_module._today = real
    device.profile.store._clock = clock


def _shots(app: Any, take: Callable[[str], None], wanted: Collection[str] | None) -> Iterator[None]:
    """Types some messages, then takes the wanted pictures, or all if `wanted` is None. Each `yield` lets one frame pass."""
    from kivy.core.window import Window

    stage = Stage(app)
    screen = stage.screen
    for message in _SENT:
        screen.type_text(message)
        screen.key("enter")
        yield
    screen.type_text(UNFINISHED)
    for begin_work in (screen.device.compare_models, screen.device.look_back):
        begin_work()
        while screen.device.background.task is not None:
            yield
    stage.give_hand()
    for (kind, size), theme, (state, begin) in product(
        (_SIZES | _MORE_SIZES).items(), ("light", "dark"), stage.states.items()
    ):
        name = f"{kind}-{theme}-{state}"
        if wanted is not None and name not in wanted:
            continue
        if Window.size != size:
            Window.size = size
            yield from settle()
        screen.device.choose(theme=theme)
        stage.reset()
        yield from settle(4)
        yield from begin() or ()
        yield from settle()
        stage.composer.ids.text_area.restart_blinking()
        yield
        take(name)
        yield


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Puts pictures of one height in a row; scales them first if their heights differ."""
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
    from keyboard_app.window.drawing.fonts import EMOJI_FONT_VARIABLE

    os.environ[EMOJI_FONT_VARIABLE] = (
        ""  # emoji come from the package's font, so that the pictures are the same on every machine
    )
    taken: dict[str, Path] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Device.open(Path(folder) / "profile", options.model, consenting=True, use_keyring=False) as device,
    ):

        def take(name: str) -> None:
            taken[name] = Path(Window.screenshot(f"{folder}/{name}.png"))

        device.choose(consent=True)
        _write_history(device)
        _install(device, _federate(Path(folder), options.model))
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
