"""What the keyboard learned: its recall at 3 with what it learned and without."""

from kivy.properties import ColorProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.recall import History, moving_recall

__all__ = ("LearningPanel",)

WINDOW = 50  # words that each point of the curves looks back on
FIRST = 10  # the word at which the curves begin: before it a single word would move them far


class LearningPanel(BoxLayout):
    """Shows a history in a sentence and a plot."""

    summary = StringProperty()
    in_use_color = ColorProperty()
    global_color = ColorProperty()

    def show(self, history: History) -> None:
        """Draws it."""
        self.summary = str(history)
        self.ids.plot.marks = history.learned_at
        self.ids.plot.first = FIRST
        self.ids.plot.curves = [
            (self.global_color, moving_recall(history.global_ranks, WINDOW)[FIRST - 1 :].tolist()),
            (self.in_use_color, moving_recall(history.ranks, WINDOW)[FIRST - 1 :].tolist()),
        ]
