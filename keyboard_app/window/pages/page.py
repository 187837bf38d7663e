"""The base class of pages, the cards they are made of, and the interface of the screen that shows them."""

from collections.abc import Callable
from typing import Any, Protocol

from kivy.properties import ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from keyboard_app.device import Device
from keyboard_app.window.keys.composer import Composer
from keyboard_app.window.keys.text_area import SearchField
from keyboard_app.window.widgets.button_result import ButtonResult

__all__ = ("Card", "Page", "PageHost")


class PageHost(Protocol):
    """The attributes and methods of the screen that pages and their `.kv` rules use."""

    device: Device
    composer: Composer
    busy: bool  # whether a task other than the federation's runs
    connecting: bool  # whether the keyboard joins or leaves a federation, or takes part in a round
    narrow: bool  # whether the window has little width
    private: bool

    def attempt(self, work: Callable[[], object], outcome: ButtonResult | None = None) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded."""

    def begin(self, work: Callable[[], object], outcome: ButtonResult | None = None) -> None:
        """Starts work in the background, and shows its progress and its result in `outcome`."""

    def begin_in_federation(self, work: Callable[[], object]) -> None:
        """Starts work of the federation in the background."""

    def ask(self, question: str, note: str, confirm: str, act: Callable[[], object]) -> None:
        """Asks before something is lost, and calls `act` once the person has confirmed."""

    def pause_learning(self) -> None:
        """Pauses or continues the task in the background."""

    def stop_learning(self) -> None:
        """Stops the task in the background."""

    def set_private(self, private: bool) -> None:
        """Switches private mode on or off."""

    def apply_settings(self) -> None:
        """Shows the chosen theme, text size and layout."""

    def begin_tour(self) -> None:
        """Starts the tour."""

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

    def open(self) -> None:
        """Resets the page before it is shown: scrolls to its top and removes old results."""
        for widget in self.walk(restrict=True):
            if isinstance(widget, ScrollView):
                widget.scroll_y = 1
            elif isinstance(widget, ButtonResult):
                widget.clear()

    def refresh(self) -> None:
        """Shows the current state.

        Raises:
          DataError: the data to show cannot be read.
        """

    def typed(self) -> None:
        """Follows a change of the message while this page is shown."""

    def attend(self) -> None:
        """Follows progress in the background while this page is shown; called several times a second."""

    def attempt(self, work: Callable[[], object], outcome: ButtonResult | None = None) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded."""
        return self.screen.attempt(work, outcome)
