"""The first opening of the window: the questions, and then a tour of a minute."""

from collections.abc import Callable
from typing import Protocol

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.device import Device
from keyboard_app.tour import Tour
from keyboard_app.window.pages.opening import load_page_rules
from keyboard_app.window.pages.welcome import Welcome

__all__ = ("FirstOpening", "TourCard")

_DECLINED = "Nothing you type is recorded. You can change that in the settings."


class TourCard(BoxLayout):
    """Says what to do next in the tour, while it is `shown`; dispatches `on_leave` when the person leaves the tour."""

    shown = BooleanProperty(False)
    heading = StringProperty()
    text = StringProperty()

    __events__ = ("on_leave",)

    def on_leave(self) -> None:
        """Event to bind."""


class Host(Protocol):
    """What the first opening needs of the screen."""

    device: Device
    usual: str  # the line at the foot of the window while there is nothing to say

    def attempt(self, work: Callable[[], object]) -> bool:
        """Calls `work` at once and shows its error; returns whether it succeeded."""

    def say(self, line: str) -> None:
        """Shows a line at the foot of the window."""

    def close_page(self) -> None:
        """Returns to the messages."""

    def show_learned(self) -> None:
        """Shows "What it learned"."""

    def add_widget(self, widget: Widget) -> None:
        """Shows a widget over everything else."""

    def remove_widget(self, widget: Widget) -> None:
        """Removes it."""


class FirstOpening:
    """Asks whether to record, and then offers the tour, which ends at "What it learned"."""

    def __init__(self, host: Host, card: TourCard) -> None:
        self.welcome: Welcome | None = None
        self._host, self._card = host, card
        self._tour: Tour | None = None
        self._keystrokes = 0  # of all messages before the one that is being typed
        card.bind(on_leave=lambda _card: self._end())

    def ask(self) -> None:
        """Shows the questions."""
        load_page_rules()
        self.welcome = Welcome()
        self.welcome.bind(on_answer=lambda _welcome, record: self._answer(record))
        self._host.add_widget(self.welcome)

    def leave(self) -> None:
        """Removes the questions without an answer."""
        if self.welcome is not None:
            self._host.remove_widget(self.welcome)
            self.welcome = None

    def _answer(self, record: bool) -> None:
        if self._host.attempt(lambda: self._host.device.choose(consent=record)) and self.welcome is not None:
            self.leave()
            self._host.say(self._host.usual if record else _DECLINED)
            if record and not self._host.device.profile.settings.toured:
                self.begin_tour()

    def begin_tour(self) -> None:
        """Starts the tour from its beginning."""
        self._host.close_page()
        self._keystrokes = self._host.device.keyboard.typing.keystrokes
        self._show(Tour())

    def sent(self, text: str) -> None:
        """Goes on in the tour after a message."""
        if self._tour is None:
            return
        before, self._keystrokes = self._keystrokes, self._host.device.keyboard.typing.keystrokes
        tour = self._tour.after(self._keystrokes - before, len(text))
        if not tour.over:
            self._show(tour)
            return
        self._end()
        self._host.show_learned()
        self._host.say(f"{tour.outcome} This is what it has learned so far.")

    def _show(self, tour: Tour) -> None:
        self._tour, card = tour, self._card
        card.heading, card.text, card.shown = tour.heading, tour.text, True

    def _end(self) -> None:
        self._tour, self._card.shown = None, False
        self._host.attempt(lambda: self._host.device.choose(toured=True))
