"""A personal network: how a keyboard learns one from a person's messages, and how an evaluation does the same.

1. The newest messages are held out (`gate.held_back_from`).
2. The output bias is adapted to the older ones (`marginals`).
3. From there, the whole network is fine-tuned on them (`finetuning`).
4. The held-out messages decide how far it moves towards the fine-tuned network: a network that learned from a few hundred words
   goes astray, one that learned from many thousands does not. The moves 0, 1/2 and 1 are each weighted by the likelihood that
   they give the held-out messages, as in Bayesian model averaging, and the weights of the networks are averaged (Wortsman et al.
   2022, arXiv 2109.01903).
5. The gate compares the result with the network in use (`gate.judge`), and the trust in the person's n-grams is chosen with the
   network that was kept (`model.device.suggesting.trust`).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from data.generators import yielding
from data.vocabulary import Vocabulary
from model.device.learning.finetuning import FineTuning, Progress
from model.device.learning.gate import Verdict, judge, prequential
from model.device.learning.marginals import adapt_marginals
from model.device.learning.training import TrainingRun, check_finite, train_program
from model.device.runtime import Program
from model.device.suggesting.phrases import Phrases
from model.device.suggesting.trust import choose_trust
from model.device.weights import Weights

MOVES = (0.0, 0.5, 1.0)  # from the network with adapted bias to the fine-tuned one
_CONFIDENCE = 0.3  # power of the likelihood: neighbouring words are no independent evidence


@dataclass(frozen=True)
class LearnedNetwork:
    """A new personal network, the gate's verdict on it, and the trust in the n-grams with the network that was kept."""

    weights: Weights
    adapted: Weights  # the network with adapted bias, before fine-tuning
    move: float  # how far it moved towards the fine-tuned network, 0 to 1
    verdict: Verdict
    trust: float
    run: TrainingRun


def learn_network(
    program: Program,
    vocabulary: Vocabulary,
    messages: Sequence[str],
    border: int,
    in_use: Weights,
    how: FineTuning,
    seed: int = 0,
    phrases: Phrases | None = None,
) -> Generator[Progress, None, LearnedNetwork | None]:
    """Learns from the messages before index `border` and judges by those from it on; leaves the kept weights in the program.

    Yields often, so that the caller can show progress, give way or stop. Returns None if there is no word to train on.

    Args:
      program: holds the global network, from which learning starts.
      vocabulary: its vocabulary.
      messages: all messages, oldest first.
      border: index of the first message that is held out.
      in_use: the network that the keyboard types with.
      how: settings of fine-tuning.
      seed: for the order of the rows and the candidates.
      phrases: the phrases that are mixed into the networks' probabilities when they are judged, as when the person types.

    Raises:
      DivergedError: training diverged.
    """
    begun, encoded = Progress(0, 1, 0, 0.0), []
    for text in messages[:border]:
        encoded.append(vocabulary.encode(text))
        yield begun
    adapted = yield from yielding(begun, adapt_marginals(program, encoded))
    program.weights = adapted
    run = yield from train_program(program, encoded, how, np.random.default_rng(seed))
    if not run.words:
        return None
    trained = program.weights
    program.release()  # before more networks are made of it
    check_finite(trained.values())
    done = Progress(1, 1, run.targets, run.loss)
    scores = []
    for move in MOVES:
        program.weights = _between(adapted, trained, move)
        scoring = prequential(program, vocabulary, messages[:border], messages[border:], phrases)
        found = yield from yielding(done, scoring)
        scores.append(found.log_likelihood)
    move = mean_move(scores)
    new = _between(adapted, trained, move)
    del trained
    verdict = yield from yielding(done, judge(program, vocabulary, in_use, new, messages, border, phrases))
    trusting = choose_trust(program, vocabulary, messages[:border], messages[border:], phrases)
    trust = yield from yielding(done, trusting)
    return LearnedNetwork(new, adapted, move, verdict, trust, run)


def mean_move(log_likelihoods: Sequence[float]) -> float:
    """Returns the mean of `MOVES`, weighted by a power of the likelihood of each, given in nats; 1/2 if all are as likely."""
    scores = _CONFIDENCE * np.array(log_likelihoods)
    weights = np.exp(scores - scores.max())
    return float(weights @ np.array(MOVES) / weights.sum())


def _between(start: Weights, end: Weights, share: float) -> Weights:
    return {name: start[name] + np.float32(share) * (end[name] - start[name]) for name in start}
