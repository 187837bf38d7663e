"""The base class of pages, the cards they are made of, and the interface of the screen that shows them."""

from collections.abc import Callable
from typing import Any, Protocol

from kivy.properties import ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.device import Device
from keyboard_app.window.keys.composer import Composer
from keyboard_app.window.keys.text_area import SearchField

__all__ = ("Card", "Page", "PageHost")


class PageHost(Protocol):
    """The attributes and methods of the screen that pages and their `.kv` rules use."""

    device: Device
    composer: Composer
    busy: bool  # whether a task runs in the background
    private: bool

    def attempt(self, work: Callable[[], object]) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded."""

    def begin(self, work: Callable[[], object]) -> None:
        """Starts work in the background."""

    def learn(self) -> None:
        """Starts to learn."""

    def relearn(self) -> None:
        """Starts to learn again from the remaining messages."""

    def pause_learning(self) -> None:
        """Pauses or continues the task in the background."""

    def stop_learning(self) -> None:
        """Stops the task in the background."""

    def set_private(self, private: bool) -> None:
        """Switches private mode on or off."""

    def apply_settings(self) -> None:
        """Shows the chosen theme, text size and layout."""

    def show_messages(self) -> None:
        """Shows the newest messages."""

    def refresh_page(self) -> None:
        """Refreshes the page that is shown."""

    def search(self, field: SearchField) -> None:
        """Sends keys to a search field."""

    def add_widget(self, widget: Widget) -> None:
        """Shows a widget on top of the window."""

    def remove_widget(self, widget: Widget) -> None:
        """Removes a widget from the window."""


class Card(BoxLayout):
    """A part of a page on a background of its own, its contents in a column."""


class Page(BoxLayout):
    """A page beside or over the messages; its host calls `refresh` whenever the contents may have changed."""

    title = StringProperty()
    screen: PageHost = ObjectProperty()

    def __init__(self, screen: PageHost, **properties: Any) -> None:
        self.screen = screen
        self.device = screen.device
        super().__init__(**properties)

    def refresh(self) -> None:
        """Shows the current state.

        Raises:
          DataError: the data to show cannot be read.
        """

    def typed(self) -> None:
        """Follows a change of the message while this page is shown."""

    def attend(self) -> None:
        """Follows progress in the background while this page is shown; called several times a second."""

    def attempt(self, work: Callable[[], object]) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded."""
        return self.screen.attempt(work)
