"""The strip of suggestions above the keys, which also shows a notice with an undo button."""

from collections.abc import Sequence
from typing import Any

from kivy.clock import Clock, ClockEvent
from kivy.graphics import Color, InstructionGroup, Rectangle
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.input.offers import Kind, Offer
from keyboard_app.input.phrases import best_of, shortened
from keyboard_app.window.drawing.glyphs import Glyphs, glyphs, is_drawable
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.drawing.partial_painting import Bounded
from keyboard_app.window.spare_time import Work
from keyboard_app.window.widgets.control import Tappable

__all__ = ("SuggestionPlace", "SuggestionStrip")

_HOLD = 0.5  # seconds until a touch counts as held, which forgets the word
_WORDS = 3  # words shown at once
_EMOJI_WIDTH = 0.45  # width of the place for an emoji, as a share of a place for a word
_SOME_EMOJI = "\U0001f642"
_SMALLER = 0.8  # smallest size of a word that would not fit, as a share of the usual one
_MARGIN = 8  # margin on either side of a word, in dp


class SuggestionPlace(Tappable):
    """Shows `offer`, or nothing if it is None; dispatches `on_take(offer, whole)` when touched and `on_hold` when held.

    The words that continue the offer are shown behind it in a lighter colour, as many as fit. A touch on them takes the whole of
    what is shown, and a touch on the first word that word.

    It is redrawn with each key, from textures that exist already for most words.
    """

    offer = ObjectProperty(None, allownone=True)
    best = BooleanProperty(False)
    applied = BooleanProperty(False)  # whether space replaces the typed word with it
    color = ColorProperty()
    rest_color = ColorProperty()  # of the words that continue the offer
    font_size = NumericProperty(17)
    shown = StringProperty()
    rest = StringProperty()  # the words that continue the offer
    divided = BooleanProperty(False)  # whether a line to the right divides it from the next

    __events__ = ("on_hold", "on_take")

    def __init__(self, **properties: Any) -> None:
        self._letters = InstructionGroup()
        self._holding: ClockEvent | None = None
        self._held = False
        self._rest_shown, self._rest_from = 0, 0.0  # the number of these words that fit, and their left edge
        super().__init__(**properties)
        self.canvas.add(self._letters)
        self._redraw = Clock.create_trigger(self._draw, -1)
        for name in ("pos", "size", "color", "rest_color", "font_size", "best", "shown", "rest"):
            self.fbind(name, self._redraw)

    def on_offer(self, _place: "SuggestionPlace", offer: Offer | None) -> None:
        """Shows another offer; the word as typed stands in quotation marks."""
        self.shown = "" if offer is None else f"“{offer.text}”" if offer.kind is Kind.TYPED else offer.text
        self.rest = "" if offer is None else offer.rest
        self.name = f"{self.shown} {self.rest}".strip() or "no suggestion"

    def on_press(self) -> None:
        """Starts to wait for the touch to count as held."""
        self._held = False
        if self.offer is not None:
            self._holding = Clock.schedule_once(self._hold, _HOLD)

    def on_release(self) -> None:
        """Takes the offer, unless it was held."""
        if self.offer is not None and not self._held:
            touch = self.last_touch
            self._take(whole=touch is not None and touch.x >= self._rest_from)

    def activate(self) -> None:
        """Takes the first word, for a person at a physical keyboard."""
        if self.offer is not None:
            self._take(whole=False)

    def _take(self, whole: bool) -> None:
        self.dispatch("on_take", shortened(self.offer, self._rest_shown), whole and self._rest_shown > 0)

    def on_state(self, _place: "SuggestionPlace", state: str) -> None:
        """Stops waiting when the finger is lifted anywhere."""
        if state == "normal" and self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def on_take(self, offer: Offer, whole: bool) -> None:
        """Event for the strip to bind."""

    def on_hold(self) -> None:
        """Event for the strip to bind."""

    def _hold(self, _elapsed: float) -> None:
        self._held = True
        self.dispatch("on_hold")

    def _fitting(self) -> Glyphs:
        room, size = self.width - 2 * dp(_MARGIN), round(self.font_size)
        text, drawn = self.shown, glyphs(self.shown, size, self.best)
        if drawn.width > room > 0:
            smaller = max(round(size * _SMALLER), round(size * room / drawn.width))
            drawn = glyphs(text, smaller, self.best)
            while drawn.width > room and len(text) > 1:
                text = text[:-1]
                drawn = glyphs(f"{text}…", smaller, self.best)
        return drawn

    def _draw(self, _elapsed: float) -> None:
        letters = self._letters
        letters.clear()
        self._rest_shown = 0
        if not self.shown:
            return
        drawn = self._fitting()
        rest, space = self._fitting_rest(drawn.width)
        self._rest_shown = len(rest)
        width = drawn.width + sum(space + word.width for word in rest)
        x = self.center_x - width / 2
        add_text(letters, drawn, x, self.center_y, self.color)
        self._rest_from = x + drawn.width + space / 2
        for before, word in zip([drawn, *rest], rest, strict=False):
            x += before.width + space
            add_text(letters, word, x, self.center_y, self.rest_color)

    def _fitting_rest(self, taken: float) -> tuple[list[Glyphs], float]:
        """Returns as many words of the rest as fit beside the first word, smaller if need be, and the width of a space."""
        words = self.rest.split()
        for size in (round(self.font_size), round(self.font_size * _SMALLER)):
            space = glyphs(" ", size).width
            drawn = [glyphs(word, size) for word in words]
            if taken + sum(space + word.width for word in drawn) <= self.width - 2 * dp(_MARGIN):
                return drawn, space
        room = self.width - 2 * dp(_MARGIN) - taken
        while drawn and sum(space + word.width for word in drawn) > room:
            drawn.pop()
        return drawn, space


