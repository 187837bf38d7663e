import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyboard_app.input.graphemes import is_boundary, next_boundary, previous_boundary
from keyboard_app.input.text_field import Move, TextField

ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
SIGNS = [
    *("x", "é", "e\u0301", "o\u0308\u0323", "ß", "字", "\n", "\r\n", " ", "'"),
    *("😀", "👍🏽", "❤️", "👩‍👩‍👧", "👩🏽‍🚀", ENGLAND, "🇩🇪", "1️⃣", "🙂‍↔️", "\U0001fae9"),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(SIGNS), max_size=8))
def test_visible_characters_are_not_cut(signs: list[str]) -> None:
    text, starts = "".join(signs), [0]
    for sign in signs:
        starts.append(starts[-1] + len(sign))
    assert [i for i in range(len(text) + 1) if is_boundary(text, i)] == starts
    field = TextField(text)
    for place in starts[1:]:
        field.move(Move.RIGHT)
        assert field.cursor == place
    for place in reversed(starts[:-1]):
        field.move(Move.LEFT)
        assert field.cursor == place
    for place in reversed(starts[:-1]):
        field.move(Move.END)
        assert field.delete(Move.LEFT)
        assert field.text == text[:place]
    assert not field.delete(Move.LEFT)


@settings(deadline=None)
@given(st.text(st.sampled_from("ae\u0301\u200d\ufe0f\n\r\U0001f1e6\U0001f1e7😀👍🏽字")), st.integers(0, 12))
def test_boundaries_are_found_from_anywhere(text: str, index: int) -> None:
    index = min(index, len(text))
    after, before = next_boundary(text, index), previous_boundary(text, index)
    assert is_boundary(text, after)
    assert is_boundary(text, before)
    assert before < index or index == 0
    assert after > index or index == len(text)
    assert not any(is_boundary(text, i) for i in [*range(before + 1, index), *range(index + 1, after)])
    for place in range(1, len(text)):
        if not is_boundary(text, place):
            joined = unicodedata.category(text[place]).startswith("M") or text[place] in "\u200d\n🏽"
            assert joined or text[place - 1] in "\u200d\U0001f1e6\U0001f1e7"


def test_the_cursor_is_never_inside_a_joined_character() -> None:
    field = TextField("🇩x🇪", 1, 1)
    field.delete(Move.RIGHT)
    assert (field.text, field.cursor) == ("🇩🇪", 2)
    field = TextField("e", 1, 1)
    field.insert("\u0301")
    field.move(Move.LEFT)
    assert field.cursor == 0
    field.move_to(1)
    assert field.cursor == 0


@pytest.mark.parametrize(
    ("move", "places"),
    [
        (Move.WORD_RIGHT, [5, 9, 12, 18, 22]),
        (Move.WORD_LEFT, [19, 14, 10, 6, 0]),
        (Move.LINE_END, [9]),
        (Move.LINE_START, [10]),
        (Move.START, [0]),
        (Move.END, [22]),
    ],
)
def test_moves(move: Move, places: list[int]) -> None:
    text = "don't say\nso, ever 1️⃣"
    field = TextField(text, *(0, 0) if "RIGHT" in move.name or "END" in move.name else (len(text), len(text)))
    found = []
    for _ in places:
        field.move(move)
        found.append(field.cursor)
    assert found == places


def test_a_selection_extends_from_its_anchor_and_collapses_to_its_ends() -> None:
    field = TextField("one two", 3, 3)
    field.move(Move.WORD_RIGHT, extend=True)
    assert (field.selection, field.selected) == ((3, 7), " two")
    field.move(Move.START, extend=True)
    assert (field.selection, field.anchor) == ((0, 3), 3)
    field.move(Move.RIGHT)
    assert field.selection == (3, 3)
    field.select(5, 2)
    field.move(Move.LEFT)
    assert field.selection == (2, 2)
    field.move_to(99)
    field.move_to(-5, extend=True)
    assert field.selected == "one two"


@pytest.mark.parametrize(("index", "word"), [(0, "it's"), (4, "it's"), (5, ""), (6, "so"), (8, "so")])
def test_the_word_at_an_index_is_selected(index: int, word: str) -> None:
    field = TextField("it's  so")
    field.select_word(index)
    assert field.selected == word
