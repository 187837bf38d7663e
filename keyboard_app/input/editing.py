"""The part of a keyboard that edits as any text field does: cursor, selection and clipboard."""

import re

from keyboard_app.input.text_field import Move, TextField

# Control characters other than line breaks, and surrogates.
_UNTYPABLE = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Editing:
    """Moves the cursor, selects, copies, cuts and pastes; a mixed-in part of `keyboard_app.input.keyboard.Keyboard`."""

    field: TextField

    def _count(self) -> None:
        """Counts a keystroke."""
        raise NotImplementedError

    def _after_key(self) -> None:
        """Is called after every change of the text or the cursor."""
        raise NotImplementedError

    def move(self, where: Move, extend: bool = False) -> None:
        """Moves the cursor, or the end of the selection."""
        self.field.move(where, extend)
        self._after_key()

    def move_to(self, index: int, extend: bool = False) -> None:
        """Moves the cursor, or the end of the selection, to an index of the text."""
        self.field.move_to(index, extend)
        self._after_key()

    def select_word(self, index: int) -> None:
        """Selects the word at an index."""
        self.field.select_word(index)
        self._after_key()

    def select_all(self) -> None:
        """Selects the whole text."""
        self.field.select_all()
        self._after_key()

    def copy(self) -> str:
        """Returns the selected text."""
        return self.field.selected

    def cut(self) -> str:
        """Deletes the selected text and returns it."""
        if cut := self.field.cut():
            self._count()
            self._after_key()
        return cut

    def paste(self, text: str) -> None:
        """Replaces the selection by a text, without its control characters and surrogates."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
        text = _UNTYPABLE.sub("", text)
        if text:
            self._count()
            self.field.insert(text)
            self._after_key()
