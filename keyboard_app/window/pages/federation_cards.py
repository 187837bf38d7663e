"""The cards of the federation page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from federation.protocol import api_messages
from federation.protocol.discovery.round_plans import COUNT
from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.membership import Joined, SharedUpdate
from keyboard_app.federating.model_history import AGAIN, NO, UPDATES_PER_MODEL, Question
from keyboard_app.federating.steps import STEPS, place
from keyboard_app.recording.settings import UserSettings
from keyboard_app.window.keys.text_area import SearchField
from keyboard_app.window.pages.page import Card
from keyboard_app.window.widgets.control import OnOff

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = (
    "AboutCard",
    "AgreeCard",
    "LinkCard",
    "OnOff",
    "QuestionCard",
    "RoundCard",
    "SearchField",
    "SharedCard",
    "StandingCard",
)

_WORDS_SHOWN = 30  # of a word discovery, before the person asks for details
_OUTCOMES = {
    "sent": "sent, no answer yet",
    api_messages.COUNTED: "counted",
    api_messages.NOT_COUNTED: "not counted",
    api_messages.UNKNOWN: "outcome unknown",
}


class RoundBar(BoxLayout):
    """A bar for each step of a round; the first `step` of them are filled."""

    step = NumericProperty(0)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        for number in range(len(STEPS)):
            self.add_widget(StepBar(number=number + 1))


class StepBar(Widget):
    """The bar of one step."""

    number = NumericProperty(0)


class AboutCard(Card):
    """Explains what a member shares, with whom, and what nobody sees."""


class LinkCard(Card):
    """Takes a join link."""

    page = ObjectProperty()


class AgreeCard(Card):
    """Asks whether to join a federation."""

    page = ObjectProperty()
    place = StringProperty()
    note = StringProperty()

    def show(self, link: JoinLink, agreed_before: bool, records: bool) -> None:
        """Shows the question.

        Args:
          link: the join link.
          agreed_before: whether the person agreed before and no answer came.
          records: whether messages are recorded.
        """
        self.place = f"{link.host}:{link.port}"
        notes = []
        if agreed_before:
            notes.append("You agreed before, but no answer came. You can use the same link again.")
        if not records:
            notes.append("Recording is off, so you would have nothing to contribute.")
        self.note = " ".join(notes)


class StandingCard(Card):
    """Shows the federation that was joined, and lets the person pause or leave."""

    page = ObjectProperty()
    place = StringProperty()
    since = StringProperty()

    words = StringProperty()  # what the keyboard would offer next

    def show(self, joined: Joined, settings: UserSettings, next_words: Sequence[str]) -> None:
        """Shows a federation, whether the person takes part, and the words that the keyboard would offer next."""
        self.place = urlsplit(joined.url).netloc
        self.since = "leaving …" if joined.leaving else f"since {_when(joined.since)}"
        self.ids.take_part.on, self.ids.share_words.on = settings.take_part, settings.share_new_words
        self.words = _next(next_words) if settings.take_part and settings.share_new_words else ""


class QuestionCard(Card):
    """Asks whether the keyboard may take part in rounds on a model that it does not accept by itself."""

    page = ObjectProperty()
    heading = StringProperty()
    asked = StringProperty()
    risk = StringProperty()
    said_no = BooleanProperty(False)  # whether the person has said no, which can still be changed

    def show(self, question: Question) -> None:
        """Shows a question."""
        self.said_no = question.answer == NO
        if question.kind == AGAIN:
            self.heading = "Contribute once more to the same model?"
            self.asked = (
                f"Your keyboard has sent {UPDATES_PER_MODEL} contributions to the same version of the shared model, and the "
                "coordinator asks for another. Rounds can fail and then have to be repeated, but rarely so often."
            )
        elif question.newest > question.round:
            self.heading = "Go back to an older model?"
            self.asked = (
                f"Your keyboard has version {question.newest} of the shared model, and the coordinator asks for a contribution to "
                f"version {question.round}. This may happen after the coordinator has been restored from a backup."
            )
        else:
            self.heading = "Go back to another model?"
            self.asked = (
                "The coordinator asks for a contribution to a version of the shared model that it had replaced by another. "
                "This may happen after the coordinator has been restored from a backup."
            )
        self.risk = (
            "A coordinator that compares such contributions with those of other rounds can learn more about what you wrote. If "
            "you are not sure, say no: your keyboard then waits for a newer version. Or ask the person who runs the federation."
        )


class RoundCard(Card):
    """Shows the current round, and the answer to the last request for one."""

    page = ObjectProperty()
    now = StringProperty()  # the current step
    step = NumericProperty(0)  # its number, or 0 without a round
    line = StringProperty()  # the answer to the last request
    when = StringProperty()  # when the keyboard asks for a round
    allowed = BooleanProperty(False)  # whether the person may ask for one

    def show(self, device: Device) -> None:
        """Shows the current round."""
        settings, current = device.profile.settings, device.federation.round_going_on
        self.step = place(current.step) if current else 0
        if current is None:
            self.now = "No round right now."
        else:
            waits = ", then waiting for the other keyboards" if current.waiting and self.step > 1 else ""
            self.now = f"Step {self.step} of {len(STEPS)}: {STEPS[current.step]}{waits}."
        latest = device.federation.latest
        self.line = _capital(latest.line) if latest and latest.line else ""
        self.allowed = settings.take_part and settings.consent is True and not device.private
        if settings.consent is not True:
            self.when = "Recording is off, so there is nothing to learn from. You can switch it on in the settings."
        elif not settings.take_part:
            self.when = "Paused: your keyboard takes part in no rounds."
        elif latest is not None and latest.removed:
            self.when = ""  # `line` says that the federation has removed this keyboard
        elif device.private:
            self.when = "In private mode your keyboard begins no round."
        else:
            often = _often(0.0 if latest is None else latest.pause)
            self.when = (
                f"Your keyboard asks for a round {often} while you leave it alone, and never while it runs on battery. "
                "It leaves the round when you type."
            )


class SharedRow(BoxLayout):
    """An update that was sent, in words and figures."""

    text = StringProperty()
    note = StringProperty()


class SharedCard(Card):
    """Lists what left the keyboard, and when."""

    page = ObjectProperty()
    updates = StringProperty()  # their number; empty without any
    of_updates = StringProperty()  # the noun after it
    words = StringProperty()
    of_words = StringProperty()
    sent = StringProperty()
    more = BooleanProperty(False)
    detailed = BooleanProperty(False)  # whether sizes, addresses and limits are shown

    def show(self, shared: Sequence[SharedUpdate], count: int) -> None:
        """Shows the newest `count` updates, and the totals of all."""
        self._shown = shared, count
        self.updates = f"{len(shared):,}" if shared else ""
        # Rounds learn from the same newest words again, so a sum over the updates would count most words several times.
        words = max((s.words for s in shared if s.offered is None), default=0)
        self.words = f"{words:,}"
        self.of_updates = "update" if len(shared) == 1 else "updates"
        self.of_words = f"{'word' if words == 1 else 'words'} used, at most"
        self.sent = _size(sum(s.bytes for s in shared))
        self.more = len(shared) > count
        self.ids.rows.clear_widgets()
        for one in reversed(shared[-count:]):
            outcome = _OUTCOMES.get(one.outcome, one.outcome)
            note = _what(one, None if self.detailed else _WORDS_SHOWN)
            if self.detailed:
                clipped = {True: ", scaled down to the round's limit", False: ", not scaled down", None: ""}[
                    one.clipped
                ]
                note += f", {_size(one.bytes)} sent to {urlsplit(one.url).netloc}{clipped}"
            self.ids.rows.add_widget(SharedRow(text=f"{_when(one.time)}: {outcome}", note=note))

    def on_detailed(self, _card: "SharedCard", _detailed: bool) -> None:
        """Shows or hides the details."""
        self.show(*self._shown)


def _what(shared: SharedUpdate, most: int | None) -> str:
    """Returns what was shared, in words; at most `most` words of a word discovery are listed."""
    if shared.offered is None:
        return f"{shared.words:,} {'word' if shared.words == 1 else 'words'} used"
    stage = "new words counted" if shared.offered.kind == COUNT else "new words revealed"
    listed = shared.offered.words[:most]
    more = f" and {len(shared.offered.words) - len(listed):,} more" if len(listed) < len(shared.offered.words) else ""
    return f"{stage}: {', '.join(listed) or 'none, only zeros were sent'}{more}"


def _often(pause: float) -> str:
    """Says how often a window asks for a round, given the pause in seconds that its federation wishes."""
    minutes = round(pause / 60)
    return "every minute" if minutes <= 1 else f"every {minutes} minutes, as your federation wishes,"


def _next(words: Sequence[str]) -> str:
    if not words:
        return "Right now your keyboard has no new word to offer. It would take part with zeros."
    listed, more = words[:_WORDS_SHOWN], len(words) - _WORDS_SHOWN
    return f"Next it would offer: {', '.join(listed)}{f' and {more:,} more' if more > 0 else ''}."


def _when(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%d %B %Y, %H:%M}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]
