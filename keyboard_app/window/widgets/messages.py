"""The messages that were sent, as a column of bubbles that scrolls, and the scroll view it is built on."""

from math import ceil
from typing import Any

from kivy.clock import Clock
from kivy.graphics import PopMatrix, PushMatrix, Translate
from kivy.properties import ListProperty, NumericProperty, StringProperty, VariableListProperty
from kivy.uix.anchorlayout import AnchorLayout
from kivy.uix.layout import Layout
from kivy.uix.scrollview import ScrollView

__all__ = ("BubbleColumn", "MessageBubble", "Messages", "Scroll")

SHOWN = 50  # most messages shown; the page "My data" lists all


class Scroll(ScrollView):
    """Like Kivy's `ScrollView`, but clipped to a rectangle of window pixels, so it must not be rotated or scaled.

    Kivy's clips by a stencil, for which it paints the whole area twice more. Inside a `Layer`, `corner` is the layer's position.
    """

    corner = ListProperty([0, 0])


class MessageBubble(AnchorLayout):
    """A bubble as wide as `text` needs."""

    text = StringProperty()


class BubbleColumn(Layout):
    """Bubbles, the oldest at the top and the newest at the bottom; a bubble that comes moves none of the others.

    A bubble at the end of Kivy's `BoxLayout` moves all of them up, and each is drawn anew. Here bubbles are placed downwards from
    the first one, which stays where it is, and all are shown moved up together, so that the last one ends at the bottom.
    """

    padding = VariableListProperty([0, 0], length=2)
    spacing = NumericProperty(0)
    least_height = NumericProperty(0)  # in pixels; fewer bubbles leave room above them

    def __init__(self, **properties: Any) -> None:
        self._moved = Translate()
        super().__init__(**properties)
        self.canvas.before.add(PushMatrix())
        self.canvas.before.add(self._moved)
        self.canvas.after.add(PopMatrix())
        for name in ("children", "pos", "size", "padding", "spacing", "least_height"):
            self.fbind(name, self._trigger_layout)

    def add_widget(self, widget: Any, *arguments: Any, **options: Any) -> None:
        """Adds a bubble at the end."""
        widget.bind(height=self._trigger_layout)
        super().add_widget(widget, *arguments, **options)

    def remove_widget(self, widget: Any, *arguments: Any, **options: Any) -> None:
        """Removes a bubble."""
        widget.unbind(height=self._trigger_layout)
        super().remove_widget(widget, *arguments, **options)

    def do_layout(self, *_: object) -> None:
        """Places the bubbles, mostly where they are."""
        (across, down), bubbles = self.padding, self.children[::-1]
        top = ceil(bubbles[0].top) if bubbles else 0  # whole pixels, so that text is not blurred
        first = top
        for bubble in bubbles:
            bubble.x, bubble.width = across, self.width - 2 * across
            bubble.top = top
            top = ceil(bubble.y - self.spacing)
        last = bubbles[-1].y if bubbles else 0
        self.height = max(first - last + 2 * down, self.least_height)
        self._moved.xy = self.x, round(self.y + down - last)

    def to_parent(self, x: float, y: float, **options: Any) -> tuple[float, float]:
        """Returns where a point of the bubbles is shown."""
        return x + self._moved.x, y + self._moved.y

    def to_local(self, x: float, y: float, **options: Any) -> tuple[float, float]:
        """Returns which point of the bubbles is shown at a place."""
        return x - self._moved.x, y - self._moved.y


class Messages(Scroll):
    """A column of bubbles, the newest in view."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(**properties)
        self._to_end = Clock.create_trigger(self._scroll_to_end)

    def show(self, texts: list[str]) -> None:
        """Replaces the messages shown."""
        self.ids.column.clear_widgets()
        for text in texts[-SHOWN:]:
            self.ids.column.add_widget(MessageBubble(text=text))
        self._to_end()

    def add(self, text: str) -> None:
        """Adds a message at the end."""
        column = self.ids.column
        column.add_widget(MessageBubble(text=text))
        while len(column.children) > SHOWN:
            column.remove_widget(column.children[-1])
        self._to_end()

    @property
    def texts(self) -> list[str]:
        """The messages shown, oldest first."""
        return [bubble.text for bubble in reversed(self.ids.column.children)]

    def _scroll_to_end(self, _elapsed: float) -> None:
        self.scroll_y = 0
