"""The whole window: messages, keys, the pages beside or over the messages, and the first questions on top."""

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
from keyboard_app.window.drawing.theme import system_theme
from keyboard_app.window.keys.composer import Composer
from keyboard_app.window.keys.text_area import SearchField
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

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Composer", "Layer", "Messages", "Screen")

_USUAL_STATUS = "Your words stay on this device."
_PRIVATE_STATUS = "Private: nothing you type is recorded or learned from."
LEARNED, DATA, FEDERATION, SETTINGS = "learned", "data", "federation", "settings"
_PAUSE = 0.3  # seconds without a key that count as a pause
_WHILE_TYPING = 0.5  # seconds between checks of the background task while a person types
_STEPS_A_FRAME = 2  # of what a long message leaves to do; they take a fifth of a frame
_ROWS = 4  # rows of keys
_ROW_HEIGHTS = {PHONE: 56, TABLET: 64, DESKTOP: 58}  # in dp
_MOST_FOR_KEYS = 0.46  # largest share of the window's height that the keys take
_PAGES: dict[str, type[Page]] = {
    LEARNED: LearnedPage,
    DATA: DataPage,
    FEDERATION: FederationPage,
    SETTINGS: SettingsPage,
}


class Screen(FloatLayout):
    """Passes the actions of the person to the device, and shows the results."""

    status = StringProperty(_USUAL_STATUS)
    busy = BooleanProperty(False)
    progress = NumericProperty(0)
    page = OptionProperty("", options=["", *_PAGES])
    title = StringProperty()  # title of the page
    beside = BooleanProperty(False)  # whether pages are shown beside the messages
    covered = BooleanProperty(False)  # whether a page covers the messages
    board_height = NumericProperty(0)  # height of the keys, in pixels
    private = BooleanProperty(False)

    def __init__(self, device: Device, **properties: Any) -> None:
        self.device = device
        self._pages: dict[str, Page] = {}
        self._welcome: Welcome | None = None
        self._next: Callable[[], object] | None = None  # the work to start once a request to the federation has stopped
        super().__init__(**properties)
        # `ids` holds weak proxies, and some of these widgets leave the tree at times.
        self._messages: Messages = self.ids.messages.__self__
        self._layer: Layer = self.ids.layer.__self__
        self.composer: Composer = self.ids.composer.__self__
        self.focus = FocusRing(self)
        self._catch_up = Clock.create_trigger(self._do_what_is_left)
        self._last_used = self._attended = Clock.get_time()
        self.composer.overlay = self
        self.composer.begin(device)
        self.private = look.private = device.private  # `look` outlives a screen
        self.apply_settings()
        self.show_messages()
        if device.profile.notices:
            self.say(device.profile.notices[-1])
        if device.profile.settings.consent is None and not device.records:
            self._show_welcome()

    def on_size(self, *_: object) -> None:
        """Fits the layout to the size of the window."""
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
        """Applies the chosen theme, text size and layout."""
        settings = self.device.profile.settings
        look.theme = system_theme() if settings.theme == "system" else settings.theme
        look.scale = settings.text_scale
        self.composer.use_layout(self.device.layout)

    # Actions of the person.

    def key(self, action: str, character: str = "") -> None:
        """Handles a key, on the screen or on a physical keyboard."""
        self._last_used = Clock.get_time()
        self.composer.key(action, character)

    def type_text(self, text: str) -> None:
        """Types text from a physical keyboard."""
        self._last_used = Clock.get_time()
        self.focus.leave()
        self.composer.type_text(text)

    def edited(self) -> None:
        """Tells the page that the message has changed."""
        if self.page == LEARNED:
            self._pages[LEARNED].typed()

    def sent(self, text: str) -> None:
        """Shows a message that was sent, and the reason if it was not recorded."""
        sent = self.device.sent
        # In the next frame, because the frame that answers the key shows the empty text area and new suggestions.
        Clock.schedule_once(lambda _elapsed: self._messages.add(text))
        self._catch_up()
        Clock.schedule_once(self.attend)  # installs a new model now, while it has no unfinished message to read again
        if sent is not None and sent.why_not and not self.private:
            self.say(sent.why_not)
        self.refresh_page()

    def _do_what_is_left(self, _elapsed: float) -> None:
        """Does in each frame a little of what a long message leaves to do."""
        if self.device.catch_up(_STEPS_A_FRAME):
            self._catch_up()

    def choose_layout(self, name: str) -> None:
        """Switches to another layout."""
        self.attempt(lambda: self.device.choose(layout=name))
        self.apply_settings()
        self.refresh_page()

    def toggle_private(self) -> None:
        """Switches private mode on or off."""
        self.set_private(not self.private)

    def set_private(self, private: bool) -> None:
        """Switches private mode, in which nothing is recorded or learned and the window looks different."""
        self.private = self.device.private = look.private = private
        if private:
            self.device.federation.leave_round()
        self.say(_PRIVATE_STATUS if private else _USUAL_STATUS)
        self.composer.refresh()
        self.refresh_page()

    def show_page(self, name: str) -> None:
        """Shows a page, or closes it if it is shown already; beside the messages, one page always stays open."""
        self.page = name if name != self.page else LEARNED if self.beside else ""

    def on_page(self, _screen: "Screen", page: str) -> None:
        """Shows the page that `page` now names."""
        self.composer.edit_message()
        self._arrange()
        self.refresh_page()

    def close_page(self) -> None:
        """Returns to the messages."""
        if self.page and not self.beside:
            self.page = ""

    def search(self, field: SearchField) -> None:
        """Sends keys to a search field."""
        self.composer.edit_search(field)

    # Work in the background.

    def learn(self) -> None:
        """Starts to learn."""
        self.begin(self.device.learn)

    def relearn(self) -> None:
        """Starts to learn again from the remaining messages."""
        self.begin(self.device.relearn)

    def stop_learning(self) -> None:
        """Stops the background task as soon as possible, without keeping its result."""
        self.device.background.stop()

    def pause_learning(self) -> None:
        """Pauses the background task, or continues it."""
        background = self.device.background
        if background.paused:
            background.resume()
        else:
            background.pause()
            self.say(f"{background.task.title if background.task else 'learning'}: paused")
        self.refresh_page()

    def attend(self, _elapsed: float = 0) -> None:
        """Shows the progress and the result of the background task."""
        if self.page in self._pages:
            self._pages[self.page].attend()
        background = self.device.background
        if background.task is None or (self._is_typing() and Clock.get_time() - self._attended < _WHILE_TYPING):
            return
        self._attended = Clock.get_time()
        asks_federation = not background.task.title
        if not asks_federation and background.progress is not None and not background.paused:
            done, self.busy = background.progress, True  # a request to the federation may become a round
            self.progress = done.batch / done.batches
            self.say(f"{background.task.title} … {self.progress:.0%}")
        try:
            line = background.poll()
        except Exception as error:  # typing goes on whatever error ends a task
            line = reason(error)
        if line is None:
            return
        if line:
            self.say(line)
        self.busy = False
        if not asks_federation or self.page == FEDERATION:  # a request changes nothing else that is shown
            self.composer.refresh()
            self.refresh_page()
        if self._next is not None:
            work, self._next = self._next, None
            self.begin(work)

    def serve(self, _elapsed: float = 0) -> None:
        """Starts work for a desktop on this machine, and learning and requests to the federation when they are due."""
        charging = is_charging()
        self._begin(self.device.serve)
        self._begin(lambda: self.device.learn_if_due(self._idle_seconds(), charging))
        self._begin(lambda: self.device.take_part_if_due(self._idle_seconds, charging))

    def _is_typing(self) -> bool:
        """Returns whether a person is in the middle of typing a message."""
        return self._idle_seconds() < _PAUSE and bool(self.device.keyboard.text)

    def _idle_seconds(self) -> float:
        """Returns the seconds since the keyboard was last used; safe to call from any thread."""
        return float(Clock.get_time() - self._last_used)

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Counts a touch as use, and makes the background task give way to it."""
        self._last_used = Clock.get_time()
        self.device.background.make_way()
        return bool(super().on_touch_down(touch))

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Lets the background task continue once the effect of the touch is painted."""
        Clock.schedule_once(lambda _elapsed: self.device.background.go_on())
        return bool(super().on_touch_up(touch))

    def prepare(self) -> None:
        """Does slow work as soon as the window is open, because it would delay a key by a tenth of a second later."""
        self.device.models.prepare()
        self.composer.ids.strip.prepare()

    def resume(self) -> None:
        """Continues the work that was unfinished when the window was closed."""
        self.begin(self.device.resume)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded."""
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
        """Shows a line in the status bar."""
        self.status = line[:1].upper() + line[1:]

    # Operation by the physical keyboard alone.

    def controls(self) -> list[Control]:
        """Returns the controls that can be operated now, in reading order."""
        return self.focus.controls(self._welcome or self)

    @property
    def asks(self) -> bool:
        """Whether the first questions are shown, which come before anything else."""
        return self._welcome is not None

    def step_focus(self, step: int) -> None:
        """Moves the focus by `step` controls, 1 forward or -1 back."""
        self.focus.step(self._welcome or self, step)

    def escape(self) -> bool:
        """Removes the focus, or else closes the search or the page in front; returns whether there was one of them."""
        if self.focus.leave():
            return True
        if self.composer.leave_search():
            return True
        if self.page and not self.beside:
            self.close_page()
            return True
        return False

    def move_focus(self, way: Way) -> bool:
        """Moves the focus in a direction; returns whether a control was focused."""
        return self.focus.move(way)

    def _show_welcome(self) -> None:
        self._welcome = Welcome()
        self._welcome.bind(on_answer=lambda _welcome, record: self._answer(record))
        self.add_widget(self._welcome)

    def _answer(self, record: bool) -> None:
        if self.attempt(lambda: self.device.choose(consent=record)) and self._welcome is not None:
            self.remove_widget(self._welcome)
            self._welcome = None
            self.say(_USUAL_STATUS if record else "Nothing you type is recorded. You can change that in the settings.")

    def begin(self, work: Callable[[], object]) -> None:
        """Starts background work that the person requested; a request to the federation gives way to it."""
        background = self.device.background
        if background.task is not None and not background.task.title:  # a request to the federation
            background.stop()
            self._next = work
        else:
            self._begin(work)

    def _begin(self, work: Callable[[], object]) -> None:
        background = self.device.background
        before = background.task
        try:
            work()
        except Exception as error:  # as in `attend`
            self.say(reason(error))
        if background.task is not None and background.task is not before:
            self.progress = 0
            if background.task.title:
                self.busy = True
                self.say(f"{background.task.title} …")
                self.composer.refresh()
                self.refresh_page()

    def _arrange(self) -> None:
        """Shows the page beside the messages or over them."""
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
        """Refreshes the page that is shown."""
        if self.page not in self._pages:
            return
        try:
            self._pages[self.page].refresh()
        except UserFacingError as error:
            self.say(str(error))
