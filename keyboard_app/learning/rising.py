"""The words and phrases that became more likely: their probability under the models in use and under the global model.

Both predict each word of the newest messages. `before` is the probability under the global network, `after` under the network and
the n-grams in use. A mean is taken over all places where the person wrote the word, or the phrase: the word with the one or two
words before it.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from data.tokenizer import PUNCTUATION, tokenize
from data.vocabulary import UNKNOWN
from keyboard_app.learning.background import Step
from keyboard_app.learning.models import Models
from keyboard_app.recording.user_profile import Profile
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester

_WORDS = 1_000  # of the newest messages: about a second of work
_TIMES = 2  # number of times that a word must have been written
SHOWN = 20


class Rise(NamedTuple):
    """A word that became more likely. `context` is the rest of its phrase; it is empty for the word in any context."""

    context: str
    word: str
    times: int
    before: float  # probability; 0 for a word that is not in the vocabulary
    after: float


@dataclass
class _Sum:
    times: int = 0
    before: float = 0.0
    after: float = 0.0

    def add(self, before: float, after: float) -> None:
        self.times, self.before, self.after = self.times + 1, self.before + before, self.after + after


class Rising:
    """The task (`keyboard_app.learning.background`) of finding the `words` and `phrases` that rose most, best first."""

    def __init__(self, profile: Profile, models: Models) -> None:
        self.title = "looking back"
        self.words: list[Rise] = []
        self.phrases: list[Rise] = []
        self._model = models.global_model
        self._personal = models.personal or self._model.weights
        self._trust = models.ngram_trust
        self._texts = [message.text for message in profile.store.learnable()]

    def work(self) -> Generator[Step]:
        """Reads the newest messages with separate programs, so that typing continues."""
        vocabulary = self._model.vocabulary
        after_program = self._model.start()
        after_program.weights = self._personal
        own = PersonalNgram(vocabulary, self._texts, trust=self._trust)
        before = Suggester(Reader(self._model.start()), vocabulary)
        after = Suggester(Reader(after_program), vocabulary, own)
        newest = self._newest()
        found: dict[tuple[str, str], _Sum] = {}
        for number, words in enumerate(newest, 1):
            for place, word in enumerate(words):
                if word in PUNCTUATION or not word[0].isalpha():
                    continue
                known = vocabulary.id(word)
                was = 0.0 if known == UNKNOWN else float(before.probabilities(words[:place])[known])
                now = float(after.probabilities(words[:place])[own.id(word)])
                for length in range(min(place, 2) + 1):
                    found.setdefault((" ".join(words[place - length : place]), word), _Sum()).add(was, now)
            yield Step(number, len(newest))
        rises = [
            Rise(context, word, s.times, s.before / s.times, s.after / s.times)
            for (context, word), s in found.items()
            if s.times >= _TIMES and s.after > s.before
        ]
        rises.sort(key=lambda rise: rise.before - rise.after)
        self.words = [rise for rise in rises if not rise.context][:SHOWN]
        self.phrases = [rise for rise in rises if rise.context][:SHOWN]

    def _newest(self) -> list[list[str]]:
        messages: list[list[str]] = []
        words = 0
        for text in reversed(self._texts):
            messages.append([token.word for token in tokenize(text)])
            words += len(messages[-1])
            if words >= _WORDS:
                break
        return messages[::-1]

    def finish(self) -> str:
        """Returns a line with the three words that rose most."""
        if not self.words:
            return "no word has become more likely yet: keep typing"
        return f"the words that rose most: {', '.join(rise.word for rise in self.words[:3])}"
