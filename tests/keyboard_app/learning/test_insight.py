from datetime import date
from pathlib import Path

import pytest

from data.vocabulary import UNKNOWN
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.insight import NewWord, Period, Saved, new_words, recall_by_model, recall_by_week
from keyboard_app.learning.learning import Learning
from keyboard_app.learning.recall import recall
from keyboard_app.learning.rising import Rising
from keyboard_app.recording.records import Day, Ranks
from keyboard_app.recording.schema import seal_message

LINE = "i think you are good ."


def record(device: Device, text: str, times: int) -> None:
    for _ in range(times):
        device.profile.store.add_message(text, device.models.ranks(text))
        device.models.learn(text)


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
    assert {word.word for word in found} == set(device.models.own_words)


def test_keystrokes_saved() -> None:
    days = [Day("2026-01-01", 60, 100), Day("2026-01-02", 40, 100)]
    assert Saved.of(days, date(2026, 1, 2)) == Saved(60, 100, 0.5)
    assert Saved.of(days, date(2026, 1, 3)) == Saved(0, 100, 0.5)
    assert Saved.of([], date(2026, 1, 3)) == Saved(0, 0, None)


def test_the_words_that_rose_are_those_written_repeatedly(device: Device) -> None:
    assert run(Rising(device.profile, device.models)) == "no word has become more likely yet: keep typing"
    record(device, LINE, 60)
    record(device, "meet the zebra", 5)
    run(Learning(device.profile, device.models))
    rising = device.look_back()
    assert "the words that rose most" in (device.background.wait() or "")
    assert {"think", "good"} <= {rise.word for rise in rising.words}
    assert all(rise.context == "" and rise.after > rise.before for rise in rising.words)
    assert [r.after - r.before for r in rising.phrases] == sorted(
        (r.after - r.before for r in rising.phrases), reverse=True
    )
    zebra = next(rise for rise in rising.phrases if rise.word == "zebra" and rise.context == "meet the")
    assert (zebra.times, zebra.before) == (5, 0.0)
    good = next(rise for rise in rising.phrases if (rise.context, rise.word) == ("you are", "good"))
    vocabulary = device.models.global_model.vocabulary
    words = ["i", "think", "you", "are"]
    before = device.models._global.probabilities(words)[vocabulary.id("good")]
    after = device.models._in_use.probabilities(words)[vocabulary.id("good")]
    assert [good.before, good.after] == pytest.approx([before, after], rel=1e-5)
    assert vocabulary.id("zebra") == UNKNOWN


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
