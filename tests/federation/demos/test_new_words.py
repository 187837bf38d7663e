"""`federate demo-words` from start to end, on a small model, and its choice of people and moments."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.corpus import JsonLines, Part, split_of
from data.errors import DataError
from data.vocabulary import Vocabulary
from federation.demos.new_words import demo_words
from federation.demos.people import PEOPLE, Person
from federation.demos.sharers import choose_newcomer, choose_sharers
from federation.demos.word_moments import Answer, WordMoment, examples, figures, moments_of
from federation.demos.word_pages import kept_line
from model.device.folder import Model, load_model, save_model
from tests.federation.demos.test_playground import processes_of

SHARED = ("byu", "provo", "semester")
LINES = (
    "i think {shared} is good and you have it.",
    "i think you like the climbing hall tonight.",
    "see you at {own} and have a good meet.",
    "what do you think of {shared} tonight?",
)


def validation_users() -> Iterator[str]:
    """Yields made-up users who belong to the validation part."""
    return (user for n in range(10_000) if split_of(user := f"user-{n}") == "validation")


def write_corpus(path: Path, sharers: int, others: int, lines: int = 400) -> list[str]:
    """Writes messages of people who share words and of others; a person's own word is theirs alone. Returns those who share."""
    users = [user for user, _ in zip(validation_users(), range(sharers + others), strict=False)]
    with path.open("w") as file:
        for number, user in enumerate(users):
            shares = number < sharers
            for line in range(lines if shares else 40):
                words = SHARED[: 3 - number % 2]  # the last word is shared by every second person
                shared = words[line % len(words)] if shares else "chalk"
                text = LINES[line % len(LINES)].format(shared=shared, own="zo" + chr(97 + number) * 2)
                file.write(json.dumps({"user": user, "time": f"{line:04}", "text": text}) + "\n")
    return users[:sharers]


@pytest.fixture
def roomy_folder(two_vocabularies: tuple[Model, Model], tmp_path: Path) -> Path:
    """A model folder with a program that has room for more words."""
    save_model(tmp_path / "roomy", two_vocabularies[0])
    return tmp_path / "roomy"


