"""The event loop of the window: it sleeps until there is work, and then does it at once.

Kivy's own loop polls for input at a fixed rate, so a key waits for the next poll (a mouse click for two), and an idle window keeps
polling. Here an iteration begins

1. with an event of the system, such as a touch, a key, the mouse, or the window being uncovered;
2. when a scheduled callback is due; callbacks for the next frame run at `FRAME_RATE`;
3. `_POLL_RATE` times a second if some input does not come through SDL, such as a touch screen that Kivy itself reads.

Work for the next key (`keyboard_app.window.spare_time`) is done before the loop sleeps, until input comes or a callback is due.
"""

import ctypes
import time
from collections.abc import Callable

from kivy.base import EventLoop, ExceptionManager, runTouchApp, stopTouchApp
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.core.window.window_sdl2 import SDL2MotionEventProvider
from kivy.input.providers.mouse import MouseMotionEventProvider

from keyboard_app.window.spare_time import spare_time

FRAME_RATE = 60  # frames a second, for animations
_POLL_RATE = 120  # iterations a second
_LONGEST = 1.0  # longest sleep, in seconds
_LAST_EVENT = 0xFFFF  # of the kinds of SDL's events
_BY_SDL = (MouseMotionEventProvider, SDL2MotionEventProvider)


def run_loop() -> None:
    """Runs the prepared app until it is stopped."""
    runTouchApp(embedded=True)  # starts input, and leaves the loop to us
    wait, input_waits = _wait_function(), _input_check()
    try:
        while not EventLoop.quit and EventLoop.status == "started":
            began = time.perf_counter()
            try:
                Window.mainloop()  # handles the events of SDL
                EventLoop.idle()
                _use_spare_time(began, input_waits)
            except Exception as error:
                if ExceptionManager.handle_exception(error) == ExceptionManager.RAISE:
                    raise
            if not spare_time.wanted and (rest := _rest(began)) > 0:
                wait(rest)
    finally:
        stopTouchApp()


def _use_spare_time(began: float, input_waits: Callable[[], bool]) -> None:
    """Does work for the next key in the rest of the iteration that began at `began`."""
    spare_time.proceed(until=lambda: input_waits() or _rest(began) <= 0)


def _rest(began: float) -> float:
    """Returns the seconds until the next iteration if no event comes first; the last iteration began at `began`."""
    due = Clock.get_min_timeout()  # a point in time, contrary to its documentation; 0 means the next frame
    rest = due - Clock.time() if due > 0 else 1 / FRAME_RATE - (time.perf_counter() - began)
    return min(rest, 1 / _POLL_RATE if _must_poll() else _LONGEST)


def _must_poll() -> bool:
    """Returns whether some input does not come through SDL."""
    return any(not isinstance(provider, _BY_SDL) for provider in EventLoop.input_providers)


def sdl() -> ctypes.CDLL:
    """Returns the SDL library of Kivy's window, reached through the module linked to it because its file name varies.

    Raises:
      OSError: the library cannot be loaded.
    """
    from kivy.core.window import _window_sdl2

    return ctypes.CDLL(_window_sdl2.__file__)


def video_driver() -> str:
    """Returns SDL's name for the system that shows the window, such as "x11"; empty if it cannot be asked."""
    try:
        current = sdl().SDL_GetCurrentVideoDriver
    except (OSError, AttributeError):
        return ""
    current.restype = ctypes.c_char_p
    return (current() or b"").decode()


def _wait_function() -> Callable[[float], object]:
    """Returns a function that waits for an event of the system, at most the given number of seconds."""
    try:
        wait = sdl().SDL_WaitEventTimeout
    except (OSError, AttributeError):
        return lambda seconds: time.sleep(min(seconds, 1 / _POLL_RATE))
    wait.argtypes, wait.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int
    return lambda seconds: wait(None, max(round(seconds * 1000), 1))


def _input_check() -> Callable[[], bool]:
    """Returns a function that returns whether an event of the system waits to be handled."""
    try:
        pump, has_events = sdl().SDL_PumpEvents, sdl().SDL_HasEvents
    except (OSError, AttributeError):
        return lambda: False
    has_events.argtypes, has_events.restype = [ctypes.c_uint32, ctypes.c_uint32], ctypes.c_int

    def input_waits() -> bool:
        pump()
        return bool(has_events(0, _LAST_EVENT))

    return input_waits
