"""The people of the demo with eight devices, and the significance of its gain."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpus import ChitChat, Part
from data.errors import DataError
from data.tokenizer import tokenize
from federation.demos.eight_devices import _print_table, demo_devices
from federation.demos.pages import devices_report, verdict
from federation.demos.people import _TUNED_ON, PEOPLE, Person, choose_people, compare_models
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning, finetune
from model.device.metrics import Scores, evaluate


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return choose_people(Part(ChitChat(), "validation"))


def test_people_are_validation_users_outside_the_tuning_set_whose_newer_messages_are_on_no_keyboard(
    people: list[Person],
) -> None:
    validation = Part(ChitChat(), "validation")
    places = [validation.users().index(person.user) for person in people]
    assert len(set(places)) == PEOPLE and not set(places) & set(_TUNED_ON)
    for person in people:
        texts = list(validation.messages(person.user))
        assert person.typed + person.next == texts[: len(person.typed) + len(person.next)]
        words = [len(tokenize(text)) for text in texts]
        typed = sum(words[: len(person.typed)]) / sum(words)
        assert 0.8 <= typed < 0.83
        assert sum(words[len(person.typed) :][: len(person.next)]) >= min(0.15 * sum(words), 1_500)


def trained(model: Model, people: list[Person]) -> Model:
    program = model.start()
    messages = [model.vocabulary.encode(text) for person in people for text in person.typed]
    for _ in finetune(program, messages, FineTuning(passes=4), np.random.default_rng(0)):
        pass
    return model.with_weights(program.weights, model.provenance)


@pytest.fixture(scope="module")
def writers() -> list[Person]:
    """People who repeat one message each; one of them wrote only a word outside the vocabulary."""
    lines = [f"i think {word} is good and {word} go." for word in ("climbing", "chalk", "snacks", "tonight")]
    known = [Person(str(i), [line] * 30, [line] * (5 + i)) for i, line in enumerate(lines)]
    return [*known, Person("other", ["xyzzy"] * 30, ["xyzzy"])]


def test_models_are_compared_word_by_word(small_model: Model, writers: list[Person]) -> None:
    after = trained(small_model, writers)
    found = compare_models(small_model, after, writers)
    total, rows = found["all"], found["people"]
    assert [row["user"] for row in rows] == [person.user for person in writers]
    for name, model in (("before", small_model), ("after", after)):
        program = model.start()
        scores = [evaluate(program, [model.vocabulary.encode(text) for text in p.next]) for p in writers]
        assert [row[name]["first"] for row in rows] == [s.first for s in scores]
        pooled = sum(scores, Scores())
        figures = {"first": pooled.first, "top1": pooled.top1, "top3": pooled.top3, "perplexity": pooled.perplexity}
        assert total[name] == pytest.approx(figures)
        assert total["words"] == pooled.words
    for row in [*rows, total]:
        assert row["after"]["first"] - row["before"]["first"] == row["better"] - row["worse"]
    assert total["difference"] == pytest.approx((total["better"] - total["worse"]) / total["words"])
    for row in rows[:-1]:
        low, high = row["interval"]
        assert low <= row["difference"] <= high
        assert row["difference"] == pytest.approx((row["better"] - row["worse"]) / row["words"])
    assert (rows[-1]["difference"], rows[-1]["interval"]) == (0.0, None), "no word to measure on"
    low, high = total["interval"]
    assert low <= total["difference"] <= high and low > 0
    assert total["p_words"] < 1e-6


def test_a_model_is_no_better_than_itself(small_model: Model, writers: list[Person]) -> None:
    total = compare_models(small_model, small_model, writers)["all"]
    assert (total["better"], total["worse"], total["difference"]) == (0, 0, 0.0)
    assert total["p_words"] == total["p_people"] == 1.0
    assert "stayed" in verdict(total)


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_verdict_states_whether_recall_rose_or_fell(before: int, after: int) -> None:
    figures = {"words": 1_000, "difference": (after - before) / 1_000, "interval": [-0.1, 0.1]}
    figures |= {"better": 9, "worse": 7, "p_words": 0.8, "p_people": 0.7}
    sentence = verdict(figures | {"before": {"top1": before / 1_000}, "after": {"top1": after / 1_000}})
    assert ("rose" in sentence, "fell" in sentence) == (after > before, after < before)
    assert f"{before / 1_000:.2%}" in sentence and f"{after / 1_000:.2%}" in sentence


def test_the_report_has_a_row_for_each_keyboard_and_round(
    small_model: Model, writers: list[Person], tmp_path: Path
) -> None:
    from federation.reports.plots import plot_demo_devices

    round_ = {"number": 1, "counted": 4, "selected": 5, "words": 1_234, "tested": 567, "update_norm": 0.125}
    round_ |= {"top1": 0.1, "top1_after": 0.2, "top3": 0.3, "top3_after": 0.4}
    result = compare_models(small_model, replace(small_model), writers)
    result |= {"rounds": [round_, round_ | {"number": 2}], "killed": {"3": 2}}
    page = devices_report(result)
    assert page.count("<tr>") == 1 + len(writers) + 1 + 1 + 2
    for text in ("keyboard 5", "1,234", "567", "10.0% → 20.0%", "0.125", "keyboard 3 was killed in round 2"):
        assert text in page
    plot_demo_devices(result, tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_fits_a_terminal_of_80_columns(
    small_model: Model, writers: list[Person], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    figures = compare_models(small_model, replace(small_model), writers)
    _print_table(figures)
    printed = capsys.readouterr().err
    assert "…" not in printed and f"{figures['all']['better']} / {figures['all']['worse']}" in printed


def test_the_demo_does_not_overwrite_a_folder_of_something_else(small_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match="was not made by `federate demo-devices`"):
        demo_devices(small_model_folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
