"""A device whose clock is wrong cannot join: the coordinator's certificate is not valid at the device's time. It says so."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.coordinator.web import certificate as certificate_module
from federation.coordinator.web.certificate import certificate
from federation.protocol.join_link import JoinLink
from keyboard_app.cli import main
from keyboard_app.federating.tasks import Joining
from keyboard_app.learning.background import run
from keyboard_app.recording.user_profile import Profile


@pytest.fixture(params=[3, -4000], ids=["three days behind", "eleven years ahead"])
def link(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JoinLink]:
    """Serves TLS with the certificate of a coordinator whose clock is ahead of this device's, or far behind."""

    class Other(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=request.param)

    monkeypatch.setattr(certificate_module, "datetime", Other)
    made = certificate(tmp_path / "certificate.pem", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                        secured.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        yield JoinLink("127.0.0.1", listening.getsockname()[1], "a-code-good-once", made.sha256)
        listening.shutdown(socket.SHUT_RDWR)


def test_joining_with_a_wrong_clock(link: JoinLink, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "--join", str(link), "--profile", str(tmp_path / "profile")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("keyboard: this device's clock says ")
    assert str(datetime.now().year) in line
    assert "set this device's clock to the right date and try again" in line
    with Profile.open(tmp_path / "profile", use_keyring=False) as profile:
        joining = Joining(profile, str(link))
        with pytest.raises(Exception, match="set this device's clock"):
            run(joining)
        assert "this device's clock says" in joining.error, "the window shows this line"
