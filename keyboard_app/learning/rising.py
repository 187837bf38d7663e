"""The words and phrases that became more likely: their probability under the models in use and under the global model.

Both predict each word of the newest messages. `before` is the probability under the global network, `after` under the network and
the n-grams in use. A mean is taken over all places where the person wrote the word, or the phrase: the word with the one or two
words before it.

A word has one entry. It is the longest phrase that ends in the word at every place where the person wrote it, because that phrase
has the same figures and says more ("the climbing hall"). A word that was written after different words stands alone, because no
single phrase covers all of its places ("kindergarten"). A word that is always followed by the rest of a listed phrase has no entry
of its own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from data.tokenizer import PUNCTUATION, tokenize
from data.vocabulary import UNKNOWN
from keyboard_app.learning.background import Step
from keyboard_app.learning.models import Models
from keyboard_app.recording.user_profile import Profile
from model.device.network import Network
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader

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

    @property
    def text(self) -> str:
        """The word or phrase."""
        return f"{self.context} {self.word}".strip()


@dataclass
class _Sum:
    times: int = 0
    before: float = 0.0
    after: float = 0.0

    def add(self, before: float, after: float) -> None:
        self.times, self.before, self.after = self.times + 1, self.before + before, self.after + after


class Rising:
    """The task (`keyboard_app.learning.background`) of finding the words and phrases that rose most: `found`, best first."""

    def __init__(self, profile: Profile, models: Models) -> None:
        self.title = "looking back"
        self.found: list[Rise] = []
        self._model = models.global_model
        self._personal = models.personal or self._model.weights
        self._trust = models.ngram_trust
        self._texts = [message.text for message in profile.store.learnable()]

    def work(self) -> Generator[Step]:
        """Reads the newest messages with separate readers, so that typing continues."""
        vocabulary = self._model.vocabulary
        own = PersonalNgram(vocabulary, self._texts, trust=self._trust)
        phrases = self._model.phrases
        before = Predictor(Reader(self._model.network(), phrases=phrases), vocabulary)
        after = Predictor(
            Reader(Network(self._model.provenance.config, self._personal), phrases=phrases), vocabulary, own
        )
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
        self.found = one_for_each_word(rises)[:SHOWN]

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
        if not self.found:
            return "none of your words is suggested more than before yet: keep typing, and let your keyboard learn"
        return f"most on the rise: {', '.join(rise.text for rise in self.found[:3])}"


def one_for_each_word(rises: Sequence[Rise]) -> list[Rise]:
    """Returns one entry for each word that rose, those that rose most first (see the top of this file)."""
    alone = {rise.word: rise for rise in rises if not rise.context}
    longest: dict[str, Rise] = {}
    for rise in sorted(rises, key=lambda rise: len(rise.context.split())):
        whole = alone.get(rise.word)
        if whole is None or rise.times == whole.times:
            longest[rise.word] = rise
    kept: list[Rise] = []
    for rise in sorted(longest.values(), key=lambda rise: rise.before - rise.after):
        if not any(_covers(other, rise) for other in kept):
            kept = [other for other in kept if not _covers(rise, other)] + [rise]
    return kept


def _covers(phrase: Rise, rise: Rise) -> bool:
    """Returns whether a phrase contains the word of another entry before its own word, at every place of that entry."""
    return rise.word in phrase.context.split() and phrase.times >= rise.times
