"""How good a model is on the messages of held-out users."""

from collections.abc import Sequence

from data.corpus import Corpus
from data.errors import DataError
from data.tokenizer import tokenize
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.metrics import Scores, Typing, evaluate, type_messages


def equal_shares(corpus: Corpus, users: Sequence[str], max_words: int | None) -> list[list[str]]:
    """The oldest messages of each user, `max_words` words in all at most, in shares as equal as the users' lengths allow.

    A message that would exceed a share is left out with all behind it. Without `max_words`, everything.
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


def evaluate_users(work: Sequence[tuple[Model, Sequence[str]]]) -> list[tuple[Scores, Typing]]:
    """Scores and keystrokes of users' messages, each by a model, with LiteRT as a device has it, on all processors.

    Raises:
      DataError: not one word of the messages is in the vocabulary.
    """
    with progress_bar("evaluating", len(work)) as bar:
        users = map_in_processes(_evaluate_user, work, bar)
    if not sum(scores.words for scores, _ in users):
        raise DataError(
            "not one word of these messages is in the model's vocabulary: is it their language, "
            "and --max-words enough for a message of each user?"
        )
    return users


def _evaluate_user(model_and_messages: tuple[Model, Sequence[str]]) -> tuple[Scores, Typing]:
    model, messages = model_and_messages
    program = model.start()
    encoded = [model.vocabulary.encode(text) for text in messages]
    return evaluate(program, encoded), type_messages(messages, program, model.vocabulary)


def long_enough(corpus: Corpus, users: Sequence[str], min_words: int, max_users: int | None) -> list[str]:
    """The first `max_users` of the users who wrote at least `min_words` words.

    Raises:
      DataError: nobody did.
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
