"""Paints only the part of the window that has changed, where the frame before is still in the buffer.

Without a graphics card, Mesa's llvmpipe computes every pixel of a frame on the processor. For a window of a phone's size this
takes about as long as everything else that a key causes, although little more than the text and the suggestions has changed.

1. Kivy marks each changed instruction and the groups around it. A walk down the marked groups finds the changed widgets.
2. Widgets that say where they paint (`Bounded`) are painted again within the smallest box around what they painted before and
   what they paint now. Any other change, such as a widget that comes or goes, paints the whole window.
3. OpenGL does not say what is in the buffer after a frame was shown. llvmpipe on X11 copies its only buffer to the display, so
   that the frame is still there; elsewhere the whole window is painted each time, which a graphics card does in no time.
"""

from collections.abc import Iterator
from math import ceil, floor
from typing import Any, NamedTuple

from kivy.graphics import ScissorPop, ScissorPush
from kivy.graphics.opengl import GL_RENDERER, GL_SCISSOR_TEST, glEnable, glGetString, glScissor
from kivy.uix.widget import Widget

from keyboard_app.window.event_loop import video_driver

__all__ = ("NOTHING", "Bounded", "PaintedBox", "PartialPainting", "keeps_frames")


class PaintedBox(NamedTuple):
    """Edges in pixels of the window; the box is empty if `right` is not beyond `left`."""

    left: float
    bottom: float
    right: float
    top: float

    def around(self, other: "PaintedBox") -> "PaintedBox":
        """Returns the smallest box around both."""
        if other.right <= other.left:
            return self
        if self.right <= self.left:
            return other
        edges = zip(self, other, strict=True)
        left, bottom, right, top = (least(pair) for least, pair in zip((min, min, max, max), edges, strict=True))
        return PaintedBox(left, bottom, right, top)

    def grown(self, by: float) -> "PaintedBox":
        """Returns the box with each edge moved outwards by some pixels."""
        return PaintedBox(self.left - by, self.bottom - by, self.right + by, self.top + by)


NOTHING = PaintedBox(0, 0, 0, 0)


class Bounded(Widget):
    """A widget that paints, with everything in it, within `painted` only."""

    @property
    def painted(self) -> PaintedBox:
        """The box within which the widget paints now: its own."""
        x, y = self.to_window(*self.pos)
        return PaintedBox(x, y, x + self.width, y + self.height)

    def paint_ahead(self) -> None:
        """Paints what is not painted into the window itself, such as a picture."""


def keeps_frames() -> bool:
    """Returns whether the frame that was shown last is still in the buffer when the next one is painted."""
    renderer = glGetString(GL_RENDERER) or b""
    return renderer.startswith(b"llvmpipe") and video_driver() == "x11"


class PartialPainting:
    """Paints a window in place of Kivy's `Window.on_draw`; `painted` is the box that was painted last."""

    def __init__(self, window: Any) -> None:
        self.painted = NOTHING
        self._window, self._size = window, (0, 0)
        self._clip, self._end = ScissorPush(x=0, y=0, width=0, height=0), ScissorPop()
        self._boxes: dict[Bounded, PaintedBox] = {}  # where each of them painted last
        self._parts: dict[Any, list[Any]] = {}  # the instructions of each other widget that has children

    def begin(self) -> None:
        """Starts to paint the frames."""
        self._window.render_context.insert(0, self._clip)
        self._window.render_context.add(self._end)
        self._window.bind(on_draw=self._paint)

    def end(self) -> None:
        """Leaves the frames to Kivy again."""
        self._window.unbind(on_draw=self._paint)
        self._window.render_context.remove(self._clip)
        self._window.render_context.remove(self._end)
        self._boxes.clear()
        self._parts.clear()

    def _paint(self, window: Any) -> bool:
        width, height = window.size
        box = self._changed() if (width, height) == self._size else None
        self._size = (width, height)
        if box is None:
            box = PaintedBox(0, 0, width, height)
            self._boxes.clear()
            self._parts.clear()
            self._remember(window)
        # Rounded outwards to whole pixels, within the window.
        left, bottom = max(floor(box.left), 0), max(floor(box.bottom), 0)
        right, top = min(ceil(box.right), width), min(ceil(box.top), height)
        self.painted = PaintedBox(left, bottom, right, top)
        clip, size = self._clip, (max(right - left, 0), max(top - bottom, 0))
        clip.pos, clip.size = (left, bottom), size
        glEnable(GL_SCISSOR_TEST)
        glScissor(left, bottom, *size)
        window.clear()
        window.render_context.draw()  # its last instruction ends the clipping
        return True  # Kivy must not paint the whole window

    def _changed(self) -> PaintedBox | None:
        """Returns the smallest box around all changes, or None if they may be anywhere."""
        box = NOTHING
        for widget in self._changed_in(self._window):
            if widget is None or (before := self._boxes.get(widget)) is None:
                return None
            self._boxes[widget] = now = widget.painted
            widget.paint_ahead()
            box = box.around(before).around(now)
        return box

    def _changed_in(self, widget: Any) -> Iterator[Bounded | None]:
        """Yields the changed widgets within a widget; None for a change that is in none of those that say where they paint."""
        parts, children = widget.canvas.children, {child.canvas: child for child in widget.children}
        if parts != self._parts.get(widget):
            yield None
        found = False
        for part in parts:
            if not part.needs_redraw:
                continue
            found, child = True, children.get(part)
            if child is None:
                yield None
            elif isinstance(child, Bounded):
                yield child
            else:
                yield from self._changed_in(child)
        if not found:
            yield None

    def _remember(self, widget: Any) -> None:
        """Remembers where everything in a widget paints."""
        self._parts[widget] = list(widget.canvas.children)
        for child in widget.children:
            if isinstance(child, Bounded):
                self._boxes[child] = child.painted
            else:
                self._remember(child)
