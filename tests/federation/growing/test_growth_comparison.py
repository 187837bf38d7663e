"""Models of different vocabularies, compared over the same words."""

from dataclasses import replace

import numpy as np
import pytest

from data.tokenizer import tokenize
from federation.growing.counts_files import Counted, Counts
from federation.growing.grown_model import Language, grow
from federation.growing.growth_comparison import growth
from model.device.folder import Model

PEOPLE = [["i think byu is good.", "byu"], ["you have xyzzy"], []]


@pytest.fixture(scope="module")
def models(two_vocabularies: tuple[Model, Model]) -> tuple[Model, Model]:
    """A model, and one with "byu" that always predicts it."""
    model = two_vocabularies[0]
    grown = grow(model, Counts((Counted("byu", 3),), 8), Language({}, lambda _: [], frozenset())).model
    bias = grown.weights["output_bias"].copy()
    bias[-1] = 100.0
    return model, grown.with_weights(grown.weights | {"output_bias": bias}, grown.provenance)


def test_words_that_a_vocabulary_lacks_count_as_missed(models: tuple[Model, Model]) -> None:
    found = growth(dict(zip(("before", "after"), models, strict=True)), PEOPLE)
    words = [token.word for messages in PEOPLE for text in messages for token in tokenize(text)]
    assert (found["people"], found["words"]) == (2, len(words))
    for name, model, known in (("before", models[0], 7), ("after", models[1], 9)):
        assert found["models"][name]["coverage"] == pytest.approx(known / len(words)) and known == sum(
            word in model.vocabulary for word in words
        )
    assert found["models"]["after"]["top1"] == pytest.approx(2 / len(words)), "only its favourite word is ever right"
    assert found["new_words"] == {"uses": 2, "top1": 1.0, "top3": 1.0}
    change = found["change"]
    assert (change["before"], change["after"]) == (found["models"]["before"]["top1"], found["models"]["after"]["top1"])


def test_a_model_that_did_not_change_changes_nothing(models: tuple[Model, Model]) -> None:
    same = growth({"before": models[0], "after": replace(models[0])}, PEOPLE)
    assert same["change"]["difference"] == 0 and same["new_words"] == {"uses": 0, "top1": 0.0, "top3": 0.0}
    assert np.isclose(same["models"]["before"]["coverage"], same["models"]["after"]["coverage"])
