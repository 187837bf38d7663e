"""The whole of the window: messages and the keys below them, the pages beside or over these, and the first questions over all."""

from collections.abc import Callable
from typing import Any

from kivy.clock import Clock
from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, OptionProperty, StringProperty
from kivy.uix.floatlayout import FloatLayout

from data.errors import UserFacingError
from keyboard_app.charging import is_charging
from keyboard_app.device import Device
from keyboard_app.learning.background import reason
from keyboard_app.window.drawing.look import DESKTOP, PHONE, TABLET, look
from keyboard_app.window.drawing.system_theme import system_theme
from keyboard_app.window.keys.composer import Composer
from keyboard_app.window.keys.search_field import SearchField
from keyboard_app.window.pages.data_page import DataPage
from keyboard_app.window.pages.federation_page import FederationPage
from keyboard_app.window.pages.learned_page import LearnedPage
from keyboard_app.window.pages.page import Page
from keyboard_app.window.pages.settings_page import SettingsPage
from keyboard_app.window.pages.welcome import Welcome
from keyboard_app.window.widgets.control import Control
from keyboard_app.window.widgets.focus import Way
from keyboard_app.window.widgets.focus_ring import FocusRing
from keyboard_app.window.widgets.layer import Layer
from keyboard_app.window.widgets.messages import SHOWN, Messages

# Those that are not named below are for the rules.
__all__ = ("Composer", "Layer", "Messages", "Screen")

_USUAL_STATUS = "Your words stay on this device."
_PRIVATE_STATUS = "Private: nothing you type is recorded or learned from."
LEARNED, DATA, FEDERATION, SETTINGS = "learned", "data", "federation", "settings"
_PAUSE = 0.3  # seconds without a key
_WHILE_TYPING = 0.5  # seconds between two looks at the work in the background, unless there is a pause
_ROWS = 4
_ROW_HEIGHTS = {PHONE: 56, TABLET: 64, DESKTOP: 58}  # in dp
_MOST_FOR_KEYS = 0.46  # of the height of the window
_PAGES: dict[str, type[Page]] = {
    LEARNED: LearnedPage,
    DATA: DataPage,
    FEDERATION: FederationPage,
    SETTINGS: SettingsPage,
}


