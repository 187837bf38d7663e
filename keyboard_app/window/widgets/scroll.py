"""A part of the window whose contents scroll."""

from kivy.properties import ListProperty
from kivy.uix.scrollview import ScrollView

__all__ = ("Scroll",)


class Scroll(ScrollView):
    """As Kivy's, but clipped by the bounds of the window's part alone: it must not be turned or scaled.

    Kivy's paints its whole area twice more, into a stencil that it clips by. In a `Layer`, `corner` is where that stands.
    """

    corner = ListProperty([0, 0])
