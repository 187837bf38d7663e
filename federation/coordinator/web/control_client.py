"""Calls to the control API of a coordinator that runs on this machine, found by its folder."""

from pathlib import Path

import httpx

from data.errors import DataError
from federation.coordinator.web.control_api import PORT, TOKEN
from federation.coordinator.web.servers import LOOPBACK

_SECONDS = 30.0


def start_now(folder: Path) -> str:
    """Lets a round begin with the devices that are present; returns one line about what happens.

    Raises:
      DataError: no coordinator is running in the folder, or it refuses; the message says why.
    """
    absent = f"no coordinator is running in {folder}: start one with federate serve --folder {folder}"
    try:
        token, port = (folder / TOKEN).read_text("ascii").strip(), int((folder / PORT).read_text("ascii"))
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise DataError(absent) from error
    url, headers = f"http://{LOOPBACK}:{port}/control/start", {"authorization": f"Bearer {token}"}
    try:
        response = httpx.post(url, headers=headers, timeout=_SECONDS, trust_env=False)
        content = response.json()
    except httpx.ConnectError as error:
        raise DataError(absent) from error
    except (httpx.HTTPError, ValueError) as error:
        raise DataError(f"the coordinator on port {port} did not answer: {error or type(error).__name__}") from error
    if response.is_success:
        return str(content["message"])
    raise DataError(str(content.get("error") or absent))  # another coordinator, with another token, has the port
