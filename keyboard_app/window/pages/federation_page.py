"""The federation: what joining shares and with whom, joining, the round that goes on, what was shared and when, leaving."""

from typing import Any

from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.widget import Widget

from data.errors import UserFacingError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.federation import Standing
from keyboard_app.federating.tasks import Joining
from keyboard_app.window.pages.federation_cards import (
    AboutCard,
    AgreeCard,
    LinkCard,
    RoundCard,
    SharedCard,
    StandingCard,
)
from keyboard_app.window.pages.page import Page

__all__ = ("FederationPage",)

_SHOWN = 20  # updates, before older ones are asked for
_ARRANGED = 0.05  # seconds after which what was added to the window has its place


class FederationPage(Page):
    """Shows the cards that fit where the keyboard stands, and does what the person says on them."""

    problem = StringProperty()
    sure = BooleanProperty(False)  # whether it was asked whether to leave

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="Federation", **properties)
        self._link: JoinLink | None = None  # that was read and not agreed to yet
        self._joining: Joining | None = None
        self._standing = Standing()
        self._shown = _SHOWN
        self._about, self._enter, self._agree = AboutCard(), LinkCard(page=self), AgreeCard(page=self)
        self._stand, self._round, self._shared = StandingCard(page=self), RoundCard(page=self), SharedCard(page=self)

    def refresh(self) -> None:
        """Shows where the keyboard stands now."""
        self._standing = standing = self.device.federation.standing()
        settings = self.device.profile.settings
        if self._joining is not None and self._joining.error:
            self._complain(self._joining.error)
            self._joining = None
        link = self._link or standing.joining
        cards: list[Widget]
        if standing.joined is not None:
            self._link = self._joining = None
            self._stand.show(standing.joined, settings.take_part)
            cards = [self._stand, self._round]
        elif link is not None:
            self._agree.show(link, standing.joining == link and not self.screen.busy, settings.consent is True)
            cards = [self._about, self._agree]
        else:
            cards = [self._about, self._enter]
        if standing.joined is not None or standing.shared:
            self._shared.show(standing.shared, self._shown)
            cards.append(self._shared)
        self._arrange(cards)
        self.attend()

    def attend(self) -> None:
        """Shows how far the round is that goes on."""
        if self._standing.joined is not None:
            self._round.show(self.device)

    def write(self) -> None:
        """Keys go to the field, which comes into view above them."""
        field = self._enter.ids.link
        self.screen.search(field)
        Clock.schedule_once(lambda _elapsed: self.ids.scroll.scroll_to(field, animate=False), _ARRANGED)

    def paste(self) -> None:
        """Puts what is in the clipboard into the field; the keys stay out of the way."""
        self._write((Clipboard.paste() or "").strip())

    def _write(self, text: str) -> None:
        field, self.problem = self._enter.ids.link, ""
        self.screen.composer.leave_search()
        field.keyboard.text = ""
        field.keyboard.paste(text)
        field.show(field.keyboard.text, field.keyboard.cursor, field.keyboard.selection)

    def read_link(self) -> None:
        """Reads the link; then it is asked whether to join."""
        try:
            self._link = JoinLink.parse(self._enter.ids.link.keyboard.text)
        except UserFacingError as error:
            self._complain(str(error))
            return
        self.problem = ""
        self.screen.composer.leave_search()
        self.screen.refresh_page()

    def forget_link(self) -> None:
        """Does not join after all."""
        self._link = None
        self._write("")
        if self._standing.joining is not None:
            self.attempt(self.device.federation.give_up_joining)
        self.screen.refresh_page()

    def join(self) -> None:
        """Joins: the person has agreed."""
        link = str(self._link or self._standing.joining)

        def begin() -> None:
            self._joining = self.device.federation.join(link)

        self.problem = ""
        self.screen.begin(begin)

    def leave(self) -> None:
        """Leaves, once the person is sure."""
        if not self.sure:
            self.sure = True
            return
        self.sure = False
        self.screen.begin(self.device.federation.leave)
        self.screen.refresh_page()

    def choose(self, **choices: Any) -> None:
        """Makes a choice count."""
        self.attempt(lambda: self.device.choose(**choices))

    def ask(self) -> None:
        """Asks the coordinator for a round now."""
        self.screen.begin(self.device.federation.take_part)

    def leave_round(self) -> None:
        """Takes no further part in the round that goes on."""
        self.device.federation.leave_round()

    def show_more(self) -> None:
        """Shows older updates too."""
        self._shown += _SHOWN
        self.screen.refresh_page()

    def _complain(self, problem: str) -> None:
        self.problem = problem[:1].upper() + problem[1:]

    def _arrange(self, cards: list[Widget]) -> None:
        column = self.ids.column
        if list(reversed(column.children)) != cards:
            column.clear_widgets()
            for card in cards:
                column.add_widget(card)
            self.ids.scroll.scroll_y = 1
