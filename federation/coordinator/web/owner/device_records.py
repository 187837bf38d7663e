"""The owner's view of each device and each join link: names, status, counts and errors, but no update and no code."""

from dataclasses import dataclass

from federation.coordinator.coordinator import Coordinator
from federation.coordinator.enrolled_devices import Readiness


@dataclass(frozen=True)
class DeviceRecord:
    """A device that has ever joined. Times are in seconds since 1970."""

    id: str
    name: str  # given by the owner; may be empty
    status: Readiness
    until: float | None  # until when it is left out
    reason: str  # why it is left out; otherwise empty
    place: str  # where it is in the round that is under way, for people; "free" outside of one
    seen: float
    rounds: int  # rounds with the device's update in the sum
    sent: int  # bytes of its requests
    received: int  # bytes of models and messages sent to it
    error: str  # why its last refused message was refused; may be empty
    erred: float | None


def device_records(coordinator: Coordinator, now: float, latest: int | None = None) -> tuple[DeviceRecord, ...]:
    """Returns the devices, or those that were seen latest, in the order in which they joined."""
    coordinator.devices.book.save()
    found = []
    for row in coordinator.store.members.devices(latest):
        out = coordinator.rounds.conduct.left_out(row.id, now)
        if row.gone is not None:
            status, out = Readiness.REMOVED if row.removed else Readiness.LEFT, None
        else:
            status = coordinator.devices.readiness(row.id, now)
        found.append(
            DeviceRecord(
                row.id,
                row.name,
                status,
                None if out is None else out.until,
                "" if out is None else out.reason,
                coordinator.devices.state_in_round(row.id),
                max(row.seen, coordinator.devices.last_seen(row.id)),
                row.rounds,
                row.sent,
                row.received,
                row.error,
                row.erred,
            )
        )
    return tuple(found)
