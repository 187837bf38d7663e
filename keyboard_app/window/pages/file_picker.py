"""Finds a file to read, or a folder to write into."""

from pathlib import Path
from typing import Any

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.window.pages.folder_listing import list_folder
from keyboard_app.window.widgets.control import TextButton
from keyboard_app.window.widgets.modal import TouchShield

__all__ = ("FilePicker",)

_SHOWN = 200  # entries of a folder; nobody looks through more


class FilePicker(TouchShield, BoxLayout):
    """Shows a folder; dispatches `on_chosen(path)` and `on_cancel`."""

    title = StringProperty()
    folder = StringProperty()
    note = StringProperty()
    for_folder = BooleanProperty(False)  # a folder is chosen, and no files are shown

    __events__ = ("on_cancel", "on_chosen")

    def __init__(self, start: Path, suffixes: tuple[str, ...] = (), **properties: Any) -> None:
        self._suffixes = suffixes
        super().__init__(**properties)
        self.show(start)

    def show(self, folder: Path) -> None:
        """Shows what is in a folder."""
        listing = list_folder(folder, () if self.for_folder else self._suffixes)
        self.folder = str(folder)
        shown = [*listing.folders, *listing.files]
        self.note = listing.problem or ("" if shown else "There is nothing to choose here.")
        if len(shown) > _SHOWN:
            self.note = f"The first {_SHOWN} of {len(shown):,} are shown."
        self.ids.entries.clear_widgets()
        for path in shown[:_SHOWN]:
            self._add(path, path in listing.folders)
        self.ids.scroll.scroll_y = 1

    def up(self) -> None:
        """Shows the folder around this one."""
        self.show(Path(self.folder).parent)

    def choose_folder(self) -> None:
        """Chooses the folder that is shown."""
        self.dispatch("on_chosen", Path(self.folder))

    def on_chosen(self, path: Path) -> None:
        """What a page binds to."""

    def on_cancel(self) -> None:
        """What a page binds to."""

    def _add(self, path: Path, is_folder: bool) -> None:
        entry = FileEntry(text=path.name, is_folder=is_folder, name=path.name)
        entry.bind(on_release=lambda _entry: self.show(path) if is_folder else self.dispatch("on_chosen", path))
        self.ids.entries.add_widget(entry)


class FileEntry(TextButton):
    """A file or a folder."""

    is_folder = BooleanProperty(False)
