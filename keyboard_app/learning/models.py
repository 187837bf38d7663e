"""The models that a keyboard types with: the global network, the personal one, and the person's n-grams over either."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from data.tokenizer import Token, tokenize
from data.vocabulary import Vocabulary
from keyboard_app.recording.database.records import Ranks
from keyboard_app.recording.personal_file import Personal, Seen
from model.device.folder import Model
from model.device.network import Network
from model.device.suggesting.continuations import continuation
from model.device.suggesting.corrections import Neighbours, TouchCosts
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram, parts_of
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences
from model.device.weights import Weights

# Most words of an unread context, such as a pasted text, that a network reads at a key. They take a few milliseconds.
_MOST_UNREAD = 8


class Models:
    """The models in use: the personal network, or the global one if there is none, with the person's n-grams over it.

    The person's decisions about words (`word_preferences`) take effect with the next suggestion. For one thread.
    """

    def __init__(
        self,
        global_model: Model,
        personal: Personal | None,
        messages: Sequence[str] = (),
        ngram_trust: float = USUAL_TRUST,
    ) -> None:
        """Starts to type with the models.

        Args:
          global_model: the newest global model.
          personal: the personal network trained from it.
          messages: the messages sent so far, oldest first.
          ngram_trust: weight of the n-grams over the network in use.

        Raises:
          DataError: the personal network does not fit the global model.
        """
        self.word_preferences = WordPreferences()
        self._neighbours: Neighbours | None = None
        self._start(global_model, PersonalNgram(global_model.vocabulary, messages, trust=ngram_trust))
        if personal is not None:
            self.use_personal(personal.weights, personal.seen)

    def use_global(self, model: Model, messages: Sequence[str]) -> None:
        """Types with this global model from now on, without a personal network; `messages` are all sent so far, oldest first.

        Its vocabulary may be another one: the n-grams are counted anew, so that a word of the person that is in the vocabulary now
        is one of its words, with the person's counts and case.

        The n-grams get the usual weight: the learned weight belongs to another network.
        """
        self._start(model, PersonalNgram(model.vocabulary, messages))

    def _start(self, model: Model, ngram: PersonalNgram) -> None:
        self._reader = Reader(model.network(), _MOST_UNREAD, model.phrases)
        self.global_model, self._ngram = model, ngram
        self.personal: Weights | None = None
        self.seen: Seen | None = None  # the messages that the personal network may hold
        # Its suggestions show the effect of learning. While it is the network in use, both suggesters share one reader.
        self._global = Suggester(self._reader, model.vocabulary, lexicon=model.lexicon)
        self._in_use = self._suggester(self._reader)

    def use_messages(self, messages: Sequence[str]) -> None:
        """Suggests from now on by the phrases and words of these messages alone, oldest first."""
        self._ngram = PersonalNgram(self.global_model.vocabulary, messages, trust=self.ngram_trust)
        self._in_use = self._suggester(self._in_use.reader)

    def forget_personal(self) -> None:
        """Types with the global network from now on."""
        self.personal, self.seen = None, None
        self._in_use.reader = self._reader

    def use_personal(self, weights: Weights, seen: Seen | None = None) -> None:
        """Types with these weights from now on.

        Args:
          weights: the weights, which must not be changed afterwards.
          seen: the messages that the weights may hold.

        Raises:
          DataError: the weights do not fit the global model.
        """
        network = Network(self.global_model.provenance.config, weights)
        self.personal, self.seen = weights, seen
        self._in_use.reader = Reader(network, _MOST_UNREAD, self.global_model.phrases)

    def use_neighbours(self, neighbours: Neighbours) -> None:
        """Expects typos on neighbouring keys of this layout (`keyboard_app.input.layout.Layout.neighbours`) from now on."""
        self._neighbours = neighbours
        self._in_use.spellings.use_neighbours(neighbours)

    def _suggester(self, reader: Reader) -> Suggester:
        vocabulary, lexicon = self.global_model.vocabulary, self.global_model.lexicon
        return Suggester(reader, vocabulary, self._ngram, self.word_preferences, self._neighbours, lexicon)

    @property
    def personalized(self) -> bool:
        """Whether a personal network is in use."""
        return self.personal is not None

    @property
    def ngram_trust(self) -> float:
        """The weight of the person's n-grams (`PersonalNgram.trust`); a new value applies from the next suggestion on."""
        return self._ngram.trust

    @ngram_trust.setter
    def ngram_trust(self, trust: float) -> None:
        self._ngram.trust = trust

    def suggest(self, context: str, prefix: str, touches: TouchCosts | None = None) -> list[str]:
        """Returns three words for the place after `context` that fit the prefix and its touches (`Suggester.suggest`)."""
        return [self._in_use.casing.written(word) for word in self._in_use.suggest(context, prefix, touches=touches)]

    def continuing(self, context: str, word: str) -> Generator[None, None, list[str]]:
        """Finds the words that probably follow a suggested word, as they are written (`continuation`)."""
        in_use = self._in_use
        return [in_use.casing.written(following) for following in (yield from continuation(in_use, context, word))]

    @property
    def ngram(self) -> PersonalNgram:
        """The model of the person's phrases; its words follow those of its vocabulary in `log_prior`."""
        return self._ngram

    def log_prior(self, context: str) -> NDArray[np.float32]:
        """Returns the natural logarithm of the probability of each word after a context; -inf if it is not to be offered."""
        return self._in_use.log_prior(context)

    def written(self, word: str) -> str:
        """Returns a lower-case word in the case in which the person writes it, or in its usual case."""
        return self._in_use.casing.written(word)

    def prepare(self) -> None:
        """Builds the tables for corrections, in about 30 ms, so that the first word does not have to wait for them."""
        _ = self._in_use.spellings.corrections

    def read_ahead(self, context: str) -> None:
        """Has both networks read the message so far, so that the next suggestions and ranks need no step of a network."""
        self._in_use.follow(context)
        self._global.follow(context)

    def suggest_by_global(self, context: str, prefix: str) -> list[str]:
        """Suggests by the global network alone, as if the person had never typed."""
        return [self._global.casing.written(word) for word in self._global.suggest(context, prefix)]

    def correct(self, context: str, word: str, touches: TouchCosts | None = None) -> str | None:
        """Returns the correction of a typed word or of its case, or None (`Suggester.correct`, `Casing.recased`)."""
        corrected = self._in_use.correct(context, word, touches)
        return self._in_use.casing.recased(word) if corrected is None else self._in_use.casing.written(corrected)

    def learn_in_steps(self, text: str) -> Iterator[Ranks | None]:
        """Counts a sent message, whose phrases and words are suggested from then on, and ranks its words.

        A step takes about a millisecond. A rank is the number of words that a model ranks above the word, given those before it.

        Models that take the place of these in the meantime have read the message from the store: it is not counted twice.

        Yields:
          The ranks of each token, in order; before them, None after each step without ranks.
        """
        ngram, reader, by_global = self._ngram, self._in_use.reader, self._global.predictor
        return self._learn_in_steps(text, ngram, Predictor(reader, ngram.vocabulary, ngram.frozen()), by_global)

    def _learn_in_steps(
        self, text: str, ngram: PersonalNgram, in_use: Predictor, by_global: Predictor
    ) -> Iterator[Ranks | None]:
        tokens: list[Token] = []
        for part in parts_of(text):
            split = tokenize(part)
            ngram.learn_tokens(split)
            tokens += split
            yield None
        yield from _rank([token.word for token in tokens], in_use, by_global, ngram.vocabulary)


def _rank(words: Sequence[str], in_use: Predictor, by_global: Predictor, vocabulary: Vocabulary) -> Iterator[Ranks]:
    for word, used, shared in zip(words, in_use.predict(words), by_global.predict(words), strict=True):
        yield Ranks(used.rank, shared.rank) if word in vocabulary else Ranks(None, None)
