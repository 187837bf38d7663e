"""A screen on which a question comes before anything else, for fingers and for a physical keyboard."""

from collections.abc import Callable
from typing import Any

from kivy.uix.floatlayout import FloatLayout

from keyboard_app.window.widgets.control import Control
from keyboard_app.window.widgets.focus import Way
from keyboard_app.window.widgets.focus_ring import FocusRing
from keyboard_app.window.widgets.modal import ConfirmationDialog, TouchShield

__all__ = ("ModalScreen",)


class ModalScreen(FloatLayout):
    """Shows questions and pickers in front of the rest, and moves the keyboard focus among the controls in front."""

    def __init__(self, **properties: Any) -> None:
        self._touched: tuple[float, float] | None = None  # where the window was touched last
        self.focus = FocusRing(self)
        super().__init__(**properties)

    def ask(self, question: str, note: str, confirm: str, act: Callable[[], object]) -> None:
        """Asks before something is lost, and calls `act` once the person has confirmed.

        Args:
          question: the question.
          note: what will happen.
          confirm: the text of the confirming button.
          act: the work.
        """
        focused = self.focus.focused
        confirmation = ConfirmationDialog(self._touched, question=question, note=note, act=confirm)

        def close(confirmed: bool) -> None:
            self.remove_widget(confirmation)
            self.focus.leave()
            if focused is not None:
                self.focus.focus(focused)
            if confirmed:
                act()

        confirmation.bind(on_cancel=lambda _: close(False), on_confirm=lambda _: close(True))
        self.add_widget(confirmation)
        self.focus.leave()
        if focused is not None:  # asked by the physical keyboard
            self.step_focus(1)

    def controls(self) -> list[Control]:
        """Returns the controls that can be operated now, in reading order."""
        return self.focus.controls(self._front or self)

    @property
    def asks(self) -> bool:
        """Whether a question or a picker is shown, which comes before anything else."""
        return self._front is not None

    @property
    def _front(self) -> TouchShield | None:
        """The question or picker in front of everything else."""
        return next((child for child in self.children if isinstance(child, TouchShield)), None)

    def step_focus(self, step: int) -> None:
        """Moves the focus by `step` controls, 1 forward or -1 back."""
        self.focus.step(self._front or self, step)

    def escape(self) -> bool:
        """Cancels a question or a picker, or else removes the focus; returns whether there was one of them."""
        return (self._front is not None and self._front.cancel()) or self.focus.leave()

    def move_focus(self, way: Way) -> bool:
        """Moves the focus in a direction; returns whether a control was focused."""
        return self.focus.move(way)
