"""A message that was sent."""

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.anchorlayout import AnchorLayout

__all__ = ("MessageBubble",)


class MessageBubble(AnchorLayout):
    """Shows `text` in a bubble as wide as it needs to be; a message that was not recorded says so."""

    text = StringProperty()
    recorded = BooleanProperty(True)
