"""Counting of phrases, against a plain implementation of Kneser-Ney smoothing, and the choice of their weight."""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import split_of
from data.errors import DataError
from data.vocabulary import BOUNDARY, SPECIALS, Vocabulary
from federation.cli import main
from federation.evaluation.kneser_ney import discounts
from federation.phrases import best_weight, make_phrases
from model.device.folder import PHRASES, PRETRAINED, load_model
from model.device.suggesting.phrases import load_phrases

VOCABULARY = Vocabulary([*SPECIALS, *"abcde"])
SIZE = len(VOCABULARY)
TOKENS = st.sampled_from([1, *range(len(SPECIALS), SIZE)])  # <unk> and words
MESSAGES = st.lists(st.lists(TOKENS, max_size=8), max_size=12).filter(lambda m: any(t > 2 for one in m for t in one))


class PlainKneserNey:
    """Interpolated modified Kneser-Ney over words, as the formulas have it: dictionaries, one n-gram at a time."""

    def __init__(self, messages: Sequence[Sequence[int]], order: int) -> None:
        occurrences: Counter[tuple[int, ...]] = Counter()
        before = defaultdict(set)
        for message in filter(None, messages):
            tokens = (BOUNDARY, *message, BOUNDARY)
            for end in range(1, len(tokens)):
                for length in range(1, min(order, end + 1) + 1):
                    ngram = tokens[end + 1 - length : end + 1]
                    occurrences[ngram] += 1
                    if end - length >= 0:
                        before[ngram].add(tokens[end - length])
        self.order = order
        self.counts = {
            ngram: count if len(ngram) == order or ngram[0] == BOUNDARY else len(before[ngram])
            for ngram, count in occurrences.items()
            if ngram[-1] >= len(SPECIALS)
        }
        self.discounts = [
            discounts(np.array([count for ngram, count in self.counts.items() if len(ngram) == length], int))
            for length in range(1, order + 1)
        ]

    def probability(self, word: int, context: tuple[int, ...]) -> float:
        return self._probability(word, (BOUNDARY, *context)[-(self.order - 1) :] if self.order > 1 else ())

    @cache  # noqa: B019 - a few of them live as long as a test
    def _probability(self, word: int, context: tuple[int, ...]) -> float:
        after = {ngram[-1]: count for ngram, count in self.counts.items() if ngram[:-1] == context}
        shorter = self._probability(word, context[1:]) if context else 1 / (SIZE - len(SPECIALS))
        if not after:
            return shorter
        taken = {w: float(self.discounts[len(context)][min(count, 3) - 1]) for w, count in after.items()}
        total = sum(after.values())
        return (after.get(word, 0) - taken.get(word, 0)) / total + sum(taken.values()) / total * shorter


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.integers(1, 4), st.lists(TOKENS, max_size=5))
def test_phrases_are_kneser_ney(messages: list[list[int]], order: int, context: list[int]) -> None:
    plain = PlainKneserNey(messages, order)
    phrases = make_phrases(messages, VOCABULARY, order, "made up")
    for after in (context, *messages[:2]):
        expected = [plain.probability(word, tuple(after)) for word in range(len(SPECIALS), SIZE)]
        found = phrases.probabilities(after)
        assert found == pytest.approx([0, 0, 0, *expected], abs=1e-5)
        assert found.sum() == pytest.approx(1, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.integers(2, 5), st.integers(0, 400), st.lists(TOKENS, max_size=5))
