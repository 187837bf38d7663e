"""Secrets split among neighbours: encrypted for their holders, and refused if they were altered."""

import itertools
import secrets
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.secure_aggregation import shamir, sharing
from federation.protocol.secure_aggregation.keys import derive
from federation.protocol.secure_aggregation.messages import SealedShares

DEVICES = [bytes([i]) * 32 for i in (7, 3, 9, 200, 1)]
CONTEXT, OWNER, AGREED, SECRET = b"c" * 32, b"o" * 32, b"a" * 32, bytes(range(16))


def test_any_threshold_of_shares_recovers_the_secret_and_fewer_do_not() -> None:
    shares = sharing.split(SECRET, 3, DEVICES, secrets.token_bytes)
    for size in range(6):
        for some in itertools.combinations(DEVICES, size):
            held = {device: shares[device] for device in some}
            if size < 3:
                with pytest.raises(DataError):
                    sharing.combine(held, 3, DEVICES)
            else:
                assert sharing.combine(held, 3, DEVICES) == SECRET
    with pytest.raises(DataError):
        sharing.combine({**shares, b"x" * 32: bytes(16)}, 3, DEVICES)


def test_a_digest_detects_an_altered_share_and_recovery_does_not() -> None:
    shares = sharing.split(SECRET, 3, DEVICES, secrets.token_bytes)
    digests = {d: sharing.digest(CONTEXT, OWNER, d, sharing.KEY, s) for d, s in shares.items()}
    changed = bytes([shares[DEVICES[0]][0] ^ 1]) + shares[DEVICES[0]][1:]
    numbered = [(1, changed), (2, shares[DEVICES[1]]), (3, shares[DEVICES[2]])]
    assert shamir.combine(numbered) != SECRET, "and no error is raised"
    assert sharing.digest(CONTEXT, OWNER, DEVICES[0], sharing.KEY, changed) != digests[DEVICES[0]]


def test_two_shares_of_three_reveal_nothing() -> None:
    """Every secret is equally likely: with the two, each third share recovers a different one."""
    shares = sharing.split(SECRET, 3, DEVICES, secrets.token_bytes)
    two = {d: shares[d] for d in DEVICES[:2]}
    recovered = {sharing.combine({**two, DEVICES[2]: bytes([i]) * 16}, 3, DEVICES) for i in range(50)}
    assert len(recovered) == 50


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.data())
def test_sealed_shares_open_only_for_their_holder(key_share: bytes, self_share: bytes, data: st.DataObject) -> None:
    holder = DEVICES[0]
    sealed = sharing.seal(AGREED, CONTEXT, OWNER, holder, key_share, self_share)
    opened = sharing.unseal(AGREED, CONTEXT, OWNER, holder, sealed)
    assert opened == {sharing.KEY: key_share, sharing.SELF: self_share}
    record = bytearray(sealed.to_bytes())
    record[data.draw(st.integers(32, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = SealedShares.from_bytes(bytes(record))
    for arguments in [
        (AGREED, CONTEXT, OWNER, holder, changed),
        (b"b" * 32, CONTEXT, OWNER, holder, sealed),
        (AGREED, b"d" * 32, OWNER, holder, sealed),
        (AGREED, CONTEXT, holder, OWNER, sealed),
        (AGREED, CONTEXT, OWNER, DEVICES[1], sealed),
    ]:
        with pytest.raises(DataError):
            sharing.unseal(*arguments)


def test_shares_that_do_not_match_the_published_digests_are_refused() -> None:
    """As from an owner that lies to a holder, whose reveal would then be refused at the end of the round."""
    holder, lie = DEVICES[0], b"l" * 16
    honest = sharing.seal(AGREED, CONTEXT, OWNER, holder, SECRET, SECRET)
    cipher = ChaCha20Poly1305(derive(AGREED, "shares", CONTEXT, OWNER, holder))
    nonce = sharing._nonce(honest.key_digest, honest.self_digest)
    for clear in (lie + SECRET, SECRET + lie):
        sealed = cipher.encrypt(nonce, clear, CONTEXT + OWNER + holder)
        with pytest.raises(DataError, match="digests"):
            sharing.unseal(AGREED, CONTEXT, OWNER, holder, replace(honest, sealed=sealed))


def test_digests_and_commitments_depend_on_everything_they_are_bound_to() -> None:
    share = bytes(16)
    digests = {
        sharing.digest(CONTEXT, OWNER, DEVICES[0], sharing.KEY, share),
        sharing.digest(CONTEXT, OWNER, DEVICES[0], sharing.SELF, share),
        sharing.digest(CONTEXT, OWNER, DEVICES[1], sharing.KEY, share),
        sharing.digest(CONTEXT, DEVICES[0], OWNER, sharing.KEY, share),
        sharing.digest(b"d" * 32, OWNER, DEVICES[0], sharing.KEY, share),
    }
    assert len(digests) == 5
    assert len({sharing.commitment(c, o, share) for c in (CONTEXT, OWNER) for o in (CONTEXT, OWNER)}) == 4


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=32, max_size=32))
def test_keys_are_derived_by_hkdf(secret: bytes, context: bytes) -> None:
    info = b"federated keyboard, shares\n" + context
    assert derive(secret, "shares", context) == HKDF(SHA256(), 32, None, info).derive(secret)
