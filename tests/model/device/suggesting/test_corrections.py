import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.vocabulary import SPECIALS
from keyboard_app.input.layout import LAYOUTS, load_layout
from model.device.folder import PRETRAINED, Model, load_model
from model.device.suggesting.corrections import Corrections, ErrorCosts, qwerty_neighbours
from model.device.suggesting.offensive import offensive_words
from model.device.suggesting.personal import PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.word_preferences import WordPreferences

COSTS, NEIGHBOURS = ErrorCosts(), qwerty_neighbours()
WORDS = [
    "the",
    "they",
    "think",
    "hello",
    "don't",
    "café",
    "cafe",
    "grüße",
    "sigh",
    "zoo",
    "書き",
    "a",
    "books",
    "because",
]


def substituted(meant: str, typed: str) -> float:
    if meant == typed:
        return 0
    if (meant, typed) in (("é", "e"), ("ü", "u")):  # nobody types an accent by mistake
        return COSTS.accent
    if meant in NEIGHBOURS.get(typed, ()):
        return COSTS.neighbour
    return COSTS.vowel if {meant, typed} <= set("aeiouy") else COSTS.other


def missed(word: str, place: int) -> float:
    if place and word[place - 1] == word[place]:
        return COSTS.missing_twin
    if word[place] in "aeiouy":
        return COSTS.missing_vowel
    return COSTS.missing_apostrophe if word[place] == "'" else COSTS.missing


def added(typed: str, place: int) -> float:
    if place and typed[place - 1] == typed[place]:
        return COSTS.doubled
    beside = typed[max(place - 1, 0) : place] + typed[place + 1 : place + 2]
    return COSTS.extra_neighbour if any(typed[place] in NEIGHBOURS.get(b, ()) for b in beside) else COSTS.extra


def cost(word: str, typed: str, ended: bool) -> float:
    """Computes the same cost with the textbook algorithm: a full table for one word, restricted to the band."""
    table: dict[tuple[int, int], float] = {}
    for i in range(len(typed) + 1):
        for j in range(max(i - 1, 0), min(i + 1, len(word)) + 1):
            ways = [0.0] if i == j == 0 else []
            if i and j:
                ways.append(table.get((i - 1, j - 1), math.inf) + substituted(word[j - 1], typed[i - 1]))
            if i:
                ways.append(table.get((i - 1, j), math.inf) + added(typed, i - 1))
            if j:
                ways.append(table.get((i, j - 1), math.inf) + missed(word, j - 1))
            if i > 1 and j > 1 and typed[i - 2] != typed[i - 1] and word[j - 2 : j] == typed[i - 1] + typed[i - 2]:
                ways.append(table.get((i - 2, j - 2), math.inf) + COSTS.swapped)
            table[i, j] = min(ways, default=math.inf)
    ends = [len(word)] if ended else range(len(word) + 1)
    found = min(table.get((len(typed), j), math.inf) for j in ends)
    return found if found < 127 / 8 else math.inf


LETTERS = st.text("thekyindo'caféübrgsz書x", min_size=1, max_size=7)


@settings(deadline=None)
@given(LETTERS, st.booleans())
@example("teh", True)
@example("dont", True)
@example("tgey", False)
@example("書xき", True)
@example("xx", False)
@example("hel", True)
def test_costs_are_those_of_the_cheapest_typing_errors(typed: str, ended: bool) -> None:
    expected = [cost(word, typed, ended) for word in WORDS]
    corrections = Corrections(WORDS)
    np.testing.assert_array_equal(corrections.costs(typed, ended=ended), expected)
    some = np.array([1, 4, 12])
    np.testing.assert_array_equal(corrections.costs(typed, some, ended), np.array(expected)[some])
    slipped = [place for place, word in enumerate(WORDS) if not word.startswith(typed)]
    assert all(corrections.least(typed)[place] <= expected[place] for place in slipped)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), max_size=8))
@example(["a" * 24, "b" * 25, "e\u0301x", "\U0001f642", "na\u00efve"])
def test_a_word_costs_nothing_where_it_was_meant(words: list[str]) -> None:
    corrections = Corrections(words)
    for place, word in enumerate(words):
        assert corrections.costs(word, ended=True)[place] == (0 if len(word) < 24 else math.inf)


@settings(max_examples=30, deadline=None)
@given(st.permutations(WORDS), LETTERS)
def test_inserted_words_behave_like_initial_ones(words: list[str], typed: str) -> None:
    corrections = Corrections(words[:5])
    corrections.costs(typed)
    for word in words[5:]:
        corrections.insert([2], [word])
    order = [*words[:2], *reversed(words[5:]), *words[2:5]]
    np.testing.assert_array_equal(corrections.costs(typed), Corrections(order).costs(typed))


