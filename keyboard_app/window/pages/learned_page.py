"""The page "What it learned": keystrokes saved, recall over time, suggestions side by side, new words and rising words."""

from datetime import date, datetime
from typing import Any

from kivy.clock import Clock
from kivy.properties import BooleanProperty, ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.stacklayout import StackLayout
from kivy.uix.widget import Widget

from data.errors import UserFacingError
from keyboard_app.learning.hindsight import Curves
from keyboard_app.learning.insight import (
    FEWEST_CHARACTERS,
    Period,
    SavedKeys,
    new_words,
    recall_by_model,
    recall_by_week,
)
from keyboard_app.learning.recall import History, moving_recall, recall
from keyboard_app.learning.rising import Rise, Rising
from keyboard_app.learning.touch_picture import touch_picture, touches_in_words
from keyboard_app.recording.database.records import Judgement
from keyboard_app.window.drawing.look import look
from keyboard_app.window.pages.hand_picture import HandPicture
from keyboard_app.window.pages.page import Page
from keyboard_app.window.widgets.bars import Bars
from keyboard_app.window.widgets.chart import Chart
from keyboard_app.window.widgets.choice import Choice
from keyboard_app.window.widgets.plot import Plot
from model.device.gliding.geometry import qwerty

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Bars", "Chip", "Chips", "Choice", "HandPicture", "LearnedPage", "Plot", "SideBySide")

WEEK, MODEL, WORD = "week", "model", "word"
SPANS = ((WEEK, "By week"), (MODEL, "By model"), (WORD, "Word by word"))
WINDOW = 50  # words that each point of the curves averages over
_SMOOTHED = 4  # the curves of three models average over a quarter of the words, or over `WINDOW`, if that is more
FIRST = 10  # the word at which the curves begin; before it, a single word would move them far
_SAVED_LATER = "The keystrokes saved are shown once you have sent {:,} characters here. So far you have sent {:,}."
_USUAL_KEYS = qwerty(0, 0, 10, 4)  # shown until the keys are measured
_SHOWN = 12  # most words, phrases or periods shown


class Chip(Widget):
    """A word on a rounded background."""

    text = StringProperty()


class Chips(StackLayout):
    """Shows each of `texts` as a chip."""

    texts = ListProperty()

    def on_texts(self, _chips: "Chips", texts: list[str]) -> None:
        """Replaces the chips."""
        self.clear_widgets()
        for text in texts:
            self.add_widget(Chip(text=text))


class SideBySide(BoxLayout):
    """The suggestions of one model."""

    model = StringProperty()
    words = ListProperty()
    in_use = BooleanProperty(False)


