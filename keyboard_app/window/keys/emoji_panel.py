"""The emoji in the place of the keys, and those that were searched for above them."""

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
from keyboard_app.window.keys.search_field import SearchField

__all__ = ("CategoryKey", "EmojiCell", "EmojiGrid", "EmojiPage", "EmojiSearch")

RECENT = "recent"
_CELL = 44  # dp
_FOUND = 24
_FEWEST = 12  # emoji that make a category; those of a smaller one are found by a search


def named(signs: Sequence[str]) -> list[Emoji]:
    """Emoji by their signs, those that can be drawn here."""
    names = {each.sign: each for some in catalogue().categories.values() for each in some}
    return [names[sign] for sign in signs if sign in names and is_drawable(sign)]


class EmojiCell(RecycleDataViewBehavior, EmojiKey):
    """One in the grid; the grid has only as many as are seen."""

    def refresh_view_attrs(self, grid: "EmojiGrid", index: int, data: dict[str, Any]) -> None:
        """Becomes another one."""
        self._grid = grid
        super().refresh_view_attrs(grid, index, data)

    def on_release(self) -> None:
        """A finger went up on it."""
        self._grid.dispatch("on_emoji", self.emoji)


class EmojiGrid(RecycleView):
    """Shows emoji in as many columns as there is room for; dispatches `on_emoji(emoji)`."""

    __events__ = ("on_emoji",)

    def show(self, some: Sequence[Emoji]) -> None:
        """Shows these, from the first on."""
        self.data = [{"emoji": each.sign, "name": each.name} for each in some]
        self.scroll_y = 1

    def on_emoji(self, emoji: str) -> None:
        """What the page binds to."""


class CategoryKey(EmojiKey):
    """Shows a category, by an emoji of it."""

    category = StringProperty()


class EmojiPage(BoxLayout):
    """Emoji by category; dispatches `on_emoji(emoji)`, `on_backspace`, and `on_keys` and `on_search` to leave."""

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
        """Shows those used last, or where there are none the first category."""
        self.choose(RECENT if self._recent.signs else next(iter(self._categories)))

    def choose(self, category: str) -> None:
        """Shows another category."""
        self.category = category
        self.ids.grid.show(named(self._recent.signs) if category == RECENT else self._categories[category])
        for key in self.ids.categories.children:
            key.lit = key.category == category
        self.ids.recent.lit = category == RECENT

    def on_emoji(self, emoji: str) -> None:
        """What the composer binds to."""

    def on_backspace(self) -> None:
        """What the composer binds to."""

    def on_keys(self) -> None:
        """What the composer binds to."""

    def on_search(self) -> None:
        """What the composer binds to."""


class EmojiSearch(BoxLayout):
    """A field to search emoji by their names, and what was found; dispatches `on_emoji(emoji)` and `on_close`."""

    __events__ = ("on_close", "on_emoji")

    @property
    def field(self) -> SearchField:
        """Where the search is typed."""
        return self.ids.field.__self__

    def search(self, device: Device) -> None:
        """Finds out what is searched for, and shows it."""
        self._device = device
        self.field.keyboard.text = ""
        self.find("")

    def find(self, text: str) -> None:
        """Shows the emoji of which something is called so; the recent ones where nothing is searched for."""
        asked = bool(text.strip())
        found = (
            [e for e in catalogue().search(text) if is_drawable(e.sign)]
            if asked
            else named(self._device.recent_emoji.signs)
        )
        self.ids.found.clear_widgets()
        for each in found[:_FOUND]:
            key = EmojiKey(emoji=each.sign, name=each.name, size_hint=(None, None), size=(dp(_CELL), dp(_CELL)))
            key.bind(on_release=lambda key: self.dispatch("on_emoji", key.emoji))
            self.ids.found.add_widget(key)

    def on_emoji(self, emoji: str) -> None:
        """What the composer binds to."""

    def on_close(self) -> None:
        """What the composer binds to."""
