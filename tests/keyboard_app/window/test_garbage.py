"""When a window collects garbage."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def kept_frozen() -> Iterator[None]:
    """Lets the window freeze and unfreeze objects, all those of other tests included."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_garbage_is_collected_in_a_rest_and_not_scanned_while_a_person_types(person: Any) -> None:
    from kivy.clock import Clock

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    person.wait()  # once the first frame is painted
    assert gc.get_freeze_count() > 10_000
    person.type_physically("hello")
    gone = weakref.ref(Cycle())
    gc.freeze()  # as if it had been in use then
    person.screen.serve()
    assert gone() is not None, "the person is typing"
    person.screen.activity.last_used = Clock.get_time() - 60
    person.screen.garbage._collected = Clock.get_time() - 61
    person.screen.serve()
    assert gone() is None
