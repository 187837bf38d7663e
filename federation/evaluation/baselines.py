"""The predictions of the global model and its baselines for the same words of the same people.

The baselines are: Kneser-Ney n-grams and word frequencies of the global model's training users; the person's own history alone;
the same network trained centrally on the training users' words; and the global model itself in fewer bits.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data.corpus import Corpus, users_in
from data.errors import DataError, UserFacingError
from data.vocabulary import Vocabulary
from federation.evaluation.kneser_ney import KneserNey
from federation.evaluation.own_history import score_own_history
from federation.evaluation.predictions import Predictions, network_predictions, predictions
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.quantization import eight_bit, half_precision
from model.device.weights import Weights, load_weights

CENTRAL = Path(__file__).with_name("central.safetensors")  # the network that `federate central` trained

# The best order on 100,096 words of validation users. Recall at 1, recall at 3 and perplexity by order: 2: 15.9%, 29.3%, 137;
# 3: 20.9%, 35.3%, 101; 4: 21.9%, 36.3%, 97.6; 5: 22.0%, 36.4%, 96.9; 6: 22.1%, 36.4%, 96.9; 7 and 8 equal 6. Leaving out n-grams
# seen once, or a person's words after the first 100,000, makes the results worse.
ORDER = 6

Messages = Sequence[Sequence[int]]  # encoded messages of one person, oldest first


@dataclass(frozen=True)
class ModelPredictions:
    """A model's predictions of each user's messages."""

    name: str
    users: list[Predictions]
    bytes: int | None = None  # size of a network's weights


def training_messages(corpus: Corpus, vocabulary: Vocabulary) -> list[list[int]]:
    """Returns all messages of a corpus's training users, encoded.

    Raises:
      DataError: the corpus has no training users.
    """
    return [vocabulary.encode(text) for user in users_in(corpus, "train") for text in corpus.messages(user)]


def central_model(model: Model, path: Path = CENTRAL) -> Model | None:
    """Loads the centrally trained network of the same shapes and vocabulary; if there is none, prints why and returns None."""
    try:
        if not path.exists():
            raise DataError(f"{path} does not exist: `uv run federate central --out …` trains it")
        weights, provenance = load_weights(path, model.vocabulary.sha256)
        if provenance.config.shapes != model.provenance.config.shapes:
            raise DataError(
                f"{path} has other shapes than the model: train it again by `uv run federate central --out …`"
            )
    except UserFacingError as error:
        print(f"the centrally trained model is left out: {error}", file=sys.stderr)
        return None
    return model.with_weights(weights, provenance)


def measure(
    model: Model, users: Sequence[Messages], training: Messages, central: Model | None
) -> list[ModelPredictions]:
    """Returns the predictions of the model, then those of all baselines, for all messages."""
    (sixteen, sixteen_bytes), (eight, eight_bytes) = half_precision(model.weights), eight_bit(model.weights)
    full_bytes = sum(array.nbytes for array in model.weights.values())
    networks = [
        ("model", model.weights, full_bytes),
        ("float16", sixteen, sixteen_bytes),
        ("int8", eight, eight_bytes),
        *([("central", central.weights, full_bytes)] if central else []),
    ]
    with progress_bar("networks, own history", len(users)) as bar:
        by_user = map_in_processes(partial(_predict, model, [weights for _, weights, _ in networks]), users, bar)
    by_model = list(zip(*by_user, strict=True))
    measured = [
        ModelPredictions(name, list(found), size) for (name, _, size), found in zip(networks, by_model, strict=False)
    ]
    ngrams = (("kneser_ney", ORDER), ("kneser_ney_trigram", 3), ("unigram", 1))
    with progress_bar("n-gram models", len(ngrams)) as bar:
        for done, (name, order) in enumerate(ngrams, 1):
            counted = KneserNey(training, len(model.vocabulary), order)
            measured.append(ModelPredictions(name, _score(counted, users)))
            bar(done, "")
    return [*measured, ModelPredictions("own_history", list(by_model[-1]))]


def _predict(model: Model, weights: Sequence[Weights], messages: Messages) -> list[Predictions]:
    """Returns the predictions of one user's messages by each network, with the model's phrases, and by the user's own history."""
    found = []
    program = model.start()
    for network in weights:
        program.weights = network
        found.append(network_predictions(program, messages, model.phrases))
    return [*found, predictions(messages, *score_own_history(messages, len(model.vocabulary)))]


def _score(counted: KneserNey, users: Sequence[Messages]) -> list[Predictions]:
    ranks, log_likelihoods = counted.score([message for messages in users for message in messages])
    ends = np.cumsum([sum(map(len, messages)) for messages in users])[:-1]
    parts = zip(users, np.split(ranks, ends), np.split(log_likelihoods, ends), strict=True)
    return [predictions(messages, r, logs) for messages, r, logs in parts]