class LearnedPage(Page):
    """Shows what the keyboard learned, and lets the person start, stop and undo learning."""

    saved_today = StringProperty()  # the share of keystrokes saved; empty until it means something
    saved_ever = StringProperty()
    saved_note = StringProperty()  # what is still missing
    summary = StringProperty()  # how often a suggestion was right
    verdict = StringProperty()  # the outcome of the last learning
    details = StringProperty()  # the figures behind both
    detailed = BooleanProperty(False)  # whether the details are shown
    schedule = StringProperty()  # when it learns
    hindsight = StringProperty()  # how often each of three models would have been right; empty before the comparison
    has_public = BooleanProperty(False)  # whether there is a curve of the public model
    hand = StringProperty()  # where the person touches the keys
    moment = StringProperty()  # the text that the suggestions side by side follow
    paused = BooleanProperty(False)
    personalized = BooleanProperty(False)

    def __init__(self, *arguments: Any, **properties: Any) -> None:
        super().__init__(*arguments, title="What it learned", **properties)
        self._rising: Rising | None = None
        self._plot, self._bars = self.ids.plot.__self__, self.ids.bars.__self__
        self.ids.span.options, self.ids.span.value = list(SPANS), WEEK
        look.bind(accent=self._repaint, warm=self._repaint)
        self._compare = Clock.create_trigger(self._show_comparison, 0.2)

    def refresh(self) -> None:
        """Shows the current state."""
        device, store = self.device, self.device.profile.store
        saved = device.saved()
        self.saved_today, self.saved_ever = _saved(saved.today), _saved(saved.ever)
        self.saved_note = "" if self.saved_ever else _SAVED_LATER.format(FEWEST_CHARACTERS, saved.ever.characters)
        history, judgement = History.read(store), store.history.last_judgement()
        self.summary, self.verdict = _summary(history), _verdict(judgement)
        self.details = _details(history, judgement)
        self.personalized = device.models.personalized
        self.paused = device.background.paused
        self.schedule = self._schedule()
        messages = store.learnable()
        self.ids.new_words.texts = [n.word for n in new_words(messages, device.models.global_model.vocabulary)[:_SHOWN]]
        self._show_recall()
        self._show_hindsight()
        self._show_rising()
        self._show_hand()
        self._compare()

    def typed(self) -> None:
        """Compares the models' suggestions once typing pauses."""
        self._compare.cancel()
        self._compare()

    def choose_span(self, span: str) -> None:
        """Shows recall by another unit: week, model or word."""
        self.ids.span.value = span
        self._show_recall()

    def look_back(self) -> None:
        """Finds the words and phrases that became more likely."""

        def begin() -> None:
            self._rising = self.device.look_back()

        self.screen.begin(begin, self.ids.looked_back.__self__)

    def compare_models(self) -> None:
        """Works out what other models would have offered."""
        self.screen.begin(self.device.compare_models, self.ids.compared.__self__)

    def learn(self) -> None:
        """Starts to learn."""
        self.screen.begin(self.device.learn, self.ids.learned.__self__)

    def roll_back(self) -> None:
        """Asks whether to go back to the previous model."""
        self.screen.ask(
            "Go back to the previous model?",
            "Your keyboard then suggests as it did before it last learned. The newer model is deleted.",
            "Go back",
            lambda: self.attempt(self.device.roll_back, self.ids.undone.__self__),
        )

    def reset(self) -> None:
        """Asks whether to forget everything that was learned."""
        self.screen.ask(
            "Forget everything it learned?",
            "Your messages stay under “My data”, but your keyboard does not learn from them again. This cannot be undone.",
            "Forget everything",
            lambda: self.attempt(self.device.reset, self.ids.undone.__self__),
        )

    def _schedule(self) -> str:
        if self.paused:
            return "Paused."
        settings = self.device.profile.settings
        if settings.consent is not True:
            return "Recording is off, so there is nothing to learn from. You can switch it on in the settings."
        if not settings.learn_automatically:
            return "It learns when you ask it to."
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
            self._show_chart(plot)
        else:
            periods = (recall_by_week(store) if span == WEEK else recall_by_model(store))[-_SHOWN:]
            self._bars.colors = [tuple(look.warm), tuple(look.accent)]
            self._bars.groups = [(_short(p, span), (p.global_recall_at_3, p.recall_at_3)) for p in periods]
            self._show_chart(self._bars)
        self.ids.mark.opacity = 1 if span == WORD else 0

    def _show_hindsight(self) -> None:
        curves = Curves.read(self.device.profile, self.device.models, self.device.public)
        self.hindsight, plot = "" if curves is None else _hindsight(curves), self.ids.three
        plot.curves = [] if curves is None else _drawn(curves)
        plot.first, self.has_public = FIRST, curves is not None and curves.public is not None

    def _show_chart(self, chart: Chart) -> None:
        place = self.ids.chart
        if place.children != [chart]:
            place.clear_widgets()
            place.add_widget(chart)

    def _repaint(self, *_: object) -> None:
        if self.get_root_window() is not None:  # a hidden page is refreshed before it is shown
            self._show_recall()
            self._show_hindsight()

    def _show_rising(self) -> None:
        if self._rising is None:
            return
        self.ids.rising.texts = [_rise(rise) for rise in self._rising.found[:_SHOWN]]

    def _show_hand(self) -> None:
        touches = self.device.touches
        self.hand = touches_in_words(touches.hand)
        self.ids.hand.keys = touch_picture(touches.hand, touches.geometry or _USUAL_KEYS)

    def _show_comparison(self, *_: object) -> None:
        keyboard = self.device.keyboard
        prefix = keyboard.prefix
        context = keyboard.text[: keyboard.selection[0] - len(prefix)]
        self.moment = f"After “{(context + prefix)[-60:]}”" if context or prefix else "At the start of a message"
        try:
            compared = self.device.compare(context, prefix)
        except UserFacingError as error:  # the shipped model, which is read for this alone, is damaged
            self.moment = str(error)
            return
        for model, words in compared.items():
            self.ids[model].words = words


