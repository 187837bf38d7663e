"""The names of icons: shown beside an icon while the mouse rests on it or a finger is held on it."""

from collections.abc import Callable, Sequence

from kivy.clock import Clock, ClockEvent
from kivy.core.window import Window
from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.uix.label import Label
from kivy.uix.widget import Widget

from keyboard_app.window.widgets.control import Control, IconButton

__all__ = ("Tooltip", "Tooltips")

_REST = 0.4  # seconds that the mouse rests before a name is shown
_HOLD = 0.5  # seconds that a finger is held
_SLACK = 10  # dp that a held finger may slide
_STAYS = 1.5  # seconds that a name stays after the finger was lifted


class Tooltip(Label):
    """A name on a small background."""


class Tooltips:
    """Shows one name at a time over `over`, whose icons are among `controls()`. A held icon does not act when it is let go."""

    def __init__(self, over: Widget, controls: Callable[[], Sequence[Control]]) -> None:
        self._over, self._controls = over, controls
        self.shown = Tooltip()
        self._look = Clock.create_trigger(self._show_hovered, _REST)
        self._end = Clock.create_trigger(lambda _elapsed: self.hide(), _STAYS)
        self._holding: ClockEvent | None = None
        self._began = (0.0, 0.0)

    def begin(self) -> None:
        """Follows the mouse from now on."""
        Window.bind(mouse_pos=self._moved)

    def end(self) -> None:
        """Stops following the mouse."""
        Window.unbind(mouse_pos=self._moved)
        self._let_go()
        self._look.cancel()
        self.hide()

    def hide(self) -> None:
        """Hides the name."""
        self._end.cancel()
        if self.shown.parent is not None:
            self.shown.parent.remove_widget(self.shown)

    def touched(self, touch: MotionEvent) -> None:
        """Waits to see whether a new touch is held on an icon."""
        self.hide()
        self._look.cancel()
        self._let_go()
        if not touch.is_mouse_scrolling and (button := self._icon_at(touch.pos)) is not None:
            self._began = touch.pos
            self._holding = Clock.schedule_once(lambda _elapsed: self._hold(touch, button), _HOLD)

    def moved(self, touch: MotionEvent) -> None:
        """Stops waiting when the finger slides."""
        if max(abs(touch.x - self._began[0]), abs(touch.y - self._began[1])) > dp(_SLACK):
            self._let_go()

    def lifted(self) -> None:
        """Stops waiting; a name that is shown stays for a moment."""
        self._let_go()
        if self.shown.parent is not None:
            self._end()

    def _let_go(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def _hold(self, touch: MotionEvent, button: IconButton) -> None:
        self._holding = None
        touch.ungrab(button)  # so that lifting the finger does not operate it
        button.state = "normal"
        self._show(button)

    def _moved(self, *_: object) -> None:
        self.hide()
        self._look.cancel()
        self._look()

    def _show_hovered(self, _elapsed: float) -> None:
        button = self._icon_at(Window.mouse_pos)
        if button is not None:
            self._show(button)

    def _icon_at(self, place: tuple[float, float]) -> IconButton | None:
        for control in self._controls():
            if isinstance(control, IconButton) and control.collide_point(*control.to_widget(*place)):
                return control
        return None

    def _show(self, button: IconButton) -> None:
        self.hide()
        tip, over = self.shown, self._over
        tip.text = button.name[:1].upper() + button.name[1:]
        tip.text_size = None, None
        tip.texture_update()
        if tip.texture_size[0] > over.width - dp(48):
            tip.text_size = over.width - dp(48), None
            tip.texture_update()
        tip.size = tip.texture_size[0] + dp(20), tip.texture_size[1] + dp(12)
        left, bottom = button.to_window(button.x, button.y)
        x = left + button.width / 2 - tip.width / 2
        below = bottom - tip.height - dp(6)
        tip.pos = (
            min(max(x, over.x + dp(4)), over.right - tip.width - dp(4)),
            below if bottom > over.center_y else bottom + button.height + dp(6),
        )
        over.add_widget(tip)