class Screen(FloatLayout):
    """Gives what a person does to the device, and shows what becomes of it."""

    status = StringProperty(_USUAL_STATUS)
    busy = BooleanProperty(False)
    progress = NumericProperty(0)
    page = OptionProperty("", options=["", *_PAGES])
    title = StringProperty()  # of the page
    beside = BooleanProperty(False)  # whether a page has room beside the messages
    covered = BooleanProperty(False)  # whether it stands in their place
    board_height = NumericProperty(0)  # of the keys
    private = BooleanProperty(False)

    def __init__(self, device: Device, **properties: Any) -> None:
        self.device = device
        self._pages: dict[str, Page] = {}
        self._welcome: Welcome | None = None
        self._next: Callable[[], object] | None = None  # what begins once the federation was asked
        super().__init__(**properties)
        # `ids` holds weak proxies, and some of these leave the tree of widgets at times.
        self._messages: Messages = self.ids.messages.__self__
        self._layer: Layer = self.ids.layer.__self__
        self.composer: Composer = self.ids.composer.__self__
        self.focus = FocusRing(self)
        self._rested_since = self._attended = Clock.get_time()
        self.composer.overlay = self
        self.composer.begin(device)
        self.apply_settings()
        self.show_messages()
        if device.profile.notices:
            self.say(device.profile.notices[-1])
        if device.profile.settings.consent is None and not device.records:
            self._ask()

    def on_size(self, *_: object) -> None:
        """Fits in what there is room for."""
        look.fit(self.width)
        self.beside = look.kind == DESKTOP
        self.board_height = min(_ROWS * dp(_ROW_HEIGHTS[look.kind]) + dp(6), self.height * _MOST_FOR_KEYS)
        if self.beside and not self.page:
            self.page = LEARNED
        self._arrange()

    def show_messages(self) -> None:
        """Shows the newest of the recorded messages."""
        newest = self.device.my_data.page(count=SHOWN)
        self._messages.show([message.text for message in reversed(newest) if not message.imported])

    def apply_settings(self) -> None:
        """Looks as the person has chosen."""
        settings = self.device.profile.settings
        look.theme = system_theme() if settings.theme == "system" else settings.theme
        look.scale = settings.text_scale
        self.composer.use_layout(self.device.layout)

    # What the keys and the touches do.

    def key(self, action: str, character: str = "") -> None:
        """A key was pressed, on the screen or a real one."""
        self._rested_since = Clock.get_time()
        self.composer.key(action, character)

    def type_text(self, text: str) -> None:
        """A real keyboard wrote this."""
        self._rested_since = Clock.get_time()
        self.focus.leave()
        self.composer.type_text(text)

    def edited(self) -> None:
        """The message has changed."""
        if self.page == LEARNED:
            self._pages[LEARNED].typed()

    def sent(self, text: str) -> None:
        """A message was sent."""
        sent = self.device.sent
        recorded = sent is not None and sent.id is not None
        # With the next frame: the one that answers the key has the empty text and what is offered for the next message.
        Clock.schedule_once(lambda _elapsed: self._messages.add(text, recorded))
        Clock.schedule_once(self.attend)  # before there is a next message that would be read anew by a new model
        if sent is not None and sent.why_not and not self.private:
            self.say(sent.why_not)
        self.refresh_page()

    def choose_layout(self, name: str) -> None:
        """Types with another layout."""
        self.attempt(lambda: self.device.choose(layout=name))
        self.apply_settings()
        self.refresh_page()

    def toggle_private(self) -> None:
        """Enters private mode or leaves it."""
        self.set_private(not self.private)

    def set_private(self, private: bool) -> None:
        """Records and learns nothing, and looks different; or does so again."""
        self.private = self.device.private = look.private = private
        if private:
            self.device.federation.leave_round()
        self.say(_PRIVATE_STATUS if private else _USUAL_STATUS)
        self.composer.refresh()
        self.refresh_page()

    def show_page(self, name: str) -> None:
        """Shows a page; one that is shown already is closed, if there is something behind it."""
        self.page = name if name != self.page else LEARNED if self.beside else ""

    def on_page(self, _screen: "Screen", page: str) -> None:
        """Shows another page."""
        self.composer.edit_message()
        self._arrange()
        self.refresh_page()

    def close_page(self) -> None:
        """Back to the messages."""
        if self.page and not self.beside:
            self.page = ""

    def search(self, field: SearchField) -> None:
        """Keys go to a search field."""
        self.composer.edit_search(field)

    # What goes on in the background.

    def learn(self) -> None:
        """Begins to learn now."""
        self.begin(self.device.learn)

    def relearn(self) -> None:
        """Begins to learn anew, from what is left."""
        self.begin(self.device.relearn)

    def stop_learning(self) -> None:
        """Ends what goes on in the background, as soon as it can; all stays as it was."""
        self.device.background.stop()

    def pause_learning(self) -> None:
        """Has it wait, or go on."""
        worker = self.device.background
        if worker.paused:
            worker.resume()
        else:
            worker.pause()
            self.say(f"{worker.task.title if worker.task else 'learning'} waits")
        self.refresh_page()

    def attend(self, _elapsed: float = 0) -> None:
        """Shows how far the work in the background is, and what came of it."""
        if self.page in self._pages:
            self._pages[self.page].attend()
        worker = self.device.background
        if worker.task is None or (self._types() and Clock.get_time() - self._attended < _WHILE_TYPING):
            return
        self._attended = Clock.get_time()
        asking = not worker.task.title
        if not asking and worker.progress is not None and not worker.paused:
            done, self.busy = worker.progress, True  # a question to the federation becomes a round
            self.progress = done.batch / done.batches
            self.say(f"{worker.task.title} … {self.progress:.0%}")
        try:
            line = worker.poll()
        except Exception as error:  # whatever a task fails of, typing goes on
            line = reason(error)
        if line is None:
            return
        if line:
            self.say(line)
        self.busy = False
        if not asking or self.page == FEDERATION:  # what else is shown has not changed by it
            self.composer.refresh()
            self.refresh_page()
        if self._next is not None:
            work, self._next = self._next, None
            self.begin(work)

    def serve(self, _elapsed: float = 0) -> None:
        """Begins what the desktop waits for, or what is due."""
        charging = is_charging()
        self._begin(self.device.serve)
        self._begin(lambda: self.device.learn_if_due(self._rested(), charging))
        self._begin(lambda: self.device.take_part_if_due(self._rested, charging))

    def _types(self) -> bool:
        """Whether someone is in the middle of typing a message."""
        return self._rested() < _PAUSE and bool(self.device.keyboard.text)

    def _rested(self) -> float:
        """Seconds since the keyboard was used; for any thread."""
        return Clock.get_time() - self._rested_since

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Whoever touches it is there."""
        self._rested_since = Clock.get_time()
        self.device.background.make_way()
        return super().on_touch_down(touch)

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """What the touch does is painted before the work in the background goes on."""
        Clock.schedule_once(lambda _elapsed: self.device.background.go_on())
        return super().on_touch_up(touch)

    def prepare(self) -> None:
        """Does what some key would have to wait a tenth of a second for, once the window is there."""
        self.device.models.prepare()
        self.composer.ids.strip.prepare()

    def resume(self) -> None:
        """Begins what was left undone when the window was closed."""
        self.begin(self.device.resume)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Does something here and now, and says what it says, or why it failed; returns whether it went well."""
        try:
            line = work()
        except (UserFacingError, OSError) as error:
            self.say(reason(error))
            return False
        if isinstance(line, str):
            self.say(line)
        self.composer.refresh()
        self.refresh_page()
        return True

    def say(self, line: str) -> None:
        """Tells the person."""
        self.status = line[:1].upper() + line[1:]

    # Controls by the physical keyboard alone.

    def controls(self) -> list[Control]:
        """All that can be operated now, in the order of reading."""
        return self.focus.controls(self._welcome or self)

    @property
    def asks(self) -> bool:
        """Whether the first questions have to be answered before anything else."""
        return self._welcome is not None

    def step_focus(self, step: int) -> None:
        """Focuses the next control or the one before."""
        self.focus.step(self._welcome or self, step)

    def escape(self) -> bool:
        """The escape key: leaves what is in front."""
        if self.focus.leave():
            return True
        if self.composer.leave_search():
            return True
        if self.page and not self.beside:
            self.close_page()
            return True
        return False

    def move_focus(self, way: Way) -> bool:
        """An arrow key while a control is focused."""
        return self.focus.move(way)

    def _ask(self) -> None:
        self._welcome = Welcome()
        self._welcome.bind(on_answer=lambda _welcome, record: self._answer(record))
        self.add_widget(self._welcome)

    def _answer(self, record: bool) -> None:
        if self.attempt(lambda: self.device.choose(consent=record)) and self._welcome is not None:
            self.remove_widget(self._welcome)
            self._welcome = None
            self.say(_USUAL_STATUS if record else "Nothing you type is recorded; the settings can change that.")

    def begin(self, work: Callable[[], object]) -> None:
        """Has something begin in the background that the person asked for, and shows that it goes on, or why it does not."""
        worker = self.device.background
        if worker.task is not None and not worker.task.title:  # only a question to the federation: it gives way
            worker.stop()
            self._next = work
        else:
            self._begin(work)

    def _begin(self, work: Callable[[], object]) -> None:
        worker = self.device.background
        before = worker.task
        try:
            work()
        except Exception as error:  # as in attend
            self.say(reason(error))
        if worker.task is not None and worker.task is not before:
            self.progress = 0
            if worker.task.title:
                self.busy = True
                self.say(f"{worker.task.title} …")
                self.composer.refresh()
                self.refresh_page()

    def _arrange(self) -> None:
        """Puts the page beside the messages, or over them."""
        body, side = self.ids.body, self.ids.side
        body.clear_widgets()
        side.clear_widgets()
        page = self._page(self.page) if self.page else None
        self.title = "" if page is None else page.title
        self.covered = page is not None and not self.beside
        if page is not None:
            (side if self.beside else body).add_widget(page)
        if page is None or self.beside:
            body.add_widget(self._layer)

    def _page(self, name: str) -> Page:
        if name not in self._pages:
            self._pages[name] = _PAGES[name](self)
        return self._pages[name]

    def refresh_page(self) -> None:
        """Has the page that is shown show what is the case now."""
        if self.page in self._pages:
            self.attempt_quietly(self._pages[self.page].refresh)

    def attempt_quietly(self, work: Callable[[], None]) -> None:
        """As `attempt`, and refreshes nothing."""
        try:
            work()
        except UserFacingError as error:
            self.say(str(error))
