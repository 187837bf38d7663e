"""The owner's control of devices and join links as JSON: naming, removing and letting back in devices, and revoking links.

    GET  /control/devices                      the devices: name, status, rounds, bytes, last error
    POST /control/devices/DEVICE/name?name=    gives a device a name
    POST /control/devices/DEVICE/removal       removes a device for good
    POST /control/devices/DEVICE/return        lets a device back in that is left out of rounds
    GET  /control/invitations                  the join links: for whom, until when, used or not
    POST /control/invitations/LINK/revocation  revokes a link

DEVICE is a device's id, the beginning of it, or its name; LINK is a link's id from the list.
"""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from federation.coordinator.coordinator import Coordinator
from federation.coordinator.device_book import LinkRow
from federation.coordinator.steady_clock import steady_time
from federation.coordinator.web.owner.device_records import DeviceRecord, device_records


class DeviceControls:
    """The owner's actions on devices and links. `changed` is called after each, so that waiting devices are woken."""

    def __init__(self, coordinator: Coordinator, changed: Callable[[], None]) -> None:
        self._coordinator, self._changed = coordinator, changed

    def devices(self, latest: int | None = None) -> tuple[DeviceRecord, ...]:
        """Returns the devices that belong to the federation or did, or those that were seen latest."""
        return device_records(self._coordinator, steady_time(), latest)

    def links(self, newest: int | None = None) -> list[LinkRow]:
        """Returns the join links, or the newest ones, newest first."""
        return self._coordinator.devices.book.links(steady_time(), newest)

    def rename(self, device: str, name: str) -> None:
        """Gives a device a name.

        Raises:
          DataError: there is no such device, or the name is too long.
        """
        book = self._coordinator.devices.book
        book.rename(book.find(device), name)

    def remove(self, device: str) -> None:
        """Removes a device for good; in the round that is under way it drops out.

        Raises:
          DataError: there is no such device.
        """
        devices = self._coordinator.devices
        devices.leave(devices.book.find(device), steady_time(), removed=True)
        self._changed()

    def let_back(self, device: str) -> None:
        """Lets a device that is left out take part again.

        Raises:
          DataError: there is no such device, or it is not left out.
        """
        devices = self._coordinator.devices
        devices.let_back(devices.book.find(device), steady_time())
        self._changed()

    def revoke(self, link: str) -> None:
        """Makes an unused join link useless.

        Raises:
          DataError: there is no such link, or a device has joined with it.
        """
        self._coordinator.devices.book.revoke(link)


def device_routes(controls: DeviceControls) -> APIRouter:
    """Returns the routes; the application asks for the control token."""
    routes = APIRouter()

    @routes.get("/control/devices")
    async def devices() -> list[dict[str, Any]]:
        """The devices: name, status, rounds, bytes, last error."""
        return [asdict(record) for record in controls.devices()]

    @routes.post("/control/devices/{device:path}/name", status_code=HTTPStatus.NO_CONTENT)
    async def rename(device: str, name: str) -> None:
        """Gives a device a name."""
        controls.rename(device, name)

    @routes.post("/control/devices/{device:path}/removal", status_code=HTTPStatus.NO_CONTENT)
    async def remove(device: str) -> None:
        """Removes a device for good."""
        controls.remove(device)

    @routes.post("/control/devices/{device:path}/return", status_code=HTTPStatus.NO_CONTENT)
    async def let_back(device: str) -> None:
        """Lets a device back in that is left out of rounds."""
        controls.let_back(device)

    @routes.get("/control/invitations")
    async def links() -> list[dict[str, Any]]:
        """The join links: for whom, until when, used or not."""
        return [asdict(record) for record in controls.links()]

    @routes.post("/control/invitations/{link}/revocation", status_code=HTTPStatus.NO_CONTENT)
    async def revoke(link: str) -> None:
        """Revokes a link."""
        controls.revoke(link)

    return routes
