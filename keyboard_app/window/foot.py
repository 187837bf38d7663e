"""The foot of the messages: a text for the person, and a line with the progress of the work in the background.

Both change while a person types, so they say where they paint: otherwise each new percentage would paint the whole window.
"""

from kivy.properties import NumericProperty
from kivy.uix.label import Label

from keyboard_app.window.drawing.partial_painting import Bounded

__all__ = ("Foot", "ProgressLine")


class Foot(Bounded, Label):
    """A line of text, within its own box."""


class ProgressLine(Bounded):
    """A line that is filled from the left."""

    progress = NumericProperty(0)  # from 0 to 1
