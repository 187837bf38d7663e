"""A menu that stays open until an item is chosen or something else is touched."""

from collections.abc import Callable, Mapping

from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from keyboard_app.window.widgets.control import TextButton

__all__ = ("PopupMenu",)


class PopupMenu(BoxLayout):
    """Buttons in a bubble above the other widgets of the window."""

    def open(self, over: Widget, choices: Mapping[str, Callable[[], object]], at: tuple[float, float]) -> None:
        """Shows the choices within `over`, centred above the point `at` as far as there is room."""
        self.close()
        self.clear_widgets()
        for text, act in choices.items():
            button = TextButton(text=text, kind="plain")
            button.bind(on_release=lambda _button, act=act: self._choose(act))
            self.add_widget(button)
        for button in self.children:
            button.texture_update()
        over.add_widget(self)
        self.do_layout()
        width, height = self.minimum_size
        x = min(max(at[0] - width / 2, over.x + dp(6)), over.right - width - dp(6))
        y = at[1] + dp(8)
        if y + height > over.top:
            y = at[1] - height - dp(44)
        self.pos = max(x, over.x), max(y, over.y)

    def close(self) -> None:
        """Closes the menu."""
        if self.parent is not None:
            self.parent.remove_widget(self)

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Closes the menu at a touch elsewhere, and leaves that touch to the other widgets."""
        if self.collide_point(*touch.pos):
            return bool(super().on_touch_down(touch))
        if not touch.is_mouse_scrolling:
            self.close()
        return False

    def _choose(self, act: Callable[[], object]) -> None:
        self.close()
        act()
