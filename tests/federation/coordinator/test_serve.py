"""`federate serve`, `start` and `devices` from start to end, as their operator sees them."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from data.errors import DataError
from federation.coordinator.coordinator import Coordinator
from federation.coordinator.secure_sum import SecureSummation
from federation.coordinator.web.control_client import ControlClient
from federation.processes import free_port, start
from federation.protocol.join_link import JoinLink
from keyboard_app.federating.client import FederationClient, enrol
from model.device.folder import load_model
from model.device.weights import digest


class Running:
    """A running `federate serve`, with the lines that it has printed until its page was ready."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.port = free_port()
        ports = ("--port", self.port, "--control-port", free_port())
        command = [sys.executable, "-m", "federation", "serve", "--folder", folder, *ports, *options]
        self.process = start([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.printed = ""
        for line in self.process.stderr:
            self.printed += line
            if "scheduled" in line:  # the last of these lines
                break

    @property
    def links(self) -> list[JoinLink]:
        return [JoinLink.parse(line) for line in self.printed.splitlines() if line.startswith("federated-keyboard://")]

    def stop(self, number: int) -> str:
        """Sends a signal; returns what was printed to standard output, and keeps the other lines."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=120)
        self.printed += errors
        return output


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[Running]:
    running = Running(folder, *options)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_serve_prints_a_join_link_and_at_the_end_its_result(world, federate_process: Callable) -> None:
    """The folder has one committed round. The result names the model's folder, and has the recall that devices reported.

    A device waits for a task when the coordinator is stopped.
    """
    world.enrol(6)
    world.coordinator.rounds.schedule(1)
    world.finish()
    folder, shipped, settings = world.folder, world.shipped, world.settings
    vocabulary = world.coordinator.rounds.model.vocabulary.sha256
    world.close()
    with serving(folder, "--model", shipped, "--invite", "1", "--json") as running:
        assert "no rounds are scheduled" in running.printed and running.process.poll() is None
        (link,) = running.links
        certificate, key = enrolled(link)
        with FederationClient(link.url, certificate, key) as client:
            answers: list = []
            waiting = threading.Thread(target=lambda: answers.append(client.check_in(vocabulary, "", 100)))
            waiting.start()
            started = federate_process("start", "--folder", folder)
            output = running.stop(signal.SIGINT)
            waiting.join(60)
    assert answers, "the device got an answer"
    assert started.returncode in (0, 1) and len(started.stderr.splitlines()) == 1
    assert "since a sum over fewer would show" in started.stderr or "try again" in started.stderr, (
        "TensorFlow may be starting"
    )
    assert running.process.returncode == 0 and "Traceback" not in running.printed, running.printed
    assert "joined" in running.printed and "the coordinator has stopped" in running.printed.splitlines()[-1]
    result = json.loads(output.splitlines()[-1])
    assert result["folder"] == str(folder) and result["model_round"] == 1
    row = result["rounds"][0]
    assert (row["state"], row["top1"], row["top1_after"], row["top3"], row["top3_after"]) == (
        "committed",
        *(0.2, 0.4, 0.6, 0.8),
    )
    again = Coordinator(folder, shipped, settings, SecureSummation, 0.0)
    assert digest(load_model(Path(result["model"])).weights) == again.rounds.model_digest
    again.close()


def enrolled(link: JoinLink):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return enrol(link, key), key


def the_owner_names_and_removes_a_device(hub: Path, federate_process: Callable) -> None:
    """Uses `federate devices` on a coordinator with three devices."""
    first, second, _ = ControlClient(hub).devices()
    named = federate_process("devices", "--folder", hub, "--name", first.id[:8], "Anna's tablet / home", "--json")
    assert named.returncode == 0 and "Anna's tablet / home" in named.stderr and second.id[:12] in named.stderr
    listed = json.loads(named.stdout.splitlines()[-1])
    assert [d["name"] for d in listed["devices"]] == ["Anna's tablet / home", "", ""]
    assert [link["state"] for link in listed["links"]] == ["used"] * 3
    ControlClient(hub).remove("Anna's tablet / home")
    assert [d.status for d in ControlClient(hub).devices()] == ["removed", "away", "away"]
    with pytest.raises(DataError, match="no device is called Anna's tablet / home"):
        ControlClient(hub).remove("Anna's tablet / home")
    with pytest.raises(DataError, match="a device has joined with this link already"):
        ControlClient(hub).revoke(listed["links"][0]["id"])
    refused = federate_process("devices", "--folder", hub, "--let-back", second.id[:12])
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert f"device {second.id[:12]}… is not left out of rounds" in refused.stderr


def test_a_new_federation_invites_the_minimum_and_its_settings_change_with_options(
    tmp_path: Path, tiny_model_folder: Path, federate_process: Callable
) -> None:
    hub = tmp_path / "hub"
    with serving(hub, "--model", tiny_model_folder, "--host", "[::1]") as running:
        assert len(running.links) == 3 and {link.host for link in running.links} == {"::1"}
        assert f"https://[::1]:{running.port}" in running.printed
        assert "5 rounds are scheduled: each begins once 3 devices are present" in running.printed
        for link in running.links:
            enrolled(link)
        the_owner_names_and_removes_a_device(hub, federate_process)
        busy = federate_process("serve", "--folder", tmp_path / "other", "--port", running.port, "--host", "::1")
        used = federate_process("serve", "--folder", hub)
        running.stop(signal.SIGTERM)
    assert running.process.returncode == 0 and "Traceback" not in running.printed
    assert busy.returncode == 1 and "another program uses this port" in busy.stderr
    assert used.returncode == 1 and "another coordinator is using" in used.stderr
    assert len(busy.stderr.splitlines()) == len(used.stderr.splitlines()) == 1 and not (tmp_path / "other").exists()
    with serving(hub, "--target", "6", "--reporting-seconds", "90", "--host", "0.0.0.0") as running:  # noqa: S104
        assert "settings changed: target 20 devices → 6 devices, longest reporting 600 s → 90 s" in running.printed
        (link,) = running.links  # the third device is missing
        assert link.host != "0.0.0.0" and f"the links name this machine {link.host}" in running.printed  # noqa: S104
        running.stop(signal.SIGINT)
    with pytest.raises(DataError, match=r"no coordinator is running in .*: start one with federate serve --folder"):
        ControlClient(hub).start_now()


def test_a_command_in_a_message_can_be_called_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "my [hub]"
    with pytest.raises(DataError, match=re.escape(f"federate serve --folder '{folder}'")):
        ControlClient(folder)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--target", "2"], 1, "the minimum of 3 devices is above the target of 2"),
        (["--port", "70000"], 2, "70000 is not a port"),
        (["--model", "nowhere"], 1, "there is no model folder"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    options: list[str], status: int, said: str, tmp_path: Path, federate_process: Callable
) -> None:
    ports = ("--port", free_port(), "--control-port", free_port())
    done = federate_process("serve", "--folder", tmp_path / "hub", *ports, *options)
    assert done.returncode == status and said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_taken_dashboard_port_is_named(tmp_path: Path, federate_process: Callable) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = federate_process("serve", "--folder", tmp_path / "hub", "--port", free_port(), "--control-port", port)
    assert (
        done.returncode == 1 and f"127.0.0.1:{port}" in done.stderr and "choose another --control-port" in done.stderr
    )
