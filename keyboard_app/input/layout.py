"""Keyboard layouts: pages of rows of keys, read from the JSON files in `layouts/`.

{"name": "QWERTY", "pages": {"letters": [[key, …], …]}, "alternates": {"e": "é è", …}}

A key is a string, the character that it types, or an object with an `action` (one of `ACTIONS`), a `label`, a `width` in letter
keys, and for the action `page` the `page` to turn to. All rows are stretched to one width. A keyboard opens on
the page `letters`. A layout that lacks the pages `symbols` and `more` gets those of `symbols.json`. `alternates` are the
characters, separated by spaces, that a long press offers; they come before those of `symbols.json`.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from math import hypot
from pathlib import Path
from typing import Any

from data.errors import DataError

USUAL = "qwerty"
LAYOUTS = Path(__file__).parent / "layouts"
ACTIONS = ("character", "shift", "backspace", "space", "enter", "page", "emoji", "gap")

_SYMBOLS = Path(__file__).with_name("symbols.json")
_FIRST = "letters"
_NEEDED = ("space", "backspace", "enter")  # actions that the first page must have
_REACH = 1.45  # distance between the middles of two keys that touch, even at a corner, in letter keys

Page = list[list["KeySpec"]]


@dataclass(frozen=True)
class KeySpec:
    """One key of a layout."""

    action: str
    label: str
    width: float = 1.0
    page: str = ""
    alternates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The content of a layout file; `pages` starts with the letters."""

    name: str
    pages: dict[str, Page]

    @cached_property
    def neighbours(self) -> dict[str, frozenset[str]]:
        """The neighbours of each letter: the letters of the keys around its own, which a finger may hit by mistake."""
        places = self._letters()
        return {
            letter: frozenset(
                other for other, (u, v) in places.items() if other != letter and hypot(u - x, v - y) <= _REACH
            )
            for letter, (x, y) in places.items()
        }

    @property
    def rows_of_letters(self) -> list[str]:
        """The letters of each row, with spaces between them."""
        rows = [
            [key.label for key in row if key.action == "character" and key.label.isalpha()]
            for row in self.pages[_FIRST]
        ]
        return [" ".join(row) for row in rows if row]

    def with_number_row(self) -> "Layout":
        """Returns the layout with a row of digits above its letters."""
        digits = [KeySpec("character", digit) for digit in "1234567890"]
        return Layout(
            self.name, {name: [digits, *rows] if name == _FIRST else rows for name, rows in self.pages.items()}
        )

    def _letters(self) -> dict[str, tuple[float, float]]:
        """Returns the centres of the letter keys; a row is 1 high, a letter key 1 wide in the widest row."""
        rows = self.pages[_FIRST]
        widest = max(sum(key.width for key in row) for row in rows)
        places: dict[str, tuple[float, float]] = {}
        for y, row in enumerate(rows):
            x, scale = 0.0, widest / sum(key.width for key in row)
            for key in row:
                if key.action == "character" and len(key.label) == 1 and key.label.isalpha():
                    places.setdefault(key.label.lower(), (x + key.width * scale / 2, y))
                x += key.width * scale
        return places


def layout_files(own: Path | None = None) -> dict[str, Path]:
    """Returns the layout files by name; those in the folder `own` replace shipped ones of the same name."""
    folders = [LAYOUTS] if own is None else [LAYOUTS, own]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.json"))}


def load_layout(path: Path) -> Layout:
    """Reads a layout.

    Raises:
      DataError: the file cannot be read or is not a layout; the message says why.
    """
    content, shared = _read(path), _read(_SYMBOLS)
    try:
        alternates = _alternates(content.get("alternates", {}), shared["alternates"])
        pages = {n: _page(rows, alternates) for n, rows in {**content["pages"], **_missing(shared, content)}.items()}
        layout = Layout(str(content.get("name", path.stem)), pages)
    except KeyError as error:
        raise DataError(f"{path} is not a keyboard layout: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a keyboard layout ({error})") from error
    _check(path, layout)
    return layout


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot read the keyboard layout {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a keyboard layout: it is not JSON in UTF-8 ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f'{path} is not a keyboard layout: it needs an object with "pages"')
    return content


def _missing(shared: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    return {name: rows for name, rows in shared["pages"].items() if name not in content["pages"]}


def _alternates(own: dict[str, str], shared: dict[str, str]) -> dict[str, tuple[str, ...]]:
    texts = {key: [*own.get(key, "").split(), *shared.get(key, "").split()] for key in {**own, **shared}}
    return {key: tuple(dict.fromkeys(text)) for key, text in texts.items()}


def _page(rows: list[list[Any]], alternates: dict[str, tuple[str, ...]]) -> Page:
    return [[_key(key, alternates) for key in row] for row in rows]


def _key(key: str | dict[str, Any], alternates: dict[str, tuple[str, ...]]) -> KeySpec:
    if isinstance(key, str):
        return KeySpec("character", key, alternates=alternates.get(key, ()))
    label = str(key.get("label", ""))
    held = alternates.get(label, ()) if key["action"] == "character" else ()
    return KeySpec(str(key["action"]), label, float(key.get("width", 1)), str(key.get("page", "")), held)


def _check(path: Path, layout: Layout) -> None:
    for name, page in layout.pages.items():
        if not page or not all(page):
            raise DataError(f"{path}: the page {name!r} is empty or has an empty row")
        for key in (key for row in page for key in row):
            if key.action not in ACTIONS:
                raise DataError(f"{path}: {key.action!r} is not an action: choose one of {', '.join(ACTIONS)}")
            if key.action == "page" and key.page not in layout.pages:
                raise DataError(f"{path}: the key {key.label!r} turns to the page {key.page!r}, which is missing")
            if key.action == "character" and (not key.label or key.label != key.label.strip()):
                raise DataError(f"{path}: a key of the page {name!r} types no visible character")
            if not 0 < key.width <= 100:
                raise DataError(
                    f"{path}: the key {key.label!r} is {key.width} letter keys wide: give it a width of 0.5 to 10"
                )
    if _FIRST not in layout.pages:
        raise DataError(f"{path}: the page {_FIRST!r}, on which a keyboard opens, is missing")
    there = {key.action for row in layout.pages[_FIRST] for key in row}
    if lacking := [action for action in _NEEDED if action not in there]:
        raise DataError(f"{path}: the page {_FIRST!r} needs keys for {', '.join(lacking)}")
