"""A model that grows, and the command `federate grow`."""

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pytest

from data.errors import DataError
from federation.cli import main
from federation.growing.counts_files import Counted, Counts
from federation.growing.grown_model import Language, grow
from federation.phrases import make_phrases
from model.device.folder import PHRASES, PRETRAINED, PROGRAM, Model, load_model, save_model
from model.device.programs import SHIPPED, file_name, most_words
from model.device.suggesting.lexicon import Lexicon, make_filter
from model.device.weights import digest

PLAIN = Language({}, lambda _: [], {"fudge"})
FOUND = Counts((Counted("zebra", 9), Counted("fudge", 8), Counted("quokka", 4), Counted("hall", 4)), 10, 100)


def lexicon_of(model: Model) -> Lexicon:
    size = len(model.vocabulary)
    some = np.full(size, 4, np.float16)
    return Lexicon(model.vocabulary.sha256, some, some, np.zeros(size, np.uint32), make_filter([]), make_filter([]))


@pytest.fixture
def small(two_vocabularies: tuple[Model, Model]) -> Model:
    """Returns a small model with a lexicon and phrases."""
    model = two_vocabularies[0]
    vocabulary = model.vocabulary
    texts = [vocabulary.encode(text) for text in ("meet at the hall", "chalk and rope", "i like chalk")]
    phrases = replace(make_phrases(texts, vocabulary, 3, "made up"), weight=0.2)
    return replace(model, lexicon=lexicon_of(model), phrases=phrases, card="# Model card\n\n1. `federate pretrain`\n")


def test_words_join_at_the_end_and_everything_else_stays(small: Model) -> None:
    grown = grow(small, FOUND, PLAIN)
    model, size = grown.model, len(small.vocabulary)
    assert model.vocabulary.words == (*small.vocabulary.words, "zebra", "quokka")
    assert grown.share == pytest.approx(0.13)
    halves = {name: array.astype(np.float16) for name, array in small.weights.items()}
    for name, array in halves.items():
        kept = model.weights[name][:size] if name in ("embedding", "output_bias") else model.weights[name]
        changed = np.flatnonzero(kept != array.astype(np.float32))
        assert list(changed) == ([1] if name == "output_bias" else []), name
    assert all(np.array_equal(a, a.astype(np.float16)) for a in model.weights.values()), "weights of 16 bits"
    assert model.provenance.parent == digest(small.weights)
    assert model.provenance.round == small.provenance.round
    assert model.provenance.vocabulary_sha256 == model.vocabulary.sha256
    assert model.lexicon is not None and model.phrases is not None
    assert model.lexicon.vocabulary_sha256 == model.phrases.vocabulary_sha256 == model.vocabulary.sha256
    ids = [small.vocabulary.id(word) for word in ("meet", "at")]
    assert model.phrases.probabilities(ids).argmax() == small.vocabulary.id("the"), "phrases keep their meaning"


def test_a_grown_folder_can_be_used_and_can_grow_again(small: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "grown", grow(small, FOUND, PLAIN).model)
    once = load_model(tmp_path / "grown")
    again = grow(once, Counts((Counted("wombat", 5), Counted("zebra", 9)), 10), PLAIN).model
    assert again.vocabulary.words[-3:] == ("zebra", "quokka", "wombat")
    assert again.provenance.parent == digest(once.weights)
    again.start()


def test_a_model_without_a_lexicon_gets_none(two_vocabularies: tuple[Model, Model]) -> None:
    model = grow(two_vocabularies[0], FOUND, PLAIN).model
    assert model.lexicon is None and model.phrases is None


def test_nothing_to_add_is_one_clear_line(small: Model) -> None:
    with pytest.raises(DataError, match=r"no found word can join the vocabulary \(1 in the vocabulary already\)"):
        grow(small, Counts((Counted("hall", 9),), 10), PLAIN)
    with pytest.raises(DataError, match="the file has no words"):
        grow(small, Counts((), 10), PLAIN)


