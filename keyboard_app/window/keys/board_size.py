"""The size of the board: how high the keys are in a window."""

from kivy.metrics import dp

from keyboard_app.window.drawing.look import DESKTOP, PHONE, TABLET

__all__ = ("board_height",)

_ROWS = 4
_ROW_HEIGHTS = {PHONE: 56, TABLET: 64, DESKTOP: 58}  # in dp
_MOST = 0.46  # largest share of the window's height that the keys take
_MOST_BY_CHOICE = 0.56  # the same if the person wants higher keys or more of them


def board_height(kind: str, window_height: float, scale: float = 1.0, number_row: bool = False) -> float:
    """Returns the height of all rows of keys in pixels.

    Args:
      kind: the kind of window (`look.kind`).
      window_height: in pixels.
      scale: height of a key relative to the usual one.
      number_row: whether there is a row of digits above the letters.
    """
    wanted = (_ROWS + number_row) * dp(_ROW_HEIGHTS[kind]) * scale + dp(6)
    usual = min(_ROWS * dp(_ROW_HEIGHTS[kind]) + dp(6), window_height * _MOST)
    if scale == 1 and not number_row:
        return float(usual)
    # Where the window limits the usual height, other heights are relative to that limit.
    return float(min(wanted, usual * scale * (_ROWS + number_row) / _ROWS, window_height * _MOST_BY_CHOICE))
