"""Damaged files, which are renamed and kept, so that their content can be rescued."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path


def set_aside(path: Path, endings: Sequence[str] = (), mark: str = "damaged") -> Path:
    """Appends `.damaged` to the name of a file or folder, or `.damaged-2` and so on if that name is taken; returns the new path.

    Companion files, whose names are this file's name plus one of `endings`, are renamed along with it. `mark` replaces "damaged"
    if there is another reason.
    """
    names = (f"{path.name}.{mark}" + (f"-{number}" if number > 1 else "") for number in count(1))
    aside = next(place for place in map(path.with_name, names) if not place.exists())
    for ending in endings:
        if (file := path.with_name(path.name + ending)).exists():
            file.replace(aside.with_name(aside.name + ending))
    return path.replace(aside)
