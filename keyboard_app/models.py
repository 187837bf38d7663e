"""The models at work in a keyboard: the global network, the personal one over it, the person's n-grams over either."""

from collections.abc import Sequence

from data.tokenizer import tokenize
from keyboard_app.store import Ranks
from model.device.corrections import Neighbours
from model.device.folder import Model
from model.device.personal import USUAL_TRUST, PersonalNgram
from model.device.suggestions import Suggester
from model.device.weights import Weights
from model.device.wishes import Wishes


class Models:
    """Suggests by the personal network, or by the global one as long as there is no other, and by the person's n-grams over it.

    What the person has said about words (`wishes`) counts for all of its suggestions, at once. For one thread.
    """

    def __init__(
        self,
        global_model: Model,
        personal: Weights | None,
        messages: Sequence[str] = (),
        ngram_trust: float = USUAL_TRUST,
    ) -> None:
        """Starts the program; `messages` are those sent so far, oldest first, and the trust is that in the n-grams.

        Raises:
          DataError: the model's program is damaged or does not fit its weights.
        """
        self.wishes = Wishes()
        self._neighbours: Neighbours | None = None
        self._start(global_model, PersonalNgram(global_model.vocabulary, messages, trust=ngram_trust))
        if personal is not None:
            self.use_personal(personal)

    def use_global(self, model: Model, messages: Sequence[str]) -> None:
        """Types with this global model from now on, without a personal network; `messages` are those sent so far.

        The n-grams have the usual trust: what was learned of it was learned over another network.

        Raises:
          DataError: its program is damaged or does not fit its weights; the models in use stay.
        """
        self._start(model, PersonalNgram(model.vocabulary, messages))

    def _start(self, model: Model, ngram: PersonalNgram) -> None:
        program = model.start()
        self._program, self.global_model, self._ngram = program, model, ngram
        self.personal: Weights | None = None
        # The global model is still asked, to show what learning brought.
        self._global = Suggester(program, model.vocabulary)
        self._in_use = self._suggester()

    def use_personal(self, weights: Weights) -> None:
        """Types with these weights from now on.

        Raises:
          DataError: they do not fit the global model.
        """
        model = self.global_model
        if not self.personalized:
            self._global = Suggester(model.start(), model.vocabulary)
        self._program.weights = weights
        self.personal = weights
        self._in_use = self._suggester()  # the one before remembers states of the old weights

    def use_neighbours(self, neighbours: Neighbours) -> None:
        """Expects slips to the neighbouring keys of this layout (`keyboard_app.layout.Layout.neighbours`) from now on."""
        self._neighbours = neighbours
        self._in_use.spellings.use_neighbours(neighbours)

    def _suggester(self) -> Suggester:
        return Suggester(self._program, self.global_model.vocabulary, self._ngram, self.wishes, self._neighbours)

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
