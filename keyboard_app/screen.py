"""What the window shows: messages or what was learned, the text, the suggestions, the keys."""

from collections.abc import Callable
from typing import Any

from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from data.errors import DataError
from keyboard_app.device import Device
from keyboard_app.key import Key
from keyboard_app.keypad import Keypad
from keyboard_app.learning_panel import LearningPanel
from keyboard_app.message_bubble import MessageBubble
from keyboard_app.plot import Plot
from keyboard_app.recall import History
from keyboard_app.suggestion_strip import SuggestionStrip
from keyboard_app.text_area import TextArea
from keyboard_app.worker import reason
from model.device.finetuning import Progress

# The last ones are for the rules in keyboard.kv.
__all__ = ("Key", "Keypad", "LearningPanel", "Plot", "Screen", "SuggestionStrip", "TextArea")

_SHOWN_MESSAGES = 50  # of those sent before


class Screen(BoxLayout):
    """Gives what a person does to the device, and shows what becomes of it."""

    status = StringProperty("Your words stay on this device.")
    busy = BooleanProperty(False)
    progress = NumericProperty(0)
    panel_shown = BooleanProperty(False)

    def __init__(self, device: Device, **properties: Any) -> None:
        super().__init__(**properties)
        self.device = device
        self._panel = LearningPanel()
        # `ids` holds weak proxies, and the messages leave the tree of widgets while the panel is shown.
        self._messages_scroll = self.ids.messages_scroll.__self__
        self._messages = self.ids.messages.__self__
        for message in device.profile.store.messages()[-_SHOWN_MESSAGES:]:
            self._show_message(message.text)
        if device.profile.notices:
            self._say(device.profile.notices[-1])
        self.refresh()

    def refresh(self) -> None:
        """Shows the text, the suggestions and the shift key as they are now."""
        keyboard = self.device.keyboard
        self.ids.text_area.text = keyboard.text
        self.ids.suggestions.words = keyboard.suggestions
        self.ids.keypad.shift = keyboard.shift.value

    def key(self, action: str, character: str = "") -> None:
        """A key was pressed, on the screen or a real one."""
        keyboard = self.device.keyboard
        actions: dict[str, Callable[[], object]] = {
            "character": lambda: keyboard.press(character),
            "space": keyboard.space,
            "backspace": keyboard.backspace,
            "shift": keyboard.press_shift,
            "enter": self._send,
        }
        actions[action]()
        self.refresh()

    def take(self, word: str) -> None:
        """A suggestion was touched."""
        self.device.keyboard.take(word)
        self.refresh()

    def take_best(self) -> None:
        """The tab key: takes the best suggestion."""
        if suggestions := self.device.keyboard.suggestions:
            self.take(suggestions[0])

    def learn(self) -> None:
        """The button "Learn now"."""
        self._begin(self.device.learn)

    def attend(self, _elapsed: float = 0) -> None:
        """Shows how far the work in the background is, and what came of it."""
        worker = self.device.worker
        if worker.task is None:
            return
        if worker.progress is not None:
            done = worker.progress
            self.progress = done.batch / done.batches
            loss = f", loss {done.loss:.2f}" if isinstance(done, Progress) else ""
            self._say(f"{worker.task.title} … {self.progress:.0%}{loss}")
        try:
            line = worker.poll()
        except Exception as error:  # whatever a task fails of, typing goes on
            line = reason(error)
        if line is not None:
            self._say(line)
            self.busy = False
            self.refresh()
            self._show_history()

    def serve(self, _elapsed: float = 0) -> None:
        """Begins what the desktop waits for."""
        self._begin(self.device.serve)

    def resume(self) -> None:
        """Begins what was left undone when the window was closed."""
        self._begin(self.device.resume)

    def toggle_panel(self) -> None:
        """The button "What it learned"."""
        self.panel_shown = not self.panel_shown
        body = self.ids.body
        body.clear_widgets()
        body.add_widget(self._panel if self.panel_shown else self._messages_scroll)
        self._show_history()

    def _begin(self, work: Callable[[], None]) -> None:
        worker = self.device.worker
        before = worker.task
        try:
            work()
        except Exception as error:  # as in attend
            self._say(reason(error))
        if worker.task is not None and worker.task is not before:
            self.busy, self.progress = True, 0
            self._say(f"{worker.task.title} …")
            self.refresh()

    def _say(self, line: str) -> None:
        self.status = line[:1].upper() + line[1:]

    def _send(self) -> None:
        try:
            text = self.device.keyboard.enter()
        except DataError as error:  # it was not recorded: the keyboard keeps its text
            self._say(f"not sent: {error}")
            return
        if text:
            self._show_message(text)
            self._show_history()

    def _show_message(self, text: str) -> None:
        self._messages.add_widget(MessageBubble(text=text))
        self._messages_scroll.scroll_y = 0

    def _show_history(self) -> None:
        if not self.panel_shown:
            return
        try:
            store = self.device.profile.store
            self._panel.show(History.read(store), store.last_judgement())
        except DataError as error:
            self._say(str(error))
