"""Phrases: their file, their probabilities, and what they change in suggestions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import SPECIALS, UNKNOWN, Vocabulary
from model.device.folder import PHRASES, PRETRAINED, Model, load_model, save_model
from model.device.metrics import evaluate, tally
from model.device.safetensors_format import serialize
from model.device.suggesting.phrases import COUNTS, Phrases, codes_of, load_phrases, save_phrases
from model.device.suggesting.reading import Reader, softmax
from model.device.suggesting.suggestions import Suggester

VOCABULARY = Vocabulary([*SPECIALS, "good", "night", "you"])
GOOD, NIGHT, YOU = range(3, 6)


def small_phrases(**changed: Any) -> Phrases:
    """Returns the contexts "", "good" and "you good", with "night" and "you" after "good", and "night" after "you good"."""
    parts: dict[str, Any] = {
        "context_words": np.array([0, GOOD, YOU], np.uint16),
        "children": np.array([1, 1, 0], np.uint16),
        "continuations": np.array([3, 2, 1], np.uint16),
        "words": np.array([GOOD, NIGHT, YOU, NIGHT, YOU, NIGHT], np.uint16),
        "counts": codes_of(np.array([[4, 3, 1, 2, 1, 3]])),
        "rests": codes_of(np.array([[0, 1, 1]])),
        "discounts": np.full((3, 3), 0.5, np.float32),
        "source_weights": np.ones(1, np.float32),
    }
    return Phrases(VOCABULARY.sha256, len(VOCABULARY), 0.25, **(parts | changed))


@pytest.fixture(scope="module")
def shipped() -> Model:
    return replace(load_model(PRETRAINED), phrases=None)


def of_shipped(shipped: Model, words: str, weight: float) -> Phrases:
    """Returns phrases that know one context, the first word, and one word that follows it."""
    first, second = map(shipped.vocabulary.id, words.split())
    return Phrases(
        shipped.vocabulary.sha256,
        len(shipped.vocabulary),
        weight,
        np.array([0, first], np.uint16),
        np.array([1, 0], np.uint16),
        np.array([0, 1], np.uint16),
        np.array([second], np.uint16),
        codes_of(np.array([[9]])),
        codes_of(np.array([[0, 0]])),
        np.full((2, 3), 0.9, np.float32),
        np.ones(1, np.float32),
    )


def test_probabilities_by_hand() -> None:
    single = np.array([3.5, 2.5, 0.5]) / 8 + 1.5 / 8 / 3
    after_good = np.array([0, 1.5, 0.5]) / 4 + 2 / 4 * single
    after_you_good = np.array([0, 2.5, 0]) / 4 + 1.5 / 4 * after_good
    phrases = small_phrases()
    for context, expected in (([], single), ([NIGHT], single), ([GOOD], after_good), ([YOU, GOOD], after_you_good)):
        assert phrases.probabilities(context) == pytest.approx([0, 0, 0, *expected], abs=1e-6)
    assert phrases.probabilities([GOOD, YOU, GOOD]) == pytest.approx([0, 0, 0, *after_you_good], abs=1e-6)
    assert phrases.probabilities([YOU, YOU]) == pytest.approx([0, 0, 0, *single], abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=6, max_size=6), st.lists(st.integers(0, 5), max_size=5), st.floats(0, 1))
def test_special_tokens_keep_their_probability(network: list[float], context: list[int], weight: float) -> None:
    given_ = np.array(network, np.float32) / np.float32(sum(network))
    phrases = small_phrases()
    mixed = replace(phrases, weight=weight).mixed_into(given_, context)
    assert mixed[:3].tolist() == given_[:3].tolist()
    assert mixed.sum() == pytest.approx(1, abs=1e-5)
    words = (1 - weight) * given_[3:] + weight * given_[3:].sum() * phrases.probabilities(context)[3:]
    assert mixed[3:] == pytest.approx(words, abs=1e-6)


def test_two_sources_add_up_at_their_weights() -> None:
    public, private = [4, 3, 1, 2, 1, 0], [0, 2, 4, 0, 6, 8]
    both = small_phrases(
        counts=codes_of(np.array([public, private])),
        rests=codes_of(np.array([[0, 1, 1], [2, 0, 4]])),
        source_weights=np.array([1, 0.5], np.float32),
    )
    added = np.array(public) + np.array(private) // 2
    one = small_phrases(counts=codes_of(added[None]), rests=codes_of(np.array([[1, 1, 3]])))
    for context in ([], [GOOD], [YOU, GOOD]):
        assert both.probabilities(context) == pytest.approx(one.probabilities(context), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10**7))
def test_counts_are_stored_closely(count: int) -> None:
    stored = float(COUNTS[codes_of(np.array([count]))[0]])
    assert stored == pytest.approx(count, rel=0.03)
    assert stored == count or count > 32


def test_phrases_are_read_back_unchanged(tmp_path: Path) -> None:
    given_ = replace(small_phrases(), sources="a corpus", license="MIT")
    save_phrases(tmp_path / "p", given_)
    read = load_phrases(tmp_path / "p", VOCABULARY.sha256, len(VOCABULARY))
    assert read.to_bytes() == given_.to_bytes()
    assert (read.weight, read.sources, read.license) == (0.25, "a corpus", "MIT")
    assert read.probabilities([GOOD]).tolist() == given_.probabilities([GOOD]).tolist()


@settings(deadline=None)
@given(st.data())
def test_a_damaged_file_is_one_clear_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(small_phrases().to_bytes())
    path = tmp_path_factory.mktemp("phrases") / "p"
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = load_phrases(path, VOCABULARY.sha256, len(VOCABULARY))
    except DataError as error:
        assert "\n" not in str(error)
        assert "federate phrases" in str(error)
    else:
        assert read.to_bytes() == small_phrases().to_bytes()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_arrays_that_contradict_each_other_are_refused(data: st.DataObject) -> None:
    """Whatever a file holds, it is refused or gives probabilities."""
    phrases = small_phrases()
    name = data.draw(
        st.sampled_from([*("context_words", "children", "continuations", "words"), "counts", "rests", "discounts"])
    )
    array = getattr(phrases, name).copy()
    place = data.draw(st.integers(0, array.size - 1))
    array.flat[place] = data.draw(st.floats(width=32) if name == "discounts" else st.integers(0, 255))
    try:
        changed = replace(phrases, **{name: array})
    except ValueError:
        return
    for context in ([], [GOOD], [YOU, GOOD], [NIGHT, YOU, GOOD]):
        found = changed.probabilities(context)
        assert (found >= 0).all()
        assert found.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "changed",
    [
        {"weight": 1.5},
        {"weight": float("nan")},
        {"source_weights": np.array([0], np.float32)},
        {"source_weights": np.ones(2, np.float32)},
        {"discounts": np.full((3, 3), np.nan, np.float32)},
        {"discounts": np.full((2, 3), 0.5, np.float32)},  # a context is longer than the n-grams
        {"words": np.array([GOOD, NIGHT, YOU, NIGHT, YOU, NIGHT], np.uint8)},
        {"words": np.array([GOOD, NIGHT, YOU, YOU, NIGHT, NIGHT], np.uint16)},
        {"words": np.array([GOOD, NIGHT, YOU, NIGHT, YOU, 6], np.uint16)},
        {"words": np.array([UNKNOWN, NIGHT, YOU, NIGHT, YOU, NIGHT], np.uint16)},
    ],
)
def test_a_contradiction_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        replace(small_phrases(), **changed)


def test_other_vocabularies_versions_and_missing_parts_are_refused(tmp_path: Path) -> None:
    save_phrases(tmp_path / "p", small_phrases())
    with pytest.raises(DataError, match="another vocabulary"):
        load_phrases(tmp_path / "p", "0", len(VOCABULARY))
    (tmp_path / "p").write_bytes(serialize({"words": np.ones(1, np.uint16)}, {"format": "phrases", "version": "2"}))
    with pytest.raises(DataError, match="version 1: make it again"):
        load_phrases(tmp_path / "p", VOCABULARY.sha256, len(VOCABULARY))
    (tmp_path / "p").write_bytes(bytes(2_000_001))
    with pytest.raises(DataError, match="too large"):
        load_phrases(tmp_path / "p", VOCABULARY.sha256, len(VOCABULARY))
    with pytest.raises(DataError, match="cannot read"):
        load_phrases(tmp_path / "none", VOCABULARY.sha256, len(VOCABULARY))


def test_a_reader_mixes_phrases_in_wherever_it_reads(shipped: Model) -> None:
    phrases = of_shipped(shipped, "good zealand", 0.3)
    program, context = shipped.start(), [shipped.vocabulary.id(word) for word in ("how", "good")]
    alone, mixing = Reader(program), Reader(program, phrases=phrases)
    expected = np.log(phrases.mixed_into(softmax(alone.logits(context)), context))
    assert mixing.logits(context) == pytest.approx(expected, abs=1e-4)
    along = list(Reader(program, phrases=phrases).along([*context, 5]))
    assert along[2] == pytest.approx(expected, abs=1e-4)
    assert list(mixing.along([*context, 5]))[2] == pytest.approx(expected, abs=1e-4)


def test_phrases_are_suggested_completed_and_corrected_to(shipped: Model) -> None:
    def suggester(phrases: Phrases | None) -> Suggester:
        return Suggester(Reader(shipped.start(), phrases=phrases), shipped.vocabulary)

    with_phrases, without = suggester(of_shipped(shipped, "new zealand", 0.5)), suggester(None)
    assert with_phrases.suggest("a new ")[0] == "zealand"
    assert "zealand" not in without.suggest("a new ")
    assert with_phrases.suggest("a new ", "z")[0] == "zealand"
    assert with_phrases.correct("a new ", "zealnad") == "zealand"
    assert with_phrases.suggest("a nice ") == without.suggest("a nice ")


def test_recall_and_likelihood_are_those_of_what_a_person_sees(shipped: Model) -> None:
    phrases = of_shipped(shipped, "new zealand", 0.5)
    texts = ["i live in new zealand", "a new quokkafish , you see", "so good"]
    scores = evaluate(shipped.start(), [shipped.vocabulary.encode(text) for text in texts], phrases)
    suggester = Suggester(Reader(shipped.start(), phrases=phrases), shipped.vocabulary)
    seen = tally((p for text in texts for p in suggester.predictor.predict(text.split())), len(shipped.vocabulary))
    assert scores.log_likelihood == pytest.approx(seen.log_likelihood, rel=1e-5)
    assert replace(scores, log_likelihood=seen.log_likelihood) == seen
    alone = evaluate(shipped.start(), [shipped.vocabulary.encode(text) for text in texts])
    assert scores.first == alone.first + 1


def test_phrases_travel_with_their_model_folder(shipped: Model, tmp_path: Path) -> None:
    phrases = of_shipped(shipped, "new zealand", 0.5)
    save_model(tmp_path / "m", replace(shipped, phrases=phrases), with_sums=True)
    loaded = load_model(tmp_path / "m")
    assert loaded.phrases is not None
    assert loaded.notice == ""
    save_model(tmp_path / "n", loaded.with_weights(loaded.weights, loaded.provenance))
    assert (tmp_path / "n" / PHRASES).read_bytes() == phrases.to_bytes()


def test_a_model_works_without_its_damaged_phrases(shipped: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "m", replace(shipped, phrases=of_shipped(shipped, "new zealand", 0.5)), with_sums=True)
    content = bytearray((tmp_path / "m" / PHRASES).read_bytes())
    content[-1] ^= 1
    (tmp_path / "m" / PHRASES).write_bytes(content)
    loaded = load_model(tmp_path / "m")
    assert loaded.phrases is None
    assert loaded.notice.startswith("suggestions are made without phrases: ")
    assert "federate phrases" in loaded.notice
    assert "\n" not in loaded.notice
