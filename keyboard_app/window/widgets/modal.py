"""What lies over other widgets and lets no touch through to them."""

from kivy.input import MotionEvent
from kivy.uix.widget import Widget

__all__ = ("TouchShield",)


class TouchShield(Widget):
    """Takes every touch, whether one of its children wants it or not."""

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """A finger came down."""
        super().on_touch_down(touch)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        """It moves."""
        super().on_touch_move(touch)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """It went up."""
        super().on_touch_up(touch)
        return True
