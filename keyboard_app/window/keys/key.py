"""A key of the on-screen keyboard."""

from typing import Any

from kivy.graphics.texture import Texture
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty

from keyboard_app.input.layout import KeySpec
from keyboard_app.window.drawing.glyphs import glyphs
from keyboard_app.window.widgets.control import Control
from keyboard_app.window.widgets.icon import Icon

__all__ = ("Key",)

_ICONS = {"shift": "shift", "backspace": "backspace", "enter": "send", "emoji": "smile", "layout": "globe"}
_HINT = 0.48  # size of a hint, as a share of the size of the label
_NAMES = {",": "comma", ".": "full stop", "?": "question mark", "!": "exclamation mark", "'": "apostrophe"}


class Key(Control, Icon):
    """Shows what a `KeySpec` types or does. The keypad, which tracks all fingers, sets `pressed`."""

    action: str = StringProperty("character")
    label = StringProperty()
    hint = StringProperty()  # the first alternate of the key, shown small in the corner
    pressed = BooleanProperty(False)
    lit = BooleanProperty(False)  # drawn as switched on
    label_size = NumericProperty(20)
    texture = ObjectProperty(None, allownone=True, baseclass=Texture)
    texture_width = NumericProperty(0)
    texture_height = NumericProperty(0)
    hint_texture = ObjectProperty(None, allownone=True, baseclass=Texture)
    hint_width = NumericProperty(0)
    hint_height = NumericProperty(0)

    __events__ = ("on_activate",)

    def __init__(self, spec: KeySpec, **properties: Any) -> None:
        self.spec = spec
        super().__init__(**properties)
        self.bind(label=self._draw_label, label_size=self._draw_label, hint=self._draw_label)
        self.size_hint_x = spec.width
        self.action, self.icon = spec.action, _ICONS.get(spec.action, "")
        self.label = "" if self.icon else spec.label
        alternate = next(iter(spec.alternates), "")
        self.hint = "" if alternate.isalpha() else alternate
        self.name = self._name()

    def typed(self, capital: bool) -> str:
        """Returns the character that the key types, as a capital if wanted and if that is one character."""
        label: str = self.spec.label
        upper = label.upper() if capital else label
        return upper if len(upper) == len(label) else label

    def show_capital(self, capital: bool) -> None:
        """Shows a letter in upper or lower case; other keys stay as they are."""
        if self.action == "character":
            self.label = self.typed(capital)

    def activate(self) -> None:
        """Does what pressing the key would do."""
        self.dispatch("on_activate")

    def on_activate(self) -> None:
        """Event for the keypad to bind."""

    def _name(self) -> str:
        if self.action == "character":
            return _NAMES.get(self.spec.label, self.spec.label)
        if self.action == "page":
            return f"{self.spec.label} keys"
        return {"enter": "send", "layout": "next layout"}.get(self.action, self.action)

    def _draw_label(self, *_: object) -> None:
        # `glyphs` caches its results, because shift changes all labels at once between two letters.
        drawn = glyphs(self.label, round(self.label_size))
        run = drawn.runs[0] if drawn.runs else None
        self.texture = run.texture if run else None
        self.texture_width, self.texture_height = (run.width, run.height) if run else (0, 0)
        hint = glyphs(self.hint, round(self.label_size * _HINT)).runs[:1]
        self.hint_texture = hint[0].texture if hint else None
        self.hint_width, self.hint_height = (hint[0].width, hint[0].height) if hint else (0, 0)
