"""The result of a button, shown beside it."""

from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.label import Label

__all__ = ("ButtonResult",)


class ButtonResult(Label):
    """A line with the result of a button's work; takes no room while it is empty."""

    line = StringProperty()
    failed = BooleanProperty(False)

    def show(self, line: str, failed: bool = False) -> None:
        """Shows a line, in the colour of errors if the work failed."""
        self.line, self.failed = line, failed

    def clear(self) -> None:
        """Removes the line."""
        self.show("")
