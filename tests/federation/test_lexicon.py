"""The evidence that an entry of a vocabulary is a word, and its usual case."""

import math
from collections.abc import Iterator, Sequence

import pytest

from data.vocabulary import SPECIALS, Vocabulary
from federation.lexicon import WrittenForms, make_lexicon
from model.device.suggesting.lexicon import MOST_PROTECTION, Lexicon

LISTED = {
    word: [word] for word in ("the", "receive", "well", "its", "ill", "will", "all", "separate", "soon", "sun")
} | {
    word: [word] for word in ("incredible", "going", "of", "don't", "it's", "we'll", "cant", "can't", "y'all", "sonata")
}
LISTED |= {"i'll": ["I'll"], "monday": ["Monday"], "tv": ["TV"], "china": ["china", "China"], "may": ["may", "May"]}
LISTED |= {"mckinley": ["McKinley"], "berlin": ["Berlin"], "ky": ["KY"], "ur": ["Ur"], "our": ["our"]}
ZIPF = {
    "the": 7.7,
    "teh": 3.0,
    "receive": 4.9,
    "recieve": 2.8,
    "separate": 4.7,
    "seperate": 2.8,
    "of": 7.4,
    "going": 6.0,
}
ZIPF |= {"don't": 6.2, "dont": 4.7, "it's": 6.3, "its": 6.1, "i'll": 5.4, "ill": 4.7, "we'll": 4.9, "well": 6.0}
ZIPF |= {"can't": 5.8, "cant": 4.3, "y'all": 5.0, "yall": 3.2, "lol": 5.0, "goin": 4.0, "netflix": 4.0, "soon": 5.3}
ZIPF |= {"our": 6.2, "ur": 3.9, "ot": 3.9, "of": 7.4, "frm": 3.3} | {
    "berlin": 4.5,
    "sonata": 3.5,
    "spotify": 3.8,
    "xqzt": 2.9,
    "ky": 3.5,
    "incredible": 4.9,
}
CHAT = [
    *["we saw China on Monday and may tv it's the", "we like Netflix and china and the lol"] * 12,
    *["then China is ill on Netflix with McKinley", "and yall may see", "y'all"] * 12,
    *["the don't it's its I'll well can't receive of going"] * 50,
]
WORDS = (
    "the teh receive recieve separate seperate of going goin don't dont it's its i'll ill we'll well can't cant y'all yall "
    "lol netflix monday tv china our may mckinley soon soooon incredible incredibles 5 ."
)


class Chat:
    def users(self) -> list[str]:
        return ["somebody"]

    def messages(self, user: str) -> Iterator[str]:
        return iter(CHAT)


def forms(word: str) -> Sequence[str]:
    return LISTED.get(word, [])


VOCABULARY = Vocabulary([*SPECIALS, *WORDS.split()])


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return make_lexicon(VOCABULARY, ZIPF, forms, WrittenForms.of(Chat()))


@pytest.mark.parametrize("word", ["teh", "recieve", "seperate", "dont", "cant"])
def test_a_typo_of_a_far_likelier_word_is_no_word(lexicon: Lexicon, word: str) -> None:
    assert not lexicon.is_word(VOCABULARY.id(word))


@pytest.mark.parametrize(
    "word",
    [
        *("the", "receive", "its", "ill", "well", "soon"),  # in the dictionary
        *("yall", "goin", "lol", "netflix", "soooon", "incredibles"),  # slang, a name, a stretched word, a plural
        *("5", ".", "<unk>"),
    ],
)
def test_what_people_mean_is_a_word(lexicon: Lexicon, word: str) -> None:
    assert lexicon.is_word(VOCABULARY.words.index(word))


def test_protection_grows_with_the_evidence(lexicon: Lexicon) -> None:
    def against(word: str) -> tuple[float, float]:
        known = VOCABULARY.id(word)
        return float(lexicon.protection[known]), float(lexicon.apostrophe[known])

    assert against("the") == (MOST_PROTECTION, MOST_PROTECTION)
    assert against("well")[1] > against("its")[1] > against("ill")[1] > -math.inf
    assert against("ill")[0] > against("ill")[1]
    assert 0 < against("yall")[0] < MOST_PROTECTION


@pytest.mark.parametrize(
    ("word", "usual"),
    [
        *(("monday", "Monday"), ("mckinley", "McKinley"), ("i'll", "I'll"), ("netflix", "Netflix")),
        *(("tv", "tv"), ("china", "china"), ("may", "may"), ("the", "the")),
    ],
)
def test_the_usual_case(lexicon: Lexicon, word: str, usual: str) -> None:
    assert lexicon.usual_case(word, VOCABULARY.id(word)) == usual


def test_words_that_the_vocabulary_lacks(lexicon: Lexicon) -> None:
    assert [lexicon.knows(word) for word in ("berlin", "sonata", "spotify", "xqzt", "ky")] == [True] * 3 + [False] * 2
    assert [lexicon.usual_case(word, None) for word in ("berlin", "sonata")] == ["Berlin", "sonata"]


def test_an_abbreviation_that_drops_vowels_is_meant_if_it_is_frequent(lexicon: Lexicon) -> None:
    assert lexicon.knows("ur"), "our, without a vowel, though there is a town of this name"
    assert lexicon.usual_case("ur", None) == "ur"
    assert not lexicon.knows("ot"), "a slip of of"


def test_a_word_that_the_dictionary_has_in_lower_case_only_is_no_name_for_being_in_titles() -> None:
    class Titles:
        def users(self) -> list[str]:
            return ["somebody"]

        def messages(self, user: str) -> Iterator[str]:
            return iter(["i saw Soon and China of Monday"] * 50)

    titled = make_lexicon(VOCABULARY, ZIPF, forms, WrittenForms.of(Titles()))
    shown = {word: titled.usual_case(word, VOCABULARY.id(word)) for word in ("soon", "china", "monday")}
    assert shown == {"soon": "soon", "china": "China", "monday": "Monday"}


def test_the_vocabulary_is_named_and_sources_are_stated(lexicon: Lexicon) -> None:
    assert lexicon.vocabulary_sha256 == VOCABULARY.sha256
    assert "wordfreq" in lexicon.sources
    assert lexicon.to_bytes() == make_lexicon(VOCABULARY, ZIPF, forms, WrittenForms.of(Chat())).to_bytes()
