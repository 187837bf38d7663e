"""The suggestions of three models side by side."""

from pathlib import Path

from keyboard_app.learning.models import Models
from model.device.folder import load_model
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


class SuggestionComparison:
    """The suggestions of the shipped, the personal and the newest global model for the same moment."""

    def __init__(self, models: Models, shipped: Path) -> None:
        self._models = models
        self._shipped = shipped
        self._suggester: Suggester | None = None

    def suggest(self, context: str, prefix: str) -> dict[str, list[str]]:
        """Returns three words by each model (`shipped`, `personal`, `global`) that may follow `context` and fit `prefix`.

        The first call loads the shipped model, which takes some tens of milliseconds.

        Raises:
          DataError: the shipped model is damaged.
        """
        if self._suggester is None:
            model = load_model(self._shipped)
            self._suggester = Suggester(
                Reader(model.network(), phrases=model.phrases), model.vocabulary, lexicon=model.lexicon
            )
        return {
            "shipped": [self._suggester.casing.written(word) for word in self._suggester.suggest(context, prefix)],
            "personal": self._models.suggest(context, prefix),
            "global": self._models.suggest_by_global(context, prefix),
        }
