import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.generators import result_of
from data.tokenizer import PUNCTUATION, tokenize
from data.vocabulary import BOUNDARY, SPECIALS, UNKNOWN, Vocabulary
from model.device.folder import Model
from model.device.metrics import (
    Typing,
    evaluate,
    evaluating_by_steps,
    scores,
    tally,
    type_by_words_and_phrases,
    type_message,
)
from model.device.suggesting.continuations import continuation
from model.device.suggesting.corrections import Corrections
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester


def test_only_words_and_unknown_words_count() -> None:
    targets = np.array([0, 1, 2, 3, 4, 5, 6])
    found = scores(np.array([0, 0, 0, 0, 2, 3, 9]), np.full(7, -math.log(8.0)), targets)
    assert (found.words, found.out_of_vocabulary, found.first, found.among_three) == (4, 1, 1, 2)
    assert (found.top1, found.top3, found.top1_all_words) == (0.25, 0.5, 0.2)
    assert found.perplexity == pytest.approx(8)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_evaluation_is_step_by_step_prediction(small_model: Model, data: st.DataObject) -> None:
    """Includes long messages: the state is carried across windows and reset before each message."""
    size = len(small_model.vocabulary)
    messages = data.draw(st.lists(st.lists(st.integers(1, size - 1), min_size=1, max_size=50), min_size=1, max_size=6))
    messages = [[UNKNOWN if t == BOUNDARY else t for t in m] for m in messages]
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary)
    words = small_model.vocabulary.words
    stepwise = tally((p for m in messages for p in suggester.predictor.predictions([words[t] for t in m])), size)
    found = evaluate(small_model.start(), messages)
    assert stepwise.log_likelihood == pytest.approx(found.log_likelihood, rel=1e-4)
    assert replace(stepwise, log_likelihood=found.log_likelihood) == found
    by_steps = result_of(evaluating_by_steps(small_model.network(), messages))
    assert by_steps.log_likelihood == pytest.approx(found.log_likelihood, rel=1e-4)
    assert replace(by_steps, log_likelihood=found.log_likelihood) == found
    assert sum(1 for _ in evaluating_by_steps(small_model.network(), messages)) == sum(map(len, messages))


def three(*words: str):
    return lambda context, prefix: [w for w in words if w.startswith(prefix)][:3]


@pytest.mark.parametrize(
    ("text", "shown", "keystrokes"),
    [
        ("hello", ("hello",), 1),
        ("hello world", ("hello", "world"), 2),  # the suggestion brings the space
        ("hello, world", ("hello", "world"), 4),  # the comma swallows the space, so that another one is typed
        ("Hello   World", ("hello", "world"), 2),  # lower-cased, white space collapsed
        ("hello", ("a", "b", "c", "hello"), 2),  # h, then the word is among the three shown
        ("hello you", ("you",), 7),  # five letters, a space, one
        ("hello :)", ("hello",), 3),  # the suggestion brings the space
        ("hello:)", ("hello",), 4),  # the space has to be deleted before a symbol
        ("3rd", ("3", "rd"), 4),  # take, backspace, the first letter of the second word, take
        ("🙂", (), 1),
        ("", ("hello",), 0),
    ],
)
def test_keystrokes_by_hand(text: str, shown: tuple[str, ...], keystrokes: int) -> None:
    typed = type_message(text, three(*shown))
    assert typed == Typing(keystrokes, len(" ".join(text.lower().split())))


@pytest.mark.parametrize(
    ("text", "continued", "keystrokes"),
    [
        ("see you there", {"see": ["you", "there"]}, 1),  # one tap takes the phrase
        ("see you there", {"see": ["you"]}, 2),  # then the next word
        ("see you there", {"see": ["you", "at"]}, 3),  # the phrase goes on with a wrong word: three words, one by one
        ("see you there", {"you": ["there"]}, 2),
        (
            "see you, there",
            {"see": ["you", "there"]},
            5,
        ),  # a comma comes between: two words, the comma, a space, a word
        ("see you, there", {"see": ["you"]}, 4),  # the phrase, a comma which swallows its space, a space, a word
        ("see  YOU there", {"see": ["you", "there"]}, 1),  # lower-cased, white space collapsed
        ("see-you", {"see": ["you"]}, 4),  # take, backspace for the space, the hyphen, take
        ("see you", {"see": ["you", "there"]}, 2),  # the text ends before the phrase does
        ("see you :)", {"see": ["you"]}, 3),  # the phrase brings a space
        ("yes see you", {"see": ["you"]}, 5),  # y, e, s, a space, the phrase
        ("see you there", {"": ["see"]}, 3),
    ],
)
def test_keystrokes_with_phrases_by_hand(text: str, continued: dict[str, list[str]], keystrokes: int) -> None:
    typed = type_message(text, three("see", "you", "there"), lambda _context, word: continued.get(word, []))
    assert typed == Typing(keystrokes, len(" ".join(text.split())))


