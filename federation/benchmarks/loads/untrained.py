"""A model for measurements in which only the model's size matters."""

from data.vocabulary import SPECIALS, Vocabulary
from model.device.config import ModelConfig
from model.device.folder import Model
from model.device.weights import Provenance, initial_weights


def untrained_model(config: ModelConfig) -> Model:
    """Returns a model of random weights and made-up words, without a program."""
    vocabulary = Vocabulary([*SPECIALS, *(f"word{i}" for i in range(config.vocabulary - len(SPECIALS)))])
    return Model(initial_weights(config, 0), Provenance(config, vocabulary.sha256), vocabulary, b"no program")
