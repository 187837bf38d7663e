"""The settings that a coordinator works with, and their change between two rounds.

A round begins and ends with the same settings: the sum of its updates can be decoded by these alone. A change is therefore
stored beside the settings in force, and replaces them once no round is under way and none waits for its model, also if the
coordinator was restarted in between.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from federation.coordinator.rounds import Rounds
from federation.coordinator.settings.federation_settings import SETTINGS, FederationSettings
from federation.coordinator.settings.settings_change import (
    Value,
    changes,
    check_change,
    learner_is_affected,
    with_values,
)
from federation.coordinator.store import CoordinatorStore

_NEXT = "federation-next.json"


class SettingsInForce:
    """The settings in force, `current`, and those that wait for the end of the round, `wanted`."""

    def __init__(self, folder: Path, current: FederationSettings, rounds: Rounds, store: CoordinatorStore) -> None:
        """Continues with the settings in a folder, `current`, and a change that an earlier coordinator left there.

        Raises:
          DataError: the file of the change is damaged.
        """
        self._folder, self.current, self._rounds, self._store = folder, current, rounds, store
        self.wanted: FederationSettings | None = None
        if (folder / _NEXT).exists():
            self.wanted = FederationSettings.load(folder, _NEXT)
            rounds.changing = True

    @property
    def begun(self) -> bool:
        """Whether there were rounds that settings may depend on."""
        return bool(self._store.newest_unmasked()) or not self._idle

    @property
    def _idle(self) -> bool:
        return self._rounds.open_round is None and self._store.summed() is None

    def change(self, chosen: Mapping[str, Value], now: float) -> str:
        """Changes settings from the next round on; returns one line about what changes, empty if nothing does.

        Raises:
          DataError: a value is out of range, the settings contradict each other, or one of them cannot change any more.
          OSError: the change cannot be stored.
        """
        before = self.wanted or self.current
        after = with_values(before, chosen)
        if self.begun:
            check_change(self.current, after)
        line = changes(before, after)
        if not line:
            return ""
        after.save(self._folder, _NEXT)
        self.wanted, self._rounds.changing = after, True
        line = f"settings changed{'' if self._idle else ' from the next round on'}: {line}"
        self._store.events.add(line, now)
        return line

    def renew_noise(self) -> None:
        """Draws a new seed of the server's noise, for a server state that begins anew.

        Raises:
          OSError: the settings cannot be stored.
        """
        current = self.current.with_noise_seed()
        if self.wanted is not None:
            wanted = replace(self.wanted, noise_seed=current.noise_seed)
            wanted.save(self._folder, _NEXT)
            self.wanted = wanted
        current.save(self._folder)
        self.current = current

    def apply(self) -> bool:
        """Puts a change in force if no round is under way; returns whether the learner has to be started again.

        Raises:
          OSError: the settings cannot be stored.
        """
        if self.wanted is None or not self._idle:
            return False
        before, after = self.current, self.wanted
        affected = learner_is_affected(before, after)
        if affected:
            self._rounds.forget_next()
        (self._folder / _NEXT).replace(self._folder / SETTINGS)
        self.current, self.wanted = after, None
        self._rounds.settings = replace(
            self._rounds.settings, rules=after.rules, training=after.training, privacy=after.privacy
        )
        self._rounds.changing = False
        return affected
