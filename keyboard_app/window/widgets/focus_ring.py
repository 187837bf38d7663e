"""Moves the keyboard focus among the controls of the window."""

from kivy.uix.recycleview import RecycleView
from kivy.uix.scrollview import ScrollView
from kivy.uix.widget import Widget

from keyboard_app.window.widgets.control import Control
from keyboard_app.window.widgets.focus import Box, Way, after, nearest

__all__ = ("FocusRing",)


class FocusRing:
    """The keyboard focus, on one control at most; the focused control is scrolled into view."""

    def __init__(self, root: Widget) -> None:
        self.focused: Control | None = None
        self._within: Widget = root

    def controls(self, within: Widget) -> list[Control]:
        """Returns the controls in a part of the window that can be operated now, in reading order."""
        self._within = within
        found: list[Control] = []
        _collect(within, found)
        return found

    def step(self, within: Widget, step: int) -> None:
        """Moves the focus by `step` controls, 1 forward or -1 back."""
        controls = self.controls(within)
        if controls:
            current = controls.index(self.focused) if self.focused in controls else None
            self.focus(controls[after(current, len(controls), step)])

    def move(self, way: Way) -> bool:
        """Moves the focus to the nearest control in a direction; returns whether a control was focused."""
        if self.focused is None:
            return False
        controls = self.controls(self._within)
        found = nearest(_box(self.focused), [_box(control) for control in controls], way)
        if found is not None:
            self.focus(controls[found])
        return True

    def activate(self) -> bool:
        """Does what touching the focused control would do; returns whether there is one."""
        if self.focused is None or self.focused.get_root_window() is None:
            return False
        self.focused.activate()
        return True

    def leave(self) -> bool:
        """Removes the focus; returns whether a control was focused."""
        if self.focused is None:
            return False
        self.focused.focused = False
        self.focused = None
        return True

    def focus(self, control: Control) -> None:
        """Focuses a control, and scrolls it into view."""
        self.leave()
        self.focused = control
        control.focused = True
        parent = control.parent
        while parent is not None and parent is not parent.get_parent_window():
            # The children of a `RecycleView` are always in view.
            if isinstance(parent, ScrollView) and not isinstance(parent, RecycleView):
                parent.scroll_to(control, animate=False)
            parent = parent.parent


def _collect(widget: Widget, found: list[Control]) -> None:
    if widget.disabled or widget.opacity == 0:
        return
    if isinstance(widget, Control) and widget.width > 0 and widget.height > 0:
        found.append(widget)
    for child in reversed(widget.children):
        _collect(child, found)


def _box(widget: Widget) -> Box:
    x, y = widget.to_window(widget.x, widget.y)
    right, top = widget.to_window(widget.right, widget.top)
    return Box(x, y, right, top)
