"""What is written of a person's words is sealed: AES-256-GCM (NIST SP 800-38D) with a nonce of its own for each record.

A record is its nonce, 12 random bytes, and behind it the ciphertext with its tag. The record's identity is authenticated with it,
so that a record cannot be put in another's place. Random nonces serve 2^32 records of one key (SP 800-38D, Section 8.3), which is
more than anybody sends.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from data.errors import DataError

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16


class UnsealError(DataError):
    """What was sealed cannot be opened: it was changed, belongs elsewhere, or was sealed with another key."""


class Vault:
    """Seals and opens with one key; for any number of threads."""

    def __init__(self, key: bytes) -> None:
        """Takes the key of a profile, 32 random bytes; what is sealed and what is tagged have keys of their own (RFC 5869)."""
        self._cipher = AESGCM(_derive(key, b"records"))
        self._tags = _derive(key, b"tags")

    def seal(self, content: bytes, identity: str) -> bytes:
        """The content so that only this key and this identity open it; the length shows, 28 bytes more."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, identity.encode())

    def open(self, sealed: bytes, identity: str) -> bytes:
        """What was sealed.

        Raises:
          UnsealError: it was changed, is another record's, or another key sealed it.
        """
        try:
            if len(sealed) < _NONCE_BYTES:
                raise InvalidTag
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], identity.encode())
        except InvalidTag as error:
            raise UnsealError(
                "a record cannot be opened: it was changed, or the key is not the one it was sealed with"
            ) from error

    def tag(self, text: str) -> bytes:
        """16 bytes that are the same for the same text, to find its record by, and say nothing to who lacks the key."""
        return hmac.digest(self._tags, text.encode(), hashlib.sha256)[:_TAG_BYTES]


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"federated-keyboard " + purpose).derive(key)
