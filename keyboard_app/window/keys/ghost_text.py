"""The best suggestion as a ghost behind the cursor, for a person at a physical keyboard."""

from kivy.graphics import InstructionGroup
from kivy.metrics import dp

from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.offers import Offer
from keyboard_app.input.phrases import added_by, shortened
from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.drawing.look import look
from keyboard_app.window.drawing.painting import add_text
from keyboard_app.window.keys.text_area import TextArea

__all__ = ("GhostText",)

_BESIDE_CURSOR = 2  # dp between the text and the ghost, so that the cursor does not stand on its first letter


class GhostText:
    """Draws what an offer would add at the end of the text of an area; `offer` is the part of it that is shown, or None.

    It is drawn one frame after the frame that answers a key. In that first frame, a ghost whose letters were typed stays where it
    is, because the typed letters cover its own.
    """

    def __init__(self, area: TextArea) -> None:
        self.offer: Offer | None = None
        self._area, self._letters = area, InstructionGroup()
        self._line, self._text = 0, ""  # where it is drawn, and the text with the ghost at its end
        area.canvas.add(self._letters)
        area.bind(pos=lambda *_: self.hide(), size=lambda *_: self.hide())

    def hide(self) -> None:
        """Removes the ghost."""
        self.offer = None
        self._letters.clear()

    def follow(self, keyboard: Keyboard) -> None:
        """Removes the ghost after a key, unless the text goes on as the ghost does."""
        text = keyboard.text
        goes_on = bool(text) and self._text.startswith(text) and keyboard.cursor == len(text)
        if not goes_on or self._line != self._area.last_line:
            self.hide()
        self.offer = None  # it cannot be taken until it is drawn for the new text

    def show(self, keyboard: Keyboard, offer: Offer | None) -> None:
        """Shows as many words of an offer as fit on the line of the cursor, at the end of a text."""
        self.hide()
        text, prefix = keyboard.text, keyboard.prefix
        added = None if offer is None or keyboard.field.selected else added_by(offer, prefix)
        if offer is None or added is None or not text or keyboard.cursor < len(text):
            return
        area, size = self._area, round(self._area.font_size)
        x, bottom = area.place_of(len(text))
        room = area.right - area.padding[0] - x - dp(_BESIDE_CURSOR)
        words = [added, *(f" {word}" for word in offer.rest.split())]
        while words and glyphs("".join(words), size).width > room:
            words.pop()
        if not words or not area.active:
            return
        ghost = "".join(words)
        add_text(self._letters, glyphs(ghost, size), x + dp(_BESIDE_CURSOR), bottom + area.line_height / 2, look.muted)
        self.offer, self._line, self._text = shortened(offer, len(words) - 1), area.last_line, text + ghost
