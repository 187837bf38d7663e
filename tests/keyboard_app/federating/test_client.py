"""What a keyboard says when it cannot reach its coordinator: in words, without numbers of errors."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.coordinator.web.certificate import certificate
from federation.protocol import api_messages
from federation.protocol.signed_requests import device_name, sign_enrolment
from keyboard_app.federating import client as client_module
from keyboard_app.federating.client import FederationClient, UnreachableError

CODE = "a" * 20


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def enrol(folder: Path, place: str) -> str:
    key = Ed25519PrivateKey.generate()
    own = certificate(folder / "certificate.pem", "127.0.0.1").path.read_text()
    enrolment = api_messages.Enrolment(CODE, device_name(key), sign_enrolment(key, CODE))
    with FederationClient(f"https://{place}", own, key) as client, pytest.raises(UnreachableError) as raised:
        client.enrol(enrolment)
    return str(raised.value)


def test_a_coordinator_that_is_not_running(tmp_path: Path) -> None:
    assert enrol(tmp_path, "127.0.0.1:9") == "cannot reach the coordinator at 127.0.0.1:9: is it running?"


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    said = enrol(tmp_path, "coordinator.invalid:8443")
    assert said == "cannot find the coordinator at coordinator.invalid:8443: check that this device is online"


def test_a_coordinator_that_does_not_answer(tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_CONNECT_SECONDS", 0.2)
    said = enrol(tmp_path, f"127.0.0.1:{silent}")
    assert said == f"the coordinator at 127.0.0.1:{silent} does not answer in time: try again later"
