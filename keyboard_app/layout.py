"""Keyboard layouts: pages of rows of keys, as the JSON files in `layouts/` list them.

A key is a string, the character it types, or an object: `action` (one of `ACTIONS`), `label`, `width` in letter keys, and for the
action `page` the `page` it turns to.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

LAYOUTS = Path(__file__).parent / "layouts"
ACTIONS = ("character", "shift", "backspace", "space", "enter", "page", "gap")

Page = list[list["KeySpec"]]


@dataclass(frozen=True)
class KeySpec:
    """One key of a layout."""

    action: str
    label: str
    width: float = 1.0
    page: str = ""


def load_layout(path: Path) -> dict[str, Page]:
    """Reads a layout; the first page is the one to begin with.

    Raises:
      DataError: the file cannot be read or is no layout.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        pages = {name: [[_key(key) for key in row] for row in rows] for name, rows in content["pages"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no keyboard layout ({error})") from error
    for key in (key for page in pages.values() for row in page for key in row):
        if key.action not in ACTIONS:
            raise DataError(f"{path}: there is no action {key.action!r}: choose one of {', '.join(ACTIONS)}")
        if key.action == "page" and key.page not in pages:
            raise DataError(f"{path}: the key {key.label!r} turns to a page {key.page!r} that is not there")
    return pages


def _key(key: str | dict[str, str]) -> KeySpec:
    if isinstance(key, str):
        return KeySpec("character", key)
    return KeySpec(key["action"], key.get("label", ""), float(key.get("width", 1)), key.get("page", ""))
