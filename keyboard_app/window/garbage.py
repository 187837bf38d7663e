"""Garbage is collected while a person rests: a collection while they type would delay a key by tens of milliseconds."""

import gc

from kivy.clock import Clock

from data.allocator import release_memory
from keyboard_app.window.activity import Activity

_REST = 3.0  # seconds without use after which garbage is collected


class Garbage:
    """Collects garbage once in each rest."""

    def __init__(self) -> None:
        self._collected = Clock.get_time()

    def collect_if_due(self, activity: Activity) -> None:
        """Collects garbage if the person rests, and has used the window since the last time."""
        if not activity.touches and activity.idle_seconds() > _REST and self._collected < activity.last_used:
            self.collect()

    def collect(self) -> None:
        """Collects garbage; what is left is not scanned again by the collections that Python starts by itself."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        release_memory()
        self._collected = Clock.get_time()
