"""`federate playground`: the keyboard's window among seven neighbours, all joined to a coordinator on this machine.

1. A coordinator starts from the public model, and its page opens in the browser.
2. Seven validation users of ChitChat each get a keyboard without a window, with their messages already in its profile.
3. The window opens on a profile of its own and joins. The person types, and starts rounds on the page.
4. Each round's model reaches all eight keyboards: the window suggests by it as soon as its person pauses.
5. Closing the window ends all processes and deletes all folders.
"""

import os
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from data.corpus import ChitChat, Part
from data.errors import DataError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.demos.coordinator_process import CoordinatorProcess, end, join_keyboard
from federation.demos.people import Person, choose_people
from federation.keyboards import keyboard
from federation.processes import start

NEIGHBOURS = 7
_NEIGHBOUR_WORDS = 3_000  # the newest words of each neighbour, which a keyboard imports in seconds
# Steps large enough to see: four rounds took these people's newer messages from 18.1 to 19.6% recall at 1. Two passes over 1,000
# words, or twice the step on the server, changed as many suggestions but raised recall less.
_TRAINING = ("--learning-rate", 1, "--passes", 1, "--max-words", _NEIGHBOUR_WORDS, "--clip", 4)
_RULES = ("--minimum", 3, "--over-selection", 1, "--settle-seconds", 3)
_WATCH_SECONDS = 0.5

_console = Console(stderr=True)


def playground(model: Path, neighbours: int = NEIGHBOURS, browser: bool = True) -> dict[str, Any]:
    """Runs the playground until its window is closed; returns the committed rounds.

    Args:
      model: the model folder to start from.
      neighbours: the number of neighbours, 3 to 8; a round needs three keyboards.
      browser: whether to open the coordinator's page in the browser.

    Raises:
      DataError: there is no display; or the coordinator, a neighbour or the window failed.
    """
    check_display()
    with ExitStack() as opened:
        out = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="playground-", ignore_cleanup_errors=True)))
        processes: list[subprocess.Popen] = []
        opened.callback(end, processes)  # before the folder is deleted
        coordinator = CoordinatorProcess(out, model, (*_TRAINING, *_RULES, "--target", neighbours + 1))
        processes.append(coordinator.process)
        _say(f"{neighbours} neighbours' keyboards take in what their people wrote, and the coordinator starts.")
        profiles = _fill_profiles(out, model, choose_neighbours(neighbours))
        coordinator.wait_until_serving()
        joined = [join_keyboard(model, profile, coordinator) for profile in profiles]
        processes += joined
        window = _open_window(out, model, coordinator)
        processes.append(window)
        _say(f"Your keyboard's window opens. The coordinator's page: {coordinator.dashboard}")
        _say(
            "Type a few messages, leave the beginning of a sentence in the field, and press Start on the page. Pause for a few "
            "seconds: the suggestions change as rounds end. Close the window to end everything."
        )
        if browser:
            _open_page(coordinator.dashboard)
        return _watch(coordinator, joined, window, out)


def check_display() -> None:
    """Raises a DataError if there is no display for a window."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise DataError(
            "there is no display for the keyboard's window: run this on a desktop, or run make demo-devices, which needs none"
        )


def choose_neighbours(count: int) -> list[Person]:
    """Returns validation users, each with their newest messages."""
    people = choose_people(Part(ChitChat(), "validation"))[:count]
    return [replace(person, typed=_newest(person.typed)) for person in people]


def _newest(messages: Sequence[str]) -> list[str]:
    kept: list[str] = []
    words = 0
    for text in reversed(messages):
        words += len(tokenize(text))
        if words > _NEIGHBOUR_WORDS:
            break
        kept.append(" ".join(text.split()))
    return kept[::-1]


def _fill_profiles(out: Path, model: Path, people: Sequence[Person]) -> list[Path]:
    """Imports each person's messages into a profile, in parallel processes.

    Raises:
      DataError: a keyboard failed.
    """
    profiles, processes = [], []
    for number, person in enumerate(people, 1):
        profile = out / f"neighbour-{number}"
        messages = out / f"neighbour-{number}.txt"
        write_by_rename(messages, "".join(line + "\n" for line in person.typed).encode())
        command = keyboard("data", "import", messages, "--plain", "--profile", profile, "--model", model)
        processes.append(start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        profiles.append(profile)
    try:
        for process in processes:
            errors = process.communicate()[1]
            if process.returncode:
                raise DataError(f"a neighbour's keyboard failed: {errors.strip()[-300:]}")
    finally:
        end(processes)
    return profiles


def _open_window(out: Path, model: Path, coordinator: CoordinatorProcess) -> subprocess.Popen:
    with (out / "window.log").open("wb") as log:
        command = keyboard("--try-out", coordinator.invite(), "--profile", out / "window", "--model", model)
        return start(command, stdout=log, stderr=log)


def _open_page(url: str) -> None:
    """Opens a page in a browser that has a window; one that runs in a terminal would take the terminal."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if type(found) is not webbrowser.GenericBrowser:
        found.open(url)


def _watch(
    coordinator: CoordinatorProcess, joined: Sequence[subprocess.Popen], window: subprocess.Popen, out: Path
) -> dict[str, Any]:
    """Prints each round when it ends, until the window is closed; returns the committed rounds.

    Raises:
      DataError: the coordinator, a neighbour or the window failed.
    """
    ended: list[dict[str, Any]] = []
    while window.poll() is None:
        coordinator.check()
        for number, process in enumerate(joined, 1):
            if process.poll() is not None:
                raise DataError(f"a neighbour's keyboard ended: {_tail(out / f'neighbour-{number}.log')}")
        try:
            found = [r for r in coordinator.view()["rounds"] if r["state"] in ("committed", "aborted")]
        except (httpx.HTTPError, OSError):  # it is busy
            found = ended
        for row in found[len(ended) :]:
            _say(_line(row))
        ended = found
        time.sleep(_WATCH_SECONDS)
    if window.returncode:
        raise DataError(f"the keyboard's window failed: {_tail(out / 'window.log')}")
    return {"rounds": [row for row in ended if row["state"] == "committed"]}


def _tail(log: Path) -> str:
    return log.read_text("utf-8", errors="replace").strip()[-300:]


def _line(row: dict[str, Any]) -> str:
    if row["state"] == "aborted":
        return f"Round {row['number']} was aborted: {row['reason']}"
    return (
        f"Round {row['number']}: {row['counted']} keyboards made a new model. Recall at 1 of the one before on "
        f"{row['tested']:,} words that they hold back: {row['top1']:.1%}"
    )


def _say(line: str) -> None:
    _console.print(line, soft_wrap=True, highlight=False, markup=False)
