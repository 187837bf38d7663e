"""The whole window: messages, keys, the pages beside or over the messages, and the first questions on top."""

from collections.abc import Callable
from typing import Any

from kivy.clock import Clock
from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty, OptionProperty, StringProperty

from data.errors import UserFacingError
from keyboard_app.charging import is_charging
from keyboard_app.device import Device
from keyboard_app.federating.tasks import Joining, TakingPart
from keyboard_app.learning.background import BackgroundTasks, reason
from keyboard_app.window.activity import PAUSE, Activity
from keyboard_app.window.after_frame import after_frame
from keyboard_app.window.drawing.look import DESKTOP, look
from keyboard_app.window.drawing.theme import system_theme
from keyboard_app.window.first_opening import FirstOpening, TourCard
from keyboard_app.window.foot import Foot, ProgressLine
from keyboard_app.window.garbage import Garbage
from keyboard_app.window.keys.board_size import board_height
from keyboard_app.window.keys.composer import Composer
from keyboard_app.window.keys.text_area import SearchField
from keyboard_app.window.modal_screen import ModalScreen
from keyboard_app.window.pages.opening import FEDERATION, LEARNED, PAGES, make_page
from keyboard_app.window.pages.page import Page
from keyboard_app.window.spare_time import Work, spare_time
from keyboard_app.window.widgets.button_result import ButtonResult
from keyboard_app.window.widgets.layer import Layer
from keyboard_app.window.widgets.messages import SHOWN, Messages
from keyboard_app.window.widgets.tooltip import Tooltips

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Composer", "Foot", "Layer", "Messages", "ProgressLine", "Screen", "TourCard")

_USUAL_STATUS = "Your words stay on this device."
_PRIVATE_STATUS = "Private: nothing you type is recorded or learned from."
_ROUND_STATUS = "Taking part in a round of your federation."
_STAYS = 8.0  # seconds that a line stays at the foot of the window
_WHILE_TYPING = 0.5  # seconds between checks of the background task while a person types
_SHORT, _NARROW = 480, 480  # the greatest height and width, in dp, of windows that save room