def test_a_phrase_is_offered_once_its_first_word_is_shown() -> None:
    asked: list[tuple[str, str]] = []

    def continued(context: str, word: str) -> list[str]:
        asked.append((context, word))
        return ["there"] if word == "you" else []

    typed = type_message("i see you there", lambda _context, prefix: ["you"] if prefix == "y" else [], continued)
    assert typed.keystrokes == len("i see y") + 1
    assert asked == [("i see ", "you")], "after the words before it, and only for a word that is taken"


@given(st.lists(st.sampled_from(["see", "you", "there", ".", "now"]), max_size=9), st.data())
def test_phrases_never_cost_keystrokes(tokens: list[str], data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(["see", "you", "there"]), max_size=3)
    table = {word: data.draw(words) for word in ("see", "you", "there")}
    text, suggest = " ".join(tokens), three("see", "you", "there")
    with_phrases = type_message(text, suggest, lambda _context, word: table[word])
    assert with_phrases.keystrokes <= type_message(text, suggest).keystrokes


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60))
def test_without_suggestions_no_keystroke_is_saved(text: str) -> None:
    typed = type_message(text, lambda context, prefix: [])
    assert typed.keystrokes == typed.characters


@given(st.lists(st.sampled_from(["hello", "you", "are", "."]), max_size=12))
def test_perfect_suggestions_cost_one_keystroke_per_word(tokens: list[str]) -> None:
    text = " ".join(tokens)
    wordwise = sum(1 for t in tokens if t != ".")
    typed = type_message(text, three("hello", "you", "are"))
    assert typed.keystrokes >= wordwise
    assert typed.keystrokes <= len(text)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_suggestions_are_the_likeliest_words_that_fit_the_prefix(small_model: Model, data: st.DataObject) -> None:
    vocabulary: Vocabulary = small_model.vocabulary
    words = st.sampled_from(vocabulary.words[len(SPECIALS) :])
    context = " ".join(data.draw(st.lists(words, max_size=8)))
    prefix = data.draw(words)[: data.draw(st.integers(0, 3))]
    suggester = Suggester(Reader(small_model.start()), vocabulary)
    found = suggester.suggest(context, prefix)
    logits = Reader(small_model.start()).logits([vocabulary.id(t.word) for t in tokenize(context)])
    offered = [w for w in vocabulary.words[len(SPECIALS) :] if w not in PUNCTUATION]
    fits = {w: float(logits[vocabulary.id(w)]) for w in offered}
    for letters in range(len(prefix)):  # a word that was shown and not taken becomes a tenth as likely
        begun = [w for w in offered if w.startswith(prefix[:letters]) and w != prefix[:letters]]
        for word in sorted(begun, key=lambda w: -fits[w])[:3]:
            fits[word] -= math.log(10)
    costs = dict(zip(offered, Corrections(offered).costs(prefix), strict=True))
    fits = {w: f if w.startswith(prefix) else float(logits[vocabulary.id(w)]) - costs[w] for w, f in fits.items()}
    begun = [w for w in offered if w.startswith(prefix) and w != prefix]
    slipped = [w for w in offered if not w.startswith(prefix) and len(prefix) > 2 and np.isfinite(costs[w])]
    assert found == sorted([*begun, *slipped], key=lambda w: -fits[w])[: len(found)]
    assert len(found) >= min(3, len(begun))


def test_words_that_were_passed_over_give_way_to_new_ones(small_model: Model) -> None:
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary)
    first = [w for w in suggester.suggest("", "") if not w.startswith("c")]
    shown = suggester.suggest("", "c")
    begun = [w for w in small_model.vocabulary.words if w.startswith("cl")]
    later = suggester.suggest("", "cl")
    assert first
    assert set(begun) - set(shown) <= set(later), "words not shown yet come before words that were passed over"


def test_both_ways_of_typing_equal_separate_counts(small_model: Model) -> None:
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary)
    alone = Suggester(Reader(small_model.start()), small_model.vocabulary)

    def continued(context: str, word: str) -> list[str]:
        return result_of(continuation(alone, context, word))

    for text in ("i think you are good .", "Hello there, see you", "so it is", ""):
        by_words = type_message(text, alone.suggest)
        assert type_by_words_and_phrases(text, suggester) == (by_words, type_message(text, alone.suggest, continued))


def test_a_prefix_in_capitals_finds_the_same_words(small_model: Model) -> None:
    suggester = Suggester(Reader(small_model.start()), small_model.vocabulary)
    assert suggester.suggest("i", "TH") == suggester.suggest("i", "th") != []
