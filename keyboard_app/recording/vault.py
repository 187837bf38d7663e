"""Encryption of a profile's content: AES-256-GCM (NIST SP 800-38D) with a random nonce per record.

An encrypted record is its nonce, 12 random bytes, followed by the ciphertext and its tag. The record's identity is authenticated
as well, so one record cannot replace another. Random nonces are safe for 2^32 records per key (SP 800-38D, Section 8.3), far more
than a person writes.
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
    """A record cannot be decrypted: it was changed, belongs elsewhere, or was encrypted with another key."""


class Vault:
    """Encrypts and decrypts with one key; safe for several threads."""

    def __init__(self, key: bytes) -> None:
        """Derives a key for records and one for tags (RFC 5869) from the profile's key, 32 random bytes."""
        self._cipher = AESGCM(_derive(key, b"records"))
        self._tags = _derive(key, b"tags")

    def seal(self, content: bytes, identity: str) -> bytes:
        """Encrypts content under an identity, which must be given to decrypt it; the result is 28 bytes longer."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, identity.encode())

    def open(self, sealed: bytes, identity: str) -> bytes:
        """Decrypts a record.

        Raises:
          UnsealError: the record was changed, has another identity, or was encrypted with another key.
        """
        try:
            if len(sealed) < _NONCE_BYTES:
                raise InvalidTag
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], identity.encode())
        except InvalidTag as error:
            raise UnsealError(
                "a record cannot be opened: it was changed, or it was encrypted with another key"
            ) from error

    def tag(self, text: str) -> bytes:
        """Returns 16 bytes that depend on the text and the key alone, by which a record is found without revealing its text."""
        return hmac.digest(self._tags, text.encode(), hashlib.sha256)[:_TAG_BYTES]


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"federated-keyboard " + purpose).derive(key)
