"""The shipped model is complete, trained on training users only, and predicts useful words."""

import numpy as np

from data.corpus import ChitChat, users_in
from data.tokenizer import PUNCTUATION
from data.vocabulary import Vocabulary
from model.device import litert
from model.device.config import ModelConfig, parameters
from model.device.folder import CARD, LEXICON, PRETRAINED, VOCABULARY, WEIGHTS, load_model
from model.device.metrics import evaluate
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.weights import digest


def test_it_has_the_sizes_of_the_paper_and_was_trained_in_rounds() -> None:
    model = load_model(PRETRAINED)
    assert model.provenance.config == ModelConfig()
    assert model.provenance.round > 0
    assert "federate simulate" in model.card


def test_it_is_stored_in_16_bits_and_without_a_program() -> None:
    assert {path.name for path in PRETRAINED.iterdir()} == {WEIGHTS, VOCABULARY, LEXICON, CARD}
    assert (PRETRAINED / WEIGHTS).stat().st_size < 2.1 * parameters(ModelConfig())
    model = load_model(PRETRAINED)
    halves = {name: array.astype(np.float16).astype(np.float32) for name, array in model.weights.items()}
    assert digest(model.weights) == digest(halves), "its digest is that of the widened weights"


def test_every_signature_has_an_input_as_the_java_library_requires() -> None:
    interpreter = litert.start(load_model(PRETRAINED).program, threads=1)
    assert all(interpreter.inputs(name) for name in ("train", "evaluate", "step", "get_weights", "set_weights"))


def test_its_vocabulary_comes_from_training_users_only() -> None:
    corpus = ChitChat()
    rebuilt = Vocabulary.build((corpus.messages(user) for user in users_in(corpus, "train")), 10_000, min_users=3)
    assert rebuilt.words == load_model(PRETRAINED).vocabulary.words


def test_it_predicts_the_words_of_test_users() -> None:
    model, corpus = load_model(PRETRAINED), ChitChat()
    texts = [
        text for user in users_in(corpus, "test") for text, _ in zip(corpus.messages(user), range(5), strict=False)
    ]
    scores = evaluate(model.start(), [model.vocabulary.encode(text) for text in texts])
    assert scores.words > 2_000
    assert scores.top1 >= 0.16


def test_it_suggests_words() -> None:
    model = load_model(PRETRAINED)
    suggested = Suggester(Reader(model.start()), model.vocabulary).suggest("how are")
    assert "you" in suggested
    assert not PUNCTUATION & set(suggested)
