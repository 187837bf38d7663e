"""A part of a page on a ground of its own."""

from kivy.uix.boxlayout import BoxLayout

__all__ = ("Card",)


class Card(BoxLayout):
    """Things that belong together, one below the other."""