def test_the_shipped_programs_bound_the_vocabulary() -> None:
    config = SHIPPED[0]
    assert most_words(config) == 10_800 == most_words(SHIPPED[1])
    assert most_words(replace(config, units=5)) is None
    shipped = load_model(PRETRAINED)
    words = [Counted("zq" + "".join(letters), 9) for letters in product(ascii_lowercase, ascii_lowercase[:18], "ab")]
    grown = grow(replace(shipped, lexicon=None, phrases=None), Counts(tuple(words), 1_000), PLAIN)
    assert len(grown.model.vocabulary) == 10_800
    assert {file_name(grown.model.provenance.config)} == {file_name(SHIPPED[1])}
    left = sum(map(len, grown.chosen.left_out.values()))
    assert left == len(words) - 800 and "no room" in grown.chosen.left_out
    with pytest.raises(DataError, match="as many words as the largest program of the app has rows for"):
        grow(grown.model, Counts((Counted("quokkas", 9),), 9), PLAIN)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Returns a file of words and one of phrases."""
    words = [{"word": "byu", "devices": 216}, {"word": "provo", "devices": 90}, {"word": "becuase", "devices": 17}]
    phrases = [{"phrase": "byu campus tour", "devices": 40}, {"phrase": "go to byu", "devices": 60}]
    paths = tmp_path / "words.json", tmp_path / "phrases.json"
    paths[0].write_text(json.dumps({"words": words, "devices": 1_044, "offers": 50_000, "k": 10}), "utf-8")
    paths[1].write_text(json.dumps({"phrases": phrases, "devices": 1_044}), "utf-8")
    return paths


def test_the_command_grows_the_shipped_model(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grown"
    command = ["grow", "--words", str(files[0]), "--phrases", str(files[1]), "--out", str(out), "--json"]
    assert main(command) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out.splitlines()[-1])
    assert result["new_words"] == ["byu", "provo"]
    assert "left out, probably a typo of a likelier word: 1 word ('becuase')" in printed.err
    model, parent = load_model(out), load_model(PRETRAINED)
    assert result["sha256"] == digest(model.weights) and not (out / PROGRAM).exists()
    for text in (digest(parent.weights), parent.vocabulary.sha256, model.vocabulary.sha256, "`words.json`, SHA-256"):
        assert text in model.card
    assert "2, each from at least 90 of 1,044 devices" in model.card
    assert model.phrases is not None and model.lexicon is not None
    byu = model.vocabulary.id("byu")
    likely = model.phrases.probabilities([model.vocabulary.id("go"), model.vocabulary.id("to")])
    assert likely[byu] > 0.05
    assert model.lexicon.usual_case("provo", model.vocabulary.id("provo")) == "Provo"
    assert (out / PHRASES).stat().st_size <= 2_000_000


def test_phrases_may_join_without_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "phrases.json").write_text('{"phrases": [{"phrase": "see you soon", "devices": 500}], "devices": 900}')
    assert main(["grow", "--phrases", str(tmp_path / "phrases.json"), "--out", str(tmp_path / "grown")]) == 0
    model, parent = load_model(tmp_path / "grown"), load_model(PRETRAINED)
    assert model.vocabulary.words == parent.vocabulary.words and digest(model.weights) == digest(parent.weights)
    assert model.phrases is not None and parent.phrases is not None
    ids = [model.vocabulary.id(word) for word in ("see", "you")]
    soon = model.vocabulary.id("soon")
    assert model.phrases.probabilities(ids)[soon] > 2 * parent.phrases.probabilities(ids)[soon]
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"{tmp_path / 'grown'}: 10,000 entries, counts of 1 phrase joined the phrases"
    assert "| first weights | as in the parent |" in model.card


def test_bad_calls(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "grown")]
    assert main(["grow", *out]) == 2
    assert "give found words by --words, or counts of phrases by --phrases" in capsys.readouterr().err
    (tmp_path / "grown").mkdir()
    (tmp_path / "grown" / "notes.txt").write_text("mine")
    assert main(["grow", "--words", str(files[0]), *out]) == 1
    assert "exists and is not a model folder" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "grown")
    bare = tmp_path / "bare"
    shutil.copytree(PRETRAINED, bare, ignore=shutil.ignore_patterns(PHRASES))
    assert main(["grow", "--model", str(bare), "--phrases", str(files[1]), *out]) == 1
    assert "has no phrases to add to: make some with federate phrases" in capsys.readouterr().err
