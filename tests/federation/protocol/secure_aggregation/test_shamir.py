"""Shamir's shares: any threshold of them recovers the secret, as in pycryptodome."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from Crypto.Protocol.SecretSharing import Shamir
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.secure_aggregation import shamir

SECRETS = st.binary(min_size=16, max_size=16)


@st.composite
def sizes(draw: st.DrawFn, most: int = 12) -> tuple[int, int]:
    """Draws a threshold and a number of shares."""
    count = draw(st.integers(1, most))
    return draw(st.integers(1, count)), count


def recorded(given: list[bytes]) -> Callable[[int], bytes]:
    def random(size: int) -> bytes:
        given.append(secrets.token_bytes(size))
        return given[-1]

    return random


@settings(deadline=None)
@given(SECRETS, sizes(), st.randoms())
def test_any_threshold_of_shares_recovers_the_secret(secret: bytes, size: tuple[int, int], order) -> None:
    threshold, count = size
    shares = list(enumerate(shamir.split(secret, threshold, count, secrets.token_bytes), 1))
    order.shuffle(shares)
    assert shamir.combine(shares[:threshold]) == secret
    assert shamir.combine(shares) == secret  # more shares than the threshold do no harm


@settings(deadline=None, max_examples=25)
@given(SECRETS, sizes(), st.randoms())
def test_shares_are_those_of_pycryptodome(secret: bytes, size: tuple[int, int], order) -> None:
    threshold, count = size
    ours = list(enumerate(shamir.split(secret, threshold, count, secrets.token_bytes), 1))
    theirs = Shamir.split(threshold, count, secret)
    for shares in (ours, theirs):
        order.shuffle(shares)
    assert Shamir.combine(ours[:threshold]) == secret
    assert shamir.combine(theirs[:threshold]) == secret


@pytest.mark.parametrize(("threshold", "count"), [(23, 66), (129, 300), (2, shamir.MOST_SHARES)])
def test_many_shares(threshold: int, count: int) -> None:
    secret = secrets.token_bytes(16)
    shares = list(enumerate(shamir.split(secret, threshold, count, secrets.token_bytes), 1))
    assert shamir.combine(shares[-threshold:]) == secret
    if threshold < 50:
        assert Shamir.combine(shares[-threshold:]) == secret


@settings(deadline=None)
@given(SECRETS, sizes())
def test_all_the_randomness_is_used(secret: bytes, size: tuple[int, int]) -> None:
    """The polynomial has a random coefficient for each needed share beyond the first. Without one, fewer shares would suffice."""
    threshold, count = size
    drawn: list[bytes] = []
    shares = shamir.split(secret, threshold, count, recorded(drawn))
    assert [len(octets) for octets in drawn] == [16] * (threshold - 1)
    for changed in range(threshold - 1):
        stream = iter([bytes(16) if i == changed else octets for i, octets in enumerate(drawn)])

        def replayed(_: int, stream: Iterator[bytes] = stream) -> bytes:
            return next(stream)

        assert shamir.split(secret, threshold, count, replayed) != shares


def test_invalid_sizes_and_shares_are_refused() -> None:
    for arguments in [(b"short", 1, 1), (bytes(16), 0, 1), (bytes(16), 3, 2), (bytes(16), 2, shamir.MOST_SHARES + 1)]:
        with pytest.raises(DataError):
            shamir.split(*arguments, secrets.token_bytes)
    for shares in [[], [(1, bytes(16)), (1, bytes(16))], [(0, bytes(16))], [(1, bytes(15))]]:
        with pytest.raises(DataError):
            shamir.combine(shares)
