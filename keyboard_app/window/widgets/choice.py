"""Controls made of several buttons: a choice between options, and a number to step up and down."""

from typing import Any

from kivy.properties import ListProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.stacklayout import StackLayout

from keyboard_app.window.widgets.control import TextButton

__all__ = ("Choice", "Stepper")


class Choice(StackLayout):
    """A button for each of `options`, which are pairs of a value and its text; the button of `value` is lit.

    Dispatches `on_choose(value)` when a person touches a button. The page that applies the choice sets `value`.
    """

    about = StringProperty()  # the subject of the choice, for the names of the buttons
    options = ListProperty()
    value = ObjectProperty(None, allownone=True)

    __events__ = ("on_choose",)

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self.bind(options=self._build, value=self._light, about=self._build)
        self._build()

    def on_choose(self, value: object) -> None:
        """Event for pages to bind."""

    def _build(self, *_: object) -> None:
        self.clear_widgets()
        for value, text in self.options:
            button = TextButton(text=text, name=f"{self.about}: {text}")
            button.bind(on_release=lambda _button, value=value: self.dispatch("on_choose", value))
            self.add_widget(button)
        self._light()

    def _light(self, *_: object) -> None:
        for button, (value, _) in zip(reversed(self.children), self.options, strict=True):
            button.lit = value == self.value


class Stepper(BoxLayout):
    """A number between a minus and a plus button; dispatches `on_step(direction)`, where direction is -1 or 1."""

    about = StringProperty()
    value = NumericProperty()
    shown = StringProperty()

    __events__ = ("on_step",)

    def on_step(self, direction: int) -> None:
        """Event for pages to bind."""