class Screen(ModalScreen):
    """Passes the actions of the person to the device, and shows the results."""

    status = StringProperty(_USUAL_STATUS)  # the newest line for the person, wherever it is shown
    foot = StringProperty(_USUAL_STATUS)  # the line at the foot of the window
    usual = StringProperty(_USUAL_STATUS)  # the line that stands there while there is nothing to say
    busy = BooleanProperty(False)  # whether a task other than the federation's runs
    connecting = BooleanProperty(False)  # whether the keyboard joins or leaves a federation, or takes part in a round
    progress = NumericProperty(0)
    page = OptionProperty("", options=["", *PAGES])
    title = StringProperty()  # title of the page
    beside = BooleanProperty(False)  # whether pages are shown beside the messages
    covered = BooleanProperty(False)  # whether a page covers the messages
    board_height = NumericProperty(0)  # height of the keys, in pixels
    private = BooleanProperty(False)
    empty = BooleanProperty(True)  # whether no message is shown
    short = BooleanProperty(False)  # whether the window has little height
    narrow = BooleanProperty(False)  # whether it has little width

    def __init__(self, device: Device, **properties: Any) -> None:
        self.device = device
        self.activity = Activity([device.background, device.federation.background])
        self._pages: dict[str, Page] = {}
        self._next: Callable[[], object] | None = None  # the work to start once a request to the federation has stopped
        self._outcome: ButtonResult | None = None  # beside the button that started the task that is running
        self._rest = Clock.create_trigger(self._show_usual, _STAYS)
        super().__init__(**properties)
        # `ids` holds weak proxies, and some of these widgets leave the tree at times.
        self._messages: Messages = self.ids.messages.__self__
        self._layer: Layer = self.ids.layer.__self__
        self.composer: Composer = self.ids.composer.__self__
        self.first_opening = FirstOpening(self, self.ids.tour.__self__)
        self.garbage = Garbage()
        self.tooltips = Tooltips(self, self.controls)
        self._told = 0  # number of the profile's notices that were shown
        self._unshown: list[str] = []  # messages that were sent and have no bubble yet
        self._show_sent = after_frame(self._add_sent)
        self._at_pause = Clock.create_trigger(self._do_what_is_left, 1.1 * PAUSE)  # Kivy's clock may be a little early
        self._catching_up: Work | None = None
        self._attended = Clock.get_time()
        self.composer.overlay = self
        self.composer.begin(device)
        self.private = look.private = device.private  # `look` outlives a screen
        self.bind(usual=self._show_usual)
        self.apply_settings()
        self.show_messages()
        self._tell_notices()
        if device.profile.settings.consent is None and not device.records:
            self.first_opening.ask()

    def on_size(self, *_: object) -> None:
        """Fits the layout to the size of the window."""
        look.fit(self.width)
        self.beside = look.kind == DESKTOP
        self.short, self.narrow = self.height <= dp(_SHORT), self.width <= dp(_NARROW)
        self._fit_board()
        if self.beside and not self.page:
            self.page = LEARNED
        self._arrange()

    def _fit_board(self) -> None:
        settings = self.device.profile.settings
        self.board_height = board_height(look.kind, self.height, settings.key_height, settings.number_row)

    def show_messages(self) -> None:
        """Shows the newest of the recorded messages."""
        newest = self.device.my_data.page(count=SHOWN)
        texts = [message.text for message in reversed(newest) if not message.imported]
        self._messages.show(texts)
        self.empty = not texts

    def apply_settings(self) -> None:
        """Applies the chosen theme, text size and layout."""
        settings = self.device.profile.settings
        look.theme = system_theme() if settings.theme == "system" else settings.theme
        look.scale = settings.text_scale
        self._fit_board()
        self.composer.use_settings(settings, self.device.layout)

    # Actions of the person.

    def key(self, action: str, character: str = "") -> None:
        """Handles a key of a physical keyboard."""
        self.activity.key_pressed()
        self.composer.key(action, character)

    def type_text(self, text: str) -> None:
        """Types text from a physical keyboard."""
        self.activity.key_pressed()
        self.focus.leave()
        self.composer.type_text(text)

    def edited(self) -> None:
        """Tells the page that the message has changed."""
        self.activity.typed()
        if self.page == LEARNED:
            self._pages[LEARNED].typed()

    def sent(self, text: str) -> None:
        """Shows a message that was sent, and the reason if it was not recorded."""
        sent = self.device.sent
        self.empty = False
        self.first_opening.sent(text)
        self._unshown.append(text)
        self._show_sent()
        self._at_pause()
        if sent is not None and sent.why_not and not self.private:
            self.say(sent.why_not)

    def _add_sent(self) -> None:
        """Shows what was sent; the frame that answered the key has shown the empty text area and new suggestions."""
        while self._unshown:
            self._messages.add(self._unshown.pop(0))
        self.attend()  # installs a new model now, while it has no unfinished message to read again

    def _do_what_is_left(self, _elapsed: float) -> None:
        """Does what a message leaves to do, in a pause in typing."""
        if not self.activity.pauses:
            self._at_pause()
            return
        spare_time.drop(self._catching_up)
        self._catching_up = self._catch_up()
        spare_time.begin(self._catching_up)

    def _catch_up(self) -> Work:
        while self.device.catch_up(1):
            yield
            if not self.activity.pauses:
                self._at_pause()
                return
        self.refresh_page()

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
        self._choose_usual()
        self.say(self.usual)
        self.composer.refresh()
        self.refresh_page()

    def show_page(self, name: str) -> None:
        """Shows a page, or closes it if it is shown already; beside the messages, one page always stays open."""
        self.page = name if name != self.page else LEARNED if self.beside else ""

    def on_page(self, _screen: "Screen", page: str) -> None:
        """Shows the page that `page` now names, as if for the first time."""
        self.composer.edit_message()
        self._arrange()
        if page in self._pages:
            self._pages[page].open()
        self.refresh_page()

    def begin_tour(self) -> None:
        """Starts the tour of the first opening."""
        self.first_opening.begin_tour()

    def show_learned(self) -> None:
        """Shows the page "What it learned"."""
        self.page = LEARNED

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
        self.refresh_page()

    def attend(self, _elapsed: float = 0) -> None:
        """Shows the progress and the results of the background tasks."""
        if self.page in self._pages:
            self._pages[self.page].attend()
        if self._is_typing() and Clock.get_time() - self._attended < _WHILE_TYPING:
            return
        self._attended = Clock.get_time()
        self._attend_to_work()
        self._attend_to_federation()

    def _attend_to_work(self) -> None:
        background = self.device.background
        if background.task is None:
            return
        if background.progress is not None and not background.paused:
            done, self.busy = background.progress, True
            self.progress = done.batch / done.batches
            self.say(f"{background.task.title} … {self.progress:.0%}", self._outcome)
        line, failed = _polled(background)
        if line is None:
            return
        outcome, self._outcome, self.busy = self._outcome, None, False
        self.composer.refresh()
        self.refresh_page()
        if line:
            self.say(line, outcome, failed)

    def _attend_to_federation(self) -> None:
        background = self.device.federation.background
        task = background.task
        if task is None:
            return
        self.connecting = bool(task.title)  # a request to the federation may become a round
        self._choose_usual()
        line, failed = _polled(background)
        if line is None:
            return
        asked, self.connecting = not self.connecting, False
        self._choose_usual()
        if not asked or self.page == FEDERATION:  # a request changes nothing else that is shown
            self.composer.refresh()
            self.refresh_page()
        on_page = isinstance(task, TakingPart) or (failed and isinstance(task, Joining))
        if line and self.page == FEDERATION and on_page:
            self.status = _capitalized(line)  # the page shows it in a place of its own
        elif line:
            self.say(line, self._pages[FEDERATION].outcome if self.page == FEDERATION else None, failed)
        if self._next is not None:
            work, self._next = self._next, None
            self.begin_in_federation(work)

    def serve(self, _elapsed: float = 0) -> None:
        """Starts work for a desktop on this machine, and learning and requests to the federation when they are due."""
        self.garbage.collect_if_due(self.activity)
        charging = is_charging()
        idle, since_typing = self.activity.idle_seconds, self.activity.seconds_since_typing
        self._tell_notices()
        self.begin(self.device.serve)
        self.begin(lambda: self.device.automatic.learn_if_due(idle(), charging))
        self.begin(lambda: self.device.automatic.compare_models_if_due(idle(), charging))
        self.begin(lambda: self.device.take_part_if_due(idle, charging, since_typing=since_typing))

    def _is_typing(self) -> bool:
        """Returns whether a person is in the middle of typing a message."""
        return self.activity.idle_seconds() < PAUSE and bool(self.device.keyboard.text)

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Counts a touch as use, and makes the background tasks give way to it."""
        self._touched = touch.pos
        self.activity.touched(touch.uid)
        self.tooltips.touched(touch)
        return bool(super().on_touch_down(touch))

    def on_touch_move(self, touch: MotionEvent) -> bool:
        """Passes a moved touch on; the background tasks make way for as long as a finger glides."""
        self.activity.moved()
        self.tooltips.moved(touch)
        return bool(super().on_touch_move(touch))

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Lets the background tasks continue once the effect of the touch is painted."""
        self.activity.lifted(touch.uid)
        self.tooltips.lifted()
        return bool(super().on_touch_up(touch))

    def prepare(self) -> Work:
        """Does slow work as soon as the first frame is painted, because it would delay a key by a tenth of a second later."""
        self.device.models.prepare()
        yield
        self.composer.ids.strip.prepare()
        yield
        self.garbage.collect()

    def resume(self) -> None:
        """Continues the work that was unfinished when the window was closed."""
        self.begin(self.device.resume)

    def attempt(self, work: Callable[[], object], outcome: ButtonResult | None = None) -> bool:
        """Calls `work` at once, and shows the line that it returns or its error; returns whether it succeeded.

        The line is shown in `outcome`, beside the button that was pressed, or else at the foot of the window.
        """
        try:
            line = work()
        except (UserFacingError, OSError) as error:
            self.say(reason(error), outcome, failed=True)
            return False
        self.composer.refresh()
        self.refresh_page()
        if isinstance(line, str):
            self.say(line, outcome)
        return True

    def say(self, line: str, outcome: ButtonResult | None = None, failed: bool = False) -> None:
        """Shows a line in `outcome` if that is in the window, or else for some seconds at the foot of the window."""
        self.status = _capitalized(line)
        if outcome is not None and outcome.get_root_window() is not None:
            outcome.show(self.status, failed)
            return
        self.foot = self.status
        self._rest.cancel()
        self._rest()

    def _tell_notices(self) -> None:
        """Shows the profile's notices that have come since the last call: several files may be damaged at once."""
        notices = self.device.profile.notices
        if len(notices) > self._told:
            self.say("\n".join(notices[self._told :]))
        self._told = len(notices)

    def _show_usual(self, *_: object) -> None:
        self._rest.cancel()
        self.foot = self.usual

    def _choose_usual(self) -> None:
        in_round = self.device.federation.round_going_on is not None
        self.usual = _PRIVATE_STATUS if self.private else _ROUND_STATUS if in_round else _USUAL_STATUS

    def escape(self) -> bool:
        """Cancels a question or a picker, or else removes the focus, or closes the search or the page in front.

        Returns:
          Whether there was one of them.
        """
        if super().escape():
            return True
        if self.composer.leave_search():
            return True
        if self.page and not self.beside:
            self.close_page()
            return True
        return False

    def begin(self, work: Callable[[], object], outcome: ButtonResult | None = None) -> None:
        """Starts work in the background, and shows its progress and result where `attempt` shows a line."""
        background, federation = self.device.background, self.device.federation.background
        before = background.task
        if outcome is not None:
            outcome.clear()
        try:
            work()
        except Exception as error:  # as in `_polled`
            self.say(reason(error), outcome, failed=True)
        self.connecting = federation.task is not None and bool(federation.task.title)
        if background.task is not None and background.task is not before:
            self.progress, self.busy, self._outcome = 0, True, outcome
            self.say(f"{background.task.title} …", outcome)
            self.composer.refresh()
            self.refresh_page()

    def begin_in_federation(self, work: Callable[[], object]) -> None:
        """Starts work of the federation that the person requested; a request of the keyboard's own gives way to it."""
        background = self.device.federation.background
        if background.task is not None and not background.task.title:
            background.stop()
            self._next = work
        else:
            self.begin(work, self._pages[FEDERATION].outcome if FEDERATION in self._pages else None)

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
            self._pages[name] = make_page(name, self)
        return self._pages[name]

    def refresh_page(self) -> None:
        """Refreshes the page that is shown."""
        if self.page not in self._pages:
            return
        try:
            self._pages[self.page].refresh()
        except UserFacingError as error:
            self.say(str(error))


def _capitalized(line: str) -> str:
    return line[:1].upper() + line[1:]


def _polled(background: BackgroundTasks) -> tuple[str | None, bool]:
    """Returns the line of a task that has ended, or None while it runs; and whether it failed."""
    try:
        return background.poll(), False
    except Exception as error:  # typing goes on whatever error ends a task
        return reason(error), True