def test_pruned_phrases_fit_and_are_probabilities(
    messages: list[list[int]], order: int, size: int, context: list[int]
) -> None:
    phrases = make_phrases(messages, VOCABULARY, order, "made up", 4_096 + size)
    whole = make_phrases(messages, VOCABULARY, order, "made up")
    assert len(phrases.to_bytes()) <= max(4_096 + size, 4_096)
    assert len(phrases.words) <= len(whole.words)
    found = phrases.probabilities(context)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_the_least_useful_phrases_are_left_out_first() -> None:
    a, b, c, d, e = range(len(SPECIALS), SIZE)
    messages = [[a, b]] * 30 + [[c, d]] * 2 + [[d], [e], [b], [c, e], [e, d]]
    whole = make_phrases(messages, VOCABULARY, 2, "made up")
    least = 7 + 3 * 5 + 2 * (7 + 3)  # single words, and the best word after each of two contexts
    pruned = make_phrases(messages, VOCABULARY, 2, "made up", 4_096 + least)
    assert len(pruned.words) < len(whole.words)
    assert pruned.probabilities([a])[b] > 0.8
    assert pruned.probabilities([c])[d] < whole.probabilities([c])[d]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-6, 1), st.floats(1e-6, 1)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_no_other_weight_is_likelier(pairs: list[tuple[float, float]], other: float) -> None:
    one, two = np.array(pairs).T

    def likelihood(weight: float) -> float:
        return float(np.log((1 - weight) * one + weight * two).mean())

    assert likelihood(best_weight(one, two)) >= likelihood(other) - 1e-2


def test_a_corpus_without_known_words_is_one_clear_line() -> None:
    with pytest.raises(DataError, match="no word of the corpus"):
        make_phrases([[1, 1]], VOCABULARY, 3, "made up")


def test_without_words_the_weight_is_zero() -> None:
    assert best_weight(np.zeros(0), np.zeros(0)) == 0


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Returns a corpus of one training, one validation and one test user."""
    names = [f"user {number}" for number in range(100)]
    texts = {"train": "we live in new zealand", "validation": "so new zealand", "test": "a new quokka"}
    lines = []
    for split, text in texts.items():
        user = next(name for name in names if split_of(name) == split)
        lines += [json.dumps({"user": user, "time": f"2026-01-{day:02}", "text": text}) for day in range(1, 21)]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_the_command_counts_training_users_and_weighs_by_validation_users(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["phrases", "--model", str(PRETRAINED), "--corpus", str(corpus), "--license", "MIT"]
    out = tmp_path / "phrases.bin"
    assert main([*command, "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["bytes"] == out.stat().st_size
    vocabulary = load_model(PRETRAINED).vocabulary
    phrases = load_phrases(out, vocabulary.sha256, len(vocabulary))
    assert phrases.weight == pytest.approx(result["weight"])
    assert 0 < phrases.weight < 1
    assert (phrases.sources, phrases.license) == ("training users of corpus.jsonl", "MIT")
    after_new = phrases.probabilities([vocabulary.id("new")])
    assert after_new.argmax() == vocabulary.id("zealand")
    assert vocabulary.id("a") not in phrases.words  # only the test user wrote it
    assert main([*command, "--out", str(out), "--weight", "0.3", "--order", "2"]) == 0
    assert load_phrases(out, vocabulary.sha256, len(vocabulary)).weight == 0.3


@pytest.mark.parametrize(
    "wrong", [["--order", "7"], ["--weight", "1"], ["--max-bytes", "5"], ["--max-bytes", "3000000"]]
)
def test_a_number_out_of_range_is_a_bad_call(
    corpus: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phrases", "--model", str(PRETRAINED), "--corpus", str(corpus), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_evaluate_prints_the_network_alone_beside_its_phrases(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(PRETRAINED, folder)
    (folder / PHRASES).unlink(missing_ok=True)
    evaluate = ["evaluate", "--model", str(folder), "--corpus", str(corpus), "--users", "validation", "--network-alone"]
    assert main(evaluate) == 2
    assert "has no phrases" in capsys.readouterr().err
    assert main(["phrases", "--model", str(folder), "--corpus", str(corpus), "--weight", "0.9"]) == 0
    assert main([*evaluate, "--json"]) == 0
    printed = capsys.readouterr()
    assert "its network alone" in printed.err
    result = json.loads(printed.out.splitlines()[-1])
    assert result["top1"] > result["top1_network"]
    assert result["perplexity"] < result["perplexity_network"]
    assert result["ksr"] >= result["ksr_network"]
