"""The Self-dialogue Corpus is read as its repository has it: here, folders of the same form."""

import csv
import hashlib
from pathlib import Path

import pytest

from data.corpus import Part, open_corpus, split_of
from data.errors import DataError
from data.self_dialogues import SelfDialogues


def clone(folder: Path, files: dict[str, list[tuple[str, list[str]]]], blocked: str = "") -> Path:
    """Writes a folder like a clone: each file has rows of a worker and sentences, with columns ordered as text."""
    for name, rows in files.items():
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = sorted(f"Answer.sentence{i}" for i in range(1, max(len(row[1]) for row in rows) + 1))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["HITId", "WorkerId", *columns, "Approve"], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            for worker, sentences in rows:
                cells = {f"Answer.sentence{i}": text for i, text in enumerate(sentences, 1)}
                writer.writerow({"HITId": "H", "WorkerId": worker, **cells})
    (folder / "blocked_workers.txt").write_text(blocked)
    return folder


def id_of(worker: str) -> str:
    return hashlib.sha256(worker.encode()).hexdigest()[:16]


def test_messages_are_those_of_each_person_in_order(tmp_path: Path) -> None:
    long = [f"sentence {i}" for i in range(1, 12)]  # as text, the column of the tenth comes before that of the second
    files = {
        "pop/b.csv": [("ANN", ["later", "", "{}", " two\n lines "])],
        "music/a.csv": [("ANN", long), ("BOB", ["Hi, “you”"]), ("EVE", ["spam"])],
    }
    corpus = SelfDialogues(clone(tmp_path, files, "EVE\n"))
    assert set(corpus.users()) == {id_of("ANN"), id_of("BOB")}
    assert list(corpus.messages(id_of("ANN"))) == [*long, "later", "two lines"]
    assert list(corpus.messages(id_of("BOB"))) == ["Hi, “you”"]
    by_hash = sorted(corpus.users(), key=lambda user: hashlib.sha256(user.encode()).hexdigest())
    assert corpus.users() == by_hash


def test_a_folder_that_is_no_clone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no Self-dialogue Corpus: give the folder of a clone"):
        open_corpus(f"self-dialogues:{tmp_path}")
    clone(tmp_path, {"pop/a.csv": [("ANN", ["hi"])]})
    (tmp_path / "corpus" / "pop" / "a.csv").write_bytes(b'"WorkerId","Answer.sentence1"\n"A","\xff"\n')
    with pytest.raises(DataError, match="the corpus is damaged"):
        open_corpus(f"self-dialogues:{tmp_path}")


@pytest.mark.parametrize(
    "content",
    [
        "HITId,WorkerId,Answer.sentenceX\nH,ANN,hi\n",
        "HITId,WorkerId,Answer.sentence1\nH\n",
        "HITId,Answer.sentence1\nH,hi\n",
        "HITId,WorkerId,Answer.sentence1\nH,ANN,\xe9\n",
    ],
    ids=["column", "row", "heading", "encoding"],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    clone(tmp_path, {"pop/a.csv": [("ANN", ["hi"])]})
    (tmp_path / "corpus" / "pop" / "a.csv").write_text(content, "latin-1")
    with pytest.raises(DataError, match=r"the corpus is damaged .*: clone it again"):
        SelfDialogues(tmp_path)


def test_several_corpora_are_one(tmp_path: Path) -> None:
    public = clone(tmp_path / "clone", {"pop/a.csv": [("ANN", ["hi", "there"]), ("BOB", ["yes"])]})
    own = tmp_path / "own.jsonl"
    own.write_text(
        f'{{"user": "{id_of("ANN")}", "time": "1", "text": "again"}}\n{{"user": "cy", "time": "1", "text": "me"}}'
    )
    corpus = open_corpus(f"self-dialogues:{public},{own}")
    assert {user: list(corpus.messages(user)) for user in corpus.users()} == {
        id_of("ANN"): ["hi", "there", "again"],
        id_of("BOB"): ["yes"],
        "cy": ["me"],
    }
    part = Part(corpus, split_of("cy"))
    assert "cy" in part.users() and all(split_of(user) == split_of("cy") for user in part.users())
    with pytest.raises(DataError, match="twice"):
        open_corpus(f"{own},{own}")
