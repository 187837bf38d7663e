"""The lexicon: its file, and what it changes in suggestions and corrections."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import SPECIALS, Vocabulary
from model.device.folder import LEXICON, PRETRAINED, Model, load_model, save_model
from model.device.safetensors_format import serialize
from model.device.suggesting.lexicon import (
    Lexicon,
    capitals_of,
    in_filter,
    load_lexicon,
    make_filter,
    save_lexicon,
)
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences

VOCABULARY = Vocabulary([*SPECIALS, "the", "teh", "monday"])


def small_lexicon() -> Lexicon:
    protection = np.array([5, 5, 5, 5, -np.inf, 2.5], np.float16)
    capitals = np.array([0, 0, 0, 0, 0, capitals_of("Monday")], np.uint32)
    return Lexicon(
        VOCABULARY.sha256, protection, protection, capitals, make_filter(["zebra", "berlin"]), make_filter(["berlin"])
    )


@pytest.fixture(scope="module")
def shipped() -> Model:
    return load_model(PRETRAINED)


def test_a_lexicon_is_read_back_unchanged(tmp_path: Path) -> None:
    save_lexicon(tmp_path / "l", small_lexicon())
    read = load_lexicon(tmp_path / "l", VOCABULARY.sha256, len(VOCABULARY))
    assert read.to_bytes() == small_lexicon().to_bytes()
    assert [read.is_word(VOCABULARY.id(word)) for word in ("the", "teh", "monday")] == [True, False, True]
    assert [read.knows(word) for word in ("zebra", "berlin", "zebar")] == [True, True, False]
    assert read.usual_case("monday", VOCABULARY.id("monday")) == "Monday"
    assert [read.usual_case(word, None) for word in ("zebra", "berlin")] == ["zebra", "Berlin"]


@given(st.data())
def test_a_damaged_file_is_one_clear_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(small_lexicon().to_bytes())
    path = tmp_path_factory.mktemp("lexicon") / "l"
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read = load_lexicon(path, VOCABULARY.sha256, len(VOCABULARY))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert read.usual_case("monday", 5).lower() == "monday"


@pytest.mark.parametrize(
    "changed",
    [
        {"vocabulary_sha256": "0"},
        {"protection": np.array([9] * 6, np.float16)},
        {"protection": np.array([np.nan] * 6, np.float16)},
        {"protection": np.array([1] * 5, np.float16)},
        {"capitals": np.array([1] * 6, np.uint8)},
        {"words": np.zeros((2, 2), np.uint8)},
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    save_lexicon(tmp_path / "l", replace(small_lexicon(), **changed))
    with pytest.raises(DataError, match="federate lexicon"):
        load_lexicon(tmp_path / "l", VOCABULARY.sha256, len(VOCABULARY))


def test_another_version_and_missing_parts_are_refused(tmp_path: Path) -> None:
    strings = {"format": "lexicon", "version": "2", "vocabulary_sha256": VOCABULARY.sha256}
    arrays = {"protection": np.zeros(6, np.float16)}
    for version in ("1", "2"):
        (tmp_path / "l").write_bytes(serialize(arrays, strings | {"version": version}))
        with pytest.raises(DataError, match="federate lexicon"):
            load_lexicon(tmp_path / "l", VOCABULARY.sha256, len(VOCABULARY))


@given(st.sets(st.text(min_size=1, max_size=8), max_size=200))
def test_a_filter_forgets_none_of_its_words(words: set[str]) -> None:
    filter_ = make_filter(words)
    assert all(in_filter(filter_, word) for word in words)


def test_a_filter_takes_few_others_for_its_words() -> None:
    filter_ = make_filter(f"word {n}" for n in range(5000))
    wrong = sum(in_filter(filter_, f"other {n}") for n in range(5000))
    assert wrong < 0.002 * 5000
    assert len(filter_) <= 5000 * 2


@given(st.text("aBcDé'ß", min_size=1, max_size=40))
def test_capitals_give_the_form_back(written: str) -> None:
    capitals = np.array([capitals_of(written)], np.uint32)
    lexicon = replace(small_lexicon(), capitals=capitals)
    assert lexicon.usual_case(written.lower(), 0) == (written if capitals[0] else written.lower())


def test_a_lexicon_travels_with_its_model_folder(small_model: Model, tmp_path: Path) -> None:
    size = len(small_model.vocabulary)
    protection, capitals = np.full(size, 5, np.float16), np.zeros(size, np.uint32)
    one = Lexicon(small_model.vocabulary.sha256, protection, protection, capitals, make_filter([]), make_filter([]))
    save_model(tmp_path / "m", replace(small_model, lexicon=one))
    loaded = load_model(tmp_path / "m")
    assert loaded.lexicon is not None
    save_model(tmp_path / "n", loaded.with_weights(loaded.weights, loaded.provenance))
    assert (tmp_path / "n" / LEXICON).read_bytes() == one.to_bytes()
    (tmp_path / "n" / LEXICON).unlink()
    assert load_model(tmp_path / "n").lexicon is None


def test_the_shipped_lexicon_is_small(shipped: Model) -> None:
    assert shipped.lexicon is not None
    assert (PRETRAINED / LEXICON).stat().st_size < 1 << 20
    assert "CC-BY-SA" in shipped.lexicon.license
    assert "wordfreq" in shipped.lexicon.sources


def suggester_of(model: Model, preferences: WordPreferences | None = None, messages: tuple[str, ...] = ()) -> Suggester:
    personal = PersonalNgram(model.vocabulary, messages)
    return Suggester(Reader(model.start()), model.vocabulary, personal, preferences, lexicon=model.lexicon)


def test_what_is_no_word_is_never_offered_unless_a_person_insists_on_it(shipped: Model) -> None:
    assert shipped.lexicon is not None
    not_words = {w for i, w in enumerate(shipped.vocabulary.words) if not shipped.lexicon.is_word(i)}
    assert 50 < len(not_words) < 500
    preferences = WordPreferences()
    suggester = suggester_of(shipped, preferences)
    for word in sorted(not_words)[::10]:
        for prefix in ("", *(word[:n] for n in range(1, len(word)))):
            assert not not_words & set(suggester.suggest("you are so", prefix, count=20))
    preferences.insisted.add("wierd")
    assert "wierd" in suggester.suggest("that is so", "wier")
    assert suggester.correct("i", "kow") == "know"


@pytest.mark.parametrize(
    ("context", "typed", "meant"),
    [
        *(("we", "recieve", "receive"), ("", "definately", "definitely"), ("it is", "becuase", "because")),
        *(("this is", "teh", "the"), ("i", "dont", "don't"), ("i", "wont", "won't"), ("", "ths", "this")),
    ],
)
def test_an_entry_of_the_vocabulary_that_is_no_word_is_corrected(
    shipped: Model, context: str, typed: str, meant: str
) -> None:
    assert suggester_of(shipped).correct(context, typed) == meant


@pytest.mark.parametrize(
    "word",
    [*("yall", "lol", "gonna", "tho", "ur", "bf", "brb", "btw"), *("well", "were", "hell", "shed", "soooo", "theatre")],
)
def test_what_people_mean_stays(shipped: Model, word: str) -> None:
    suggester = suggester_of(shipped)
    assert suggester.correct("", word) is None
    assert suggester.correct("what the", word) is None


def test_a_real_word_that_the_vocabulary_lacks_is_protected(shipped: Model) -> None:
    assert shipped.lexicon is not None
    assert "quokka" not in shipped.vocabulary
    assert not shipped.lexicon.knows("thnik")
    assert shipped.lexicon.knows("rejoice")


def test_a_typo_sent_twice_is_no_suggestion(shipped: Model) -> None:
    suggester = suggester_of(shipped, messages=("i recvied it", "we recvied them"))
    assert "recvied" not in suggester.suggest("i", "rec", count=10)
    assert "recvied" not in suggester.suggest("", "recv", count=10)
    assert suggester.doubts("recvied")
    often = suggester_of(shipped, messages=("i recvied it",) * 6)
    assert "recvied" in often.suggest("i", "recv")
    insisting = suggester_of(shipped, WordPreferences(insisted={"recvied"}), ("i recvied it", "we recvied them"))
    assert "recvied" in insisting.suggest("i", "recv")


@pytest.mark.parametrize("word", ["xiaoming", "hannelore", "minecrafty", "zugspitze"])
def test_a_new_word_sent_twice_is_a_suggestion(shipped: Model, word: str) -> None:
    suggester = suggester_of(shipped, messages=(f"i like {word}", f"and {word} too"))
    assert word in suggester.suggest("i like", word[:4])


def test_a_name_that_looks_like_a_typo_is_a_suggestion(shipped: Model) -> None:
    suggester = suggester_of(shipped, messages=("i like Jenni", "and Jenni too"))
    assert "jenni" in suggester.suggest("i like", "jenn")


@pytest.mark.parametrize(
    ("word", "usual"),
    [("monday", "Monday"), ("paris", "Paris"), ("i", "I"), ("i'm", "I'm"), ("may", "may"), ("iphone", "iPhone")],
)
def test_words_have_their_usual_case(shipped: Model, word: str, usual: str) -> None:
    suggester = suggester_of(shipped)
    assert suggester.casing.written(word) == usual
    assert suggester.casing.recased(word) == (None if usual == word else usual)


def test_a_person_decides_the_case_of_a_word(shipped: Model) -> None:
    messages = ("ask NASA about Xiaoming", "so NASA met Xiaoming McKinley", "is McKinley in paris", "in paris I hope")
    suggester = suggester_of(shipped, messages=messages)
    for word in ("NASA", "Xiaoming", "McKinley", "paris"):
        assert suggester.casing.written(word.lower()) == word
        assert suggester.casing.recased(word) is None
        assert suggester.casing.recased(word.lower()) == (None if word == "paris" else word)


@pytest.mark.parametrize("typed", ["tv", "TV", "Tv", "MONDAY", "Monday", "hello", "Hello"])
def test_case_that_may_be_meant_stays(shipped: Model, typed: str) -> None:
    assert suggester_of(shipped).casing.recased(typed) is None
