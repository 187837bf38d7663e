"""What the page of the federation is made of: a card each for what there is to say, ask and show."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from federation.protocol import api_messages
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.membership import Joined, SharedUpdate
from keyboard_app.federating.steps import STEPS, place
from keyboard_app.window.keys.search_field import SearchField
from keyboard_app.window.pages.card import Card
from keyboard_app.window.widgets.control import OnOff

# The others are for the rules.
__all__ = ("AboutCard", "AgreeCard", "LinkCard", "OnOff", "RoundCard", "SearchField", "SharedCard", "StandingCard")

_OUTCOMES = {
    "sent": "sent, and nothing heard of it yet",
    api_messages.COUNTED: "counted",
    api_messages.NOT_COUNTED: "not counted",
}


class RoundBar(BoxLayout):
    """A bar for each step of a round, filled as far as `step` counts."""

    step = NumericProperty(0)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        for number in range(len(STEPS)):
            self.add_widget(StepBar(number=number + 1))


class StepBar(Widget):
    """One of them."""

    number = NumericProperty(0)


class AboutCard(Card):
    """What joining shares, with whom, and what nobody sees."""


class LinkCard(Card):
    """Takes a join link."""

    page = ObjectProperty()


class AgreeCard(Card):
    """Asks whether to join."""

    page = ObjectProperty()
    place = StringProperty()
    note = StringProperty()

    def show(self, link: JoinLink, begun: bool, records: bool) -> None:
        """Asks about this federation; `begun` if its coordinator was asked before, `records` if messages are recorded."""
        self.place = f"{link.host}:{link.port}"
        notes = []
        if begun:
            notes.append("You agreed before, and no answer came. The same link still serves you.")
        if not records:
            notes.append("Nothing that you type is recorded now, so that you would have nothing to give.")
        self.note = " ".join(notes)


class StandingCard(Card):
    """To whom the keyboard belongs; pauses and leaves."""

    page = ObjectProperty()
    place = StringProperty()
    since = StringProperty()

    def show(self, joined: Joined, takes_part: bool) -> None:
        """Shows this federation."""
        self.place = urlsplit(joined.url).netloc
        self.since = "leaving …" if joined.leaving else f"since {_told(joined.since)}"
        self.ids.take_part.on = takes_part


class RoundCard(Card):
    """The round that goes on, and what came of the newest question for one."""

    page = ObjectProperty()
    now = StringProperty()
    step = NumericProperty(0)
    line = StringProperty()
    when = StringProperty()
    allowed = BooleanProperty(False)

    def show(self, device: Device) -> None:
        """Shows what goes on now."""
        settings, going_on = device.profile.settings, device.federation.round_going_on
        self.step = place(going_on.step) if going_on else 0
        if going_on is None:
            self.now = "No round is going on here."
        elif going_on.waiting:
            self.now = f"{_capital(STEPS[going_on.step])}: waiting for the others."
        else:
            self.now = f"{_capital(STEPS[going_on.step])}."
        latest = device.federation.latest
        self.line = _capital(latest.line) if latest and latest.line else ""
        self.allowed = settings.take_part and settings.consent is True and not device.private
        if settings.consent is not True:
            self.when = (
                "Nothing that you type is recorded, so there is nothing to learn from. The settings can change that."
            )
        elif not settings.take_part:
            self.when = "Paused: your keyboard takes part in nothing."
        elif device.private:
            self.when = "In private mode your keyboard takes part in nothing."
        else:
            self.when = (
                "Your keyboard asks for one every minute, once you have left it alone for a while and not while it lives off "
                "a battery."
            )


class SharedRow(BoxLayout):
    """An update that was sent."""

    text = StringProperty()
    note = StringProperty()


class SharedCard(Card):
    """What left the keyboard, and when."""

    page = ObjectProperty()
    updates = StringProperty()
    words = StringProperty()
    sent = StringProperty()
    more = BooleanProperty(False)

    def show(self, shared: Sequence[SharedUpdate], count: int) -> None:
        """Shows the newest so many updates, and what they come to all together."""
        self.updates = f"{len(shared):,}" if shared else ""
        self.words = f"{sum(s.words for s in shared):,}"
        self.sent = _size(sum(s.bytes for s in shared))
        self.more = len(shared) > count
        self.ids.rows.clear_widgets()
        for one in reversed(shared[-count:]):
            clipped = {True: ", shortened to the round's limit", False: ", not shortened", None: ""}[one.clipped]
            outcome = _OUTCOMES.get(one.outcome, one.outcome)
            self.ids.rows.add_widget(
                SharedRow(
                    text=f"{_told(one.time)}: {outcome}",
                    note=f"{one.words:,} words learned from, {_size(one.bytes)} sent to {urlsplit(one.url).netloc}{clipped}",
                )
            )


def _told(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%d %B %Y, %H:%M}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]
