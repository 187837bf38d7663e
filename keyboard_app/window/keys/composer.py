"""Where a person writes: the text area, the suggestions, and the keys or the emoji."""

from collections.abc import Callable, Mapping, Sequence

from kivy.core.clipboard import Clipboard
from kivy.input import MotionEvent
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from data.errors import UserFacingError
from keyboard_app.device import Device
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.layout import Layout
from keyboard_app.input.offers import Kind, Offer
from keyboard_app.input.phrases import best_of
from keyboard_app.input.text_field import Move
from keyboard_app.recording.settings import UserSettings
from keyboard_app.window.after_frame import after_frame
from keyboard_app.window.keys.board import Board
from keyboard_app.window.keys.emoji_panel import EmojiSearch
from keyboard_app.window.keys.finger_down import FingerDown
from keyboard_app.window.keys.ghost_text import GhostText
from keyboard_app.window.keys.key_feedback import KeyFeedback
from keyboard_app.window.keys.keypad import Keypad, Place
from keyboard_app.window.keys.suggestion_strip import SuggestionStrip
from keyboard_app.window.keys.text_area import SearchField, TextArea
from keyboard_app.window.spare_time import Work, spare_time
from keyboard_app.window.widgets.popup_menu import PopupMenu
from model.device.gliding.gesture import Gesture

# The names that this file does not use are those of widgets in the `.kv` rules.
__all__ = ("Board", "Composer", "EmojiSearch", "Keypad", "SuggestionStrip", "TextArea")


