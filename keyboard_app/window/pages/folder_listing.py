"""What a folder holds that a person may choose."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """A folder's visible contents, each sorted by name without regard to capitals; `problem` says why it cannot be read."""

    folder: Path
    folders: list[Path]
    files: list[Path]
    problem: str = ""


def list_folder(folder: Path, suffixes: tuple[str, ...]) -> Listing:
    """The folders in a folder, and the files whose names end in one of the suffixes, in small letters; hidden ones left out."""
    folders, files = [], []
    try:
        for path in sorted(folder.iterdir(), key=lambda path: path.name.casefold()):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix.lower() in suffixes:
                files.append(path)
    except OSError as error:
        return Listing(folder, [], [], error.strerror or str(error))
    return Listing(folder, folders, files)


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A path in a folder at which there is nothing yet."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem} {number}{suffix}", number + 1
    return path