def _saved(saved: SavedKeys) -> str:
    return "" if saved.share is None else f"{saved.share:.0%}"


def _summary(history: History) -> str:
    """Returns how often a suggestion was right, in plain words."""
    if not history.ranks:
        return "Nothing typed yet."
    first = history.learned_at[0] if history.learned_at else len(history.ranks)
    before, since = recall(history.ranks[:first]), recall(history.ranks[first:])
    if before is None or since is None:
        line = f"One of the three suggestions was right for {recall(history.ranks):.0%} of your words."
        return f"{line} Keep typing to see what learning changes." if history.learned_at else line
    return f"One of the three suggestions was right for {before:.0%} of your words before it learned, and {since:.0%} since."


def _drawn(curves: Curves) -> list[tuple[tuple[float, ...], list[float]]]:
    """Returns the curves to plot, the personal one last, so that it lies on top."""
    window = max(WINDOW, len(curves.personal) // _SMOOTHED)
    models = ((look.muted, curves.public), (look.warm, curves.shared), (look.accent, curves.personal))
    return [
        (tuple(color), moving_recall(ranks, window)[FIRST - 1 :].tolist())
        for color, ranks in models
        if ranks is not None and len(ranks) >= FIRST
    ]


def _hindsight(curves: Curves) -> str:
    """Returns how often a suggestion of each model would have been right, in plain words."""
    shared, personal = recall(curves.shared), recall(curves.personal)
    if shared is None or personal is None:
        return "There are no words to compare the models on yet."
    delivered = "" if curves.public is None else f"{recall(curves.public):.0%} as delivered, "
    comma = "," if delivered else ""
    return (
        f"Of the last {len(curves.personal):,} words that you typed, one of three suggestions would have been right for "
        f"{delivered}{shared:.0%} with what many keyboards learned together{comma} "
        f"and {personal:.0%} with what yours learned from you."
    )


def _verdict(judgement: Judgement | None) -> str:
    """Returns the outcome of the last learning, in plain words."""
    if judgement is None:
        return "It has not learned yet."
    if judgement.kept != "new":
        return "The last time it learned, the new model was worse at guessing your words, so it kept the old one."
    if judgement.words == 0:
        return "The last time it learned, it switched to the new model."
    return "The last time it learned, the new model guessed your words at least as well, so it switched to it."


def _details(history: History, judgement: Judgement | None) -> str:
    """Returns the figures behind the summary and the verdict, a sentence in each line."""
    figures = str(history)
    lines = [f"{figures[0].upper()}{figures[1:]}."]
    if judgement is not None:
        lines.append(f"The last learning {judgement}.")
    return "\n".join(lines)


def _short(period: Period, span: str) -> str:
    """Returns a name short enough to fit below bars."""
    if span == WEEK:
        day = date.fromisoformat(period.name)
        return f"{day.day} {datetime(day.year, day.month, day.day):%b}"
    return {"before learning": "before"}.get(period.name, period.name.replace("learning ", "#"))


def _rise(rise: Rise) -> str:
    return f"{rise.text}  {rise.before:.0%} → {rise.after:.0%}"
