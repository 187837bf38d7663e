import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.generators import result_of
from data.tokenizer import tokenize
from keyboard_app.device import Device
from keyboard_app.input.keyboard import Keyboard
from keyboard_app.input.typist import type_message
from keyboard_app.script import run_script
from model.device.folder import Model
from model.device.learning.gate import prequential
from model.device.metrics import Typing, evaluate
from model.device.metrics import type_message as typed_by_the_metric
from model.device.suggesting.personal import PersonalNgram
from tests.typed import type_and_learn

LINES = [
    "I think you are good, but I don't like that!",
    "meet me at the climbing hall at seven. ok?",
    "Hello 😀 there, i'm (not) in München…",
    "i'm , so to speak",
    "what would you do",
    "the ropes & the chalk; and snacks",
    "it’s the 3.5 of 50 things,that",
    "see  you   tonight !",
]


def metric(model: Model, lines: list[str], sent: Sequence[str] = ()) -> Typing:
    """Keystrokes by the metric for lines typed after others were sent."""
    return type_and_learn(lines, model.start(), model.vocabulary, PersonalNgram(model.vocabulary, sent))


def test_keystrokes_are_those_of_the_metric(device: Device, small_model: Model) -> None:
    typed = sum((type_message(device.keyboard, line)[0] for line in LINES), Typing())
    assert typed == metric(small_model, LINES)


# Adjacent tokens, as in "5pm", are left out: the metric may take the second one before any of its letters is typed, while for a
# keyboard the first one has not ended yet.
_WORD = st.sampled_from(["i", "think", "don't", "climbing", "clothes", "close", "i'm", "zebra", "grüße", "3.5", "12"])
_BETWEEN = st.sampled_from([" ", " ", "  ", ", ", ". ", " ! ", " 😀 ", "-", " (", ") ", "...", ". . ", "!"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(_WORD, _BETWEEN), min_size=1, max_size=8))
def test_keystrokes_equal_those_of_the_metric_for_any_text(
    device: Device, small_model: Model, words: list[tuple[str, str]]
) -> None:
    text = "".join(word + between for word, between in words)
    before = [message.text for message in device.profile.store.messages()]
    typed, _ = type_message(device.keyboard, text)
    assert typed == metric(small_model, [text], before)
    assert device.sent is not None
    if device.sent.id is None:
        return  # it looked like a password
    sent = device.profile.store.messages()[-1].text
    assert [t.word for t in tokenize(sent)] == [t.word for t in tokenize(text)]


def test_corrections_never_change_the_lines_of_a_script(device: Device) -> None:
    """The shipped model would correct some of these words."""
    models = Device(device.profile).models
    sent: list[str] = []
    keyboard = Keyboard(models.suggest, sent.append, models.correct)

    def suggest(context: str, prefix: str) -> list[str]:
        return [word.lower() for word in models.suggest(context, prefix)]

    lines = ["hugh, gguy and beautifull' todays", "the converstation, (larner)", "no. awsome gguy; thinkk 5.", "awsome"]
    for line in lines:
        assert type_message(keyboard, line)[0] == typed_by_the_metric(line, suggest)
    assert [text.lower() for text in sent] == lines
    assert keyboard.choices.preferences.insisted >= {"converstation", "awsome"}


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("abcé'x5", min_size=1, max_size=5), _BETWEEN), min_size=1, max_size=8))
def test_the_message_sent_is_the_line(words: list[tuple[str, str]]) -> None:
    """For any suggestions and corrections, except for a space after a suggestion that punctuation replaces."""
    text = "".join(word + between for word, between in words)
    offered, sent = ["a", "ab", "abc", "x", "é"], list[str]()
    keyboard = Keyboard(
        lambda _context, prefix: [word for word in offered if word.startswith(prefix.lower())][:3],
        sent.append,
        lambda _context, word: None if word.lower() in offered else "abc",
    )
    typed, _ = type_message(keyboard, text)
    line = " ".join(text.lower().split())
    closed = re.compile(r" (?=[.,!?])")
    assert [closed.sub("", text.lower()) for text in sent] == [closed.sub("", line)]
    assert typed.characters == len(line)


def test_ranks_equal_those_of_the_metric_before_learning(device: Device, small_model: Model) -> None:
    for line in LINES:
        type_message(device.keyboard, line)
    device.catch_up()
    ranks = [r.rank for r in device.profile.store.ranks() if r.rank is not None]
    by_global = [r.global_rank for r in device.profile.store.ranks() if r.global_rank is not None]
    plain = evaluate(small_model.start(), [small_model.vocabulary.encode(line) for line in LINES])
    assert (len(by_global), sum(r < 3 for r in by_global)) == (plain.words, plain.among_three)
    scores = result_of(prequential(small_model.start(), small_model.vocabulary, [], LINES))
    assert (len(ranks), sum(r < 3 for r in ranks)) == (scores.words, scores.among_three)


def test_report(device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["i think you are good ."] * 40
    report = run_script(device, lines)
    assert report.words == 240
    first, last = report.recall_at_3[0], report.recall_at_3[3]
    assert first is not None
    assert last is not None
    assert last > first
    assert 0 < report.ksr < 1
    assert report.peak_memory_mb > 10
    assert report.train_words_per_second > 0
    assert [m.learning for m in device.profile.store.messages()] == [1] * 10 + [2] * 10 + [3] * 10 + [4] * 10
    assert device.models.personalized
    assert set(report.kept) <= {"new", "old"}
    assert report.kept[0] == "new"
    assert capsys.readouterr().out == ""


def test_unknown_words_are_typed_and_counted(device: Device) -> None:
    report = run_script(device, ["ζητώ τη σημασία", "😀 🎉"])
    assert (report.words, report.recall_at_3, report.ksr) == (3, [None] * 4, 0.0)
