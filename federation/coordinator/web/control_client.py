"""Calls to the control API of a coordinator that runs on this machine, found by its folder."""

import shlex
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from data.errors import DataError
from federation.coordinator.device_book import LinkRow
from federation.coordinator.enrolled_devices import Readiness
from federation.coordinator.web.control_api import PORT, TOKEN
from federation.coordinator.web.owner.device_records import DeviceRecord
from federation.coordinator.web.owner.word_controls import DiscoveryRecord, record_from
from federation.coordinator.web.servers import LOOPBACK

_SECONDS = 30.0


class ControlClient:
    """The control of the coordinator in a folder.

    Raises, in every method:
      DataError: no coordinator is running in the folder, or it refuses; the message says why.
    """

    def __init__(self, folder: Path) -> None:
        """Reads how to reach the coordinator."""
        quoted = shlex.quote(str(folder))
        self._absent = f"no coordinator is running in {folder}: start one with federate serve --folder {quoted}"
        try:
            token = (folder / TOKEN).read_text("ascii").strip()
            self._port = int((folder / PORT).read_text("ascii"))
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise DataError(self._absent) from error
        self._headers = {"authorization": f"Bearer {token}"}

    def start_now(self) -> str:
        """Lets a round begin with the devices that are present; returns one line about what happens."""
        return str(self._call("POST", "start")["message"])

    def devices(self) -> list[DeviceRecord]:
        """Returns the devices that belong to the federation or did."""
        found = self._call("GET", "devices")
        return [DeviceRecord(**record | {"status": Readiness(record["status"])}) for record in found]

    def links(self) -> list[LinkRow]:
        """Returns the join links, newest first."""
        return [LinkRow(**record) for record in self._call("GET", "invitations")]

    def rename(self, device: str, name: str) -> None:
        """Gives a device, known by its id, the beginning of it, or its name, another name."""
        self._call("POST", f"devices/{quote(device, safe='')}/name", name=name)

    def remove(self, device: str) -> None:
        """Removes a device for good."""
        self._call("POST", f"devices/{quote(device, safe='')}/removal")

    def let_back(self, device: str) -> None:
        """Lets a device that is left out take part again."""
        self._call("POST", f"devices/{quote(device, safe='')}/return")

    def revoke(self, link: str) -> None:
        """Makes an unused join link useless."""
        self._call("POST", f"invitations/{quote(link, safe='')}/revocation")

    def start_discovery(self, **terms: int) -> None:
        """Starts a word discovery; `terms` are those of `WordControls.start`."""
        self._call("POST", "words", **{name: str(value) for name, value in terms.items()})

    def discovery(self) -> DiscoveryRecord:
        """Returns the newest word discovery."""
        return record_from(self._call("GET", "words"))

    def strike(self, words: Sequence[str], struck: bool) -> None:
        """Strikes words that were found out, or takes them back in."""
        self._call("POST", "words/strikes", word=list(words), struck=str(struck).lower())

    def keep_as_typed(self, words: Sequence[str], no_typo: bool) -> None:
        """Records that words that were found are no typos, or takes that back."""
        self._call("POST", "words/no-typos", word=list(words), no_typo=str(no_typo).lower())

    def confirmed_words(self) -> dict[str, Any]:
        """Returns the words that are not struck out, as `federate grow` reads them."""
        found: dict[str, Any] = self._call("GET", "words/confirmed")
        return found

    def _call(self, method: str, path: str, **query: str | list[str]) -> Any:
        url = f"http://{LOOPBACK}:{self._port}/control/{path}"
        try:
            with httpx.Client(headers=self._headers, timeout=_SECONDS, trust_env=False) as client:
                response = client.request(method, url, params=query or None)
            content = response.json() if response.content else {}
        except httpx.ConnectError as error:
            raise DataError(self._absent) from error
        except (httpx.HTTPError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise DataError(f"the coordinator on port {self._port} did not answer: {reason}") from error
        if response.is_success:
            return content
        if response.status_code == HTTPStatus.UNAUTHORIZED:  # another coordinator, with another token, has the port
            raise DataError(self._absent)
        raise DataError(str(content.get("error") or f"the coordinator refused: {response.reason_phrase}"))
