"""What the keyboard learned: how often it suggested the right word, with what it learned and without."""

from kivy.properties import ColorProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.recall import History, moving_recall

__all__ = ("LearningPanel",)

WINDOW = 50  # words that each point of the curves looks back on


class LearningPanel(BoxLayout):
    """Shows a history in a sentence and a plot."""

    summary = StringProperty()
    in_use_color = ColorProperty()
    global_color = ColorProperty()

    def show(self, history: History) -> None:
        """Draws it."""
        self.summary = str(history)
        self.ids.plot.marks = history.learned_at
        self.ids.plot.curves = [
            (self.global_color, moving_recall(history.global_ranks, WINDOW).tolist()),
            (self.in_use_color, moving_recall(history.ranks, WINDOW).tolist()),
        ]
