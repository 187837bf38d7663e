"""The part of a very long text that is laid out and drawn, so that the work for a frame has a bound."""

import re

from keyboard_app.input.graphemes import is_boundary, previous_boundary

_STRIDE = 500  # characters, more than the text area shows at once
_SHOWN = 400  # characters of a message in a list
_SPACE = re.compile(r"\s")


def excerpt(text: str, index: int) -> tuple[int, int]:
    """Returns the start and end of the part of a text around an index: all of a text of usual length.

    Of a longer text, the part begins at least one stride before the index and ends at least one after it. It stays the same
    while the index moves within a stride, so that its lines do, too.
    """
    if len(text) <= 3 * _STRIDE:
        return 0, len(text)
    stride = index // _STRIDE
    return _cut(text, (stride - 1) * _STRIDE), _cut(text, (stride + 2) * _STRIDE)


def shortened(text: str) -> str:
    """Returns a text for a list: the beginning of a very long one, with an ellipsis."""
    return text if len(text) <= _SHOWN else text[: _cut(text, _SHOWN)].rstrip() + " …"


def _cut(text: str, index: int) -> int:
    """Returns a place to cut a text: the end of the line or of the word before an index, if there is one near."""
    if index <= 0 or index >= len(text):
        return min(max(index, 0), len(text))
    near = text[max(index - _STRIDE // 5, 0) : index]
    back = near[::-1]
    found = back.find("\n")
    if found < 0:
        space = _SPACE.search(back)
        found = -1 if space is None else space.start()
    if found >= 0:
        return index - found
    return index if is_boundary(text, index) else previous_boundary(text, index)
