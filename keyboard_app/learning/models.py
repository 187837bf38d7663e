"""The models at work in a keyboard: the global network, the personal one over it, the person's n-grams over either."""

from collections.abc import Sequence

from data.tokenizer import tokenize
from keyboard_app.recording.personal_file import Personal, Seen
from keyboard_app.recording.records import Ranks
from model.device.folder import Model
from model.device.runtime import Program
from model.device.suggesting.corrections import Neighbours
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import Wishes
from model.device.weights import Weights


class Models:
    """Suggests by the personal network, or by the global one as long as there is no other, and by the person's n-grams over it.

    What the person has said about words (`word_preferences`) counts for all of its suggestions, at once. For one thread.
    """

    def __init__(
        self,
        global_model: Model,
        personal: Personal | None,
        messages: Sequence[str] = (),
        ngram_trust: float = USUAL_TRUST,
    ) -> None:
        """Starts the program; `messages` are those sent so far, oldest first, and the trust is that in the n-grams.

        Raises:
          DataError: the model's program is damaged or does not fit its weights.
        """
        self.word_preferences = Wishes()
        self._neighbours: Neighbours | None = None
        self._start(global_model, PersonalNgram(global_model.vocabulary, messages, trust=ngram_trust))
        if personal is not None:
            self.use_personal(personal.weights, personal.seen)

    def use_global(self, model: Model, messages: Sequence[str]) -> None:
        """Types with this global model from now on, without a personal network; `messages` are those sent so far.

        The n-grams have the usual trust: what was learned of it was learned over another network.

        Raises:
          DataError: its program is damaged or does not fit its weights; the models in use stay.
        """
        self._start(model, PersonalNgram(model.vocabulary, messages))

    def _start(self, model: Model, ngram: PersonalNgram) -> None:
        self._reader = Reader(model.start())
        self.global_model, self._ngram = model, ngram
        self.personal: Weights | None = None
        self.seen: Seen | None = None  # what the personal network may hold
        # The global model is still asked, to show what learning brought; as long as it is the one in use, both read as one.
        self._global = Suggester(self._reader, model.vocabulary)
        self._in_use = self._suggester(self._reader)

    def use_messages(self, messages: Sequence[str]) -> None:
        """Suggests by the phrases and words of these messages, oldest first, and of no others, from now on."""
        self._ngram = PersonalNgram(self.global_model.vocabulary, messages, trust=self.ngram_trust)
        self._in_use = self._suggester(self._in_use.reader)

    def forget_personal(self) -> None:
        """Types with the global network from now on."""
        self.personal, self.seen = None, None
        self._in_use.reader = self._reader

    def use_personal(self, weights: Weights, seen: Seen | None = None, program: Program | None = None) -> None:
        """Types with these weights from now on.

        Args:
          weights: not to be changed any more.
          seen: what they may hold of the person's messages.
          program: one that has them in it already, and that no one else runs; without it, one is started, in some 50 ms.

        Raises:
          DataError: they do not fit the global model.
        """
        if program is None:
            program = self.global_model.start()
            program.weights = weights
        self.personal, self.seen = weights, seen
        self._in_use.reader = Reader(program)

    def use_neighbours(self, neighbours: Neighbours) -> None:
        """Expects slips to the neighbouring keys of this layout (`keyboard_app.input.layout.Layout.neighbours`) from now on."""
        self._neighbours = neighbours
        self._in_use.spellings.use_neighbours(neighbours)

    def _suggester(self, reader: Reader) -> Suggester:
        return Suggester(reader, self.global_model.vocabulary, self._ngram, self.word_preferences, self._neighbours)

    @property
    def personalized(self) -> bool:
        """Whether a personal network is in use."""
        return self.personal is not None

    @property
    def ngram_trust(self) -> float:
        """How far the person's n-grams are trusted (`PersonalNgram.trust`); a new one counts from the next suggestion on."""
        return self._ngram.trust

    @ngram_trust.setter
    def ngram_trust(self, trust: float) -> None:
        self._ngram.trust = trust

    def suggest(self, context: str, prefix: str) -> list[str]:
        """Three words for after `context` that fit what is typed of one, as `Suggester.suggest` gives them."""
        return self._in_use.suggest(context, prefix)

    def prepare(self) -> None:
        """Makes what the first corrections need, in some 30 ms, which otherwise the first word would take longer."""
        _ = self._in_use.spellings.corrections

    def read_ahead(self, context: str) -> None:
        """Has both networks read a message so far: what is asked for behind it, and `ranks` of it, need no step of them then."""
        self._in_use.follow(context)
        self._global.follow(context)

    def suggest_by_global(self, context: str, prefix: str) -> list[str]:
        """The same by the global network alone, as if the person had never typed."""
        return self._global.suggest(context, prefix)

    @property
    def own_words(self) -> list[str]:
        """The person's words that the vocabulary lacks and the keyboard suggests, in the order in which they came to be so."""
        return [self._ngram.word(own) for own in self._ngram.offered]

    def correct(self, context: str, word: str) -> str | None:
        """The word that was surely meant by a typed one, as `Suggester.correct` gives it."""
        return self._in_use.correct(context, word)

    def ranks(self, text: str) -> list[Ranks]:
        """For each token of a message, how many words each model puts before it, from the words before it alone."""
        words = [token.word for token in tokenize(text)]
        return [
            Ranks(in_use.rank, by_global.rank) if word in self.global_model.vocabulary else Ranks(None, None)
            for word, in_use, by_global in zip(
                words, self._in_use.predictions(words), self._global.predictions(words), strict=True
            )
        ]

    def learn(self, text: str) -> None:
        """Counts a message that was sent: its phrases and words are suggested from now on."""
        self._ngram.learn(text)
