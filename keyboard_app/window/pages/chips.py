"""A few words, each on a ground of its own."""

from kivy.properties import ListProperty, StringProperty
from kivy.uix.stacklayout import StackLayout
from kivy.uix.widget import Widget

__all__ = ("Chip", "Chips")


class Chip(Widget):
    """One of them."""

    text = StringProperty()


class Chips(StackLayout):
    """Shows `texts`."""

    texts = ListProperty()

    def on_texts(self, _chips: "Chips", texts: list[str]) -> None:
        """Shows others."""
        self.clear_widgets()
        for text in texts:
            self.add_widget(Chip(text=text))