class SuggestionStrip(Bounded, BoxLayout):
    """Shows `offers`, best first; dispatches `on_take(offer, whole)` and `on_hold(offer)`.

    While `notice` is not empty, it is shown in place of the offers, with a button that dispatches `on_undo`.
    """

    offers = ListProperty()
    notice = StringProperty()

    __events__ = ("on_hold", "on_take", "on_undo")

    def on_kv_post(self, _base: Widget) -> None:
        """Adds the places for offers."""
        self._places = [SuggestionPlace() for _ in range(_WORDS + 1)]
        for place in self._places:
            place.bind(
                on_take=lambda _place, offer, whole: self.dispatch("on_take", offer, whole),
                on_hold=lambda p: self.dispatch("on_hold", p.offer),
            )
            self.ids.places.add_widget(place)
        self._places[-1].size_hint_x = _EMOJI_WIDTH

    def prepare(self) -> None:
        """Paints an invisible emoji, because loading the large font and scaling its pictures is slow the first time."""
        picture = glyphs(_SOME_EMOJI, round(self._places[-1].font_size)).runs[0].texture
        self.canvas.after.add(Color(1, 1, 1, 0))
        self.canvas.after.add(Rectangle(texture=picture, pos=self.pos, size=(1, 1)))
        Clock.schedule_once(lambda _elapsed: self.canvas.after.clear())

    def draw_ahead(self, words: Sequence[str]) -> Work:
        """Draws words that are likely to be shown soon: the best one, the others, and last the word as typed."""
        size, *others = round(self._places[0].font_size), *words[1:]
        if others:
            glyphs(words[0], size, bold=True)
            yield
        for word in [*others, *(f"“{typed}”" for typed in words[-1:])]:
            glyphs(word, size)
            yield

    @property
    def places(self) -> Sequence[SuggestionPlace]:
        """The places from left to right: those for words, then the one for an emoji."""
        return self._places

    def on_offers(self, _strip: "SuggestionStrip", offers: list[Offer]) -> None:
        """Assigns the offers to places; a place without an offer stays empty, and an emoji that cannot be drawn is left out."""
        words = [offer for offer in offers if offer.kind is not Kind.EMOJI]
        emoji = next((offer for offer in offers if offer.kind is Kind.EMOJI and is_drawable(offer.text)), None)
        for place, offer in zip(self._places, [*_in_places(words), emoji], strict=True):
            place.offer = offer
        best = best_of(words)
        for place in self._places[:-1]:
            place.best = best is not None and place.offer is best
            place.applied = place.offer is not None and place.offer.applied
        for place, following in zip(self._places, self._places[1:], strict=False):
            place.divided = place.offer is not None and following.offer is not None
        self._places[-1].width = 0 if emoji is None else self._places[-1].width
        self._places[-1].size_hint_x = 0 if emoji is None else _EMOJI_WIDTH

    def on_take(self, offer: Offer, whole: bool) -> None:
        """Event for the composer to bind."""

    def on_hold(self, offer: Offer) -> None:
        """Event for the composer to bind."""

    def on_undo(self) -> None:
        """Event for the composer to bind."""


def _in_places(words: Sequence[Offer]) -> list[Offer | None]:
    """Orders words from left to right as phones do: the word as typed first, and the best one in the middle."""
    typed = [word for word in words if word.kind is Kind.TYPED][:1]
    others: list[Offer | None] = [word for word in words if word.kind is not Kind.TYPED]
    others += [None] * _WORDS
    return [typed[0], others[0], others[1]] if typed else [others[1], others[0], others[2]]
