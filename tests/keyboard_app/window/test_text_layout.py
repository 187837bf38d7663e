from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyboard_app.window.drawing.text_layout import TextLayout, clusters, kept_lines, lay_out

WIDE = "mw😀"
SIGNS = ["a", "m", "w", "é", " ", "  ", "\n", "😀", "👍🏽", "🇩🇪", "👩‍👧", "!"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=60).map("".join)
WIDTHS = st.floats(8, 120)


def measure(piece: str) -> list[float]:
    return list(accumulate(9.0 if part[0] in WIDE else 5.0 for part in clusters(piece)))


def text_of(layout: TextLayout) -> str:
    return "".join(piece.text for line in layout.lines for piece in line.pieces)


@settings(deadline=None)
@given(TEXTS, WIDTHS)
def test_lines_keep_all_text_in_order(text: str, width: float) -> None:
    layout = lay_out(text, width, measure)
    assert text_of(layout) == text.replace("\n", "")
    for line in layout.lines:
        for piece in line.pieces:
            assert text[piece.start : piece.start + len(piece.text)] == piece.text
        assert line.xs == sorted(line.xs)
        assert len(line.xs) == len(line.places)


@settings(deadline=None)
@given(TEXTS, WIDTHS)
def test_no_line_is_wider_than_the_limit(text: str, width: float) -> None:
    for line in lay_out(text, width, measure).lines:
        words = [piece.text for piece in line.pieces if not piece.text.isspace()]
        assert line.width <= width or len(clusters("".join(words))) == 1


@settings(deadline=None)
@given(TEXTS, WIDTHS)
def test_the_position_of_a_cursor_leads_back_to_its_index(text: str, width: float) -> None:
    layout = lay_out(text, width, measure)
    place = 0
    for cluster in ("", *clusters(text)):
        place += len(cluster)
        line = layout.line_of(place)
        assert layout.index_at(line, layout.x_of(place)) == place


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS, WIDTHS)
def test_a_changed_text_has_the_lines_of_one_that_is_laid_out_anew(
    start: str, old: str, new: str, end: str, width: float
) -> None:
    before, after = start + old + end, start + new + end
    layout = lay_out(before, width, measure)
    kept = kept_lines(layout, before, after)
    again, anew = lay_out(after, width, measure, kept=kept), lay_out(after, width, measure)
    assert [(line.start, line.end, line.pieces) for line in again.lines] == [
        (line.start, line.end, line.pieces) for line in anew.lines
    ]
    assert [line.xs for line in again.lines] == [line.xs for line in anew.lines]


def test_all_but_the_last_lines_are_kept_at_a_key() -> None:
    text = "some words here " * 20
    layout = lay_out(text, 120, measure)
    kept = kept_lines(layout, text, text + "x")
    assert len(kept) >= len(layout.lines) - 2 > 5
    assert all(line is found for line, found in zip(kept, layout.lines, strict=False))


@settings(deadline=None)
@given(TEXTS, WIDTHS, st.integers(0, 10), st.floats(-10, 200))
def test_an_index_found_on_a_line_is_shown_on_that_line(text: str, width: float, line: int, x: float) -> None:
    layout = lay_out(text, width, measure)
    assert layout.line_of(layout.index_at(line, x)) == min(line, len(layout.lines) - 1)


@settings(deadline=None)
@given(TEXTS, WIDTHS, st.data())
def test_the_spans_of_a_selection_are_as_wide_as_its_clusters(text: str, width: float, data: st.DataObject) -> None:
    places = [0, *accumulate(len(c) for c in clusters(text))]
    start, end = sorted(data.draw(st.lists(st.sampled_from(places), min_size=2, max_size=2)))
    spans = list(lay_out(text, width, measure).spans(start, end))
    selected = sum(measure(c)[0] for c in clusters(text[start:end]) if c != "\n")
    assert sum(right - left for _, left, right in spans) == pytest.approx(selected)


@settings(deadline=None)
@given(TEXTS)
def test_clusters_joined_are_the_text(text: str) -> None:
    assert "".join(clusters(text)) == text


def test_whole_words_wrap_to_the_next_line() -> None:
    layout = lay_out("aa aaa aa", 30.0, measure)
    assert ["".join(piece.text for piece in line.pieces) for line in layout.lines] == ["aa aaa ", "aa"]
    assert layout.line_of(7) == 1
    assert layout.x_of(7) == 0


@settings(deadline=None)
@given(st.sampled_from(["a", "mw", "é😀", "🇩🇪"]), st.integers(65, 400), WIDTHS)
def test_a_very_long_word_fills_its_lines(part: str, times: int, width: float) -> None:
    text = "aa " + part * times
    layout = lay_out(text, width, measure)
    assert text_of(layout) == text
    for line in layout.lines[1:-1]:
        assert line.width <= width or len(clusters(text[line.start : line.end])) == 1
        assert line.width > width - 9.0 or line.width == 0


@pytest.mark.parametrize(
    "text", ["a" * 4_000, "word " * 800, " " * 4_000, "🇩🇪" * 1_000], ids=["word", "words", "spaces", "flags"]
)
def test_the_work_grows_with_the_length_of_a_text(text: str) -> None:
    measured = 0

    def count(piece: str) -> list[float]:
        nonlocal measured
        measured += len(piece)
        return measure(piece)

    lay_out(text, 200.0, count)
    assert measured <= 4 * len(text)
