"""The coordinator's self-signed certificate. Devices recognize it by its SHA-256, which is in the join link."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from data.errors import DataError
from data.files import write_by_rename

FILE = "certificate.pem"  # in a coordinator's folder
_YEARS = 10  # long, as every device has to join again when the certificate changes


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, in one PEM file that only its owner may read."""

    path: Path
    sha256: str  # of its DER encoding, in hex; devices pin it


def certificate(path: Path, host: str) -> Certificate:
    """Returns the certificate in the file `path`; makes one for this host if there is none yet.

    Raises:
      DataError: the file holds no certificate with its key.
    """
    if not path.exists():
        write_by_rename(path, _make(host), mode=0o600)
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if key.public_key() != found.public_key():
            raise ValueError("the key is another certificate's")
        found.verify_directly_issued_by(found)  # devices know it by its digest, which any damage changes
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise DataError(
            f"{path} holds no certificate: remove the file to have a new one made (devices then have to join again)"
        ) from error
    return Certificate(path, hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest())


def _make(host: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated keyboard coordinator")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # some devices' clocks are slow
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName([_name_of(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
