"""The size of the window: that of the last time, as far as the displays of today have room for it."""

import ctypes
from collections.abc import Sequence

Size = tuple[int, int]  # width and height, in pixels of the system


class _Rectangle(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int), ("width", ctypes.c_int), ("height", ctypes.c_int))


def fitted(size: Size, displays: Sequence[Size]) -> Size:
    """Returns a size as it is if one of the displays has room for it, or else no larger than the largest display."""
    if not displays or any(size[0] <= width and size[1] <= height for width, height in displays):
        return size
    width, height = max(displays, key=lambda display: display[0] * display[1])
    return min(size[0], width), min(size[1], height)


def display_sizes(sdl: ctypes.CDLL) -> list[Size]:
    """Returns the size of each display without bars of the system, as SDL knows them; empty if it knows none."""
    sizes, bounds = [], _Rectangle()
    for number in range(sdl.SDL_GetNumVideoDisplays()):
        if sdl.SDL_GetDisplayUsableBounds(number, ctypes.byref(bounds)) == 0:
            sizes.append((int(bounds.width), int(bounds.height)))
    return sizes
