"""A field for typing: its text, cursor and selection, and touches on it; and the same as a search field."""

from enum import Enum
from typing import Any

from kivy.clock import Clock, ClockEvent
from kivy.graphics import Color, Ellipse, InstructionGroup, Rectangle
from kivy.input import MotionEvent
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty

from keyboard_app.input.keyboard import Keyboard
from keyboard_app.window.drawing.excerpt import excerpt
from keyboard_app.window.drawing.partial_painting import Bounded, PaintedBox
from keyboard_app.window.widgets.control import Control
from keyboard_app.window.widgets.text_view import TextView

__all__ = ("SearchField", "TextArea")

_BLINK_EVERY = 0.53  # seconds
_HOLD = 0.45  # seconds until a held touch selects a word
_TAP_SLACK = 6  # dp that a finger may slide during a tap
_HANDLE = 7  # radius of the handles of a selection, in dp
_REACH = 22  # dp within which a finger grabs a handle


class _Drag(Enum):
    """The effect of a finger that moves over the text."""

    NOTHING_YET = "nothing yet"
    SELECTS = "selects"
    START = "moves the start of the selection"
    END = "moves its end"


class TextArea(Bounded, Control, TextView):
    """Shows a text, its cursor and its selection; a long text scrolls with the cursor.

    Of a very long text, `text` is only the part around the cursor, and `cursor`, `selection_start` and `selection_end` count from
    its start. The methods and events that take or give an index count from the start of the whole text.

    Dispatches `on_place(index, extend)` when a tap moves the cursor or a drag extends the selection, `on_word(index)` when a
    double tap or a held finger selects a word, `on_menu` when cut, copy and paste should be offered, and `on_wake` at any touch.
    """

    cursor = NumericProperty(0)
    selection_start = NumericProperty(0)
    selection_end = NumericProperty(0)
    active = BooleanProperty(False)  # whether keys go here, as the caret shows
    caret_shown = BooleanProperty(True)
    placeholder = StringProperty()
    caret_color = ColorProperty()
    selection_color = ColorProperty()
    max_lines = NumericProperty(4)

    __events__: tuple[str, ...] = ("on_menu", "on_place", "on_wake", "on_word")

    def __init__(self, **properties: Any) -> None:
        self._whole, self._skipped = "", 0  # the whole text, and the characters before the part that is shown
        self._whole_cursor, self._selection = 0, (0, 0)  # in the whole text
        self._marks = InstructionGroup()
        self._drag = _Drag.NOTHING_YET
        self._began = (0.0, 0.0)
        self._holding: ClockEvent | None = None
        self._blinking: ClockEvent | None = None
        super().__init__(**properties)
        self.canvas.insert(0, self._marks)  # below the letters
        self._remark = Clock.create_trigger(self._mark, -1)
        for name in (
            *("cursor", "selection_start", "selection_end", "active", "caret_shown", "first_line"),
            *("pos", "size", "caret_color", "selection_color", "content_height"),
        ):
            self.fbind(name, self._remark)

    @property
    def painted(self) -> PaintedBox:
        """The box of the field with the handles of a selection, which hang below it."""
        return super().painted.grown(3 * dp(_HANDLE))

    def show(self, text: str, cursor: int, selection: tuple[int, int]) -> None:
        """Shows a text, its cursor and its selection, with the cursor in view."""
        changed = (text, cursor) != (self._whole, self._whole_cursor)
        self._whole, self._whole_cursor, self._selection = text, cursor, selection
        if changed:
            self._show_around(cursor)
            self._keep_in_view()
            self.restart_blinking()
        else:
            self._show_from(self._skipped, self._skipped + len(self.text))
        self._remark()

    def _show_around(self, index: int) -> None:
        self._show_from(*excerpt(self._whole, index))

    def _show_from(self, start: int, end: int) -> None:
        def inside(index: int) -> int:
            return min(max(index, start), end) - start

        self._skipped, self.text, self.cursor = start, self._whole[start:end], inside(self._whole_cursor)
        self.selection_start, self.selection_end = map(inside, self._selection)

    def on_size(self, *_: object) -> None:
        """Keeps the cursor in view at another size."""
        self._keep_in_view()

    def on_active(self, *_: object) -> None:
        """Starts or stops the blinking of the caret."""
        self.restart_blinking()

    def restart_blinking(self) -> None:
        """Shows the caret, which blinks from now on if keys go here."""
        self.caret_shown = True
        if self._blinking is not None:
            self._blinking.cancel()
            self._blinking = None
        if self.active:
            self._blinking = Clock.schedule_interval(self._blink, _BLINK_EVERY)

    def activate(self) -> None:
        """Requests that keys go to this field."""
        self.dispatch("on_wake")

    def index_at(self, x: float, y: float) -> int:
        """Returns the index in the text nearest to a point."""
        line = int(self.first_line + (self.top - self.padding[1] - y) // self.line_height)
        return self._skipped + self.layout.index_at(line, x - self.x - self.padding[0])

    def index_below(self, lines: int) -> int:
        """Returns the index `lines` lines below the cursor, or above it if negative; the ends of the text beyond them."""
        line = self.layout.line_of(int(self.cursor)) + lines
        if line < 0:
            return self._skipped
        if line >= len(self.layout.lines):
            return self._skipped + len(self.text)
        return self._skipped + self.layout.index_at(line, self.layout.x_of(int(self.cursor)))

    @property
    def last_line(self) -> int:
        """The number of the last line of the shown text, counted from the first visible one."""
        return len(self.layout.lines) - 1 - int(self.first_line)

    def place_of(self, index: int) -> tuple[float, float]:
        """Returns the lower left corner of the caret before the character at an index."""
        return self._place_in_part(min(max(index - self._skipped, 0), len(self.text)))

    def _place_in_part(self, index: int) -> tuple[float, float]:
        line = self.layout.line_of(index)
        return self.x + self.padding[0] + self.layout.x_of(index), self.bottom_of(line)

    def on_place(self, index: int, extend: bool) -> None:
        """Event for the composer to bind."""

    def on_word(self, index: int) -> None:
        """Event for the composer to bind."""

    def on_menu(self) -> None:
        """Event for the composer to bind."""

    def on_wake(self) -> None:
        """Event for the composer to bind."""

    def on_touch_down(self, touch: MotionEvent) -> bool:
        """Begins a tap, a drag or a selection, or scrolls by the wheel."""
        if not self.collide_point(*touch.pos) and not (self._handle_at(touch) and self.active):
            return bool(super().on_touch_down(touch))
        if touch.is_mouse_scrolling:
            self._scroll_by(-1 if touch.button == "scrolldown" else 1)
            return True
        touch.grab(self)
        self.dispatch("on_wake")
        self._began = touch.pos
        self._drag = self._handle_at(touch) or _Drag.NOTHING_YET
        if self._drag is not _Drag.NOTHING_YET:
            return True
        if touch.is_double_tap:
            self.dispatch("on_word", self.index_at(*touch.pos))
            self.dispatch("on_menu")
            return True
        if getattr(touch, "button", "left") == "right":
            self.dispatch("on_menu")
            return True
        self._holding = Clock.schedule_once(lambda _elapsed: self._hold(*touch.pos), _HOLD)
        return True

    def on_touch_move(self, touch: MotionEvent) -> bool:
        """Selects from where the finger came down, or moves an end of the selection."""
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        if self._drag is _Drag.NOTHING_YET:
            if (
                max(abs(touch.x - self._began[0]), abs(touch.y - self._began[1])) < dp(_TAP_SLACK)
                or touch.is_double_tap
            ):
                return True
            self._stop_holding()
            self._drag = _Drag.SELECTS
            self.dispatch("on_place", self.index_at(*self._began), False)
        index = self.index_at(*touch.pos)
        if self._drag is _Drag.START:
            end = self._selection[1]
            if index < end:
                self.dispatch("on_place", end, False)
                self.dispatch("on_place", index, True)
        elif self._drag is not _Drag.END or index > self._selection[0]:
            if self._drag is _Drag.END and self._whole_cursor != self._selection[1]:
                self.dispatch("on_place", self._selection[0], False)
            self.dispatch("on_place", index, True)
        return True

    def on_touch_up(self, touch: MotionEvent) -> bool:
        """Ends a tap, which moves the cursor, or a drag, which opens the menu."""
        if touch.grab_current is not self:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        tapped = self._holding is not None
        self._stop_holding()
        if self._drag is not _Drag.NOTHING_YET:
            self.dispatch("on_menu")
        elif tapped:
            self.dispatch("on_place", self.index_at(*touch.pos), False)
        return True

    def _hold(self, x: float, y: float) -> None:
        self._holding = None
        self.dispatch("on_word", self.index_at(x, y))
        self.dispatch("on_menu")

    def _stop_holding(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def _handle_at(self, touch: MotionEvent) -> _Drag | None:
        if self.selection_start == self.selection_end or touch.is_mouse_scrolling:
            return None
        for index, drag in ((self.selection_end, _Drag.END), (self.selection_start, _Drag.START)):
            x, y = self._place_in_part(int(index))
            if (touch.x - x) ** 2 + (touch.y - (y - dp(_HANDLE))) ** 2 < (dp(_REACH) * 0.7) ** 2:
                return drag
        return None

    def _blink(self, _elapsed: float) -> None:
        self.caret_shown = not self.caret_shown

    def _keep_in_view(self) -> None:
        line, shown = self.layout.line_of(int(self.cursor)), self.shown_lines
        first = int(min(max(self.first_line, line - shown + 1), line))
        self.first_line = min(first, max(len(self.layout.lines) - shown, 0))

    def _scroll_by(self, lines: int) -> None:
        first, start, end = self.first_line + lines, self._skipped, self._skipped + len(self.text)
        if first < 0 < start:  # shows the part before this one
            self._show_around(start)
            self.first_line = self.layout.line_of(start - self._skipped)
        elif first > len(self.layout.lines) - self.shown_lines and end < len(self._whole):
            self._show_around(end)
            self.first_line = max(self.layout.line_of(end - self._skipped) - self.shown_lines, 0)
        self.first_line = min(max(self.first_line + lines, 0), max(len(self.layout.lines) - self.shown_lines, 0))

    def _mark(self, _elapsed: float) -> None:
        marks, height = self._marks, self.line_height
        marks.clear()
        left = self.x + self.padding[0]
        lines = range(int(self.first_line), int(self.first_line) + self.shown_lines)
        start, end = int(self.selection_start), int(self.selection_end)
        if start < end:
            marks.add(Color(*self.selection_color))
            for line, begins, ends in self.layout.spans(start, end):
                if line in lines:
                    size = max(ends - begins, dp(4)), height
                    marks.add(Rectangle(pos=(left + begins, self.bottom_of(line)), size=size))
        if not self.active:
            return
        marks.add(Color(*self.caret_color))
        if start < end:
            for index in (start, end):
                if self.layout.line_of(index) in lines:
                    x, y = self._place_in_part(index)
                    marks.add(Rectangle(pos=(x - dp(1), y), size=(dp(2), height)))
                    marks.add(
                        Ellipse(pos=(x - dp(_HANDLE), y - 1.6 * dp(_HANDLE)), size=(2 * dp(_HANDLE), 2 * dp(_HANDLE)))
                    )
        elif self.caret_shown and self.layout.line_of(int(self.cursor)) in lines:
            x, y = self._place_in_part(int(self.cursor))
            marks.add(Rectangle(pos=(round(x), y + height * 0.08), size=(dp(2), height * 0.84)))


class SearchField(TextArea):
    """A field for a search or a link: nothing is suggested, corrected, capitalized, recorded or learned from.

    Dispatches `on_query(text)` when its text changes, and `on_submit` at Enter.
    """

    __events__: tuple[str, ...] = ("on_query", "on_submit")

    def __init__(self, **properties: Any) -> None:
        self.keyboard = Keyboard(lambda _context, _prefix: [], lambda _text: None, verbatim=True)
        super().__init__(**properties)
        self.name = self.name or "search"

    def fill(self, text: str) -> None:
        """Replaces the text."""
        self.keyboard.text = ""
        self.keyboard.paste(text)
        self.show(self.keyboard.text, self.keyboard.cursor, self.keyboard.selection)

    def on_query(self, text: str) -> None:
        """Event for pages to bind."""

    def on_submit(self) -> None:
        """Event for pages to bind."""
