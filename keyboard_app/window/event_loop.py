"""The loop of the window: it sleeps until there is something to do, and then does it at once.

Kivy's own looks for touches at a fixed rate: a key waits for the next look, and a mouse's for one more, while an idle window looks
all the same. Here a turn begins

1. with an event of the system: a touch, a key, the mouse, the window uncovered;
2. when something that was scheduled is due; what is scheduled for the next frame has `FRAME_RATE` of them a second;
3. where input comes by another way than through SDL (a touch screen read by Kivy itself), `_LOOK_RATE` times a second.
"""

import ctypes
import time
from collections.abc import Callable

from kivy.base import EventLoop, ExceptionManager, runTouchApp, stopTouchApp
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.core.window.window_sdl2 import SDL2MotionEventProvider
from kivy.input.providers.mouse import MouseMotionEventProvider

FRAME_RATE = 60  # a second, of what moves by itself
_LOOK_RATE = 120
_LONGEST = 1.0  # seconds asleep
_BY_SDL = (MouseMotionEventProvider, SDL2MotionEventProvider)


def run_loop() -> None:
    """Runs the app that is prepared, until it is stopped."""
    runTouchApp(embedded=True)  # begins to take input, and leaves the loop to us
    wait = _waiting()
    try:
        while not EventLoop.quit and EventLoop.status == "started":
            began = time.perf_counter()
            try:
                Window.mainloop()  # takes what SDL has
                EventLoop.idle()
            except Exception as error:
                if ExceptionManager.handle_exception(error) == ExceptionManager.RAISE:
                    raise
            if (rest := _rest(began)) > 0:
                wait(rest)
    finally:
        stopTouchApp()


def _rest(began: float) -> float:
    """Seconds until the next turn, after one that began then, unless there is an event."""
    due = Clock.get_min_timeout()  # by the clock, whatever its documentation says; 0 for the next frame
    rest = due - Clock.time() if due > 0 else 1 / FRAME_RATE - (time.perf_counter() - began)
    return min(rest, 1 / _LOOK_RATE if _looked_for() else _LONGEST)


def _looked_for() -> bool:
    """Whether there is input that SDL knows nothing of."""
    return any(not isinstance(provider, _BY_SDL) for provider in EventLoop.input_providers)


def sdl() -> ctypes.CDLL:
    """The library that Kivy's window is made with; its functions are found through the module that uses it, whatever its name.

    Raises:
      OSError: it cannot be reached from here.
    """
    from kivy.core.window import _window_sdl2

    return ctypes.CDLL(_window_sdl2.__file__)


def _waiting() -> Callable[[float], object]:
    """What waits for an event of the system, or so many seconds at most."""
    try:
        wait = sdl().SDL_WaitEventTimeout
    except (OSError, AttributeError):
        return lambda seconds: time.sleep(min(seconds, 1 / _LOOK_RATE))
    wait.argtypes, wait.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int
    return lambda seconds: wait(None, max(round(seconds * 1000), 1))
