"""The page "Federation": what members share, joining, the current round, past updates, and leaving."""

from typing import Any

from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.properties import StringProperty
from kivy.uix.widget import Widget

from data.errors import UserFacingError
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.federation import Standing
from keyboard_app.federating.tasks import Joining
from keyboard_app.window.pages.federation_cards import (
    AboutCard,
    AgreeCard,
    LinkCard,
    QuestionCard,
    RoundCard,
    SharedCard,
    StandingCard,
)
from keyboard_app.window.pages.page import Page
from keyboard_app.window.widgets.button_result import ButtonResult

__all__ = ("FederationPage",)

_SHOWN = 20  # updates shown before the person requests older ones
_ARRANGED = 0.05  # seconds until new widgets have their positions


class FederationPage(Page):
    """Shows the cards for the state of the membership, and acts on them."""

    problem = StringProperty()

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="Federation", **properties)
        self._link: JoinLink | None = None  # a link that the person has entered but not agreed to yet
        self._joining: Joining | None = None
        self._standing = Standing()
        self._shown = _SHOWN
        self._about_card, self._link_card, self._agree_card = AboutCard(), LinkCard(page=self), AgreeCard(page=self)
        self._standing_card, self._round_card = StandingCard(page=self), RoundCard(page=self)
        self._question_card, self._shared_card = QuestionCard(page=self), SharedCard(page=self)

    def refresh(self) -> None:
        """Shows the cards for the current membership."""
        self._standing = standing = self.device.federation.standing()
        settings = self.device.profile.settings
        if self._joining is not None and self._joining.error:
            self._show_problem(self._joining.error)
            self._joining = None
        link = self._link or standing.joining
        cards: list[Widget]
        if standing.joined is not None:
            self._link = self._joining = None
            self._standing_card.show(standing.joined, settings, self.device.federation.next_words())
            cards = [self._standing_card, self._round_card]
            if standing.question is not None:
                self._question_card.show(standing.question)
                cards.insert(0, self._question_card)
        elif link is not None:
            agreed_before = standing.joining == link and not self.screen.connecting
            self._agree_card.show(link, agreed_before, settings.consent is True)
            cards = [self._about_card, self._agree_card]
        else:
            cards = [self._about_card, self._link_card]
        if standing.joined is not None or standing.shared:
            self._shared_card.show(standing.shared, self._shown)
            cards.append(self._shared_card)
        self._arrange(cards)
        self.attend()

    @property
    def outcome(self) -> ButtonResult:
        """The line about joining, rounds or leaving, in the card that has the buttons for it."""
        card = self._link_card if self._standing.joined is None else self._round_card
        outcome: ButtonResult = card.ids.outcome.__self__
        return outcome

    def open(self) -> None:
        """Empties the field for the link."""
        self._link = None
        self._fill_in("")
        super().open()

    def attend(self) -> None:
        """Shows the progress of the current round."""
        if self._standing.joined is not None:
            self._round_card.show(self.device)

    def write(self) -> None:
        """Sends keys to the field for the link, and scrolls it and its buttons into view above them."""
        ids, scroll = self._link_card.ids, self.ids.scroll
        self.screen.search(ids.link)

        def show(_elapsed: float) -> None:
            scroll.scroll_to(ids.actions, animate=False)
            scroll.scroll_to(ids.link, animate=False)

        Clock.schedule_once(show, _ARRANGED)

    def paste(self) -> None:
        """Puts the clipboard into the field, without opening the keys."""
        self._fill_in((Clipboard.paste() or "").strip())

    def _fill_in(self, text: str) -> None:
        field, self.problem = self._link_card.ids.link, ""
        self.screen.composer.leave_search()
        field.fill(text)

    def read_link(self) -> None:
        """Reads the link in the field, and asks whether to join: the page scrolls to the question."""
        try:
            self._link = JoinLink.parse(self._link_card.ids.link.keyboard.text)
        except UserFacingError as error:
            self._show_problem(str(error))
            return
        self.problem = ""
        self.screen.composer.leave_search()
        self.screen.refresh_page()
        Clock.schedule_once(lambda _elapsed: self.ids.scroll.scroll_to(self._agree_card, animate=False), _ARRANGED)

    def forget_link(self) -> None:
        """Drops the link without joining."""
        self._link = None
        self._fill_in("")
        if self._standing.joining is not None:
            self.attempt(self.device.federation.give_up_joining)
        self.screen.refresh_page()

    def join(self) -> None:
        """Joins the federation, as the person has agreed."""
        link = str(self._link or self._standing.joining)

        def begin() -> None:
            self._joining = self.device.federation.join(link)

        self.problem = ""
        self.choose(share_new_words=self._agree_card.ids.share_words.on)
        self.screen.begin_in_federation(begin)
        self.screen.refresh_page()

    def answer(self, yes: bool) -> None:
        """Stores the person's answer to the question that is shown."""
        question = self._standing.question
        if question is not None:
            self.attempt(lambda: self.device.federation.answer(question, yes), self.outcome)

    def leave(self) -> None:
        """Asks whether to leave the federation."""

        def leave() -> None:
            self.attempt(self.device.federation.leave, self.outcome)
            self.screen.refresh_page()

        note = (
            "Your keyboard deletes the key that the coordinator knows it by. What the shared model has learned stays in it. "
            "To come back you need a new link."
        )
        self.screen.ask("Leave the federation?", note, "Leave", leave)

    def choose(self, **choices: Any) -> None:
        """Applies settings."""
        self.attempt(lambda: self.device.choose(**choices))
        if self._standing.joined is not None:
            self.screen.refresh_page()

    def ask(self) -> None:
        """Asks the coordinator for a round now."""
        self.screen.begin_in_federation(self.device.federation.take_part)

    def leave_round(self) -> None:
        """Leaves the current round."""
        self.device.federation.leave_round()

    def show_more(self) -> None:
        """Shows older updates too."""
        self._shown += _SHOWN
        self.screen.refresh_page()

    def _show_problem(self, problem: str) -> None:
        self.problem = problem[:1].upper() + problem[1:]

    def _arrange(self, cards: list[Widget]) -> None:
        column = self.ids.column
        if list(reversed(column.children)) != cards:
            column.clear_widgets()
            for card in cards:
                column.add_widget(card)
            self.ids.scroll.scroll_y = 1
