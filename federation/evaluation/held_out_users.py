"""Measurement of a model on the messages of held-out users."""

from collections.abc import Sequence

from data.corpus import Corpus
from data.errors import DataError
from data.tokenizer import tokenize
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.metrics import Scores, Typing, evaluate, type_by_words_and_phrases
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


def equal_shares(corpus: Corpus, users: Sequence[str], max_words: int | None) -> list[list[str]]:
    """Returns the oldest messages of each user, at most `max_words` words in total; without `max_words`, all messages.

    The users' shares are as equal as their lengths allow. A user's messages end before the first that would exceed the share.
    """
    if max_words is None:
        return [list(corpus.messages(user)) for user in users]
    chosen, left = [], max_words
    for position, user in enumerate(users):
        share, messages = left // (len(users) - position), []
        for text in corpus.messages(user):
            words = len(tokenize(text))
            if words > share:
                break
            share, left = share - words, left - words
            messages.append(text)
        chosen.append(messages)
    return chosen


def evaluate_users(work: Sequence[tuple[Model, Sequence[str]]]) -> list[tuple[Scores, Typing, Typing]]:
    """Returns the scores and keystrokes of each user, given a model and messages for each.

    The keystrokes are those with suggestions of single words, and those with phrases.

    Runs LiteRT, as devices do, on all processors.

    Raises:
      DataError: no word of the messages is in the vocabulary.
    """
    with progress_bar("evaluating", len(work)) as bar:
        users = map_in_processes(_evaluate_user, work, bar)
    if not sum(scores.words for scores, *_ in users):
        raise DataError(
            "no word of these messages is in the model's vocabulary: check that they are in its language, and raise "
            "--max-words if it is too low for one message of each user"
        )
    return users


def _evaluate_user(model_and_messages: tuple[Model, Sequence[str]]) -> tuple[Scores, Typing, Typing]:
    model, messages = model_and_messages
    program = model.start()
    scores = evaluate(program, [model.vocabulary.encode(text) for text in messages], model.phrases)
    suggester = Suggester(Reader(program, phrases=model.phrases), model.vocabulary)
    by_words = by_phrases = Typing()
    for text in messages:
        words, phrases = type_by_words_and_phrases(text, suggester)
        by_words, by_phrases = by_words + words, by_phrases + phrases
    return scores, by_words, by_phrases


def long_enough(corpus: Corpus, users: Sequence[str], min_words: int, max_users: int | None) -> list[str]:
    """Returns the first `max_users` users who wrote at least `min_words` words.

    Raises:
      DataError: no user wrote that many.
    """
    kept: list[str] = []
    for user in users:
        if max_users is not None and len(kept) == max_users:
            break
        if sum(len(tokenize(text)) for text in corpus.messages(user)) >= min_words:
            kept.append(user)
    if not kept:
        raise DataError(f"no user wrote {min_words} words: lower --min-words")
    return kept
