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
from keyboard_app.window.drawing.glyphs import Glyphs, glyphs, is_drawable
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.widgets.control import Tappable

__all__ = ("SuggestionPlace", "SuggestionStrip")

_HOLD = 0.5  # seconds until a touch counts as held, which forgets the word
_WORDS = 3  # words shown at once
_EMOJI_WIDTH = 0.45  # width of the place for an emoji, as a share of a place for a word
_SOME_EMOJI = "\U0001f642"
_MARGIN = 8  # margin on either side of a word, in dp


class SuggestionPlace(Tappable):
    """Shows `offer`, or nothing if it is None; dispatches `on_take` when touched and `on_hold` when held.

    It is redrawn with each key, from textures that exist already for most words.
    """

    offer = ObjectProperty(None, allownone=True)
    best = BooleanProperty(False)
    applied = BooleanProperty(False)  # whether space replaces the typed word with it
    color = ColorProperty()
    font_size = NumericProperty(17)
    shown = StringProperty()
    divided = BooleanProperty(False)  # whether a line to the right divides it from the next

    __events__ = ("on_hold", "on_take")

    def __init__(self, **properties: Any) -> None:
        self._letters = InstructionGroup()
        self._holding: ClockEvent | None = None
        self._held = False
        super().__init__(**properties)
        self.canvas.add(self._letters)
        self._redraw = Clock.create_trigger(self._draw, -1)
        for name in ("pos", "size", "color", "font_size", "best", "shown"):
            self.fbind(name, self._redraw)

    def on_offer(self, _place: "SuggestionPlace", offer: Offer | None) -> None:
        """Shows another offer; the word as typed stands in quotation marks."""
        self.shown = "" if offer is None else f"“{offer.text}”" if offer.kind is Kind.TYPED else offer.text
        self.name = self.shown or "no suggestion"

    def on_press(self) -> None:
        """Starts to wait for the touch to count as held."""
        self._held = False
        if self.offer is not None:
            self._holding = Clock.schedule_once(self._hold, _HOLD)

    def on_release(self) -> None:
        """Takes the offer, unless it was held."""
        if self.offer is not None and not self._held:
            self.dispatch("on_take")

    def on_state(self, _place: "SuggestionPlace", state: str) -> None:
        """Stops waiting when the finger is lifted anywhere."""
        if state == "normal" and self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def on_take(self) -> None:
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
            smaller = max(round(size * 0.8), round(size * room / drawn.width))
            drawn = glyphs(text, smaller, self.best)
            while drawn.width > room and len(text) > 1:
                text = text[:-1]
                drawn = glyphs(f"{text}…", smaller, self.best)
        return drawn

    def _draw(self, _elapsed: float) -> None:
        letters = self._letters
        letters.clear()
        if not self.shown:
            return
        drawn = self._fitting()
        left = self.center_x - drawn.width / 2
        add_text(letters, drawn, left, self.center_y, self.color)


class SuggestionStrip(BoxLayout):
    """Shows `offers`, best first; dispatches `on_take(offer)` and `on_hold(offer)`.

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
                on_take=lambda p: self.dispatch("on_take", p.offer), on_hold=lambda p: self.dispatch("on_hold", p.offer)
            )
            self.ids.places.add_widget(place)
        self._places[-1].size_hint_x = _EMOJI_WIDTH

    def prepare(self) -> None:
        """Paints an invisible emoji, because loading the large font and scaling its pictures is slow the first time."""
        picture = glyphs(_SOME_EMOJI, round(self._places[-1].font_size)).runs[0].texture
        self.canvas.after.add(Color(1, 1, 1, 0))
        self.canvas.after.add(Rectangle(texture=picture, pos=self.pos, size=(1, 1)))
        Clock.schedule_once(lambda _elapsed: self.canvas.after.clear())

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
        best = next((word for word in words if word.kind is not Kind.TYPED), None)
        for place in self._places[:-1]:
            place.best = best is not None and place.offer is best
            place.applied = place.offer is not None and place.offer.applied
        for place, following in zip(self._places, self._places[1:], strict=False):
            place.divided = place.offer is not None and following.offer is not None
        self._places[-1].width = 0 if emoji is None else self._places[-1].width
        self._places[-1].size_hint_x = 0 if emoji is None else _EMOJI_WIDTH

    def on_take(self, offer: Offer) -> None:
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
