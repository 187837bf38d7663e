"""Metrics of a model: recall at k, perplexity, and keystroke savings rate."""

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from data.errors import UserFacingError
from data.generators import result_of
from data.tokenizer import PUNCTUATION, Token, tokenize
from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from data.windows import lanes
from model.device.network import Network
from model.device.runtime import Program
from model.device.suggesting.continuations import continuation
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.phrases import Phrases
from model.device.suggesting.prediction import Prediction
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


class NotFiniteError(UserFacingError):
    """The weights or the predictions of a model are not finite numbers."""


@dataclass(frozen=True)
class Scores:
    """Sums over words; add the scores of several messages or users with `+`.

    A word is a target in the vocabulary, including punctuation; `<unk>` and the end of a message do not count.
    """

    words: int = 0
    out_of_vocabulary: int = 0
    first: int = 0  # words with rank 0
    among_three: int = 0  # words with a rank below 3
    log_likelihood: float = 0.0  # nats
    own_first: int = 0  # words outside the vocabulary that a personal model ranked first
    own_among_three: int = 0

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(
            self.words + other.words,
            self.out_of_vocabulary + other.out_of_vocabulary,
            self.first + other.first,
            self.among_three + other.among_three,
            self.log_likelihood + other.log_likelihood,
            self.own_first + other.own_first,
            self.own_among_three + other.own_among_three,
        )

    @property
    def top1(self) -> float:
        """Recall at 1 over the words in the vocabulary; 0 without any."""
        return self.first / max(self.words, 1)

    @property
    def top3(self) -> float:
        """Recall at 3 over the words in the vocabulary; 0 without any."""
        return self.among_three / max(self.words, 1)

    @property
    def top1_all_words(self) -> float:
        """Recall at 1 over all words; a word outside the vocabulary is a miss unless a personal model predicted it."""
        return (self.first + self.own_first) / max(self.words + self.out_of_vocabulary, 1)

    @property
    def top3_all_words(self) -> float:
        """Recall at 3 over all words, counted in the same way."""
        return (self.among_three + self.own_among_three) / max(self.words + self.out_of_vocabulary, 1)

    @property
    def perplexity(self) -> float:
        """The exponential of the mean negative log-likelihood of the words in the vocabulary."""
        return math.exp(min(-self.log_likelihood / max(self.words, 1), 700.0))


def scores(ranks: NDArray[np.int32], log_likelihoods: NDArray[np.float32], targets: NDArray[np.int32]) -> Scores:
    """Sums up a program's evaluation of targets, given as arrays of one shape; only words and `<unk>` count.

    Raises:
      NotFiniteError: a log-probability is not finite.
    """
    words = targets >= len(SPECIALS)
    if not np.isfinite(log_likelihoods[words]).all():
        raise NotFiniteError(
            "the model's predictions are not finite numbers: restore the model, or train with a smaller learning rate"
        )
    return Scores(
        words=int(words.sum()),
        out_of_vocabulary=int((targets == UNKNOWN).sum()),
        first=int((ranks[words] < 1).sum()),
        among_three=int((ranks[words] < 3).sum()),
        log_likelihood=float(log_likelihoods[words].sum(dtype=np.float64)),
    )


def tally(predictions: Iterable[Prediction], vocabulary: int) -> Scores:
    """Sums up predictions over a vocabulary of this size; larger ids are the person's own words.

    Raises:
      NotFiniteError: a log-probability is not finite.
    """
    words = outside = first = three = own_first = own_three = 0
    likelihood = 0.0
    for word, rank, log_likelihood in predictions:
        if not math.isfinite(log_likelihood):
            raise NotFiniteError(
                "the model's predictions are not finite numbers: restore the model, or train with a smaller learning rate"
            )
        guessed, among_three = rank is not None and rank < 1, rank is not None and rank < 3
        if len(SPECIALS) <= word < vocabulary:
            words, first, three = words + 1, first + guessed, three + among_three
            likelihood += log_likelihood
        else:
            outside, own_first, own_three = outside + 1, own_first + guessed, own_three + among_three
    return Scores(words, outside, first, three, likelihood, own_first, own_three)


def evaluate(program: Program, messages: Sequence[Sequence[int]], phrases: Phrases | None = None) -> Scores:
    """Scores encoded messages. The state is reset before each message and carried through all of its windows.

    With `phrases`, which are mixed into the network's probabilities, words are predicted one by one, as on a keyboard.
    """
    if phrases is None:
        return result_of(evaluating(program, messages))
    targets = np.array([token for message in messages for token in message], np.int32)
    return scores(*predict_with_phrases(program, messages, phrases), targets)


