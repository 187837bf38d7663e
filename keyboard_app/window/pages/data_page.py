"""The page "My data": recorded messages, to read, search, delete, export and import."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.my_data.importing import Importing
from keyboard_app.my_data.my_data import PAGE
from keyboard_app.my_data.source import TEXT, Source
from keyboard_app.recording.records import Message
from keyboard_app.window.keys.text_area import SearchField
from keyboard_app.window.pages.file_picker import FilePicker, free_name
from keyboard_app.window.pages.page import Page
from keyboard_app.window.pages.person_picker import PersonPicker
from keyboard_app.window.pages.text_preview import TextPreview
from keyboard_app.window.widgets.choice import Choice

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Choice", "DataPage", "MessageRow", "SearchField")

KEPT = ((None, "Until I delete them"), (365, "1 year"), (90, "90 days"), (30, "30 days"))
_TEXT_FILES = (".txt", ".jsonl", ".json", ".csv", ".tsv", ".xml", ".md", ".text", ".log")
_PREVIEWED = 20  # lines of a plain text that the person looks at before it is imported
_SEARCH_AFTER = 0.15  # seconds without a key until the search starts


class MessageRow(BoxLayout):
    """A recorded message; dispatches `on_delete` after the person has confirmed."""

    text = StringProperty()
    time = StringProperty()
    confirming = BooleanProperty(False)  # whether the person is asked to confirm

    __events__ = ("on_delete",)

    def on_delete(self) -> None:
        """Event for the page to bind."""


class DataPage(Page):
    """Shows the newest messages that contain the searched text, and the actions on all messages."""

    count = NumericProperty(0)
    found = StringProperty()
    more = BooleanProperty(False)
    held = StringProperty()  # a sentence about deleted messages that the personal model may remember
    confirming = BooleanProperty(False)  # whether the person is asked to confirm the deletion of all

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="My data", **properties)
        self._shown = 0
        self._search = Clock.create_trigger(self._show_found, _SEARCH_AFTER)
        self.ids.keep.options = list(KEPT)
        self._importing: Importing | None = None

    def refresh(self) -> None:
        """Shows the current recordings. Asks which messages are the person's if the imported file does not say it."""
        data = self.device.my_data
        self.count = data.count()
        held = data.still_held
        messages = "message" if held == 1 else "messages"
        self.held = f"Your keyboard may still remember {held:,} deleted {messages}." if held else ""
        self.ids.keep.value = self.device.profile.settings.keep_days
        self._show_found()
        if (importing := self._importing) is not None and (source := importing.unclear) is not None:
            self._importing = None
            self._ask(importing, source)

    def query(self) -> None:
        """Searches for the text in the search field, after a short pause."""
        self._search()

    def show_more(self) -> None:
        """Shows older messages too."""
        self._add(self.device.my_data.page(self.ids.search.text, skip=self._shown))

    def delete(self, message: int) -> None:
        """Deletes one message permanently."""
        self.attempt(lambda: self.device.my_data.delete([message]))
        self.screen.show_messages()

    def delete_all(self) -> None:
        """Deletes all messages permanently, at the second call."""
        if not self.confirming:
            self.confirming = True
            return
        self.confirming = False
        self.attempt(self.device.my_data.delete_all)
        self.screen.show_messages()

    def keep(self, days: int | None) -> None:
        """Sets how long messages are kept."""
        self.attempt(lambda: self.device.choose(keep_days=days))
        self.screen.show_messages()

    def export(self) -> None:
        """Asks for a folder, and writes all messages into a file there."""
        self._choose("Export to this folder", self._export_to, for_folder=True)

    def import_file(self) -> None:
        """Asks for a file with text of the person, and learns from it."""
        self._choose("Choose a text or a chat export", self._import, suffixes=_TEXT_FILES)

    def _export_to(self, folder: Path) -> None:
        path = free_name(folder, "my messages", ".jsonl")
        self.attempt(lambda: f"{self.device.my_data.export(path):,} messages written to {path}, not encrypted")

    def _import(self, path: Path) -> None:
        def begin() -> None:
            self._importing = self.device.import_texts(path)

        self.screen.begin(begin)

    def _ask(self, importing: Importing, source: Source) -> None:
        """Asks who the person is among the authors, or whether they wrote a plain text, and imports their messages."""

        def chosen(person: str | None) -> None:
            self.screen.begin(lambda: self.device.import_of(person, importing))

        if source.kind == TEXT:
            picker = TextPreview(source.beginning(_PREVIEWED), len(source.of(None)))
        else:
            picker = PersonPicker(source.people)
        self._pick(picker, chosen)

    def _choose(self, title: str, then: Callable[[Any], object], **properties: Any) -> None:
        self._pick(FilePicker(Path.home(), title=title, **properties), then)

    def _pick(self, picker: FilePicker | PersonPicker | TextPreview, then: Callable[[Any], object]) -> None:
        """Shows a picker over the window until something is chosen or the person cancels."""

        def close(*_: object) -> None:
            self.screen.remove_widget(picker)

        def chosen(_picker: object, choice: object) -> None:
            close()
            then(choice)

        picker.bind(on_chosen=chosen, on_cancel=close)
        self.screen.add_widget(picker)

    def _show_found(self, *_: object) -> None:
        self._shown = 0
        self.ids.messages.clear_widgets()
        self._add(self.device.my_data.page(self.ids.search.text))
        if not self._shown:
            self.found = "No messages yet." if not self.count else "No message contains that."
        else:
            self.found = ""

    def _add(self, messages: list[Message]) -> None:
        for message in messages:
            row = MessageRow(text=message.text, time=_when(message))
            row.bind(on_delete=partial(self._delete_row, message.id))
            self.ids.messages.add_widget(row)
        self._shown += len(messages)
        self.more = len(messages) == PAGE

    def _delete_row(self, message: int, _row: MessageRow) -> None:
        self.delete(message)


def _when(message: Message) -> str:
    when = datetime.fromisoformat(message.time).astimezone()
    return f"{when:%d %B %Y, %H:%M}{', imported' if message.imported else ''}"
