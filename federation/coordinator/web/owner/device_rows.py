"""The rows of the tables of devices and join links, for the dashboard and for `federate devices`."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from federation.coordinator.device_book import LinkRow
from federation.coordinator.enrolled_devices import Readiness
from federation.coordinator.storage.members import shown_name
from federation.coordinator.web.owner.device_records import DeviceRecord
from federation.reports.tables import Rows

Row = dict[str, str | int | bool]


def device_row(device: DeviceRecord) -> Row:
    """Returns a device as a row of the table."""
    member = device.status not in (Readiness.LEFT, Readiness.REMOVED)
    return {
        "id": device.id,
        "device": shown_name(device.id, device.name),
        "name": device.name,
        "status": _status(device),
        "rounds": device.rounds,
        "traffic": f"{_size(device.sent)} / {_size(device.received)}",
        "seen": _when(device.seen),
        "error": f"{_when(device.erred)}: {device.error}" if device.erred is not None else "",
        "member": member,
        "out": member and device.until is not None,
    }


def link_row(link: LinkRow, devices: Mapping[str, str]) -> Row:
    """Returns a join link as a row of the table; `devices` are the devices' names as shown, by id."""
    return {
        "id": link.id,
        "device": link.name or f"link {link.id[:6]}",
        "status": {"open": "not used yet", "used": f"used by {devices.get(link.used_by, '')}"}.get(
            link.state, link.state
        ),
        "until": _when(link.expires),
        "open": link.state == "open",
    }


def device_tables(devices: Iterable[DeviceRecord], links: Iterable[LinkRow]) -> list[tuple[str, Rows]]:
    """Returns the tables of devices and join links for a terminal: titles, and rows of cells, column heads first."""
    shown = [device_row(device) for device in devices]
    names = {str(row["id"]): str(row["device"]) for row in shown}
    of_devices: Rows = [["device", "id", "status", "rounds", "sent / received", "last seen", "last error"]]
    for row in shown:
        cells = (row[c] for c in ("status", "rounds", "traffic", "seen", "error"))
        of_devices.append([str(row["device"]), str(row["id"])[:12], *map(str, cells)])
    of_links: Rows = [["link", "for", "status", "valid until"]]
    for link in links:
        of_links.append([str(link_row(link, names)[c]) for c in ("id", "device", "status", "until")])
    return [("Devices", of_devices), ("Join links", of_links)]


def _status(device: DeviceRecord) -> str:
    if device.until is not None:
        return f"left out until {_when(device.until)}: {device.reason}"
    if device.status in (Readiness.LEFT, Readiness.REMOVED):
        return str(device.status)
    if device.place != "free":
        return f"in the round: {device.place}"
    if device.status == Readiness.NOT_READY:
        return "not ready: too few words yet, or paused on the device"
    return str(device.status)


def _when(seconds: float | None) -> str:
    if seconds is None:
        return ""
    time = datetime.fromtimestamp(seconds)
    # Without seconds: a table that changed every second would take buttons away from under a pointer.
    return time.strftime("%H:%M" if time.date() == datetime.now().date() else "%d %b, %H:%M")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.0f} kB"
