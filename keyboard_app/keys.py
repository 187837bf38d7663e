"""Presses the keys of a text one by one, without a window, and returns the text that results in the field."""

import sys
from pathlib import Path
from typing import NamedTuple

from data.errors import DataError
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.offers import Kind


class Pressed(NamedTuple):
    """The text in the field after the last key, and the words on the suggestion strip, best first."""

    text: str
    suggestions: list[str]


def press_keys(keyboard: Keyboard, keys: str) -> Pressed:
    """Presses one key per character in an empty field, as the on-screen keyboard does; nothing is sent."""
    keyboard.text = ""
    for key in keys:
        keyboard.press(key)
    offered = [offer.text for offer in keyboard.strip if offer.kind not in (Kind.TYPED, Kind.EMOJI)]
    return Pressed(keyboard.text, offered)


def read_key_lines(path: Path | None) -> list[str]:
    """Returns the lines of a file, or of standard input for None, with the spaces at their ends.

    Raises:
      DataError: the file cannot be read or is not UTF-8 text.
    """
    name = "standard input" if path is None else str(path)
    try:
        text = (sys.stdin.buffer.read() if path is None else path.read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
