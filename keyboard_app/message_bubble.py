"""A message that was sent."""

from kivy.properties import StringProperty
from kivy.uix.anchorlayout import AnchorLayout

__all__ = ("MessageBubble",)


class MessageBubble(AnchorLayout):
    """Shows `text` in a bubble as wide as it needs to be."""

    text = StringProperty()
