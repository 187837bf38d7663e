"""The panel of emoji in place of the keys, and the emoji search above them."""

from collections.abc import Sequence
from typing import Any

from kivy.metrics import dp
from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from keyboard_app.device import Device
from keyboard_app.input.emoji_catalogue import Emoji, catalogue
from keyboard_app.window.drawing.glyphs import is_drawable
from keyboard_app.window.keys.emoji_key import EmojiKey
from keyboard_app.window.keys.text_area import SearchField

__all__ = ("CategoryKey", "EmojiCell", "EmojiGrid", "EmojiPanel", "EmojiSearch")

RECENT = "recent"
_CELL = 44  # width and height of an emoji that was found, in dp
_FOUND = 24  # most results shown
_FEWEST = 12  # fewest emoji in a category that is shown; the search also finds those of smaller categories


def named(signs: Sequence[str]) -> list[Emoji]:
    """Looks emoji up by their signs, and leaves out those that cannot be drawn here."""
    names = {each.sign: each for some in catalogue().categories.values() for each in some}
    return [names[sign] for sign in signs if sign in names and is_drawable(sign)]


class EmojiCell(RecycleDataViewBehavior, EmojiKey):
    """A cell of the grid, which has only as many cells as are in view."""

    def refresh_view_attrs(self, grid: "EmojiGrid", index: int, data: dict[str, Any]) -> None:
        """Shows another emoji."""
        self._grid = grid
        super().refresh_view_attrs(grid, index, data)

    def on_release(self) -> None:
        """Types the emoji."""
        self._grid.dispatch("on_emoji", self.emoji)


class EmojiGrid(RecycleView):
    """Shows emoji in as many columns as fit; dispatches `on_emoji(emoji)`."""

    __events__ = ("on_emoji",)

    def show(self, some: Sequence[Emoji]) -> None:
        """Shows these emoji, scrolled to the first."""
        self.data = [{"emoji": each.sign, "name": each.name} for each in some]
        self.scroll_y = 1

    def on_emoji(self, emoji: str) -> None:
        """Event for the panel to bind."""


class CategoryKey(EmojiKey):
    """A button for a category, showing its first emoji."""

    category = StringProperty()


class EmojiPanel(BoxLayout):
    """Emoji by category; dispatches `on_emoji(emoji)` and `on_backspace`, and `on_keys` or `on_search` to leave the panel."""

    category = StringProperty()

    __events__ = ("on_backspace", "on_emoji", "on_keys", "on_search")

    def __init__(self, device: Device, **properties: Any) -> None:
        super().__init__(**properties)
        self._recent = device.recent_emoji
        drawable = {
            category: [each for each in some if is_drawable(each.sign)]
            for category, some in catalogue().categories.items()
        }
        self._categories = {category: some for category, some in drawable.items() if len(some) >= _FEWEST}
        self.ids.grid.bind(on_emoji=lambda _grid, emoji: self.dispatch("on_emoji", emoji))
        for category, some in self._categories.items():
            key = CategoryKey(category=category, name=category.lower(), emoji=some[0].sign)
            key.bind(on_release=lambda key: self.choose(key.category))
            self.ids.categories.add_widget(key)

    def show(self) -> None:
        """Shows the recent emoji, or the first category if there are none."""
        self.choose(RECENT if self._recent.signs else next(iter(self._categories)))

    def choose(self, category: str) -> None:
        """Shows another category."""
        self.category = category
        self.ids.grid.show(named(self._recent.signs) if category == RECENT else self._categories[category])
        for key in self.ids.categories.children:
            key.lit = key.category == category
        self.ids.recent.lit = category == RECENT

    def on_emoji(self, emoji: str) -> None:
        """Event for the composer to bind."""

    def on_backspace(self) -> None:
        """Event for the composer to bind."""

    def on_keys(self) -> None:
        """Event for the composer to bind."""

    def on_search(self) -> None:
        """Event for the composer to bind."""


class EmojiSearch(BoxLayout):
    """A field to search emoji by name, and the results; dispatches `on_emoji(emoji)` and `on_close`."""

    __events__ = ("on_close", "on_emoji")

    @property
    def field(self) -> SearchField:
        """The field that the search is typed in."""
        field: SearchField = self.ids.field.__self__
        return field

    def search(self, device: Device) -> None:
        """Begins an empty search, which shows the recent emoji."""
        self._device = device
        self.field.keyboard.text = ""
        self.find("")

    def find(self, text: str) -> None:
        """Shows the emoji that match a text, or the recent ones if it is empty."""
        if text.strip():
            found = [each for each in catalogue().search(text) if is_drawable(each.sign)]
        else:
            found = named(self._device.recent_emoji.signs)
        self.ids.found.clear_widgets()
        for each in found[:_FOUND]:
            key = EmojiKey(emoji=each.sign, name=each.name, size_hint=(None, None), size=(dp(_CELL), dp(_CELL)))
            key.bind(on_release=lambda key: self.dispatch("on_emoji", key.emoji))
            self.ids.found.add_widget(key)

    def take_first(self) -> None:
        """Chooses the first emoji found for the text in the field, if there is one."""
        if self.field.keyboard.text.strip() and self.ids.found.children:
            self.dispatch("on_emoji", self.ids.found.children[-1].emoji)

    def on_emoji(self, emoji: str) -> None:
        """Event for the composer to bind."""

    def on_close(self) -> None:
        """Event for the composer to bind."""
