"""What the tests of several packages share: a model small enough to build, train and run in a moment."""

import os
from pathlib import Path

import pytest

from data.vocabulary import SPECIALS, Vocabulary
from model.device.config import ModelConfig
from model.device.folder import Model, save_model
from model.device.weights import Provenance, initial_weights

# The tests' profiles keep their keys in files: nobody's keyring is touched. Processes that tests start have it from here.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

SMALL_VOCABULARY = """
. , ! ? i a the to you and it that of is in have so but like my for be are do just was would what on they with not i'm think
don't can we see at me how this if go good climbing clothes close hall tonight rope ropes chalk snacks 5 50 pm meet seven
"""


@pytest.fixture(scope="session")
def small_model() -> Model:
    """A model of random weights over a few dozen words; nobody outside the tests meets it."""
    from model.program import build_program  # TensorFlow takes seconds that most tests need not spend

    vocabulary = Vocabulary([*SPECIALS, *SMALL_VOCABULARY.split()])
    config = ModelConfig(vocabulary=len(vocabulary), embedding=16, units=32, window=20, batch=4)
    provenance = Provenance(config, vocabulary.sha256)
    return Model(initial_weights(config, seed=0), provenance, vocabulary, build_program(config))


@pytest.fixture(scope="session")
def small_model_folder(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a model folder; not to be changed."""
    folder = tmp_path_factory.mktemp("model") / "small"
    save_model(folder, small_model)
    return folder
