"""The proof that a device made a request: an Ed25519 signature (RFC 8032) over everything in the request.

The signature covers the session, the request's number, its method and path, and the SHA-256 of its body. The coordinator draws a
session at each start and gives it to anyone who asks. Within a session, each request of a device has a higher number than the one
before. A recorded request can therefore be replayed neither now nor after a restart, and neither side needs a correct clock. The
signature is in the headers, so that a stranger is refused before a byte of the body is read.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from data.errors import DataError
from federation.protocol.api_messages import VERSION, VERSION_HEADER

_HIGHEST = 2**63 - 1


@dataclass(frozen=True)
class SignedHeaders:
    """The headers of a signed request, `X-Federation-…`."""

    device: str  # its public key, 64 hex digits
    session: str  # 32 hex digits
    number: int
    digest: str  # SHA-256 of the body, 64 hex digits
    signature: str  # 128 hex digits

    def to_headers(self) -> dict[str, str]:
        """Returns the HTTP headers, by name, with the protocol's version."""
        signed = {f"x-federation-{name}": str(value) for name, value in vars(self).items()}
        return signed | {VERSION_HEADER: str(VERSION)}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Reads the output of `to_headers`; names are in lower case.

        Raises:
          DataError: a header is missing or malformed.
        """
        forms = {
            "device": "[0-9a-f]{64}",
            "session": "[0-9a-f]{32}",
            "number": "[0-9]{1,19}",
            "digest": "[0-9a-f]{64}",
            "signature": "[0-9a-f]{128}",
        }
        found = {name: headers.get(f"x-federation-{name}", "") for name in forms}
        for name, form in forms.items():
            if not re.fullmatch(form, found[name]):
                raise DataError(
                    f"the request is not signed: the header X-Federation-{name.capitalize()} is missing or malformed"
                )
        number = int(found.pop("number"))
        if number > _HIGHEST:
            raise DataError(f"the request's number {number} is too high")
        return cls(number=number, **found)


def device_name(key: Ed25519PrivateKey) -> str:
    """Returns the name of the device that holds a key: its public key, in hex."""
    return key.public_key().public_bytes_raw().hex()


def sign(key: Ed25519PrivateKey, session: str, number: int, method: str, path: str, body: bytes) -> SignedHeaders:
    """Signs a request; `path` includes the query."""
    digest = hashlib.sha256(body).hexdigest()
    signature = key.sign(_signed(session, number, method, path, digest)).hex()
    return SignedHeaders(device_name(key), session, number, digest, signature)


def check(headers: SignedHeaders, method: str, path: str) -> None:
    """Raises a DataError unless the device that the headers name has signed this request."""
    signed = _signed(headers.session, headers.number, method, path, headers.digest)
    _verify(headers.device, headers.signature, signed, "the signature is not this device's over this request")


def sign_enrolment(key: Ed25519PrivateKey, code: str) -> str:
    """Returns the proof, in hex, that the device enrolling with a code holds the key."""
    return key.sign(_enrolled(code)).hex()


def check_enrolment(device: str, signature: str, code: str) -> None:
    """Raises a DataError unless the device's name is a key that signed this enrolment."""
    _verify(device, signature, _enrolled(code), "the enrolment is not signed by the key that it names")


def _verify(device: str, signature: str, signed: bytes, refusal: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(device)).verify(bytes.fromhex(signature), signed)
    except (InvalidSignature, ValueError) as error:
        raise DataError(refusal) from error


def _enrolled(code: str) -> bytes:
    return f"federated keyboard enrolment\n{code}".encode()


def _signed(session: str, number: int, method: str, path: str, digest: str) -> bytes:
    return "\n".join(("federated keyboard request", session, str(number), method, path, digest)).encode()
