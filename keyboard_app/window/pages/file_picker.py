"""Lets a person pick a file to read or a folder to write into."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.window.widgets.control import TextButton
from keyboard_app.window.widgets.modal import TouchShield

__all__ = ("FilePicker", "Listing", "free_name", "list_folder")

_SHOWN = 200  # most entries of a folder shown; nobody looks through more


class FilePicker(TouchShield, BoxLayout):
    """Shows a folder; dispatches `on_chosen(path)` and `on_cancel`."""

    title = StringProperty()
    folder = StringProperty()
    note = StringProperty()
    for_folder = BooleanProperty(False)  # whether to pick a folder; files are hidden then

    __events__ = ("on_cancel", "on_chosen")

    def __init__(self, start: Path, suffixes: tuple[str, ...] = (), **properties: Any) -> None:
        self._suffixes = suffixes
        super().__init__(**properties)
        self.show(start)

    def show(self, folder: Path) -> None:
        """Shows the contents of a folder."""
        listing = list_folder(folder, () if self.for_folder else self._suffixes)
        self.folder = str(folder)
        shown = [*listing.folders, *listing.files]
        problem = f"This folder cannot be shown: {listing.problem}." if listing.problem else ""
        self.note = problem or ("" if shown else "There is nothing to choose here.")
        if len(shown) > _SHOWN:
            self.note = f"Showing the first {_SHOWN} of {len(shown):,}."
        self.ids.entries.clear_widgets()
        for path in shown[:_SHOWN]:
            self._add(path, path in listing.folders)
        self.ids.scroll.scroll_y = 1

    def up(self) -> None:
        """Shows the parent folder."""
        self.show(Path(self.folder).parent)

    def choose_folder(self) -> None:
        """Chooses the folder that is shown."""
        self.dispatch("on_chosen", Path(self.folder))

    def on_chosen(self, path: Path) -> None:
        """Event for pages to bind."""

    def on_cancel(self) -> None:
        """Event for pages to bind."""

    def _add(self, path: Path, is_folder: bool) -> None:
        entry = FileEntry(text=path.name, is_folder=is_folder, name=path.name)
        entry.bind(on_release=lambda _entry: self.show(path) if is_folder else self.dispatch("on_chosen", path))
        self.ids.entries.add_widget(entry)


class FileEntry(TextButton):
    """A file or a folder to pick."""

    is_folder = BooleanProperty(False)


@dataclass(frozen=True)
class Listing:
    """The visible contents of a folder, sorted by name without regard to case; `problem` says why it cannot be read."""

    folder: Path
    folders: list[Path]
    files: list[Path]
    problem: str = ""


def list_folder(folder: Path, suffixes: tuple[str, ...]) -> Listing:
    """Lists the folders in a folder and the files with one of the suffixes, given in lower case; leaves out hidden ones."""
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
    """Returns a path in a folder at which nothing exists yet."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem} {number}{suffix}", number + 1
    return path
