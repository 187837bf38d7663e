"""Presses and slides of the mouse, posted to the event queue of the system, for measurements; call from any thread."""

import ctypes
import time
from collections.abc import Sequence
from itertools import pairwise

from kivy.core.window import Window

from keyboard_app.window.event_loop import sdl

__all__ = ("TOUCH", "glide", "press")

TOUCH = 0.03  # seconds that the mouse button stays down for a press
_MOVES_EVERY = 1 / 60  # seconds between two moves of a slide
_A_KEY = 0.1  # seconds from one key of a slide to the next
_DOWN, _UP, _MOTION = 0x401, 0x402, 0x400  # SDL_MOUSEBUTTONDOWN, SDL_MOUSEBUTTONUP and SDL_MOUSEMOTION
_LEFT = 1


class _MouseButton(ctypes.Structure):
    """`SDL_MouseButtonEvent`, padded to the size of the largest `SDL_Event`."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("timestamp", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
        ("mouse", ctypes.c_uint32),
        ("button", ctypes.c_uint8),
        ("state", ctypes.c_uint8),
        ("clicks", ctypes.c_uint8),
        ("padding", ctypes.c_uint8),
        ("x", ctypes.c_int32),
        ("y", ctypes.c_int32),
        ("rest", ctypes.c_uint8 * 100),
    )


class _MouseMotion(ctypes.Structure):
    """`SDL_MouseMotionEvent`, padded likewise."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("timestamp", ctypes.c_uint32),
        ("window", ctypes.c_uint32),
        ("mouse", ctypes.c_uint32),
        ("state", ctypes.c_uint32),
        ("x", ctypes.c_int32),
        ("y", ctypes.c_int32),
        ("rest", ctypes.c_uint8 * 100),
    )


def press(x: float, y: float) -> float:
    """Presses and releases the mouse at a point, in pixels from the lower left; returns the time of the release."""
    _post(_button(_DOWN, x, y))
    time.sleep(TOUCH)
    return _release(x, y)


def glide(points: Sequence[tuple[float, float]]) -> float:
    """Slides the mouse from point to point with its button down; returns the time of the release."""
    _post(_button(_DOWN, *points[0]))
    steps = round(_A_KEY / _MOVES_EVERY)
    for (x, y), (to_x, to_y) in pairwise(points):
        for step in range(1, steps + 1):
            time.sleep(_MOVES_EVERY)
            place = _place(x + (to_x - x) * step / steps, y + (to_y - y) * step / steps)
            _post(_MouseMotion(type=_MOTION, state=1, **place))
    time.sleep(_MOVES_EVERY)
    return _release(*points[-1])


def _release(x: float, y: float) -> float:
    up = _button(_UP, x, y)
    began = time.perf_counter()
    _post(up)
    return began


def _button(kind: int, x: float, y: float) -> _MouseButton:
    return _MouseButton(type=kind, button=_LEFT, state=int(kind == _DOWN), clicks=1, **_place(x, y))


def _place(x: float, y: float) -> dict[str, int]:
    return {"x": int(x), "y": int(Window.height - y)}


def _post(event: ctypes.Structure) -> None:
    sdl().SDL_PushEvent(ctypes.byref(event))
