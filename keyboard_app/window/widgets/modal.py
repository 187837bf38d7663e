"""A widget on top of others that lets no touch through to them."""

from kivy.input import MotionEvent
from kivy.uix.widget import Widget

__all__ = ("TouchShield",)


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
