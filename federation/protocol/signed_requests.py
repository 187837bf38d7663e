"""How a device proves that a request is its own: an Ed25519 signature (RFC 8032) over all that the request says.

What is signed: the session, the request's number, method and path, and the SHA-256 of the body. The session is drawn by the
coordinator at each start and handed to whoever asks; within it, each request of a device has a higher number than the one before.
So a request that was recorded can be replayed neither now nor after a restart, and neither side's clock has to be right. The
signature is in the headers: a stranger is refused before a byte of the body is read.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from data.errors import DataError

_HIGHEST = 2**63 - 1


@dataclass(frozen=True)
class SignedHeaders:
    """The headers of a signed request, as `X-Federation-…`."""

    device: str  # its public key, 64 hex digits
    session: str  # 32 hex digits
    number: int
    digest: str  # SHA-256 of the body, 64 hex digits
    signature: str  # 128 hex digits

    def to_headers(self) -> dict[str, str]:
        """As HTTP headers."""
        return {f"x-federation-{name}": str(value) for name, value in vars(self).items()}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Reads what `to_headers` gave; names in lower case.

        Raises:
          DataError: one is missing or is not of its form.
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
                raise DataError(f"the request is not signed: the header X-Federation-{name.capitalize()} is not there")
        number = int(found.pop("number"))
        if number > _HIGHEST:
            raise DataError(f"the request's number {number} is too high")
        return cls(number=number, **found)


def device_name(key: Ed25519PrivateKey) -> str:
    """What a device is called: its public key, in hex."""
    return key.public_key().public_bytes_raw().hex()


def sign(key: Ed25519PrivateKey, session: str, number: int, method: str, path: str, body: bytes) -> SignedHeaders:
    """Signs a request; `path` has the query in it."""
    digest = hashlib.sha256(body).hexdigest()
    signature = key.sign(_signed(session, number, method, path, digest)).hex()
    return SignedHeaders(device_name(key), session, number, digest, signature)


def check(headers: SignedHeaders, method: str, path: str) -> None:
    """Lets a request's headers pass that the device they name has signed.

    Raises:
      DataError: somebody else has, or something was changed.
    """
    signed = _signed(headers.session, headers.number, method, path, headers.digest)
    _verify(headers.device, headers.signature, signed, "the signature is not this device's over this request")


def sign_enrolment(key: Ed25519PrivateKey, code: str) -> str:
    """What shows that whoever enrols with a code holds the key, in hex."""
    return key.sign(_enrolled(code)).hex()


def check_enrolment(device: str, signature: str, code: str) -> None:
    """Lets a device enrol under the name of a key that it holds.

    Raises:
      DataError: the name is no key, or the key did not sign.
    """
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
