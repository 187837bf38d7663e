"""The gate: a new network is used only if it predicts the person's newest words at least as well as the network in use.

1. The newest messages are held out of training.
2. The network in use and the new network each predict the held-out messages as the keyboard does: together with the phrases of
   the model folder and with the person's n-gram model, which has counted the older messages and counts each held-out message
   after it was predicted. Both use the default trust in the n-grams; the trust is learned later, with the network that was kept
   (`model.device.suggesting.trust`).
3. The new network is kept if its mean log-likelihood is at least that of the old one. Otherwise the old one stays.

Neither network was personalized on the held-out messages: learning always starts from the global weights and trains on the
messages before the border, and the border only moves forward as messages are added. (A federated round may have trained the
global weights on them, but both networks start from these.)

The likelihood decides, not recall, because every word contributes to it: among a few hundred words recall changes on only a
handful, so that chance would often keep a worse model or refuse a better one. On six validation users the gate kept every network
learned from the user's own older messages and refused 28 of the 30 learned from another user's.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from model.device.metrics import Scores, tally
from model.device.runtime import Program
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.phrases import Phrases
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from model.device.weights import Weights

_SHARE = 0.1  # of all words
_MIN_WORDS, _MAX_WORDS = 50, 1_000  # fewer are too noisy, more take time without changing the verdict


def held_back_from(lengths: Sequence[int]) -> int:
    """Returns the index of the first held-out message, given the number of words of each message, oldest first.

    The held-out messages contain a tenth of all words, at least 50 and at most 1,000; a message that spans the border is held
    out. Adding messages never moves the border back.
    """
    words = sum(lengths)
    older = words - min(max(_SHARE * words, _MIN_WORDS), _MAX_WORDS)
    end = 0
    for index, length in enumerate(lengths):
        end += length
        if end > older:
            return index
    return len(lengths)


@dataclass(frozen=True)
class Verdict:
    """The scores of the network in use (`old`) and of the new network on the held-out messages."""

    old: Scores
    new: Scores

    @property
    def keeps_new(self) -> bool:
        """Whether the new network is to be used. Without held-out messages the old one stays."""
        return self.new.words > 0 and self.new.log_likelihood >= self.old.log_likelihood

    @property
    def kept(self) -> str:
        """`new` or `old`."""
        return "new" if self.keeps_new else "old"


def prequential(
    program: Program,
    vocabulary: Vocabulary,
    older: Sequence[str],
    newest: Sequence[str],
    phrases: Phrases | None = None,
) -> Generator[None, None, Scores]:
    """Scores the newest messages prequentially: each is predicted, and then counted by the n-grams, which know the older ones.

    Yields after each older message and each word of the newest ones.
    """
    personal = yield from PersonalNgram.counting(vocabulary, older)
    predictor, total = Predictor(Reader(program, phrases=phrases), vocabulary, personal), Scores()
    for text in newest:
        predictions = []
        for prediction in predictor.predict([token.word for token in tokenize(text)]):
            predictions.append(prediction)
            yield
        total += tally(predictions, len(vocabulary))
        personal.learn(text)
    return total


def judge(
    program: Program,
    vocabulary: Vocabulary,
    old: Weights,
    new: Weights,
    messages: Sequence[str],
    border: int,
    phrases: Phrases | None = None,
) -> Generator[None, None, Verdict]:
    """Compares two networks on the messages from index `border` on, and leaves the kept weights in the program.

    `phrases` are those of the model folder, which are mixed into both networks.

    Yields as `prequential` does.
    """
    found = []
    for weights in (old, new):
        program.weights = weights
        found.append((yield from prequential(program, vocabulary, messages[:border], messages[border:], phrases)))
    verdict = Verdict(*found)
    program.weights = new if verdict.keeps_new else old
    return verdict
