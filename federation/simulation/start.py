"""The start of a run: its folder, the model it trains, and the held-out messages that it is measured on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.corpus import Part
from data.errors import DataError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from federation.evaluation.held_out_users import equal_shares
from model.device.config import ModelConfig
from model.device.folder import Model, load_model
from model.device.weights import Provenance, initial_weights

_VOCABULARY_MIN_USERS = 3  # a word that fewer people wrote could identify one of them
_VALIDATION_WORDS = 20_000  # enough for a standard error of 0.3 percentage points


def claim_folder(path: Path, settings: Mapping[str, Any], kind: str, resume: bool) -> None:
    """Writes the settings of a folder's work to the file `path`, or checks that the file has the same settings.

    Args:
      path: the JSON file of settings in the folder.
      settings: everything that the results in the folder depend on.
      kind: the kind of work the folder holds, for messages: "a run".
      resume: whether the folder may hold such work already.

    Raises:
      DataError: the folder holds work with other settings, or work with these settings and `resume` is not set.
    """
    wanted = json.dumps(settings, indent=2)
    if not path.exists():
        write_by_rename(path, wanted.encode())
    elif not resume:
        raise DataError(f"{path.parent} holds {kind} already: add --resume to continue it, or choose another --out")
    elif path.read_text("utf-8") != wanted:
        raise DataError(
            f"{path.parent} holds {kind} with other settings ({path}): use those to continue it, or choose another --out"
        )


def initial_model(init: str, seed: int, training: Part) -> Model:
    """Returns the model that training starts from.

    Args:
      init: a model folder, or "random" for random weights over a vocabulary of the training users' words.
      seed: the seed of the random weights.
      training: the training users' part of the corpus.

    Raises:
      DataError: `init` is not a model folder.
    """
    if init != "random":
        return load_model(Path(init))
    from model.program import build_program  # only here: the conversion takes seconds

    vocabulary = training_vocabulary(training)
    config = ModelConfig(vocabulary=len(vocabulary))
    weights = initial_weights(config, seed)
    return Model(weights, Provenance(config, vocabulary.sha256), vocabulary, build_program(config))


def training_vocabulary(training: Part) -> Vocabulary:
    """Returns the training users' most frequent words, each written by at least three of them."""
    words = (training.messages(user) for user in training.users())
    return Vocabulary.build(words, ModelConfig.vocabulary, _VOCABULARY_MIN_USERS)


def checked_people(validation: Part, vocabulary: Vocabulary) -> list[list[list[int]]]:
    """Returns validation users' oldest messages, encoded, by person, in equal shares, to measure the progress of training."""
    shares = equal_shares(validation, validation.users(), _VALIDATION_WORDS)
    return [[vocabulary.encode(text) for text in messages] for messages in shares]


def checked_messages(validation: Part, vocabulary: Vocabulary) -> list[list[int]]:
    """Returns the messages of `checked_people` in one list."""
    return [message for messages in checked_people(validation, vocabulary) for message in messages]