class Composer(BoxLayout):
    """Passes keys, touches and choices to the active keyboard, and shows the resulting text.

    The active keyboard is the device's, or that of a search field while a person types there. Dispatches `on_edited` when the
    message has changed, `on_sent(text)` when it was sent, `on_say(line)` with a message to the person, and `on_layout(name)` when
    another layout is chosen.
    """

    searching = BooleanProperty(False)  # whether keys go to a search field
    takes_glides = BooleanProperty(False)  # whether a finger that slides over the letters writes a word
    one_handed = StringProperty("off")  # the side to which the keys are moved, "left" or "right", or "off"
    hidden = BooleanProperty(False)  # whether a page covers the messages
    board_height = NumericProperty(0)
    field_height = NumericProperty(0)  # height of the text area, as the messages make room for it
    overlay = ObjectProperty(None, allownone=True, baseclass=Widget)  # the widget that menus are shown in

    __events__ = ("on_edited", "on_layout", "on_say", "on_sent")

    def on_kv_post(self, _base: Widget) -> None:
        """Keeps references to the parts: `ids` holds weak proxies, and some parts leave the widget tree at times."""
        self._area: TextArea = self.ids.text_area.__self__
        self._menu = PopupMenu()
        self._board: Board = self.ids.board.__self__
        self._keypad = self.ids.keypad.__self__
        self._strip = self.ids.strip.__self__
        self._emoji_search = self.ids.emoji_search.__self__
        self._forgotten = ""
        self._layout: Layout | None = None
        self._upper, self._lower = self.ids.upper.__self__, self.ids.lower.__self__
        self.ids.top.remove_widget(self._emoji_search)
        self.bind(hidden=self._arrange, searching=self._arrange)
        self._finger = FingerDown(self._keypad, self._strip)
        self._reading: Work | None = None  # for the next key
        self._ghost = GhostText(self._area)
        self.feedback = KeyFeedback()
        self._physical = False  # whether the person types on a physical keyboard
        # A line more or fewer moves all messages, so they follow one frame after the frame that answers the key.
        self._make_room = after_frame(self._fit_field)
        self._area.bind(height=lambda *_: self._make_room())
        self._fit_field()

    def _fit_field(self) -> None:
        self.field_height = self._area.height

    def begin(self, device: Device) -> None:
        """Sets the device whose keyboard edits the message."""
        self._device = device
        self._board.begin(device)
        self._finger.begin(device)
        self.keyboard: Keyboard = device.keyboard
        self.edit_message()

    def use_settings(self, settings: UserSettings, layout: Layout) -> None:
        """Shows the keys of a layout as the person wants them."""
        if layout != self._layout:
            self._layout = layout
            self._keypad.use(layout.pages, layout.name)
        self._keypad.hold_time = settings.hold_ms / 1000
        self.takes_glides, self.one_handed = settings.glide, settings.one_handed
        self.feedback.use(settings.key_sound, settings.key_vibration)
        self._finger.measure_keys()

    def edit_message(self) -> None:
        """Sends keys to the message."""
        self._edit(self.ids.text_area.__self__, self._device.keyboard)
        self.searching = False
        self._put_on_top(self._strip)

    def leave_search(self) -> bool:
        """Sends keys to the message again; returns whether they went to a search field before."""
        searching = bool(self.searching)
        if searching:
            self.edit_message()
        return searching

    def edit_search(self, field: SearchField) -> None:
        """Sends keys to a search field."""
        self.show_keys()
        self._put_on_top(self._emoji_search if field is self._emoji_search.field else None)
        self._edit(field, field.keyboard)
        self.searching = True

    def _put_on_top(self, widget: Widget | None) -> None:
        """Shows the suggestions or the emoji search above the keys, or nothing: a search or a link needs no suggestions."""
        if self.ids.top.children != ([] if widget is None else [widget]):
            self.ids.top.clear_widgets()
            if widget is not None:
                self.ids.top.add_widget(widget)

    def _edit(self, area: TextArea, keyboard: Keyboard) -> None:
        self._menu.close()
        self._ghost.hide()
        self._area.active = False
        self._area, self.keyboard = area, keyboard
        area.active = True
        self.refresh()

    def refresh(self) -> None:
        """Shows the current text, suggestions and shift key."""
        keyboard = self.keyboard
        self._area.show(keyboard.text, keyboard.cursor, keyboard.selection)
        spare_time.drop(self._reading)
        self._ghost.follow(self._device.keyboard)
        if not self.searching:
            self._strip.offers = keyboard.strip
            self._reading = self._read()
            spare_time.begin(self._reading)
        self._keypad.shift = keyboard.shift.value

    def _read(self) -> Work:
        """Reads ahead between two keys: the word at the cursor, and then the words that may follow the suggested ones."""
        self._device.read_ahead()
        yield
        self._device.gliding.follow()
        yield
        if not self.searching:
            offers = yield from self.keyboard.continuing(self._strip.offers)
            self._strip.offers = offers
            self._ghost.show(self.keyboard, best_of(offers) if self._physical else None)
        self._reading = None

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Shows no ghost to a person who touches the keys, and stops reading: the lifted finger is to be answered at once."""
        spare_time.drop(self._reading)
        self._finger.touched()
        if self._physical and self._lower.collide_point(*touch.pos):
            self._physical = False
            self._ghost.hide()
        return bool(super().on_touch_down(touch))

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Goes on reading if the touch has changed nothing."""
        taken = bool(super().on_touch_up(touch))
        if self._reading is not None:
            spare_time.begin(self._reading)
        return taken

    def key(self, action: str, character: str = "", place: Place | None = None) -> None:
        """Handles a key, on the screen or on a physical keyboard; `place` is where a finger touched it."""
        keyboard, tap = self.keyboard, self._finger.tap(character, None if self.searching else place)
        actions: dict[str, Callable[[], object]] = {
            "character": lambda: keyboard.press(character, tap=tap),
            "space": keyboard.space,
            "backspace": keyboard.backspace,
            "shift": keyboard.press_shift,
            "enter": self._enter,
            "emoji": self.show_emoji,
        }
        self._strip.notice = ""
        actions[action]()
        if action in ("space", "enter") or character == "'":  # an apostrophe is part of a word
            self._keypad.page = "letters"
        self._edited()

    def type_text(self, text: str) -> None:
        """Types text from a physical keyboard as it is."""
        self._strip.notice, self._physical = "", True
        for character in text:
            if character == " ":
                self.keyboard.space()
            else:
                self.keyboard.press(character, as_typed=True)
        self._edited()

    def foresee(self, character: str, place: Place) -> None:
        """Prepares what a letter will show, whose key a finger has just come down on."""
        if not self.searching and character.isalpha():
            self._finger.foresee(character, place)

    def follow_glide(self, points: Sequence[tuple[float, float, float]]) -> None:
        """Works out which word the finger has glided so far: it may be lifted there."""
        self._finger.follow_glide(points)

    def glide(self, gesture: Gesture) -> None:
        """Types the word that a glide means."""
        self._finger.end_glide()
        self._strip.notice = ""
        if self._device.glide(gesture):
            self._edited()

    def take(self, offer: Offer, whole: bool = False) -> None:
        """Types the first word of an offer that was touched, or the whole of it."""
        if offer.kind is Kind.EMOJI:
            self._count_emoji(offer.text)
        self.keyboard.take_offer(offer, whole)
        self._edited()

    def take_best(self) -> bool:
        """Types the best suggested word; at once again, the words behind it. Returns whether there is a suggestion."""
        if not self.searching and self.keyboard.take_rest():
            self._edited()
            return True
        best = None if self.searching else best_of(self._strip.offers)
        if best is not None:
            self.take(best)
        return best is not None

    def take_ghost(self) -> bool:
        """Types the ghost behind the cursor; returns whether one is shown."""
        offer = self._ghost.offer
        if offer is not None:
            self.take(offer, whole=True)
        return offer is not None

    def hold(self, offer: Offer) -> None:
        """Stops suggesting the word of an offer that was held, until this is undone."""
        if offer.kind in (Kind.TYPED, Kind.EMOJI):
            return
        self.keyboard.choices.forget(offer.text)
        self._forgotten = offer.text
        self.refresh()
        self._strip.notice = f"“{offer.text}” will not be suggested again"

    def undo(self) -> None:
        """Lets the most recently forgotten word be suggested again."""
        self.keyboard.choices.remember(self._forgotten)
        self._strip.notice = ""
        self.refresh()

    def move(self, where: Move, extend: bool = False) -> None:
        """Moves the cursor."""
        self.keyboard.move(where, extend)
        self.refresh()

    def move_by(self, steps: int) -> None:
        """Moves the cursor by `steps` characters, to the left if negative."""
        for _ in range(abs(steps)):
            self.keyboard.move(Move.RIGHT if steps > 0 else Move.LEFT)
        self.refresh()

    def move_lines(self, lines: int, extend: bool = False) -> None:
        """Moves the cursor down by `lines` lines of the shown text, or up if negative."""
        self.keyboard.move_to(self._area.index_below(lines), extend)
        self.refresh()

    def delete(self, reach: Move) -> None:
        """Deletes from the cursor to where `reach` leads."""
        self.keyboard.backspace(reach)
        self._edited()

    def place(self, index: int, extend: bool) -> None:
        """Moves the cursor to a touch; a second touch at the same place opens the menu."""
        again = not extend and index == self.keyboard.cursor and self.keyboard.text
        self.keyboard.move_to(index, extend)
        self.refresh()
        if again:
            self.open_menu()

    def select_word(self, index: int) -> None:
        """Selects the word at an index."""
        self.keyboard.select_word(index)
        self.refresh()

    def select_all(self) -> None:
        """Selects the whole text."""
        self.keyboard.select_all()
        self.refresh()

    def copy(self) -> None:
        """Copies the selection to the clipboard."""
        if copied := self.keyboard.copy():
            Clipboard.copy(copied)

    def cut(self) -> None:
        """Moves the selection to the clipboard."""
        if cut := self.keyboard.cut():
            Clipboard.copy(cut)
        self._edited()

    def paste(self) -> None:
        """Inserts the text in the clipboard."""
        self.keyboard.paste(Clipboard.paste() or "")
        self._edited()

    def open_menu(self) -> None:
        """Opens the menu for the selection or the cursor."""
        start, end = self.keyboard.selection
        choices: dict[str, Callable[[], object]] = {}
        if start < end:
            choices |= {"Cut": self.cut, "Copy": self.copy}
        choices["Paste"] = self.paste
        if end - start < len(self.keyboard.text):
            choices["Select all"] = self._select_all_and_open_menu
        x, _ = self._area.place_of(start)
        self._open(choices, (x, self._area.top))

    def hold_key(self, action: str) -> None:
        """Handles a held key without alternates: the space bar opens the menu of layouts."""
        if action == "space":
            layouts = self._device.layout_names().items()
            choices = {shown: lambda name=name: self.dispatch("on_layout", name) for name, shown in layouts}
            self._open(choices, (self._keypad.center_x, self._keypad.y + self._keypad.height / 4))

    def show_emoji(self) -> None:
        """Shows the emoji in place of the keys."""
        self._board.show_emoji()

    def show_keys(self) -> None:
        """Shows the keys."""
        self._board.show_keys()

    def search_emoji(self) -> None:
        """Sends keys to the emoji search, whose results are shown above them."""
        self.edit_search(self._emoji_search.field)
        self._emoji_search.search(self._device)

    def type_found_emoji(self, emoji: str) -> None:
        """Types an emoji that was found, and leaves the search."""
        self.edit_message()
        self.type_emoji(emoji)

    def type_emoji(self, emoji: str) -> None:
        """Types an emoji, and remembers it as recent."""
        self._count_emoji(emoji)
        self.key("character", emoji)

    def _count_emoji(self, emoji: str) -> None:
        try:
            self._device.recent_emoji.use(emoji)
        except UserFacingError as error:  # the emoji is typed all the same
            self.dispatch("on_say", str(error))

    def _arrange(self, *_: object) -> None:
        """Adds only the parts that are in use; hidden widgets would still take touches."""
        self.clear_widgets()
        if not self.hidden and not self.searching:
            self.add_widget(self._upper)
        if not self.hidden or self.searching:
            self.add_widget(self._lower)

    def _enter(self) -> None:
        if self.searching:
            field = self._area
            self.edit_message()
            field.dispatch("on_submit")
            return
        try:
            text = self.keyboard.enter()
        except UserFacingError as error:  # recording failed, and the keyboard has kept the text
            self.dispatch("on_say", f"not sent: {error}")
            return
        if text:
            self.dispatch("on_sent", text)

    def _edited(self) -> None:
        self._menu.close()
        self.refresh()
        if self.searching:
            self._area.dispatch("on_query", self.keyboard.text)
        else:
            self.dispatch("on_edited")

    def _select_all_and_open_menu(self) -> None:
        self.select_all()
        self.open_menu()

    def _open(self, choices: Mapping[str, Callable[[], object]], at: tuple[float, float]) -> None:
        if self.overlay is not None:
            self._menu.open(self.overlay, choices, at)

    def on_edited(self) -> None:
        """Event for the screen to bind."""

    def on_sent(self, text: str) -> None:
        """Event for the screen to bind."""

    def on_say(self, line: str) -> None:
        """Event for the screen to bind."""

    def on_layout(self, name: str) -> None:
        """Event for the screen to bind."""
