"""The comparison with baselines: every model predicts the same words, no word is lost, and every figure is a number."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import JsonLines, split_of, users_in
from data.errors import DataError
from data.vocabulary import SPECIALS, UNKNOWN
from federation.evaluation.baseline_comparison import by_frequency, by_position, compare_models
from federation.evaluation.baseline_tables import comparison_tables
from federation.evaluation.baselines import ModelPredictions, central_model, measure, training_messages
from federation.evaluation.predictions import predictions
from federation.reports.tables import markdown
from model.device.folder import PRETRAINED, Model, load_model
from model.device.metrics import Scores
from model.device.weights import initial_weights, save_weights

NETWORKS = {"model", "float16", "int8"}
NGRAMS = {"kneser_ney", "kneser_ney_trigram", "unigram", "own_history"}


@pytest.fixture(scope="module")
def measured(small_model: Model, corpus_file: Path) -> list[ModelPredictions]:
    """All models on four test users' messages; the central model has other random weights."""
    corpus = JsonLines(corpus_file)
    users = [[small_model.vocabulary.encode(t) for t in corpus.messages(u)] for u in users_in(corpus, "test")[:4]]
    central = small_model.with_weights(initial_weights(small_model.provenance.config, 1), small_model.provenance)
    return measure(small_model, users, training_messages(corpus, small_model.vocabulary), central)


def test_all_models_predict_the_same_words(measured: list[ModelPredictions]) -> None:
    assert {m.name for m in measured} == NETWORKS | NGRAMS | {"central"}
    for other in measured[1:]:
        for found, expected in zip(other.users, measured[0].users, strict=True):
            assert (found.targets == expected.targets).all()
            assert (found.positions == expected.positions).all()


def test_models_rank_as_expected(measured: list[ModelPredictions]) -> None:
    """All messages follow one pattern, which n-grams learn and random weights do not; only a user's history has the favourite."""
    top1 = {m.name: sum(u.scores().first for u in m.users) for m in measured}
    assert top1["kneser_ney"] > top1["unigram"]
    assert top1["own_history"] > top1["kneser_ney"] > 3 * max(top1["model"], top1["central"])
    kept = next(m for m in measured if m.name == "float16").users[0].ranks
    assert np.mean(kept == measured[0].users[0].ranks) > 0.9


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, int | float):
        yield value


def test_figures_agree_with_the_measured_scores(measured: list[ModelPredictions]) -> None:
    result = compare_models(measured, np.ones(64))
    total = [u.scores() for u in next(m for m in measured if m.name == "kneser_ney").users]
    assert result["baselines"]["kneser_ney"]["top1"] == sum(s.first for s in total) / sum(s.words for s in total)
    assert set(result["baselines"]) == NGRAMS | {"central"}
    assert set(result["quantized"]) == {"float16", "int8"}
    for ratio in (result["ratio_to_kneser_ney"], result["ratio_to_own_history"]):
        assert ratio["ci"][0] <= ratio["top1"] <= ratio["ci"][1]
        assert 0 < ratio["p"] <= 1
    assert result["quantized"]["float16"]["bytes"] * 2 == result["bytes"]
    assert all(math.isfinite(n) for n in numbers(result))
    page = markdown(comparison_tables(result | {"words": 1, "out_of_vocabulary": 0, **figures_of(measured[0])}))
    assert f"{result['baselines']['central']['top3']:.1%}" in page
    assert f"| {result['ratio_to_kneser_ney']['top1']:.3f}" in page


def figures_of(one: ModelPredictions) -> dict[str, float]:
    total = sum((u.scores() for u in one.users), Scores())
    return {"top1": total.top1, "top3": total.top3, "perplexity": total.perplexity}


def test_bands_hold_every_word_once(measured: list[ModelPredictions]) -> None:
    words = sum(u.scores().words for u in measured[0].users)
    counts = np.arange(len(SPECIALS) + 61)[::-1]
    for bands in (by_position(measured), by_frequency(measured, counts)):
        assert sum(band["words"] for band in bands) == words
        for m in measured:
            found = sum(band[m.name]["top1"] * band["words"] for band in bands)
            assert found == pytest.approx(sum(u.scores().first for u in m.users))


