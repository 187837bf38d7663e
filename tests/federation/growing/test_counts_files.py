"""Files of counted words and phrases."""

import json
from pathlib import Path

import pytest

from data.errors import DataError
from federation.growing.counts_files import Counted, Counts, read_phrases, read_words


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "counts.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def word(text: str, devices: int) -> dict[str, object]:
    return {"word": text, "devices": devices}


def test_words_come_most_devices_first_and_other_fields_are_ignored(tmp_path: Path) -> None:
    content = {"words": [word("b", 3), word("c", 9), word("a", 3)], "devices": 9, "offers": 40, "k": 3, "bytes": 2.5}
    expected = Counts((Counted("c", 9), Counted("a", 3), Counted("b", 3)), 9, 40)
    assert read_words(written(tmp_path, content)) == expected
    assert read_words(written(tmp_path, json.dumps(content) + "\n")) == expected, "the line that the command prints"


def test_the_owner_says_in_the_file_which_words_are_no_typos(tmp_path: Path) -> None:
    content = {"words": [word("welp", 9) | {"no_typo": True}, word("teh", 8) | {"no_typo": False}], "devices": 9}
    assert read_words(written(tmp_path, content)).found == (Counted("welp", 9, no_typo=True), Counted("teh", 8))


def test_phrases(tmp_path: Path) -> None:
    content = {"phrases": [{"phrase": "<s> see you", "devices": 4}], "devices": 5}
    assert read_phrases(written(tmp_path, content)) == Counts((Counted("<s> see you", 4),), 5)


def test_noisy_counts_are_at_most_the_devices(tmp_path: Path) -> None:
    content = {"words": [word("a", 12), word("b", 9)], "devices": 10, "epsilon": 2.0}
    assert read_words(written(tmp_path, content)).found == (Counted("a", 10), Counted("b", 9))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the text is not JSON"),
        ([], 'no object with a list of "words"'),
        ({"words": {}, "devices": 3}, 'no object with a list of "words"'),
        ({"words": []}, '"devices", the number that took part, must be a whole number'),
        ({"words": [], "devices": 2.0}, "must be a whole number"),
        ({"words": [], "devices": True}, "must be a whole number"),
        ({"words": ["a"], "devices": 3}, 'entry 1 of words is no object with a "word"'),
        ({"words": [word("a", 3), word("b", 0)], "devices": 3}, '"devices" of entry 2 of words must be'),
        ({"words": [word("a", 4)], "devices": 3}, "counted by 4 devices, but only 3 took part"),
        ({"words": [word("a", 3), word("a", 2)], "devices": 3}, "entry 2 of words repeats 'a'"),
        ({"words": [word("a\x1b[2Jb", 3), word("a\x1b[2Jb", 3)], "devices": 3}, r"repeats 'a \[2Jb'"),
        (
            {"words": [word("a", 3) | {"no_typo": 1}], "devices": 3},
            '"no_typo" of entry 1 of words must be true or false',
        ),
        ({"words": [], "devices": 3, "offers": -1}, '"offers" must be a whole number from 0'),
    ],
)
def test_what_is_no_such_file_is_one_clear_line(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        read_words(written(tmp_path, content))
    assert str(error.value).isprintable() and "use the output of `federate words --json`" in str(error.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the words"):
        read_words(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8 text"):
        read_words(tmp_path / "binary")