def test_a_ninth_keyboard_learns_the_words_of_eight(roomy_folder: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.jsonl", PEOPLE, 4)
    out = tmp_path / "out"
    result = demo_words(roomy_folder, out, 1, JsonLines(tmp_path / "corpus.jsonl"))
    assert {w["word"]: w["devices"] for w in result["words"]} == {"byu": 8, "provo": 8, "semester": 4}
    assert result["devices"] == PEOPLE and result["k"] == 3
    assert json.loads((out / "words.json").read_text())["words"] == result["words"]
    shipped, grown = load_model(roomy_folder), load_model(out / "grown")
    assert list(grown.vocabulary.words) == [*shipped.vocabulary.words, *SHARED]
    assert [row["counted"] for row in result["rounds"]] == [PEOPLE]
    before, after = result["before"], result["after"]
    assert before["moments"] == after["moments"] > 0 and before["words"] == 3
    assert before["next"] == before["letters"] == 0, "a keyboard cannot suggest a word that it has never met"
    assert after["letters"] > 0 and after["kept"] == after["moments"]
    assert result["examples"] and all(row["word"] in SHARED for row in result["examples"])
    strangers = result["strangers"]
    assert strangers["people"] == 3 and list(strangers["models"]) == ["shipped", "grown", "after the rounds"]
    newest = load_model(out / "keyboard-9" / "global")
    assert newest.vocabulary.words == grown.vocabulary.words
    assert newest.provenance.round == 2, "the grown model takes the place of the first, and one round follows"
    assert (out / "report.html").read_text().count("<h2>") == 4
    assert (out / "words.png").read_bytes().startswith(b"\x89PNG")
    assert processes_of(out) == []


def test_the_eight_share_as_many_words_as_possible(small_model: Model, tmp_path: Path) -> None:
    sharers = write_corpus(tmp_path / "corpus.jsonl", PEOPLE + 4, 2)
    people = Part(JsonLines(tmp_path / "corpus.jsonl"), "validation")
    chosen = choose_sharers(people, small_model.vocabulary, 3)
    assert len({person.user for person in chosen}) == PEOPLE and {p.user for p in chosen} <= set(sharers)
    assert all("semester" in " ".join(person.typed) for person in chosen[:3]), (
        "with the first three, all words have three"
    )
    assert [p.user for p in choose_sharers(people, small_model.vocabulary, 3)] == [p.user for p in chosen]


def test_without_enough_people_or_shared_words_it_says_so(small_model: Model, tmp_path: Path) -> None:
    write_corpus(tmp_path / "few.jsonl", PEOPLE - 1, 1)
    with pytest.raises(DataError, match="fewer than 8 validation users with 3,000 to 35,000 words"):
        choose_sharers(Part(JsonLines(tmp_path / "few.jsonl"), "validation"), small_model.vocabulary, 3)
    sharers = write_corpus(tmp_path / "all.jsonl", PEOPLE, 1)
    people = Part(JsonLines(tmp_path / "all.jsonl"), "validation")
    known = Vocabulary([*small_model.vocabulary.words, *SHARED])
    with pytest.raises(DataError, match="no word that the vocabulary lacks has 3"):
        choose_sharers(people, known, 3)
    assert choose_newcomer(people, SHARED).user not in sharers
    with pytest.raises(DataError, match="none of the new ones"):
        choose_newcomer(people, [*SHARED, "think"])


def test_moments_are_messages_up_to_the_first_use_of_a_word() -> None:
    people = [
        Person("a", ["byu", "i think  byu is\ngood", "see you at byu"], []),
        Person("b", ["what about pre-byu", "so what about BYU?"], []),
        Person("c", ["i think byu is good"], []),
    ]
    assert moments_of(people, ["provo", "byu"]) == [WordMoment("byu", "i think "), WordMoment("byu", "so what about ")]


def test_what_a_keyboard_did_is_counted_by_moment_and_by_word() -> None:
    moments = [WordMoment("byu", "i think "), WordMoment("byu", "go to "), WordMoment("provo", "i am in ")]
    before = [
        Answer(["a"], ["bye"], "bye", "bye"),
        Answer(["the"], [], "byu", "by"),
        Answer(["the"], ["pro"], "prove", "pro"),
    ]
    after = [
        Answer(["BYU", "a"], ["BYU"], "BYU", "byu"),
        Answer(["the"], ["bye", "BYU"], "BYU", "by"),
        Answer(["the"], [], "provo", "Provo"),
    ]
    assert figures(moments, before) == {
        "moments": 3, "next": 0, "letters": 0, "kept": 1, "mended": 0, "mistaken": 3,
        "words": 2, "words_offered": 0, "words_kept": 0,
    }  # fmt: skip
    assert figures(moments, after) == {
        "moments": 3, "next": 1, "letters": 2, "kept": 3, "mended": 2, "mistaken": 1,
        "words": 2, "words_offered": 1, "words_kept": 2,
    }  # fmt: skip
    assert kept_line(figures(moments, before), figures(moments, after)).endswith(
        "changed 2 correctly typed new words before, and changes 0 after."
    )
    assert "left correctly typed new words alone, too" in kept_line(*2 * [figures(moments, after)])
    (row,) = examples(moments, before, after, 5)
    assert (row["word"], row["context"], row["before"]["became"]) == ("byu", "i think", "bye")
    assert row["typo"] == moments[0].typo == WordMoment("byu", "other ").typo != "byu"
    assert examples(moments, before, [replace(a, next=[], letters=[]) for a in after], 5) == []


def test_the_demo_does_not_overwrite_a_folder_of_something_else(small_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match="was not made by `federate demo-words`"):
        demo_words(small_model_folder, tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