def test_bands_of_a_small_example() -> None:
    """Thirteen words, of which 15 is the most frequent and 3 the least; the first word of each message is predicted."""
    messages = [[15, 4, UNKNOWN], [3, 15, 15, 15]]
    ranks = np.array([0, 5, 0, 0, 2, 2, 7])
    user = predictions(messages, ranks, np.zeros(7))
    one = [ModelPredictions("model", [user])]
    by_rank = by_frequency(one, np.arange(16))
    assert [(b["from"], b["to"], b["words"]) for b in by_rank] == [(1, 10, 4), (11, 100, 2)]
    assert [(b["model"]["top1"], b["model"]["top3"]) for b in by_rank] == [(0.25, 0.75), (0.5, 0.5)]
    places = by_position(one)
    assert [(b["from"], b["to"], b["words"]) for b in places] == [(0, 0, 2), (1, 1, 2), (2, 2, 1), (3, 4, 1)]
    assert [b["model"]["top1"] for b in places] == [1, 0, 0, 0]
    assert places[0]["model"]["top1_ci"] is None, "one person"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.integers(UNKNOWN, 15).filter(lambda t: t != 2), max_size=5), max_size=4), max_size=5)
)
def test_figures_are_finite_whatever_people_write(users: list[list[list[int]]]) -> None:
    """Tables can be made of no users, one user, and users without messages, without words, or without known words."""
    rng = np.random.default_rng(0)
    sizes = [sum(map(len, messages)) for messages in users]
    if not any(token >= len(SPECIALS) for messages in users for message in messages for token in message):
        return  # the command reports this earlier

    def random(name: str) -> ModelPredictions:
        found = [predictions(m, rng.integers(0, 9, n), -rng.random(n)) for m, n in zip(users, sizes, strict=True)]
        return ModelPredictions(name, found, 8 if name in NETWORKS else None)

    result = compare_models([random(name) for name in sorted(NETWORKS | NGRAMS)], np.arange(16))
    scores = {"words": 1, "out_of_vocabulary": 0, "top1": 0.0, "top3": 0.0, "perplexity": 1.0}
    assert all(math.isfinite(n) for n in numbers(result))
    assert "nan" not in markdown(comparison_tables(result | scores))


def test_a_central_model_that_does_not_fit_is_left_out_with_a_reason(
    small_model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.safetensors"
    assert central_model(small_model, path) is None
    assert "federate central" in capsys.readouterr().err
    other = initial_weights(small_model.provenance.config, 1)
    save_weights(path, other, small_model.provenance)
    central = central_model(small_model, path)
    assert central is not None
    assert all((central.weights[name] == other[name]).all() for name in other)
    save_weights(path, other, replace(small_model.provenance, vocabulary_sha256="0" * 64))
    assert central_model(small_model, path) is None
    assert "another vocabulary" in capsys.readouterr().err
    config = replace(small_model.provenance.config, units=33)
    save_weights(path, initial_weights(config, 1), replace(small_model.provenance, config=config))
    assert central_model(small_model, path) is None
    assert "other shapes" in capsys.readouterr().err


def test_ngrams_learn_from_training_users_only(small_model: Model, tmp_path: Path) -> None:
    lines = [{"user": f"user-{n}", "time": "1", "text": "i think so"} for n in range(40)]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    corpus = JsonLines(path)
    trains = [line["user"] for line in lines if split_of(line["user"]) == "train"]
    assert len(training_messages(corpus, small_model.vocabulary)) == len(trains) < len(lines)
    held_out = next(line for line in lines if line["user"] not in trains)
    path.write_text(json.dumps(held_out) + "\n")
    with pytest.raises(DataError, match="nobody"):
        training_messages(JsonLines(path), small_model.vocabulary)


def test_the_central_model_of_the_repository_fits_the_shipped_models() -> None:
    assert central_model(load_model(PRETRAINED)) is not None
