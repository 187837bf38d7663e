"""Lets a person pick themselves among the authors of a chat."""

from collections.abc import Mapping
from typing import Any

from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.window.widgets.control import TextButton
from keyboard_app.window.widgets.modal import TouchShield

__all__ = ("PersonPicker",)

_SHOWN = 200  # most people shown


class PersonEntry(TextButton):
    """A person to pick."""


class PersonPicker(TouchShield, BoxLayout):
    """Shows people and their numbers of messages; dispatches `on_chosen(name)` and `on_cancel`."""

    question = StringProperty()

    __events__ = ("on_cancel", "on_chosen")

    def __init__(self, people: Mapping[str, int], **properties: Any) -> None:
        super().__init__(**properties)
        self.question = "Is this you?" if len(people) == 1 else "Which of them are you?"
        for name, count in list(people.items())[:_SHOWN]:
            entry = PersonEntry(text=f"{name}: {count:,} {'message' if count == 1 else 'messages'}", name=name)
            entry.bind(on_release=lambda _entry, name=name: self.dispatch("on_chosen", name))
            self.ids.entries.add_widget(entry)

    def on_chosen(self, person: str) -> None:
        """Event for pages to bind."""

    def on_cancel(self) -> None:
        """Event for pages to bind."""
