"""A person's decisions about words while typing: to insist on one as typed, to forget one, or to remember it again."""

from collections.abc import Callable

from data.tokenizer import normalize
from model.device.suggesting.word_preferences import WordPreferences


def _nothing(_word: str) -> None:
    return None


class WordChoices:
    """Changes the preferences, which a suggester reads; words may come in any case.

    `on_insist`, `on_forget` and `on_remember` are called with each word, in lower case, that joins the insisted ones, joins the
    forgotten ones, or leaves the forgotten ones.
    """

    def __init__(self, preferences: WordPreferences) -> None:
        self.preferences = preferences
        self.on_insist: Callable[[str], object] = _nothing
        self.on_forget: Callable[[str], object] = _nothing
        self.on_remember: Callable[[str], object] = _nothing

    def insists_on(self, word: str) -> bool:
        """Returns whether a word is not to be corrected."""
        word = normalize(word)
        return word in self.preferences.insisted and word not in self.preferences.forgotten

    def insist(self, word: str) -> None:
        """Never corrects a word from now on, and offers it again if it was forgotten."""
        word = normalize(word)
        if word not in self.preferences.insisted:
            self.preferences.insisted.add(word)
            self.on_insist(word)
        self.remember(word)

    def forget(self, word: str) -> None:
        """Stops offering a word until the person insists on it."""
        word = normalize(word)
        self.preferences.forgotten.add(word)
        self.on_forget(word)

    def remember(self, word: str) -> None:
        """Offers a forgotten word again."""
        word = normalize(word)
        if word in self.preferences.forgotten:
            self.preferences.forgotten.remove(word)
            self.on_remember(word)
