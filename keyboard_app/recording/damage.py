"""What is done with a file that can no longer be read: kept for whoever may rescue it, and out of the way."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path


def set_aside(path: Path, endings: Sequence[str] = (), mark: str = "damaged") -> Path:
    """Renames a file or folder to the same name with `.damaged` behind it, or `.damaged-2` and so on where that is taken.

    Files that belong to it and bear its name with one of `endings` behind it go along, so that they still bear its name.
    Another `mark` says that something else than damage stands in the way. Returns the new path.
    """
    names = (f"{path.name}.{mark}" + (f"-{number}" if number > 1 else "") for number in count(1))
    aside = next(place for place in map(path.with_name, names) if not place.exists())
    for ending in endings:
        if (file := path.with_name(path.name + ending)).exists():
            file.replace(aside.with_name(aside.name + ending))
    return path.replace(aside)
