import hashlib
import json
from pathlib import Path

import pytest

from data.corpus import SPLITS, ChitChat, JsonLines, Part, split_of, users_in
from data.errors import DataError


def write(path: Path, *messages: tuple[str, str, str]) -> Path:
    lines = (json.dumps({"user": u, "time": t, "text": x}, ensure_ascii=False) for u, t, x in messages)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_json_lines_are_read_by_user_in_time_order(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", ("ann", "2", "später 🙂"), ("bob", "1", "hi"), ("ann", "1", "früher"))
    corpus = JsonLines(path)
    assert list(corpus.messages("ann")) == ["früher", "später 🙂"]
    assert corpus.users() == sorted(["ann", "bob"], key=lambda u: hashlib.sha256(u.encode()).hexdigest())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "not JSON"),
        (b'{"user": "a", "time": "1"}', "needs an object"),
        (b"[1]", "needs an object"),
        (b'{"user": 1, "time": "1", "text": "x"}', "must be strings"),
        (b'{"user": "\xff", "time": "1", "text": "x"}', "not UTF-8"),
        (b'{"user": "\\ud800", "time": "1", "text": "x"}', "surrogate"),
        (b'{"user": ' + b"9" * 5000 + b', "time": "1", "text": "x"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_an_error_names_the_bad_line(tmp_path: Path, line: bytes, reason: str) -> None:
    path = write(tmp_path / "c.jsonl", ("a", "1", "fine"))
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=rf"c\.jsonl:2: .*{reason}"):
        JsonLines(path)


def test_an_empty_and_a_missing_file_are_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="has no messages"):
        JsonLines(tmp_path / "empty.jsonl")
    with pytest.raises(DataError, match="cannot read the corpus"):
        JsonLines(tmp_path / "missing.jsonl")


def test_a_split_without_users_is_an_error(tmp_path: Path) -> None:
    corpus = JsonLines(write(tmp_path / "c.jsonl", ("a", "1", "x")))
    with pytest.raises(DataError, match="nobody"):
        users_in(corpus, next(s for s in SPLITS if s != split_of("a")))


def test_chitchat_is_complete_and_its_split_is_fixed() -> None:
    corpus = ChitChat()
    users = {split: users_in(corpus, split) for split in SPLITS}
    assert {split: len(u) for split, u in users.items()} == {"train": 1044, "validation": 146, "test": 125}
    assert sum(1 for u in corpus.users() for _ in corpus.messages(u)) == 258_145
    assert all(int(hashlib.sha256(u.encode()).hexdigest(), 16) % 10 == 1 for u in users["test"])


def test_a_part_gives_only_the_messages_of_its_users() -> None:
    corpus = ChitChat()
    training = Part(corpus, "train")
    assert training.users() == users_in(corpus, "train")
    assert list(training.messages(training.users()[0])) == list(corpus.messages(training.users()[0]))
    for split in ("validation", "test"):
        for user in users_in(corpus, split):
            with pytest.raises(DataError, match=f"only messages of train users .* belongs to {split}"):
                training.messages(user)