def predict_with_phrases(
    program: Program, messages: Sequence[Sequence[int]], phrases: Phrases
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the rank of each of the N tokens of encoded messages, int32 [N], and its log-probability in nats, float32 [N]."""
    reader, ranks, log_likelihoods = Reader(program, phrases=phrases), [], []
    for message in messages:
        for token, logits in zip(message, reader.along(message), strict=True):
            ranks.append(np.count_nonzero(logits[len(SPECIALS) :] > logits[token]))
            log_likelihoods.append(logits[token])
    return np.array(ranks, np.int32), np.array(log_likelihoods, np.float32)


def evaluating(program: Program, messages: Sequence[Sequence[int]]) -> Generator[None, None, Scores]:
    """Does the work of `evaluate`; yields after each run of the program."""
    window = program.config.window
    streams, _ = lanes(messages, program.config.batch, window)
    state, total = program.initial_state(program.config.batch), Scores()
    for start in range(0, streams.shape[1] - 1, window):
        rows = streams[:, start : start + window + 1]
        evaluation, state = program.evaluate(rows, state)
        total += scores(evaluation.rank, evaluation.log_likelihood, rows[:, 1:])
        yield
    return total


def evaluating_by_steps(network: Network, messages: Sequence[Sequence[int]]) -> Generator[None, None, Scores]:
    """Does the work of `evaluate` word by word, as the keyboard types, and yields after each word.

    It takes twice as long, but its longest step is a millisecond, and it needs no interpreter, which would take 35 MiB.
    """
    reader, total = Reader(network), Scores()
    for message in messages:
        ranks, log_likelihoods = [], []
        for token, logits in zip(message, reader.along(message), strict=True):
            ranks.append(np.count_nonzero(logits[len(SPECIALS) :] > logits[token]))
            log_likelihoods.append(logits[token] - _log_sum(logits))
            yield
        arrays = np.array(ranks, np.int32), np.array(log_likelihoods, np.float32), np.array(message, np.int32)
        total += scores(*arrays)
    return total


def _log_sum(logits: NDArray[np.float32]) -> np.float32:
    """Returns the logarithm of the sum of exponentials."""
    highest = logits.max()
    log_sum: np.float32 = highest + np.log(np.exp(logits - highest).sum())
    return log_sum


@dataclass(frozen=True)
class Typing:
    """Keystrokes and the characters that they produced; add those of several messages with `+`."""

    keystrokes: int = 0
    characters: int = 0

    def __add__(self, other: "Typing") -> "Typing":
        return Typing(self.keystrokes + other.keystrokes, self.characters + other.characters)

    @property
    def savings_rate(self) -> float:
        """The keystroke savings rate (KSR), 1 - keystrokes / characters; 0 if nothing was typed."""
        return 1 - self.keystrokes / self.characters if self.characters else 0.0


def type_message(
    text: str,
    suggest: Callable[[str, str], list[str]],
    continued: Callable[[str, str], list[str]] = lambda _context, _word: [],
) -> Typing:
    """Types a message as a person who never misses a suggestion, and counts keystrokes (Trnka and McCoy 2008).

    The text is lower-cased and its white space collapsed. `suggest(context, prefix)` is called before each letter. Taking a
    suggestion costs one keystroke and adds a space, which punctuation swallows and any other symbol has to delete by a backspace.
    Enter is not counted.

    `continued(context, word)` returns the words that are shown behind a suggested word. If they all follow in the text, one
    keystroke takes them too, with a space after each word; otherwise the person takes the first word alone.
    """
    text = " ".join(text.lower().split())
    keystrokes, end, space_waits = 0, 0, False
    tokens, place = tokenize(text), 0
    while place < len(tokens):
        token = tokens[place]
        typed = text[end : token.start]
        if typed.startswith(" ") and space_waits:
            keystrokes += len(typed) - 1
        else:
            keystrokes += len(typed) + (space_waits and bool(typed or token.text not in PUNCTUATION))
        taken = None
        if token.text not in PUNCTUATION:
            context = text[: token.start]
            # A word right after another one, as pm in 5pm, begins only with its first letter.
            begun = int(not typed and token.start > 0 and text[token.start - 1] not in PUNCTUATION)
            shown = (n for n in range(begun, len(token.word)) if token.word in suggest(context, token.word[:n]))
            taken = next(shown, None)
        keystrokes += len(token.text) if taken is None else taken + 1
        if taken is not None:
            place += _following(text, tokens[place:], continued(text[: token.start], token.word))
        end, space_waits = tokens[place].start + len(tokens[place].text), taken is not None
        place += 1
    rest = text[end:]
    if rest:
        keystrokes += len(rest) + (-1 if rest[0] == " " else 1) * space_waits
    return Typing(keystrokes, len(text))


def _following(text: str, tokens: Sequence[Token], words: Sequence[str]) -> int:
    """Returns the number of the words if the text goes on with them all after its first token, each after one space, or else 0."""
    follow = tokens[1 : len(words) + 1]
    apart = (text[one.start + len(one.text) : other.start] == " " for one, other in zip(tokens, follow, strict=False))
    return len(words) if [token.word for token in follow] == list(words) and all(apart) else 0


def type_messages(
    messages: Iterable[str],
    program: Program,
    vocabulary: Vocabulary,
    personal: PersonalNgram | None = None,
    phrases: Phrases | None = None,
) -> Typing:
    """Types messages with the suggestions of a program and of an optional personal n-gram model, which does not learn here."""
    suggest = Suggester(Reader(program, phrases=phrases), vocabulary, personal).suggest
    return sum((type_message(text, suggest) for text in messages), Typing())


def type_by_words_and_phrases(text: str, suggester: Suggester) -> tuple[Typing, Typing]:
    """Types a message by single words, and by suggestions that are continued while the next word is likely enough."""
    suggest = cache(suggester.suggest)  # the same places in the message are reached twice

    def continued(context: str, word: str) -> list[str]:
        return result_of(continuation(suggester, context, word))

    return type_message(text, suggest), type_message(text, suggest, continued)