@settings(max_examples=30, deadline=None)
@given(st.lists(LETTERS, min_size=2, max_size=4))
def test_costs_do_not_depend_on_the_letters_before(typed: list[str]) -> None:
    corrections = Corrections(WORDS)
    for word in typed:
        for letters in [word[:end] for end in range(1, len(word) + 1)]:  # as a person types it
            np.testing.assert_array_equal(corrections.costs(letters), Corrections(WORDS).costs(letters))
        np.testing.assert_array_equal(corrections.costs(word, ended=True), Corrections(WORDS).costs(word, ended=True))


def test_a_further_letter_computes_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    next_row = Corrections._next_row

    def spy(corrections: Corrections, typed: str, place: int, touch: None) -> dict[int, np.ndarray]:
        rows.append(place)
        return next_row(corrections, typed, place, touch)

    monkeypatch.setattr(Corrections, "_next_row", spy)
    corrections = Corrections(WORDS)
    corrections.costs("becaus")
    del rows[:]
    corrections.costs("because")
    assert rows == [5, 6]
    corrections.costs("because", np.array([3]), ended=True)
    assert rows == [5, 6]


def test_the_default_neighbours_are_those_of_the_qwerty_layout() -> None:
    assert load_layout(LAYOUTS / "qwerty.json").neighbours == qwerty_neighbours()


def test_words_of_any_length_and_script_are_accepted() -> None:
    words = ["end", "x" * 40, "".join(chr(0x4E00 + i) for i in range(300)), *(chr(0x4E00 + i) for i in range(300))]
    costs = Corrections(words).costs("emd", ended=True)
    assert costs[0] == COSTS.neighbour
    assert not np.isfinite(costs[1:]).any()
    assert not np.isfinite(Corrections(words).costs("x" * 40)).any()


@pytest.fixture(scope="module")
def shipped() -> Model:
    return load_model(PRETRAINED)


@pytest.fixture(scope="module")
def suggester(shipped: Model) -> Suggester:
    return Suggester(Reader(shipped.start(), phrases=shipped.phrases), shipped.vocabulary, lexicon=shipped.lexicon)


@pytest.mark.parametrize(
    ("context", "typed", "meant"),
    [
        ("what do you", "tjink", "think"),  # a neighbour
        ("what do you", "thnk", "think"),
        ("what do you", "thinkk", "think"),
        ("what do you", "thikn", "think"),
        ("i like", "teh", "the"),
        ("that is", "awsome", "awesome"),
        ("what a", "beautifull", "beautiful"),
    ],
)
def test_typos_are_corrected(suggester: Suggester, context: str, typed: str, meant: str) -> None:
    assert suggester.correct(context, typed) == meant
    assert meant in suggester.suggest(context, typed)


MISSPELT = [
    "recieve",
    "receive",
    "freind",
    "friend",
    "adress",
    "address",
    "tommorow",
    "tomorrow",
    "seperate",
    "separate",
    "knwo",
    "know",
    "thikn",
    "think",
    "tset",
    "test",
    "thansk",
    "thanks",
    "hosue",
    "house",
    "hapy",
    "happy",
    "existance",
    "existence",
    "concious",
    "conscious",
    "relevent",
    "relevant",
    "foriegn",
    "foreign",
]


@pytest.mark.parametrize("context", ["", "the thing about it"])
@pytest.mark.parametrize(("typed", "meant"), list(zip(MISSPELT[::2], MISSPELT[1::2], strict=True)))
def test_typos_are_corrected_where_the_word_is_not_expected(
    suggester: Suggester, context: str, typed: str, meant: str
) -> None:
    assert suggester.correct(context, typed) == meant


@pytest.mark.parametrize("typed", ["heyo", "gtg", "ikr", "shoulda", "coulda", "olé", "bruh", "gonna", "tho", "lol"])
@pytest.mark.parametrize("context", ["", "well", "the thing about it"])
def test_slang_and_abbreviations_stay(suggester: Suggester, context: str, typed: str) -> None:
    assert suggester.correct(context, typed) is None


def test_of_several_corrections_the_one_that_the_context_expects_is_taken(suggester: Suggester) -> None:
    assert suggester.correct("", "ths") == "this"
    assert suggester.correct("i like", "ths") in ("the", "this")


@pytest.mark.parametrize(
    ("typed", "meant"),
    {"hows": "how's", "wheres": "where's", "oclock": "o'clock", "neednt": "needn't", "mustnt": "mustn't"}.items(),
)
def test_contractions_get_their_apostrophe(suggester: Suggester, typed: str, meant: str) -> None:
    assert suggester.correct("", typed) == meant


