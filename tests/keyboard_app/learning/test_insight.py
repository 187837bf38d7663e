from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.vocabulary import UNKNOWN
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.insight import (
    FEWEST_CHARACTERS,
    NewWord,
    Period,
    Saved,
    SavedKeys,
    new_words,
    recall_by_model,
    recall_by_week,
)
from keyboard_app.learning.learning import Learning
from keyboard_app.learning.recall import recall
from keyboard_app.learning.rising import Rise, Rising, one_for_each_word
from keyboard_app.recording.database.records import Day, Ranks
from keyboard_app.recording.database.schema import seal_message
from model.device.metrics import Typing
from tests.keyboard_app.ranked import own_words, ranks_of

LINE = "i think you are good ."


def record(device: Device, text: str, times: int) -> None:
    for _ in range(times):
        device.profile.store.add_message(text, ranks_of(device.models, text))
        device.models.ngram.learn(text)


def test_periods_by_model_cover_all_words(device: Device) -> None:
    record(device, LINE, 20)
    run(Learning(device.profile, device.models))
    record(device, LINE, 20)
    device.roll_back()
    record(device, LINE, 1)
    run(Learning(device.profile, device.models))
    periods = recall_by_model(device.profile.store)
    assert [(p.name, p.words) for p in periods] == [("before learning", 120), ("learning 1", 120), ("rolled back", 6)]
    before, after = periods[0].recall_at_3, periods[1].recall_at_3
    assert before is not None
    assert after is not None
    assert after > before
    ranks = device.profile.store.ranks()
    assert periods[0] == Period(
        "before learning", 120, recall([r.rank for r in ranks[:120]]), recall([r.global_rank for r in ranks[:120]])
    )


def test_recall_by_week(device: Device) -> None:
    store, vault = device.profile.store, device.profile.store._vault
    for day, rank in (("2026-01-01", 0), ("2026-01-04", 5), ("2026-01-05", 1), ("2026-01-20", 9)):
        with store._connection as db:
            sealed = seal_message(vault, "x", [Ranks(rank, 7), Ranks(None, None)], f"{day}T12:00:00+00:00")
            db.execute("INSERT INTO messages (time, record, text, ranks, imported) VALUES (?, ?, ?, ?, 0)", sealed)
    assert recall_by_week(store) == [
        Period("2025-12-29", 2, 0.5, 0.0),
        Period("2026-01-05", 1, 1.0, 0.0),
        Period("2026-01-19", 1, 0.0, 0.0),
    ]


def test_new_words_are_those_that_are_suggested(device: Device) -> None:
    for text in ("the zebra", "a quagga, a 12345 and 12345", "the quagga zebra", "a gnu"):
        record(device, text, 1)
    messages = device.profile.store.messages()
    found = new_words(messages, device.models.global_model.vocabulary)
    assert found == [NewWord("quagga", 2, messages[1].time), NewWord("zebra", 2, messages[0].time)]
    assert {word.word for word in found} == set(own_words(device.models))


def test_keystrokes_saved() -> None:
    days = [Day("2026-01-01", 600, 1000), Day("2026-01-02", 400, 1000)]
    saved = Saved.of(days, date(2026, 1, 2))
    assert saved == Saved(SavedKeys(400, 1000), SavedKeys(1000, 2000))
    assert (saved.today.share, saved.ever.share) == (0.6, 0.5), "today and ever apart"
    saved = Saved.of(days, date(2026, 1, 3))
    assert (saved.today.share, saved.ever.share) == (None, 0.5)
    assert Saved.of([], date(2026, 1, 3)).ever.share is None


@given(st.integers(0, 3000), st.integers(0, 2000))
def test_a_share_of_keystrokes_is_shown_once_it_means_something_and_is_never_negative(
    keys: int, characters: int
) -> None:
    share = SavedKeys(keys, characters).share
    if characters < FEWEST_CHARACTERS:
        assert share is None
    else:
        assert share == max(Typing(keys, characters).savings_rate, 0.0)


def test_the_words_that_rose_are_those_written_repeatedly(device: Device) -> None:
    assert "none of your words is suggested more than before yet" in run(Rising(device.profile, device.models))
    record(device, LINE, 60)
    record(device, "meet the zebra", 5)
    run(Learning(device.profile, device.models))
    rising = device.look_back()
    assert "most on the rise" in (device.background.wait() or "")
    assert all(rise.after > rise.before for rise in rising.found)
    assert [r.after - r.before for r in rising.found] == sorted(
        (r.after - r.before for r in rising.found), reverse=True
    )
    zebra = next(rise for rise in rising.found if rise.word == "zebra")
    assert (zebra.text, zebra.times, zebra.before) == ("meet the zebra", 5, 0.0)
    good = next(rise for rise in rising.found if rise.word == "good")
    assert good.text == "you are good"
    vocabulary = device.models.global_model.vocabulary
    words = ["i", "think", "you", "are"]
    before = device.models._global.predictor.probabilities(words)[vocabulary.id("good")]
    after = device.models._in_use.predictor.probabilities(words)[vocabulary.id("good")]
    assert [good.before, good.after] == pytest.approx([before, after], rel=1e-5)
    assert vocabulary.id("zebra") == UNKNOWN


_RISES = st.lists(
    st.builds(
        lambda words, times, after: Rise(" ".join(words[:-1]), words[-1], times, 0.0, after),
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True),
        st.integers(2, 4),
        st.floats(0.01, 1),
    ),
    max_size=30,
    unique_by=lambda rise: rise.text,
)


@given(_RISES)
def test_a_word_on_the_rise_has_one_entry(rises: list[Rise]) -> None:
    found = one_for_each_word(rises)
    assert len({rise.word for rise in found}) == len(found)
    assert set(found) <= set(rises)
    assert bool(found) == bool(rises)


def test_a_phrase_stands_for_its_word_only_if_it_covers_every_place_of_it() -> None:
    always = [
        Rise("", "hall", 6, 0.1, 0.5),
        Rise("climbing", "hall", 6, 0.1, 0.5),
        Rise("the climbing", "hall", 6, 0.1, 0.5),
    ]
    mixed = [
        Rise("", "kindergarten", 8, 0, 0.3),
        Rise("the", "kindergarten", 6, 0, 0.4),
        Rise("from the", "kindergarten", 4, 0, 0.4),
    ]
    assert [rise.text for rise in one_for_each_word([*always, *mixed, Rise("", "climbing", 6, 0.1, 0.9)])] == [
        "the climbing hall",
        "kindergarten",
    ]


def test_the_three_models_side_by_side(tmp_path: Path, device: Device, next_model, small_model_folder: Path) -> None:
    record(device, LINE, 60)
    device.profile.save_global(next_model)
    device.models.use_global(next_model, [m.text for m in device.profile.store.messages()])
    run(Learning(device.profile, device.models))
    shown = device.compare("i think you are", "")
    assert set(shown) == {"shipped", "personal", "global"}
    assert shown["personal"][0] == "good"
    assert all(len(words) == 3 for words in shown.values())
    assert device.compare("i think", "clo")["global"] == device.models.suggest_by_global("i think", "clo")
    assert all("climbing" in words for words in device.compare("i think", "climb").values())
