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
from keyboard_app.recording.database.records import Message
from keyboard_app.window.drawing.fonts import marked_up
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
_QUOTED = 200  # most characters of a message shown in a question
_SEARCH_AFTER = 0.15  # seconds without a key until the search starts


class MessageRow(BoxLayout):
    """A recorded message; dispatches `on_delete` when the person wants to delete it."""

    text = StringProperty()
    time = StringProperty()

    __events__ = ("on_delete",)

    def on_delete(self) -> None:
        """Event for the page to bind."""


class DataPage(Page):
    """Shows the newest messages that contain the searched text, and the actions on all messages."""

    count = NumericProperty(0)
    found = StringProperty()
    more = BooleanProperty(False)
    held = StringProperty()  # a sentence about deleted messages that the personal model may remember
    looking = BooleanProperty(False)  # whether the person searches, so that only the messages are shown

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="My data", **properties)
        self._shown = 0
        self._search = Clock.create_trigger(self._show_found, _SEARCH_AFTER)
        self.ids.keep.options = list(KEPT)
        self._cards = [card.__self__ for card in (self.ids.kept, self.ids.files, self.ids.list)]
        self.screen.composer.bind(searching=self._arrange)
        self._importing: Importing | None = None

    def refresh(self) -> None:
        """Shows the current recordings. Asks which messages are the person's if the imported file does not say it."""
        data = self.device.my_data
        self.count = data.count()
        held = data.still_held
        self.held = f"Your keyboard may still remember {_messages(held, 'deleted ')}." if held else ""
        self.ids.keep.value = self.device.profile.settings.keep_days
        self._show_found()
        if (importing := self._importing) is not None and (source := importing.unclear) is not None:
            self._importing = None
            self._ask(importing, source)

    def open(self) -> None:
        """Shows all messages again."""
        self.clear()
        super().open()

    def query(self) -> None:
        """Searches for the text in the search field, after a short pause."""
        self.ids.scroll.scroll_y = 1
        self._search()

    def clear(self) -> None:
        """Ends the search."""
        self.screen.composer.leave_search()
        self.ids.search.fill("")
        self._arrange()
        self._show_found()

    def _arrange(self, *_: object) -> None:
        """Shows the messages alone while the person searches, so that the results are in view above the keys."""
        looking = bool(self.ids.search.text) or bool(self.ids.search.active)
        if looking == self.looking:
            return
        self.looking = looking
        self.ids.column.clear_widgets()
        for card in self._cards[-1:] if looking else self._cards:
            self.ids.column.add_widget(card)
        self.ids.scroll.scroll_y = 1

    def show_more(self) -> None:
        """Shows older messages too."""
        self._add(self.device.my_data.page(self.ids.search.text, skip=self._shown))

    def delete(self, message: int, text: str) -> None:
        """Asks whether to delete one message permanently."""

        def delete() -> None:
            self.attempt(lambda: self.device.my_data.delete([message]), self.ids.deleted.__self__)
            self.screen.show_messages()

        shown = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
        self.screen.ask("Delete this message?", f"“{marked_up(shown)}”", "Delete permanently", delete)

    def delete_all(self) -> None:
        """Asks whether to delete all messages permanently."""

        def delete() -> None:
            self.attempt(self.device.my_data.delete_all, self.ids.deleted.__self__)
            self.screen.show_messages()

        note = "The words that you had it forget or keep as typed are deleted too. This cannot be undone."
        self.screen.ask(f"Delete {_messages(self.count)}?", note, "Delete all permanently", delete)

    def keep(self, days: int | None) -> None:
        """Sets how long messages are kept. Asks first if that deletes some."""

        def keep() -> None:
            self.attempt(lambda: self.device.choose(keep_days=days), self.ids.tidied.__self__)
            self.screen.show_messages()

        if days is None or not (older := self.device.my_data.count_older(days)):
            keep()
            return
        note = f"{_messages(older)} from before that time will be deleted permanently."
        self.screen.ask(
            f"Keep messages for {days:,} {'day' if days == 1 else 'days'} only?", note, "Delete older ones", keep
        )

    def relearn(self) -> None:
        """Starts to learn again from the remaining messages."""
        self.screen.begin(self.device.relearn, self.ids.relearned.__self__)

    def export(self) -> None:
        """Asks for a folder, and writes all messages into a file there."""
        self._choose("Export to this folder", self._export_to, for_folder=True)

    def import_file(self) -> None:
        """Asks for a file with text of the person, and learns from it."""
        self._choose("Choose a text or a chat export", self._import, suffixes=_TEXT_FILES)

    def _export_to(self, folder: Path) -> None:
        def export() -> str:
            path = free_name(folder, "my messages", ".jsonl")
            return f"{_messages(self.device.my_data.export(path))} written to {path}, not encrypted"

        self.attempt(export, self.ids.moved.__self__)

    def _import(self, path: Path) -> None:
        def begin() -> None:
            self._importing = self.device.import_texts(path)

        self.screen.begin(begin, self.ids.moved.__self__)

    def _ask(self, importing: Importing, source: Source) -> None:
        """Asks who the person is among the authors, or whether they wrote a plain text, and imports their messages."""

        def chosen(person: str | None) -> None:
            self.screen.begin(lambda: self.device.import_of(person, importing), self.ids.moved.__self__)

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
            row.bind(on_delete=partial(self._delete_row, message.id, message.text))
            self.ids.messages.add_widget(row)
        self._shown += len(messages)
        self.more = len(messages) == PAGE

    def _delete_row(self, message: int, text: str, _row: MessageRow) -> None:
        self.delete(message, text)


def _messages(count: float, kind: str = "") -> str:
    return f"{count:,.0f} {kind}{'message' if count == 1 else 'messages'}"


def _when(message: Message) -> str:
    when = datetime.fromisoformat(message.time).astimezone()
    return f"{when:%d %B %Y, %H:%M}{', imported' if message.imported else ''}"
