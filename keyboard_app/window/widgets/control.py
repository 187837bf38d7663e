"""The controls of the window, operated by touch, by mouse or by the physical keyboard alone.

Every control has a `name`, as a screen reader would say it, and shows a ring while it has the keyboard focus.
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
    """A widget with a name that can be focused and activated."""

    name = StringProperty()
    focused = BooleanProperty(False)

    def on_focused(self, _control: "Control", focused: bool) -> None:
        """Draws or removes the focus ring."""
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
        """Does what a touch would do."""


class Tappable(ButtonBehavior, Control):
    """A control that acts when a finger is lifted from it; dispatches `on_release`, like Kivy's buttons."""

    lit = BooleanProperty(False)  # drawn as switched on, or as the next thing to do

    def activate(self) -> None:
        """Presses and releases the control, unless it is disabled."""
        if not self.disabled:
            self.dispatch("on_press")
            self.dispatch("on_release")


class TextButton(Tappable, Label):
    """Text on a rounded background; the text is also its name, unless it has another one."""

    kind = OptionProperty("usual", options=["usual", "plain", "danger"])
    _name_from_text = ""

    def on_text(self, _button: "TextButton", text: str) -> None:
        """Names the button after its text."""
        if self.name in ("", self._name_from_text):
            self.name = self._name_from_text = text


class IconButton(Tappable, Icon):
    """A button with an icon and no text."""


class OnOff(Tappable):
    """A switch; dispatches `on_toggle(on)` when a person changes it."""

    on = BooleanProperty(False)

    __events__ = ("on_toggle",)

    def on_release(self) -> None:
        """Changes the switch when a finger is lifted from it."""
        self.on = not self.on
        self.dispatch("on_toggle", self.on)

    def on_toggle(self, on: bool) -> None:
        """Event for pages to bind."""
