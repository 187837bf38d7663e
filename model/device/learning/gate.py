"""The gate: a newly learned network is used only if it expects the person's newest words at least as well as the one before.

1. The newest messages are held back: the network is not trained on them.
2. The network in use and the new one each go through them as the keyboard does, with the person's n-gram model, which knows the
   older messages and takes in each held-back one after it was predicted. It has the usual trust with both: what this person's
   n-grams deserve is found after the verdict, with the network that was kept (`model.device.suggesting.trust`).
3. The new one is kept if its mean log-likelihood there is at least the old one's; otherwise the old one stays.

Neither was personalized on these messages: learning starts from the global weights each time and trains on the same older share,
and where that share ends only moves forward as messages are added, so what the network in use was trained on ends no later than
what the new one was. (Global weights that a federated round trained on them too are what both began with.)

The likelihood decides rather than recall because it says something about every word: of a few hundred words, recall changes on a
handful, so that chance would often keep a worse model and refuse a better one. Of six validation users it kept each network
learned from the user's own older messages, and refused 28 of the 30 learned from another's.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from data.tokenizer import tokenize
from data.vocabulary import Vocabulary
from model.device.metrics import Scores, tally
from model.device.runtime import Program
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.weights import Weights

_SHARE = 0.1  # of all words
_MIN_WORDS, _MAX_WORDS = 50, 1_000  # fewer say nothing, more take longer than they tell


def held_back_from(lengths: Sequence[int]) -> int:
    """Where the messages begin that are held back, given how many words each message has, oldest first.

    They hold a tenth of all words, at least 50 and at most 1,000; a message across the border is held back. Adding messages
    never moves the border back.
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
    """What the gate found on the messages held back; `scores` have their words."""

    old: Scores
    new: Scores

    @property
    def keeps_new(self) -> bool:
        """Whether the new network is to be used. Where nothing was held back there is nothing against the old one."""
        return self.new.words > 0 and self.new.log_likelihood >= self.old.log_likelihood

    @property
    def kept(self) -> str:
        """`new` or `old`."""
        return "new" if self.keeps_new else "old"


def prequential(
    program: Program, vocabulary: Vocabulary, older: Sequence[str], newest: Sequence[str]
) -> Generator[None, None, Scores]:
    """Scores the newest messages as a keyboard meets them that has recorded the older ones: predicted, then counted.

    Yields after each.
    """
    personal = PersonalNgram(vocabulary, older)
    suggester, total = Suggester(Reader(program), vocabulary, personal), Scores()
    for text in newest:
        total += tally(suggester.predictions([token.word for token in tokenize(text)]), len(vocabulary))
        personal.learn(text)
        yield
    return total


def judge(
    program: Program, vocabulary: Vocabulary, old: Weights, new: Weights, messages: Sequence[str], border: int
) -> Generator[None, None, Verdict]:
    """Compares two networks on the messages from `border` on; leaves the weights that are kept in the program.

    Yields after each message.
    """
    found = []
    for weights in (old, new):
        program.weights = weights
        found.append((yield from prequential(program, vocabulary, messages[:border], messages[border:])))
    verdict = Verdict(*found)
    program.weights = new if verdict.keeps_new else old
    return verdict