def test_words_among_others_that_no_dictionary_has_are_likelier_meant(suggester: Suggester) -> None:
    assert suggester.correct("well", "habe") == "have"
    assert suggester.correct("zwei brauchte würstchen", "habe") is None


@pytest.mark.parametrize("typed", ["think", "hats", "form", "xylografix", "q", "a", "3", "5th", "hannelore", "x" * 500])
def test_plausible_words_are_not_corrected(suggester: Suggester, typed: str) -> None:
    assert suggester.correct("i said", typed) is None


def test_two_letters_are_corrected_only_to_frequent_words(shipped: Model) -> None:
    personal = PersonalNgram(shipped.vocabulary, ["buy 50 dl of milk", "50 dl of it", "and 50 dl"])
    suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, personal)
    assert suggester.suggest("and 50")[0] == "dl"
    assert suggester.correct("and 50", "cl") is None  # even if the other word is likely in this context
    assert suggester.correct("i want", "ro") == "to"
    assert suggester.correct("i can see", "te") == "the"


def test_a_correction_is_never_an_unwanted_word(shipped: Model) -> None:
    preferences = WordPreferences()
    suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, preferences=preferences)
    assert suggester.correct("what do you", "tjink") == "think"
    preferences.forgotten.add("think")
    assert suggester.correct("what do you", "tjink") != "think"
    assert "think" not in suggester.suggest("what do you", "thi")
    assert "think" not in suggester.suggest("what do you")
    preferences.forgotten.clear()
    assert "think" in suggester.suggest("what do you")


def test_a_word_that_a_person_has_written_is_not_corrected(shipped: Model) -> None:
    personal, preferences = PersonalNgram(shipped.vocabulary), WordPreferences()
    suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, personal, preferences)
    assert suggester.correct("i met", "sven") == "even"
    personal.learn("I met Sven")
    assert suggester.correct("i met", "sven") is None
    personal.learn("sven again")
    assert suggester.suggest("i met", "ssve")[0] == "sven"  # an own word is a correction itself
    assert suggester.correct("i met", "ssven") == "sven"
    preferences.forgotten.add("sven")  # it was a typo after all
    assert suggester.correct("i met", "sven") == "even"


def test_offensive_words_are_suggested_only_to_people_who_type_them(shipped: Model) -> None:
    word = "god"
    assert word in offensive_words()
    preferences, personal = WordPreferences(), PersonalNgram(shipped.vocabulary)
    suggester = Suggester(Reader(shipped.start()), shipped.vocabulary, personal, preferences)

    def offered() -> list[bool]:
        return [word in suggester.suggest("oh my", typed, count=10_000) for typed in ("", "go", "gdo")]

    assert offered() == [False, False, False]
    preferences.offensive = True
    assert offered() == [True, True, True]
    preferences.offensive = False
    assert offered() == [False, False, False]
    personal.learn("oh my God")
    assert offered() == [True, True, True]


def test_no_offensive_word_of_the_vocabulary_is_suggested(shipped: Model, suggester: Suggester) -> None:
    listed = offensive_words() & set(shipped.vocabulary.words[len(SPECIALS) :])
    assert len(listed) > 20
    for word in listed:
        for prefix in (word[: n + 1] for n in range(len(word))):
            assert word not in suggester.suggest("you are a", prefix, count=10)


def test_costs_follow_the_geometry_of_the_layout(shipped: Model) -> None:
    suggester = Suggester(Reader(shipped.start()), shipped.vocabulary)
    assert suggester.spellings.corrections.costs("thinj", ended=True).min() == COSTS.neighbour  # k is beside j
    suggester.spellings.use_neighbours({"j": frozenset("h")})
    assert suggester.spellings.corrections.costs("thinj", ended=True).min() > COSTS.neighbour


def test_letters_of_large_scripts_do_not_fill_the_memory() -> None:
    corrections = Corrections([f"word{number}" for number in range(2_000)])
    tracemalloc.start()
    try:
        for code in range(0x4E00, 0x4E00 + 1_000):  # a table of costs for each would take 50 MB
            corrections.costs("a" + chr(code), ended=True)
        assert tracemalloc.get_traced_memory()[0] < 8e6
    finally:
        tracemalloc.stop()


def test_an_empty_list_has_no_costs() -> None:
    assert Corrections([]).costs("ab").tolist() == []


def test_forgotten_completions_are_not_suggested(shipped: Model) -> None:
    completions = {word for word in shipped.vocabulary.words if word.startswith("zo")}
    assert len(completions) > 3
    suggester = Suggester(
        Reader(shipped.start()), shipped.vocabulary, preferences=WordPreferences(forgotten=completions)
    )
    assert not completions & set(suggester.suggest("at the", "zo"))
    assert not completions & set(suggester.suggest("at the", "z", count=50))
