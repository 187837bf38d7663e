"""The screens of the first start: recording, storage and sharing explained, and the question whether to record."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kivy.properties import NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.window.widgets.control import IconButton, TextButton
from keyboard_app.window.widgets.icon import Icon
from keyboard_app.window.widgets.modal import TouchShield

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Icon", "IconButton", "TextButton", "Welcome")


class _Step(NamedTuple):
    icon: str
    title: str
    text: str


_STEPS: Sequence[_Step] = (
    _Step(
        "keyboard",
        "It learns how you write",
        "If you agree, this keyboard records the messages you send and learns your words and phrases from them. "
        "Passwords, card numbers and anything typed in private mode are never recorded.",
    ),
    _Step(
        "private",
        "Your words stay here",
        "Your messages are encrypted and stay on this device. You can read, search, export and delete them at any time, "
        "and choose how long they are kept.",
    ),
    _Step(
        "globe",
        "What is shared, if you join",
        "Nothing is shared unless you join a federation yourself. Then your keyboard sends what it learned, as numbers and never "
        "as messages, to be added to what others send. You can leave at any time.",
    ),
)


class Welcome(TouchShield, BoxLayout):
    """Three screens, the last one with the question; dispatches `on_answer(record)`. Nothing is recorded before the answer."""

    step = NumericProperty(0)
    icon = StringProperty()
    title = StringProperty()
    text = StringProperty()

    __events__ = ("on_answer",)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        ids = self.ids
        self._buttons = {False: [ids.next.__self__, ids.room.__self__], True: [ids.yes.__self__, ids.no.__self__]}
        self.on_step(self, 0)

    @property
    def last(self) -> bool:
        """Whether the screen with the question is shown."""
        return bool(self.step == len(_STEPS) - 1)

    def on_step(self, _welcome: "Welcome", step: float) -> None:
        """Shows another screen."""
        self.icon, self.title, self.text = _STEPS[int(step)]
        self.ids.question.opacity = 1 if self.last else 0
        self.ids.buttons.clear_widgets()
        for button in self._buttons[self.last]:  # hidden widgets would still take touches
            self.ids.buttons.add_widget(button)
        self.ids.back.opacity, self.ids.back.disabled = (1, False) if step > 0 else (0, True)

    def go(self, steps: int) -> None:
        """Goes forward by `steps` screens, or back if negative."""
        self.step = min(max(self.step + steps, 0), len(_STEPS) - 1)

    def on_answer(self, record: bool) -> None:
        """Event for the screen to bind."""
