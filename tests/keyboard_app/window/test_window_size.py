"""The window remembers its size, and does not exceed the display."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.device import Device
from keyboard_app.window.window_size import fitted

SIZES = st.tuples(st.integers(1, 9000), st.integers(1, 9000))


@given(SIZES, st.lists(SIZES, max_size=3))
def test_a_size_is_kept_if_a_display_has_room_for_it_and_never_exceeds_all(
    size: tuple[int, int], displays: list[tuple[int, int]]
) -> None:
    found = fitted(size, displays)
    if not displays or any(size[0] <= width and size[1] <= height for width, height in displays):
        assert found == size
    else:
        assert any(found[0] <= width and found[1] <= height for width, height in displays)
        assert found[0] <= size[0] and found[1] <= size[1]


def test_the_size_is_saved_when_the_window_closes(open_window: Callable[..., Any], device: Device) -> None:
    person = open_window(device, 500, 600)
    person.leave()
    settings = device.profile.settings
    assert (settings.window_width, settings.window_height) == (500, 600)


def test_a_window_larger_than_the_display_is_made_smaller(person: Any) -> None:
    from kivy.core.window import Window

    from keyboard_app.window.event_loop import sdl
    from keyboard_app.window.kivy_settings import prepare_kivy
    from keyboard_app.window.window_size import display_sizes

    (display, *_) = display_sizes(sdl())
    prepare_kivy((20_000, 700))
    person.wait_until(lambda: tuple(Window.system_size) == (display[0], 700))
