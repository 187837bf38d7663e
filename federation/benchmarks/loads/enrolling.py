"""Enrols simulated devices by rows in the coordinator's store: thousands of join links would take longer than what is measured."""

from collections.abc import Iterable

from sqlalchemy import insert

from federation.coordinator.storage.tables import device_details, devices
from federation.coordinator.store import CoordinatorStore


def enrol_in(store: CoordinatorStore, names: Iterable[str]) -> None:
    """Adds devices to a federation. Its coordinator may be running."""
    added = list(names)
    if added:
        with store.transaction() as db:
            db.execute(insert(devices), [{"id": name, "enrolled": 1.0, "seen": 1.0} for name in added])
            db.execute(insert(device_details), [{"device": name} for name in added])
