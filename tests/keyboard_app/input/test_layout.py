import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from keyboard_app.input.layout import ACTIONS, LAYOUTS, layout_files, load_layout

FIRST = [["a"], [{"action": "space"}, {"action": "backspace"}, {"action": "enter", "width": 2}]]


@pytest.mark.parametrize("name", ["qwerty", "azerty", "qwertz", "dvorak"])
def test_a_layout_has_every_letter_digit_and_punctuation_mark(name: str) -> None:
    layout = load_layout(layout_files()[name])
    pages = layout.pages
    assert layout.name.lower() == name
    assert list(pages) == ["letters", "symbols", "more"]
    letters, *_ = ([key.label for row in page for key in row if key.action == "character"] for page in pages.values())
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(letters)
    typed = {key.label for page in pages.values() for row in page for key in row if key.action == "character"}
    assert set("0123456789.,!?'\"@#&()[]{}<>+-*/=€$") <= typed
    assert len(letters) == len(set(letters))
    for page in pages.values():
        assert len({sum(key.width for key in row) for row in page}) == 1
        assert {"space", "backspace", "enter", "page", "emoji"} <= {key.action for row in page for key in row}
    assert {key.action for row in pages["letters"] for key in row} <= set(ACTIONS)


def test_a_long_press_offers_digits_accents_and_symbols() -> None:
    layout = load_layout(LAYOUTS / "azerty.json")
    held = {key.label: key.alternates for page in layout.pages.values() for row in page for key in row}
    assert held["e"][:3] == ("3", "è", "é")
    assert held["q"] == ()
    assert "€" in held["$"]
    assert held["space"] == held["⌫"] == ()


@pytest.mark.parametrize("name", ["qwerty", "azerty", "qwertz", "dvorak"])
def test_neighbouring_keys_are_mutual_and_near(name: str) -> None:
    neighbours = load_layout(LAYOUTS / f"{name}.json").neighbours
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(neighbours)
    for letter, near in neighbours.items():
        assert 2 <= len(near) <= 9
        assert letter not in near
        assert all(letter in neighbours[other] for other in near)


def test_neighbours_of_some_keys() -> None:
    assert load_layout(LAYOUTS / "qwerty.json").neighbours["g"] == frozenset("tyfhcvb")
    assert load_layout(LAYOUTS / "qwertz.json").neighbours["z"] >= frozenset("tugh")
    assert load_layout(LAYOUTS / "azerty.json").neighbours["a"] >= frozenset("zq")


def test_a_custom_layout(tmp_path: Path) -> None:
    path = tmp_path / "layouts" / "mine.json"
    assert layout_files(path.parent) == layout_files()
    path.parent.mkdir()
    path.write_text(json.dumps({"pages": {"letters": FIRST, "symbols": [["1", ".com"]]}, "alternates": {"a": "ä 1"}}))
    layout = load_layout(layout_files(path.parent)["mine"])
    assert layout.name == "mine"
    assert [key.label for key in layout.pages["symbols"][0]] == ["1", ".com"]
    assert layout.pages["letters"][0][0].alternates[:3] == ("ä", "1", "à")
    assert layout.pages["letters"][1][2].width == 2
    (path.parent / "qwerty.json").write_text("{}")
    assert layout_files(path.parent)["qwerty"].parent == path.parent


def test_a_missing_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the keyboard layout .*none\.json: No such file"):
        load_layout(tmp_path / "none.json")


def letters(*rows: object) -> str:
    return json.dumps({"pages": {"letters": [*FIRST, *rows]}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a keyboard layout"),
        ("[]", "is not a keyboard layout"),
        ("[" * 100_000, "is not a keyboard layout"),
        ("{}", "is not a keyboard layout: 'pages' is missing"),
        ('{"pages": []}', "is not a keyboard layout"),
        ('{"pages": {"a": [[{"label": "x"}]]}}', "is not a keyboard layout: 'action' is missing"),
        ('{"pages": {"a": [[{"action": "fly"}]]}}', "'fly' is not an action"),
        ('{"pages": {"a": [[{"action": "page", "label": "12", "page": "b"}]]}}', "the page 'b', which is missing"),
        (
            '{"pages": {"a": [["b"]], "symbols": [["1"]], "more": [["2"]]}}',
            "the page 'letters', on which a keyboard opens, is missing",
        ),
        ('{"pages": {"letters": [["a"]]}}', "the page 'letters' needs keys for space, backspace, enter"),
        ('{"pages": {"letters": [[]]}}', "the page 'letters' is empty or has an empty row"),
        (letters([{"action": "character", "label": "b", "width": 0}]), "the key 'b' is 0.0 letter keys wide"),
        (letters([{"action": "character", "label": "b", "width": "wide"}]), "is not a keyboard layout"),
        (letters([" "]), "a key of the page 'letters' types no visible character"),
        (letters([5]), "is not a keyboard layout"),
        ('{"pages": {"letters": [["a"]]}, "alternates": {"a": 5}}', "is not a keyboard layout"),
    ],
)
def test_a_bad_layout(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "layout.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_layout(tmp_path / "layout.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["letters", "space", "", "x", "page"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["pages", "letters", "action", "label", "width", "page", "alternates"]), inner
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(content=JSON)
def test_any_other_file_is_reported_as_a_bad_layout(content: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError):
        load_layout(path)
