"""The coordinator's certificate: made once, readable by its owner only, and known by its SHA-256."""

import hashlib
import ssl
from pathlib import Path

import pytest

from data.errors import DataError
from federation.coordinator.web.certificate import certificate


def test_a_certificate_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    made = certificate(path, "127.0.0.1")
    assert certificate(path, "127.0.0.1") == made
    assert path.stat().st_mode & 0o077 == 0
    der = ssl.PEM_cert_to_DER_cert(path.read_text()[: path.read_text().index("-----BEGIN PRIVATE")])
    assert hashlib.sha256(der).hexdigest() == made.sha256
    whole = path.read_bytes()
    for content in (b"damaged", b"", whole[:-300], whole[:300] + b"A" + whole[301:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="holds no certificate"):
            certificate(path, "127.0.0.1")
