"""What the lexicon says about found words."""

from dataclasses import replace

import numpy as np
import pytest

from data.vocabulary import SPECIALS, Vocabulary
from federation.growing.counts_files import Counted
from federation.growing.grown_lexicon import GrownLexicon
from federation.lexicon import WrittenForms, make_lexicon
from model.device.suggesting.lexicon import Lexicon

LISTED = {word: [word] for word in ("the", "because", "buy", "hiking", "btw")}
LISTED |= {"provo": ["Provo"], "ipad": ["iPad"], "ge": ["Ge"], "btw": ["BTW"], "idaho": ["Idaho"]}
ZIPF = {"the": 7.7, "because": 6.2, "becuase": 2.6, "buy": 5.3, "byu": 3.3, "hiking": 4.1, "provo": 3.1, "idaho": 4.3}
ZIPF |= {"ipad": 4.0, "ge": 3.7, "btw": 4.3, "wbu": 1.6}
VOCABULARY = Vocabulary([*SPECIALS, "the", "because", "buy", "."])
FOUND = [
    Counted(*found)
    for found in (
        *(("byu", 216), ("provo", 150), ("hiking", 90), ("ipad", 60), ("idaho", 40), ("btw", 30), ("becuase", 17)),
        *(("ge", 12), ("wbu", 11), ("the", 10), ("Not A Word", 9)),
    )
]


def forms(word: str) -> list[str]:
    return LISTED.get(word, [])


@pytest.fixture(scope="module")
def before() -> Lexicon:
    return make_lexicon(VOCABULARY, ZIPF, forms, WrittenForms())


@pytest.fixture(scope="module")
def grown(before: Lexicon) -> GrownLexicon:
    return GrownLexicon(before, VOCABULARY, FOUND, 1_044, ZIPF, forms)


def test_what_many_people_write_is_meant_unless_it_is_a_rare_typo(grown: GrownLexicon) -> None:
    typos = [word.text for word in FOUND[:-2] if grown.is_typo(word)]
    assert typos == ["becuase"]


@pytest.mark.parametrize(
    ("word", "usual"),
    [
        *(("provo", "Provo"), ("idaho", "Idaho"), ("ipad", "iPad")),
        *(("btw", "btw"), ("ge", "ge"), ("byu", "byu"), ("hiking", "hiking")),
    ],
)
def test_the_usual_case(grown: GrownLexicon, word: str, usual: str) -> None:
    assert grown.usual_case(word) == usual


def test_entries_of_before_stay_and_new_ones_follow(grown: GrownLexicon, before: Lexicon) -> None:
    new = ("byu", "provo", "becuase")
    larger = Vocabulary([*VOCABULARY.words, *new])
    lexicon = grown.lexicon_of(larger)
    size = len(VOCABULARY)
    for name in ("protection", "apostrophe", "capitals"):
        array = getattr(lexicon, name)
        np.testing.assert_array_equal(array[:size], getattr(before, name))
        assert len(array) == len(larger) and array.dtype == getattr(before, name).dtype
    assert [lexicon.is_word(larger.id(word)) for word in new] == [True, True, False]
    assert lexicon.usual_case("provo", larger.id("provo")) == "Provo"
    assert lexicon.vocabulary_sha256 == larger.sha256
    assert lexicon.knows("idaho") and lexicon.usual_case("idaho", None) == "Idaho", "words that it lacks still"
    assert (lexicon.sources, lexicon.license) == (before.sources, before.license)


def test_slang_of_a_small_federation_is_meant(before: Lexicon) -> None:
    small = GrownLexicon(before, VOCABULARY, [Counted("wbu", 3), Counted("byu", 4)], 8, ZIPF, forms)
    assert not small.is_typo(Counted("wbu", 3)) and not small.is_typo(Counted("byu", 4))


def test_a_word_that_the_owner_keeps_is_not_corrected(before: Lexicon) -> None:
    kept = [replace(word, no_typo=word.text == "becuase") for word in FOUND]
    larger = Vocabulary([*VOCABULARY.words, "byu", "becuase"])
    lexicons = [GrownLexicon(before, VOCABULARY, f, 1_044, ZIPF, forms).lexicon_of(larger) for f in (FOUND, kept)]
    typo, word = (one.is_word(larger.id("becuase")) for one in lexicons)
    assert not typo and word
    assert lexicons[0].protection[larger.id("byu")] == lexicons[1].protection[larger.id("byu")]
