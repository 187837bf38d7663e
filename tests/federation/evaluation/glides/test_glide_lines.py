"""Recorded gestures: the file's format, what may be missing, and one clear line for what is wrong."""

import json
from pathlib import Path

import pytest

from data.errors import DataError
from federation.evaluation.glides.glide_lines import read_glides

CURVE = {"x": [1, 50.5], "y": [2, 30], "t": [0, 16]}
GRID = {"width": 100, "height": 50, "keys": {"q": [0, 0, 10, 15], "w": [110, -4, 10, 15], "shift": [0, 30, 15, 15]}}


def written(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    return path


def test_a_whole_line(tmp_path: Path) -> None:
    line = {"word": "Don’t", "context": "i am so", "curve": CURVE | {"p": 1}, "grid": GRID, "id": 7}
    (glide,) = read_glides(written(tmp_path / "g.jsonl", line, ""))
    assert (glide.word, glide.context) == ("don't", "i am so")
    assert glide.gesture.points.tolist() == [[1, 2], [50.5, 30]]
    assert glide.gesture.times.tolist() == [0, 16]
    assert glide.geometry.boxes == {"q": (0, 0, 10, 15), "w": (110, -4, 10, 15)}


def test_without_a_grid_the_curves_of_the_file_span_qwerty(tmp_path: Path) -> None:
    other = {"word": "b", "curve": {"x": [301, 101], "y": [92, 60], "t": [0, 1]}}
    far = {"word": "c", "curve": {"x": [9000], "y": [9000], "t": [0]}, "grid": GRID}
    first, second, third = read_glides(written(tmp_path / "g.jsonl", {"word": "a", "curve": CURVE}, other, far))
    assert first.geometry is second.geometry is not third.geometry
    assert first.context is None
    assert first.geometry.boxes["q"] == pytest.approx((1, 2, 30, 30)), "the box is 300 wide and 90 high"
    assert first.geometry.boxes["m"] == pytest.approx((1 + 7.5 * 30, 62, 30, 30))


def test_odd_gestures_are_gestures(tmp_path: Path) -> None:
    empty = {"word": "a", "curve": {"x": [], "y": [], "t": []}, "grid": GRID}
    one = {"word": "a", "curve": {"x": [1], "y": [1], "t": [5]}, "grid": GRID, "context": None}
    backwards = {"word": "a", "curve": {"x": [1, 2], "y": [1, 2], "t": [5, 5]}, "grid": GRID}
    assert [len(g.gesture) for g in read_glides(written(tmp_path / "g.jsonl", empty, one, backwards))] == [0, 1, 2]
    timeless = {"word": "I'M", "curve": {"x": [1, 9], "y": [1, 2]}, "grid": GRID, "context": ""}
    (glide,) = read_glides(written(tmp_path / "g.jsonl", timeless))
    assert (glide.word, glide.context, glide.gesture.times.tolist()) == ("i'm", "", [0, 0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "this is not JSON"),
        ("[" * 100_000, "this is not JSON"),
        ("[]", "a gesture is a JSON object"),
        ({"curve": CURVE}, '"word" is missing'),
        ({"word": 3, "curve": CURVE}, '"word" is missing or no text'),
        ({"word": "a"}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"x": [1], "t": [1]}}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"y": [1]}}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"x": [1], "y": ["1"], "t": [1]}}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"x": [1], "y": [1], "t": [True]}}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"x": [1], "y": [1], "t": 5}}, '"curve" needs lists of numbers'),
        ({"word": "a", "curve": {"x": [1], "y": [1, 2], "t": [1]}}, "differ: 1, 2, 1"),
        ({"word": "a", "curve": {"x": [10**400], "y": [1], "t": [1]}}, '"curve"'),
        ({"word": "a", "curve": CURVE, "context": 3}, '"context" is no text'),
        ({"word": "a", "curve": CURVE, "grid": {}}, '"grid" needs "keys"'),
        (
            {"word": "a", "curve": CURVE, "grid": {"keys": {"q": [1, 2, 3]}}},
            "the box of the key 'q' is not four numbers",
        ),
        ({"word": "a", "curve": CURVE, "grid": {"keys": {"q": [0, 0, 0, 1]}}}, "the key 'q' has no area"),
        ({"word": "a", "curve": CURVE, "grid": {"keys": {"shift": [0, 0, 1, 1]}}}, "no letter has a key"),
    ],
)
def test_a_damaged_line_is_named(line: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "g.jsonl", {"word": "a", "curve": CURVE, "grid": GRID}, "", line)
    with pytest.raises(DataError, match=r"^\S*g\.jsonl, line 3: ") as error:
        read_glides(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_without_gestures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the gestures"):
        read_glides(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="has no gesture"):
        read_glides(written(tmp_path / "g.jsonl", "", " "))
    (tmp_path / "g.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is not text in UTF-8"):
        read_glides(tmp_path / "g.jsonl")
    flat = {"word": "a", "curve": {"x": [1, 2], "y": [1, 1], "t": [0, 1]}}
    with pytest.raises(DataError, match='add a "grid"'):
        read_glides(written(tmp_path / "g.jsonl", flat))
