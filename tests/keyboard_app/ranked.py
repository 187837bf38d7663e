"""The knowledge of a keyboard's models, found at once: the ranks of a message's words, and the person's own words."""

from data.tokenizer import tokenize
from keyboard_app.learning.models import Models
from keyboard_app.recording.database.records import Ranks


def ranks_of(models: Models, text: str) -> list[Ranks]:
    """Returns for each token of a message the number of words that each model ranks above it, given the words before it."""
    words = [token.word for token in tokenize(text)]
    in_use, by_global = (suggester.predictor.predictions(words) for suggester in (models._in_use, models._global))
    return [
        Ranks(used.rank, shared.rank) if word in models.global_model.vocabulary else Ranks(None, None)
        for word, used, shared in zip(words, in_use, by_global, strict=True)
    ]


def own_words(models: Models) -> list[str]:
    """Returns the suggested words that are not in the vocabulary, in the order in which they came to be suggested."""
    words = [models.ngram.word(own) for own in models.ngram.offered]
    return [word for word in words if not models._in_use.doubts(word)]
