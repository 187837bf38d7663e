"""What it learned: what it saved, how often it was right, what it would suggest now, which words are new and which on the rise."""

from datetime import date, datetime
from typing import Any

from kivy.clock import Clock
from kivy.properties import BooleanProperty, ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from keyboard_app.learning.insight import Period, new_words, recall_by_model, recall_by_week
from keyboard_app.learning.recall import History, moving_recall
from keyboard_app.learning.rising import Rise, Rising
from keyboard_app.window.drawing.look import look
from keyboard_app.window.pages.chips import Chips
from keyboard_app.window.pages.page import Page
from keyboard_app.window.widgets.bars import Bars
from keyboard_app.window.widgets.choice import Choice
from keyboard_app.window.widgets.plot import Plot

# The others are for the rules.
__all__ = ("Bars", "Chips", "Choice", "LearnedPage", "Plot", "SideBySide")

WEEK, MODEL, WORD = "week", "model", "word"
SPANS = ((WEEK, "By week"), (MODEL, "By model"), (WORD, "Word by word"))
WINDOW = 50  # words that each point of the curves looks back on
FIRST = 10  # the word at which the curves begin: before it a single word would move them far
_SHOWN = 12  # words, phrases and stretches of time


class SideBySide(BoxLayout):
    """What one model suggests."""

    model = StringProperty()
    words = ListProperty()
    in_use = BooleanProperty(False)


class LearnedPage(Page):
    """Shows it in plots, and what can be done about it."""

    saved_today = StringProperty()
    saved_ever = StringProperty()
    summary = StringProperty()
    verdict = StringProperty()
    doing = StringProperty()
    moment = StringProperty()
    paused = BooleanProperty(False)
    personalized = BooleanProperty(False)
    sure = BooleanProperty(False)  # whether it was asked whether to forget all

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="What it learned", **properties)
        self._rising: Rising | None = None
        self._plot, self._bars = self.ids.plot.__self__, self.ids.bars.__self__
        self.ids.span.options, self.ids.span.value = list(SPANS), WEEK
        look.bind(accent=self._repaint, warm=self._repaint)
        self._compare = Clock.create_trigger(self._show_comparison, 0.2)

    def refresh(self) -> None:
        """Shows what is the case now."""
        device, store = self.device, self.device.profile.store
        saved = device.saved()
        self.saved_today = f"{saved.today:,}"
        share = "" if saved.ever_share is None else f", {saved.ever_share:.0%} of all"
        self.saved_ever = f"keystrokes saved ever{share}"
        self.ids.ever.share = f"{saved.ever:,}"
        history = str(History.read(store))
        self.summary = f"{history[0].upper()}{history[1:]}."
        judgement = store.last_judgement()
        self.verdict = f"The last learning {judgement}." if judgement is not None else "It has not learned yet."
        self.personalized = device.models.personalized
        self.paused = device.background.paused
        self.doing = self._what_goes_on()
        self.sure = False
        messages = store.learnable()
        self.ids.new_words.texts = [n.word for n in new_words(messages, device.models.global_model.vocabulary)[:_SHOWN]]
        self._show_recall()
        self._show_rising()
        self._compare()

    def typed(self) -> None:
        """The message has changed: once typing rests, the models are asked."""
        self._compare.cancel()
        self._compare()

    def choose_span(self, span: str) -> None:
        """Shows recall over another span."""
        self.ids.span.value = span
        self._show_recall()

    def look_back(self) -> None:
        """Finds out what rose."""

        def begin() -> None:
            self._rising = self.device.look_back()

        self.screen.begin(begin)

    def roll_back(self) -> None:
        """Types with the model from before again."""
        self.attempt(self.device.roll_back)

    def reset(self) -> None:
        """Forgets all that was learned, once the person is sure."""
        if not self.sure:
            self.sure = True
            return
        self.attempt(self.device.reset)

    def _what_goes_on(self) -> str:
        if self.paused:
            return "It waits."
        settings = self.device.profile.settings
        if settings.consent is not True:
            return "Nothing is recorded, so there is nothing to learn from. The settings can change that."
        if not settings.learn_automatically:
            return "It learns when you tell it to."
        return "It learns by itself when there are enough new words and you have not typed for a while."

    def _show_recall(self) -> None:
        store, span = self.device.profile.store, self.ids.span.value
        if span == WORD:
            history = History.read(store)
            plot = self._plot
            plot.marks, plot.first = history.learned_at, FIRST
            plot.curves = [
                (tuple(look.warm), moving_recall(history.global_ranks, WINDOW)[FIRST - 1 :].tolist()),
                (tuple(look.accent), moving_recall(history.ranks, WINDOW)[FIRST - 1 :].tolist()),
            ]
            self._put(plot)
        else:
            periods = (recall_by_week(store) if span == WEEK else recall_by_model(store))[-_SHOWN:]
            self._bars.colors = [tuple(look.warm), tuple(look.accent)]
            self._bars.groups = [(_short(p, span), (p.global_recall_at_3, p.recall_at_3)) for p in periods]
            self._put(self._bars)
        self.ids.mark.opacity = 1 if span == WORD else 0

    def _put(self, chart: Any) -> None:
        place = self.ids.chart
        if place.children != [chart]:
            place.clear_widgets()
            place.add_widget(chart)

    def _repaint(self, *_: object) -> None:
        if self.parent is not None:  # one that is out of sight is refreshed before it is shown
            self._show_recall()

    def _show_rising(self) -> None:
        if self._rising is None:
            return
        found = sorted([*self._rising.words, *self._rising.phrases], key=lambda rise: rise.before - rise.after)
        self.ids.rising.texts = [_risen(rise) for rise in found[:_SHOWN]]

    def _show_comparison(self, *_: object) -> None:
        keyboard = self.device.keyboard
        prefix = keyboard.prefix
        context = keyboard.text[: keyboard.selection[0] - len(prefix)]
        self.moment = f"After “{(context + prefix)[-60:]}”" if context or prefix else "At the start of a message"
        for model, words in self.device.compare(context, prefix).items():
            self.ids[model].words = words


def _short(period: Period, span: str) -> str:
    """A name short enough to stand below bars."""
    if span == WEEK:
        day = date.fromisoformat(period.name)
        return f"{day.day} {datetime(day.year, day.month, day.day):%b}"
    return {"before learning": "before"}.get(period.name, period.name.replace("learning ", "#"))


def _risen(rise: Rise) -> str:
    return f"{f'{rise.context} {rise.word}'.strip()}  {rise.before:.0%} → {rise.after:.0%}"
