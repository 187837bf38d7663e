"""What the keyboard learned: its recall at 3 with what it learned and without, and what its gate decided last."""

from kivy.properties import ColorProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.recall import History, moving_recall
from keyboard_app.records import Judgement

__all__ = ("LearningPanel",)

WINDOW = 50  # words that each point of the curves looks back on
FIRST = 10  # the word at which the curves begin: before it a single word would move them far


class LearningPanel(BoxLayout):
    """Shows a history in a sentence and a plot, and the gate's figures."""

    summary = StringProperty()
    verdict = StringProperty()
    in_use_color = ColorProperty()
    global_color = ColorProperty()

    def show(self, history: History, judgement: Judgement | None) -> None:
        """Draws it; there is no judgement before anything was learned."""
        summary = str(history)
        self.summary = summary[0].upper() + summary[1:]
        self.verdict = "" if judgement is None else f"The last learning {judgement}."
        self.ids.plot.marks = history.learned_at
        self.ids.plot.first = FIRST
        self.ids.plot.curves = [
            (self.global_color, moving_recall(history.global_ranks, WINDOW)[FIRST - 1 :].tolist()),
            (self.in_use_color, moving_recall(history.ranks, WINDOW)[FIRST - 1 :].tolist()),
        ]
