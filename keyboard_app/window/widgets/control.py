"""What a person can operate: by touch, by mouse, and by the keyboard alone.

Every control has a `name`, what an assistive tool would call it, and shows where the keyboard's focus is.
"""

from kivy.graphics import Color, Line
from kivy.metrics import dp
from kivy.properties import BooleanProperty, OptionProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label
from kivy.uix.widget import Widget

from keyboard_app.window.drawing.look import look
from keyboard_app.window.widgets.icon import Icon

__all__ = ("Control", "IconButton", "OnOff", "Tappable", "TextButton")

_RING = "ring"


class Control(Widget):
    """Something with a name that can be focused and activated."""

    name = StringProperty()
    focused = BooleanProperty(False)

    def on_focused(self, _control: "Control", focused: bool) -> None:
        """Shows by a ring that the physical keyboard's focus is here; without it there is nothing to paint."""
        change, watched = (self.fbind if focused else self.funbind), ("pos", "size")
        for name in watched:
            change(name, self._draw_ring)
        self._draw_ring()

    def _draw_ring(self, *_: object) -> None:
        self.canvas.after.remove_group(_RING)
        if not self.focused:
            return
        gap, width, height = dp(2), max(self.width - dp(4), 1), max(self.height - dp(4), 1)
        self.canvas.after.add(Color(*look.accent, group=_RING))
        box = (self.x + gap, self.y + gap, width, height, dp(9))
        self.canvas.after.add(Line(rounded_rectangle=box, width=dp(1.3), group=_RING))

    def activate(self) -> None:
        """Does what touching it would do."""


class Tappable(ButtonBehavior, Control):
    """A control that acts when a finger goes up on it; dispatches `on_release`, as Kivy's buttons do."""

    lit = BooleanProperty(False)  # drawn as switched on, or as what to do next

    def activate(self) -> None:
        """Presses and releases it."""
        if not self.disabled:
            self.dispatch("on_press")
            self.dispatch("on_release")


class TextButton(Tappable, Label):
    """Text on a rounded ground; it is named by its text unless it has another name."""

    kind = OptionProperty("usual", options=["usual", "plain", "danger"])
    _named = ""  # by its text

    def on_text(self, _button: "TextButton", text: str) -> None:
        """Names it."""
        if self.name in ("", self._named):
            self.name = self._named = text


class IconButton(Tappable, Icon):
    """An icon alone."""


class OnOff(Tappable):
    """On or off; dispatches `on_toggle(on)` when a person changes it."""

    on = BooleanProperty(False)

    __events__ = ("on_toggle",)

    def on_release(self) -> None:
        """A finger went up on it."""
        self.on = not self.on
        self.dispatch("on_toggle", self.on)

    def on_toggle(self, on: bool) -> None:
        """What a page binds to."""
