from hypothesis import given, settings
from hypothesis import strategies as st

from keyboard_app.input.graphemes import is_boundary
from keyboard_app.window.drawing.excerpt import excerpt, shortened

LONGEST, MARGIN = 1_600, 400  # characters
TEXTS = st.sampled_from(
    ["word " * 4_000, "a" * 20_000, "🇩🇪" * 5_000, "a line\n" * 3_000, "e\u0301" * 9_000, "short", ""]
)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 20_000))
def test_an_excerpt_is_the_text_around_an_index(text: str, index: int) -> None:
    index = min(index, len(text))
    start, end = excerpt(text, index)
    assert 0 <= start <= index <= end <= len(text)
    assert end - start <= LONGEST
    assert start == 0 or index - start >= MARGIN
    assert end == len(text) or end - index >= MARGIN
    assert is_boundary(text, start)
    assert is_boundary(text, end)


def test_an_excerpt_stays_while_a_person_types() -> None:
    text = "some words " * 500
    excerpts = {excerpt(text[:length], length)[0] for length in range(4_000, 4_400)}
    assert len(excerpts) == 1


@given(TEXTS)
def test_a_long_text_is_shortened_for_a_list(text: str) -> None:
    short = shortened(text)
    assert short == text or (len(short) <= 402 and short.endswith(" …") and text.startswith(short[:-2]))
