"""The models at work in a keyboard: the global one, the personal one over it, and what they expect next."""

from data.vocabulary import UNKNOWN
from keyboard_app.store import Ranks
from model.device.folder import Model
from model.device.suggestions import Suggester
from model.device.weights import Weights


class Models:
    """Suggests by the personal model, or by the global one as long as there is no other. For one thread."""

    def __init__(self, global_model: Model, personal: Weights | None) -> None:
        """Starts the program.

        Raises:
          DataError: the model's program is damaged or does not fit its weights.
        """
        self.use_global(global_model)
        if personal is not None:
            self.use_personal(personal)

    def use_global(self, model: Model) -> None:
        """Types with this global model from now on, and without a personal one.

        Raises:
          DataError: its program is damaged or does not fit its weights; the models in use stay.
        """
        program = model.start()
        self._program, self.global_model = program, model
        self._in_use = self._global = Suggester(program, model.vocabulary)

    def use_personal(self, weights: Weights) -> None:
        """Types with these weights from now on.

        Raises:
          DataError: they do not fit the global model.
        """
        if not self.personalized:
            # The global model is still asked, to show what learning brought.
            self._global = Suggester(self.global_model.start(), self.global_model.vocabulary)
        self._program.weights = weights
        self._in_use = Suggester(self._program, self.global_model.vocabulary)  # it remembers states of the old weights

    @property
    def personalized(self) -> bool:
        """Whether a personal model is in use."""
        return self._in_use is not self._global

    def suggest(self, context: str, prefix: str) -> list[str]:
        """Three words for after `context` that start with `prefix`, as `Suggester.suggest` gives them."""
        return self._in_use.suggest(context, prefix)

    def ranks(self, text: str) -> list[Ranks]:
        """For each token of a message, how many words each model puts before it, from the words before it alone."""
        ids = self.global_model.vocabulary.encode(text)
        in_use = self._in_use.ranks(ids)
        by_global = self._global.ranks(ids) if self.personalized else in_use
        return [
            Ranks(None, None) if word == UNKNOWN else Ranks(rank, global_rank)
            for word, rank, global_rank in zip(ids, in_use, by_global, strict=True)
        ]
