"""Maps the keys of a physical keyboard to actions."""

from collections.abc import Callable, Collection

from keyboard_app.input.text_field import Move
from keyboard_app.window.screen import Screen
from keyboard_app.window.widgets.focus import Way

__all__ = ("PhysicalKeys",)

BACKSPACE, TAB, ENTER, ESCAPE, SPACE, DELETE, KEYPAD_ENTER = 8, 9, 13, 27, 32, 127, 271
UP, DOWN, RIGHT, LEFT, HOME, END, F6 = 273, 274, 275, 276, 278, 279, 287

_MOVES = {LEFT: Move.LEFT, RIGHT: Move.RIGHT, HOME: Move.LINE_START, END: Move.LINE_END}
_FAR_MOVES = {LEFT: Move.WORD_LEFT, RIGHT: Move.WORD_RIGHT, HOME: Move.START, END: Move.END}
_WAYS = {LEFT: Way.LEFT, RIGHT: Way.RIGHT, UP: Way.UP, DOWN: Way.DOWN}


class PhysicalKeys:
    """Passes the keys of a physical keyboard on to the screen.

    Tab takes the best suggestion, and a second Tab the words behind it. At the end of the text, Right takes the ghost behind it.
    F6 or Shift+Tab moves the focus to the controls. There Tab and the arrow keys move on, Enter or Space operates the focused
    control, and Escape or typing returns to the text.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._swallows_space = False

    def on_text(self, _window: object, text: str) -> None:
        """Types text."""
        if text == " " and self._swallows_space:
            self._swallows_space = False
            return
        if not self._screen.asks:
            self._screen.type_text(text)

    def on_key_down(
        self, _window: object, key: int, _scancode: int, _text: str | None, modifiers: Collection[str]
    ) -> bool:
        """Handles a key that went down; returns whether the key has a meaning here."""
        screen = self._screen
        shift, ctrl = "shift" in modifiers, bool({"ctrl", "meta"} & set(modifiers))
        self._swallows_space = False
        if key == F6 or (key == TAB and (shift or screen.focus.focused is not None or screen.asks)):
            screen.step_focus(-1 if shift else 1)
            return True
        if key == ESCAPE:
            return screen.escape()
        if screen.focus.focused is not None:
            if key in _WAYS:
                return screen.move_focus(_WAYS[key])
            if key in (ENTER, KEYPAD_ENTER, SPACE):
                self._swallows_space = key == SPACE
                return screen.focus.activate()
        if screen.asks:
            return False
        return self._edit(key, shift, ctrl)

    def _edit(self, key: int, shift: bool, ctrl: bool) -> bool:
        composer = self._screen.composer
        if key == RIGHT and not (shift or ctrl) and composer.take_ghost():
            return True
        if key in _MOVES:
            composer.move((_FAR_MOVES if ctrl else _MOVES)[key], shift)
            return True
        acts: dict[int, Callable[[], object]] = {
            UP: lambda: composer.move_lines(-1, shift),
            DOWN: lambda: composer.move_lines(1, shift),
            BACKSPACE: lambda: composer.delete(Move.WORD_LEFT) if ctrl else self._screen.key("backspace"),
            DELETE: lambda: composer.delete(Move.WORD_RIGHT if ctrl else Move.RIGHT),
            ENTER: lambda: self._screen.key("enter"),
            KEYPAD_ENTER: lambda: self._screen.key("enter"),
            TAB: composer.take_best,
        }
        if ctrl:
            acts |= {
                ord("a"): composer.select_all,
                ord("c"): composer.copy,
                ord("x"): composer.cut,
                ord("v"): composer.paste,
            }
        if key not in acts:
            return False
        acts[key]()
        return True
