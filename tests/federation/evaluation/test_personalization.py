"""Measurements of the gain from learning, on people who each have a favourite word."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.corpus import JsonLines
from data.generators import result_of
from federation.evaluation.personalization import (
    Measurement,
    Personalization,
    gain_curve,
    live_users,
    measure,
    personalize_users,
)
from model.device.folder import Model
from model.device.learning.finetuning import PERSONAL_TRAINING
from model.device.learning.gate import prequential
from model.device.metrics import Scores, Typing, evaluate
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from tests.typed import type_and_learn

PARTS = {"output bias", "fine-tuning", "n-grams", "both", "fine-tuning over all words"}


def test_a_change_counts_if_it_is_statistically_significant() -> None:
    def measurement(hits: list[int]) -> Measurement:
        return Measurement(Scores(len(hits), 0, sum(hits), sum(hits)), np.array(hits, bool))

    def person(before: list[int], after: list[int]) -> Personalization:
        measured = measurement(before), measurement(after)
        return Personalization("u", 9, *measured, None, 0, 0.0, 1.0, Typing(), Typing(), measured[1], 0.0)

    assert person([0] * 20, [1] * 6 + [0] * 14).change == 1
    assert person([1] * 6 + [0] * 14, [0] * 20).change == -1
    assert person([0] * 20, [1] * 5 + [0] * 15).change == 0


def test_measuring_without_n_grams_equals_evaluating(small_model: Model) -> None:
    messages = ["i think you are good", "so zebra it is!", "meet me at the climbing hall"]
    program = small_model.start()
    found = measure(Predictor(Reader(program), small_model.vocabulary), messages, len(small_model.vocabulary))
    expected = evaluate(program, [small_model.vocabulary.encode(text) for text in messages])
    assert (found.scores.words, found.scores.out_of_vocabulary) == (expected.words, expected.out_of_vocabulary)
    assert (found.scores.first, found.scores.among_three) == (expected.first, expected.among_three)
    assert (len(found.hits), found.hits.sum()) == (expected.words, expected.first)


def test_the_ablation_measures_each_part_and_both(small_model: Model, corpus_file: Path) -> None:
    corpus = JsonLines(corpus_file)
    results = personalize_users(small_model, corpus, corpus.users()[:4], PERSONAL_TRAINING, ablation=True)
    for result in results:
        assert result.words == 24 * 10
        assert set(result.parts) == PARTS
        # Every word of this small vocabulary is a candidate, so sampling changes nothing.
        of_all_words = result.parts["fine-tuning over all words"]
        np.testing.assert_array_equal(of_all_words.hits, result.parts["fine-tuning"].hits)
        kept = "n-grams" if result.kept_old else "both"
        np.testing.assert_array_equal(result.after.hits, result.parts[kept].hits)
        assert result.after.scores.first > result.before.scores.first, "the favourite word is learned"
        assert result.typed_after.savings_rate > result.typed_before.savings_rate
        assert len({len(m.hits) for m in (result.before, result.after, *result.parts.values())}) == 1


def test_the_curve_is_the_mean_over_people(small_model: Model, corpus_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    lines = [json.loads(line) for line in corpus_file.read_text().splitlines()][: 30 * 4]
    path.write_text(
        "".join(json.dumps(m | {"time": f"{r}-{m['time']}"}) + "\n" for r in range(3) for m in lines), "utf-8"
    )
    corpus = JsonLines(path)
    points, rows = gain_curve(small_model, corpus, corpus.users(), PERSONAL_TRAINING)
    assert [p.words for p in points] == [50, 100, 200]
    assert len(rows) == sum(p.users for p in points)
    for point in points:
        assert point.gain == pytest.approx(np.mean([gain for _, words, gain in rows if words == point.words]))


def test_typing_too_little_to_fine_tune_uses_the_n_grams_only(small_model: Model) -> None:
    messages = ["i think zebra is good", "so zebra it is!", "meet me at the climbing hall"] * 5
    (scores, typing, by_phrases), (alone, *_) = live_users(
        [messages, ["zebra"] * 12 + ["good"]], small_model, PERSONAL_TRAINING
    )
    program, vocabulary = small_model.start(), small_model.vocabulary
    assert scores == result_of(prequential(program, vocabulary, [], messages))
    assert typing == type_and_learn(messages, program, vocabulary, PersonalNgram(vocabulary))
    assert by_phrases.characters == typing.characters
    assert by_phrases.keystrokes < typing.keystrokes, "the messages repeat"
    assert (alone.words, alone.out_of_vocabulary) == (1, 12)
    assert alone.own_first > 0


def test_the_command_writes_its_tables(
    small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable
) -> None:
    common = ["personalize", "--model", small_model_folder, "--corpus", corpus_file, "--users", "all", "--json"]
    done = federate(*common, "--max-users", "6", "--min-words", "50", "--ablation", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["ablation"]) == PARTS
    low, high = result["mean_relative_top1_gain_ci"]
    assert low <= result["mean_relative_top1_gain"] <= high
    with (tmp_path / "users.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result["users"]
    assert sum(row["kept"] == "old" for row in rows) == result["users_kept_old"]
    trusts = [float(row["ngram_trust"]) for row in rows]
    assert result["users_trusted_more"] == sum(trust > 1 for trust in trusts) > 0, "a favourite word is repeated"
    assert result["users_trusted_less"] == sum(trust < 1 for trust in trusts)
    done = federate(*common, "--max-users", "3", "--curve", "--min-words", "50")
    assert done.returncode == 1, "330 words are not enough for a point"
    assert "nobody wrote enough words" in done.stderr
