"""Keyboard layouts: pages of rows of keys, as the JSON files in `layouts/` list them.

{"name": "QWERTY", "pages": {"letters": [[key, …], …]}, "alternates": {"e": "é è", …}}

A key is a string, what it types, or an object: `action` (one of `ACTIONS`), `label`, `width` in letter keys, and for the action
`page` the `page` it turns to. Rows are as wide as each other however many keys they have. The first page, `letters`, is the one to
begin with. A layout has the pages `symbols` and `more` of `symbols.json` unless it brings its own. `alternates`, what a key held
long offers, separated by spaces, come before those of `symbols.json`.
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
_NEEDED = ("space", "backspace", "enter")  # on the first page
_REACH = 1.45  # in letter keys: keys that touch, if only at a corner

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
    """What a layout's file says; `pages` begin with the letters."""

    name: str
    pages: dict[str, Page]

    @cached_property
    def neighbours(self) -> dict[str, frozenset[str]]:
        """For each letter, the letters on keys beside its own: those a finger may hit in its place."""
        places = self._letters()
        return {
            letter: frozenset(
                other for other, (u, v) in places.items() if other != letter and hypot(u - x, v - y) <= _REACH
            )
            for letter, (x, y) in places.items()
        }

    def _letters(self) -> dict[str, tuple[float, float]]:
        """The middles of the letters' keys; a row is 1 high, a letter key 1 wide where the rows are widest."""
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
    """The layouts there are, by the names of their files; those in the folder `own` go before the ones that come with this."""
    folders = [LAYOUTS] if own is None else [LAYOUTS, own]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.json"))}


def load_layout(path: Path) -> Layout:
    """Reads a layout.

    Raises:
      DataError: the file cannot be read or is no layout; the message says what is wrong with it.
    """
    content, shared = _read(path), _read(_SYMBOLS)
    try:
        alternates = _alternates(content.get("alternates", {}), shared["alternates"])
        pages = {n: _page(rows, alternates) for n, rows in {**content["pages"], **_missing(shared, content)}.items()}
        layout = Layout(str(content.get("name", path.stem)), pages)
    except KeyError as error:
        raise DataError(f"{path} is no keyboard layout: {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no keyboard layout ({error})") from error
    _check(path, layout)
    return layout


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot read the keyboard layout {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no keyboard layout: it is not JSON in UTF-8 ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f'{path} is no keyboard layout: it needs an object with "pages"')
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
                raise DataError(f"{path}: there is no action {key.action!r}: choose one of {', '.join(ACTIONS)}")
            if key.action == "page" and key.page not in layout.pages:
                raise DataError(f"{path}: the key {key.label!r} turns to a page {key.page!r} that is not there")
            if key.action == "character" and (not key.label or key.label != key.label.strip()):
                raise DataError(f"{path}: a key of the page {name!r} types nothing that can be seen")
            if not 0 < key.width <= 100:
                raise DataError(f"{path}: the key {key.label!r} is {key.width} letter keys wide: give it 0.5 to 10")
    if _FIRST not in layout.pages:
        raise DataError(f"{path}: there is no page {_FIRST!r}, the one a keyboard begins with")
    there = {key.action for row in layout.pages[_FIRST] for key in row}
    if lacking := [action for action in _NEEDED if action not in there]:
        raise DataError(f"{path}: the page {_FIRST!r} needs keys for {', '.join(lacking)}")
