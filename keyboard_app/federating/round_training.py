"""The training of a keyboard's update in a round, and the check of the plan that it trains for.

The newest messages are held out of training. The round's weights are measured on them, trained on the older messages, and measured
again. Nothing is masked or sent here (`keyboard_app.federating.participant`).
"""

from collections.abc import Generator, Sequence

import numpy as np

from data.errors import DataError
from federation.protocol.api_messages import Plan
from federation.protocol.delta_encoding import flatten
from federation.protocol.round_terms import TrainingResult
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, Progress, newest, subtract
from model.device.learning.gate import held_back_from
from model.device.learning.training import train_program
from model.device.metrics import NotFiniteError, Scores, evaluate
from model.device.sampling import SAMPLED
from model.device.trainable import trainable_parameters, trainable_shapes

# Number of held-out words on which weights are measured. Both measurements together take half as long as training on 2,000 words.
_MOST_TESTED = 500
_REPEATED = 0.5  # share of the messages that an update trains on if there was one from the same weights before


def learn(
    model: Model,
    messages: Sequence[Sequence[int]],
    how: FineTuning,
    seed: int | Sequence[int],
    repeated: bool = False,
) -> Generator[Progress, None, TrainingResult]:
    """Trains the model's weights on all but the newest messages, and measures them on the newest before and after.

    Args:
      model: the round's global model.
      messages: the person's messages, encoded, oldest first.
      how: the settings.
      seed: determines the order of the training rows, and the messages of a repetition.
      repeated: whether an update that starts from these weights has been given before. Training then takes half of the messages,
        chosen at random, so that two sums over the same model differ in more than in who took part.

    Returns:
      The keyboard's contribution to the sum, not masked yet. It is zeros from no words if numbers are not finite: a coordinator
      can choose weights with which only certain words make them so, and a keyboard that left the round would tell that its person
      wrote these words.

    Raises:
      DataError: there are too few words to train on.
    """
    try:
        return (yield from _learn_finite(model, messages, how, seed, repeated))
    except NotFiniteError:
        length = trainable_parameters(model.provenance.config, how.trainable)
        return TrainingResult(np.zeros(length, np.float32), 0)


def _learn_finite(
    model: Model, messages: Sequence[Sequence[int]], how: FineTuning, seed: int | Sequence[int], repeated: bool
) -> Generator[Progress, None, TrainingResult]:
    """Does the work of `learn`.

    Raises:
      DataError: there are too few words to train on.
      NotFiniteError: training or a measurement gave numbers that are not finite.
    """
    split = held_back_from([len(message) for message in messages])
    program = model.start()
    held_out = newest(messages[split:], _MOST_TESTED)
    before = evaluate(program, held_out) if held_out else Scores()
    rng, older = np.random.default_rng(seed), messages[:split]
    if repeated:
        older = [
            message for message, kept in zip(older, rng.random(len(older)) < _REPEATED, strict=True) if kept
        ] or older
    run = yield from train_program(program, older, how, rng)
    if not run.words:
        raise DataError("this keyboard has recorded too few words to train on yet")
    trained, shapes = program.weights, trainable_shapes(model.provenance.config, how.trainable)
    delta = flatten(subtract({n: trained[n] for n in shapes}, {n: model.weights[n] for n in shapes}), shapes)
    if not (np.isfinite(delta).all() and np.isfinite(run.loss_sum)):
        raise NotFiniteError("training diverged")
    after = evaluate(program, held_out) if held_out else Scores()
    counts = before.first, before.among_three, before.words, after.first, after.among_three
    return TrainingResult(delta, run.words, run.loss_sum, *counts)


def has_enough(lengths: Sequence[int]) -> bool:
    """Returns whether messages of these numbers of words, oldest first, are more than `learn` holds out of training."""
    return any(lengths[: held_back_from(lengths)])


def check_plan(plan: Plan, round_name: str, model: Model) -> None:
    """Checks that a plan is for this round and this keyboard's model. Its numbers are within the bounds that their types carry.

    Raises:
      DataError: the plan is for another round, for a model of other sizes, or for another vocabulary, or trains in
        a way that this keyboard's program cannot.
    """
    if plan.round_name != round_name:
        raise DataError("the coordinator sent the plan of another round: it is refused")
    length = trainable_parameters(model.provenance.config, plan.trainable)
    if (plan.terms.length, plan.vocabulary_sha256) != (length, model.vocabulary.sha256):
        raise DataError("the coordinator's plan is for another model than this keyboard's: it is refused")
    if plan.trainable != "all" and not model.start().trains_parts:
        raise DataError("the coordinator's plan trains a part of the model, which this keyboard cannot yet: update it")
    if plan.softmax == SAMPLED and model.start().candidates is None:
        raise DataError("the coordinator's plan needs the sampled softmax, which this keyboard lacks yet: update it")
