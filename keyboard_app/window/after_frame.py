"""Work that comes after the frame that answers a key, so that the person does not wait for it."""

from collections.abc import Callable

from kivy.clock import Clock


def after_frame(work: Callable[[], object]) -> Callable[[], object]:
    """Returns a function that has `work` done once, after the next frame is painted, however often it is called before that.

    A trigger of Kivy's for the next frame runs before that frame is painted if it is called between two frames, as the keys of a
    physical keyboard do, and after it only if it is called within one, as touches do.
    """
    next_frame = Clock.create_trigger(lambda _elapsed: work())
    trigger: Callable[[], object] = Clock.create_trigger(lambda _elapsed: next_frame(), -1)
    return trigger
