"""The three suggestions above the keys."""

from kivy.properties import ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

__all__ = ("SuggestionStrip",)


class SuggestionStrip(BoxLayout):
    """Shows `words`, best first, with the best in the middle; dispatches `on_take(word)` when one is touched."""

    words = ListProperty()
    best = StringProperty()
    second = StringProperty()
    third = StringProperty()

    __events__ = ("on_take",)

    def on_words(self, _strip: "SuggestionStrip", words: list[str]) -> None:
        """Puts each word in its place; places without a word stay empty."""
        self.best, self.second, self.third = [*words, "", "", ""][:3]

    def touched(self, word: str) -> None:
        """A place was touched."""
        if word:
            self.dispatch("on_take", word)

    def on_take(self, word: str) -> None:
        """What the screen binds to."""
