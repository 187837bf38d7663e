"""Widgets on top of others that let no touch through to them: the base class, and the question before a destructive action."""

from typing import Any

from kivy.clock import Clock
from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.properties import StringProperty
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.widget import Widget

__all__ = ("ConfirmationDialog", "TouchShield")

_APART = 24  # least distance of the confirming button from the finger that asked, in dp
_EDGE = 12  # distance of a question from the window's edge, in dp


class TouchShield(Widget):
    """Takes every touch, whether or not one of its children uses it."""

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Passes a new touch to the children and takes it."""
        super().on_touch_down(touch)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        """Passes a moved touch to the children and takes it."""
        super().on_touch_move(touch)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Passes a lifted touch to the children and takes it."""
        super().on_touch_up(touch)
        return True

    def cancel(self) -> bool:
        """Dispatches `on_cancel`, as the cancel button does; returns whether this widget can be cancelled."""
        cancels = bool(self.is_event_type("on_cancel"))
        if cancels:
            self.dispatch("on_cancel")
        return cancels


class ConfirmationDialog(TouchShield, FloatLayout):
    """Asks before something is lost; dispatches `on_confirm` or `on_cancel`.

    The question moves away from the finger that asked, so that a second tap at the same place confirms nothing.
    """

    question = StringProperty()
    note = StringProperty()
    act = StringProperty()  # the text of the confirming button

    __events__ = ("on_cancel", "on_confirm")

    def __init__(self, asked_at: tuple[float, float] | None = None, **properties: Any) -> None:
        """Prepares the question; `asked_at` is where the window was touched last, in pixels."""
        self._asked_at = asked_at
        super().__init__(**properties)
        place = Clock.create_trigger(self._place, -1)
        self.bind(size=place, pos=place)
        self.ids.card.bind(size=place)
        place()

    def on_cancel(self) -> None:
        """Event for the screen to bind."""

    def on_confirm(self) -> None:
        """Event for the screen to bind."""

    def _place(self, *_: object) -> None:
        card, button = self.ids.card, self.ids.confirm
        card.do_layout()
        self.ids.buttons.do_layout()
        middle, top, bottom = self.center_y - card.height / 2, self.top - card.height - dp(_EDGE), self.y + dp(_EDGE)
        for y in (middle, top, bottom):
            card.y = y
            card.do_layout()
            self.ids.buttons.do_layout()
            if self._asked_at is None or not _near(button, *self._asked_at):
                break


def _near(widget: Widget, x: float, y: float) -> bool:
    """Returns whether a point lies on a widget or close to it."""
    apart = dp(_APART)
    across = widget.x - apart <= x <= widget.right + apart
    return bool(across and widget.y - apart <= y <= widget.top + apart)
