"""My data: what is recorded, to read, search, delete and take along."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.my_data.importing import Importing, Source
from keyboard_app.my_data.my_data import PAGE
from keyboard_app.recording.records import Message
from keyboard_app.window.keys.search_field import SearchField
from keyboard_app.window.pages.file_picker import FilePicker
from keyboard_app.window.pages.folder_listing import free_name
from keyboard_app.window.pages.page import Page
from keyboard_app.window.pages.person_picker import PersonPicker
from keyboard_app.window.widgets.choice import Choice

# The others are for the rules.
__all__ = ("Choice", "DataPage", "MessageRow", "SearchField")

KEPT = ((None, "Until I delete it"), (365, "A year"), (90, "90 days"), (30, "30 days"))
_TEXT_FILES = (".txt", ".jsonl", ".json", ".csv", ".md", ".text", ".log")
_SEARCH_AFTER = 0.15  # seconds without a key


class MessageRow(BoxLayout):
    """A recorded message; dispatches `on_delete` once the person has said so twice."""

    text = StringProperty()
    time = StringProperty()
    sure = BooleanProperty(False)

    __events__ = ("on_delete",)

    def on_delete(self) -> None:
        """What the page binds to."""


class DataPage(Page):
    """Shows the newest messages that hold what is searched for, and what can be done with all of them."""

    count = NumericProperty(0)
    found = StringProperty()
    more = BooleanProperty(False)
    held = StringProperty()  # what the personal model may still hold of deleted messages
    sure = BooleanProperty(False)  # whether it was asked whether to delete all

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="My data", **properties)
        self._shown = 0
        self._search = Clock.create_trigger(self._show_found, _SEARCH_AFTER)
        self.ids.keep.options = list(KEPT)
        self._importing: Importing | None = None

    def refresh(self) -> None:
        """Shows what is recorded now."""
        data = self.device.my_data
        self.count = data.count()
        held = data.still_held
        messages = "message" if held == 1 else "messages"
        self.held = f"The personal model may still hold {held:,} deleted {messages}." if held else ""
        self.ids.keep.value = self.device.profile.settings.keep_days
        self._show_found()
        if (importing := self._importing) is not None and (source := importing.unclear) is not None:
            self._importing = None
            self._ask_who(importing, source)

    def query(self) -> None:
        """What is searched for has changed."""
        self._search()

    def show_more(self) -> None:
        """Shows older messages too."""
        self._add(self.device.my_data.page(self.ids.search.text, skip=self._shown))

    def delete(self, message: int) -> None:
        """Deletes one message for good."""
        self.attempt(lambda: self.device.my_data.delete([message]))
        self.screen.show_messages()

    def delete_all(self) -> None:
        """Deletes all messages for good, once the person is sure."""
        if not self.sure:
            self.sure = True
            return
        self.sure = False
        self.attempt(self.device.my_data.delete_all)
        self.screen.show_messages()

    def keep(self, days: int | None) -> None:
        """Chooses how long messages are kept."""
        self.attempt(lambda: self.device.choose(keep_days=days))
        self.screen.show_messages()

    def export(self) -> None:
        """Asks where to, and writes all messages there."""
        self._choose("Export to this folder", self._export_to, for_folder=True)

    def import_file(self) -> None:
        """Asks for a file of one's own text, and learns from it."""
        self._choose("Choose a text or a chat export", self._import, suffixes=_TEXT_FILES)

    def _export_to(self, folder: Path) -> None:
        path = free_name(folder, "my messages", ".jsonl")
        self.attempt(lambda: f"{self.device.my_data.export(path):,} messages written to {path}, not encrypted")

    def _import(self, path: Path) -> None:
        def begin() -> None:
            self._importing = self.device.import_texts(path)

        self.screen.begin(begin)

    def _ask_who(self, importing: Importing, source: Source) -> None:
        """Several people wrote in a file: asks which of them the person is."""

        def chosen(person: str) -> None:
            self.screen.begin(lambda: self.device.import_of(person, importing))

        self._pick(PersonPicker(source.people), chosen)

    def _choose(self, title: str, then: Any, **properties: Any) -> None:
        self._pick(FilePicker(Path.home(), title=title, **properties), then)

    def _pick(self, picker: FilePicker | PersonPicker, then: Any) -> None:
        """Shows a picker over the window until something is chosen, or nothing."""

        def close(*_: object) -> None:
            self.screen.remove_widget(picker)

        def chosen(_picker: object, what: object) -> None:
            close()
            then(what)

        picker.bind(on_chosen=chosen, on_cancel=close)
        self.screen.add_widget(picker)

    def _show_found(self, *_: object) -> None:
        self._shown = 0
        self.ids.messages.clear_widgets()
        self._add(self.device.my_data.page(self.ids.search.text))
        if not self._shown:
            self.found = "Nothing is recorded." if not self.count else "No message holds that."
        else:
            self.found = ""

    def _add(self, messages: list[Message]) -> None:
        for message in messages:
            row = MessageRow(text=message.text, time=_told(message))
            row.bind(on_delete=partial(self._delete_row, message.id))
            self.ids.messages.add_widget(row)
        self._shown += len(messages)
        self.more = len(messages) == PAGE

    def _delete_row(self, message: int, _row: MessageRow) -> None:
        self.delete(message)


def _told(message: Message) -> str:
    when = datetime.fromisoformat(message.time).astimezone()
    return f"{when:%d %B %Y, %H:%M}{', imported' if message.imported else ''}"
