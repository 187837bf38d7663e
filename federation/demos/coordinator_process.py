"""A coordinator of a demo, as a process that `federate serve` runs, and the keyboards without a window that join it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from data.errors import DataError
from data.files import write_by_rename
from federation.coordinator.web.control_api import TOKEN
from federation.coordinator.web.control_client import ControlClient
from federation.demos.people import Person
from federation.keyboards import keyboard
from federation.processes import free_port, start

# Deadlines, generous because of background load.
_START_SECONDS, _STOP_SECONDS, _CALL_SECONDS = 600.0, 120.0, 60.0
_POLL_SECONDS = 0.2


class CoordinatorProcess:
    """A `federate serve` process in the folder `coordinator` of a demo's folder, and its control API."""

    def __init__(self, out: Path, model: Path, settings: Sequence[object]) -> None:
        """Starts the coordinator.

        Args:
          out: the demo's folder.
          model: the model folder to start from.
          settings: options of `federate serve`.
        """
        self._folder, self._log = out / "coordinator", out / "coordinator.log"
        self._port, self._control_port = free_port(), free_port()
        self._settings = settings
        # One client for all calls, because a client loads certificates; a connection for each: the coordinator may restart.
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{self._control_port}",
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=_CALL_SECONDS,
        )
        self.process = self._start(model)

    def _start(self, model: Path, *options: object) -> subprocess.Popen:
        command: list[object] = [sys.executable, "-P", "-m", "federation", "serve", "--folder", self._folder]
        command += ["--invite", 0, "--rounds", 0, "--model", model, *options]
        command += ["--port", self._port, "--control-port", self._control_port, *self._settings]
        with self._log.open("ab") as log:
            return start([str(part) for part in command], stdout=log, stderr=log)

    def take_over(self, model: Path) -> None:
        """Stops the coordinator and starts it again with another model for its devices, which wait for it meanwhile.

        Raises:
          DataError: it does not stop.
        """
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DataError(f"the coordinator did not stop within {_STOP_SECONDS:g} s: see {self._log}") from error
        self.process = self._start(model, "--take-over")

    def discover(self, k: int) -> dict[str, Any]:
        """Finds new words over the devices; returns those of at least k devices, as `federate grow` reads them.

        Raises:
          DataError: the coordinator ended, or the discovery failed or found nothing.
        """
        client, deadline = ControlClient(self._folder), time.monotonic() + _START_SECONDS
        client.start_discovery(k=k)
        while time.monotonic() < deadline:
            self.check()
            found = client.discovery()
            if found.state == "failed":
                raise DataError(f"{found}: see {self._log}")
            if found.ended is not None:
                return client.confirmed_words()
            time.sleep(_POLL_SECONDS)
        raise DataError(f"the word discovery did not end within {_START_SECONDS:g} s: see {self._log}")

    def wait_until_ready(self) -> None:
        """Waits until the coordinator can begin a round.

        Raises:
          DataError: the coordinator ended or takes too long.
        """
        self._wait(lambda: bool(self.view()["ready"]))

    def wait_until_serving(self) -> None:
        """Waits until devices can join, which is possible while TensorFlow Federated starts.

        Raises:
          DataError: the coordinator ended or takes too long.
        """
        self._wait(lambda: bool(self.view()))

    def _wait(self, done: Any) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                if done():
                    return
            except (httpx.HTTPError, OSError):
                pass
            time.sleep(0.3)
        raise DataError(f"the coordinator was not ready within {_START_SECONDS:g} s: see {self._log}")

    def check(self) -> None:
        """Raises a DataError if the coordinator has ended."""
        if self.process.poll() is not None:
            raise DataError(f"the coordinator ended: {self._log.read_text('utf-8').strip()[-300:]}")

    def view(self) -> dict[str, Any]:
        """Returns the coordinator's status.

        Raises:
          httpx.HTTPError: the call failed.
        """
        content: dict[str, Any] = self._call("GET", "/control/view").json()
        return content

    def schedule(self, rounds: int) -> None:
        """Schedules rounds.

        Raises:
          httpx.HTTPError: the call failed.
        """
        self._call("POST", f"/control/rounds?rounds={rounds}")

    def invite(self) -> str:
        """Returns a new join link.

        Raises:
          httpx.HTTPError: the call failed.
        """
        return str(self._call("POST", "/control/invitations").json()["link"])

    def _call(self, method: str, path: str) -> httpx.Response:
        token = (self._folder / TOKEN).read_text("ascii")
        response = self._http.request(method, path, headers={"authorization": f"Bearer {token}"})
        return response.raise_for_status()

    @property
    def dashboard(self) -> str:
        """The URL of the dashboard."""
        return f"http://127.0.0.1:{self._control_port}/?token={(self._folder / TOKEN).read_text('ascii')}"

    @property
    def newest_model(self) -> Path:
        """The folder of the newest global model."""
        return max((self._folder / "models").iterdir())


def join(out: Path, model: Path, people: Sequence[Person], coordinator: CoordinatorProcess) -> list[subprocess.Popen]:
    """Starts a keyboard for each person, with the person's messages, which joins the coordinator by a link of its own.

    Args:
      out: the demo's folder, which gets the keyboards' profiles and logs.
      model: the model folder to start with.
      people: the people.
      coordinator: serves devices already.
    """
    corpus = out / "corpus.jsonl"
    lines = [
        json.dumps({"user": person.user, "time": f"{number:06}", "text": text})
        for person in people
        for number, text in enumerate(person.typed)
    ]
    write_by_rename(corpus, "".join(line + "\n" for line in lines).encode())
    return [
        join_keyboard(model, out / f"keyboard-{number}", coordinator, "--corpus", corpus, "--user", person.user)
        for number, person in enumerate(people, 1)
    ]


def join_keyboard(
    model: Path, profile: Path, coordinator: CoordinatorProcess, *options: str | Path
) -> subprocess.Popen:
    """Starts the keyboard of a profile, which joins the coordinator by a link of its own; its log is beside the profile.

    Args:
      model: the model folder to start with.
      profile: the profile's folder.
      coordinator: serves devices already.
      options: more options of `keyboard device`.
    """
    command = keyboard("device", "--join", coordinator.invite(), "--model", model, "--profile", profile, *options)
    with profile.with_name(f"{profile.name}.log").open("wb") as log:
        return start(command, stdout=log, stderr=log)


def end(processes: Sequence[subprocess.Popen]) -> None:
    """Ends processes and waits until they have gone."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
