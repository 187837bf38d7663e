"""Central training starts from the model folder that it is given, with that folder's vocabulary."""

from pathlib import Path

import numpy as np

from federation.simulation.central import Central, train_centrally
from model.device.folder import Model, load_model


def test_training_begins_with_the_weights_and_the_vocabulary_of_a_folder(
    corpus_file: Path, small_model: Model, small_model_folder: Path, tmp_path: Path
) -> None:
    how = Central(str(corpus_file), str(small_model_folder), passes=1, learning_rate=1e-3, warm_up=1)
    train_centrally(how, tmp_path, "uv run federate central", steps=1)
    trained = load_model(tmp_path / "model")
    assert trained.vocabulary.words == small_model.vocabulary.words
    moved = {name: np.abs(trained.weights[name] - start).max() for name, start in small_model.weights.items()}
    assert all(0 < step < 1.1e-3 for step in moved.values()), (
        "the first step of Adam moves a weight by the rate at most"
    )
