"""The fingerprint, tested against TensorFlow's."""

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.protocol.discovery.fingerprint import fingerprint64

# Moduli that see the high and the low bits of a fingerprint; TensorFlow takes no greater one.
MODULI = (2**63 - 25, 2**32, 2**31 - 1)


def of_tensorflow(texts: list[bytes], modulus: int) -> list[int]:
    return tf.strings.to_hash_bucket_fast(tf.constant(texts), modulus).numpy().tolist()


@pytest.mark.parametrize("modulus", MODULI)
def test_every_length_has_the_fingerprint_of_tensorflow(modulus: int) -> None:
    texts = [bytes((17 * n + 31 * i) % 256 for i in range(n)) for n in range(400)]
    assert [fingerprint64(text) % modulus for text in texts] == of_tensorflow(texts, modulus)


@given(st.lists(st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=300)), min_size=1, max_size=20))
@example([b"", b"\0", b"\xff" * 16, b"\xff" * 32, b"\xff" * 64, b"\xff" * 65, b"\xff" * 128, b"\xff" * 129])
@settings(max_examples=60)
def test_random_unicode_and_bytes_have_the_fingerprint_of_tensorflow(texts: list[bytes]) -> None:
    for modulus in MODULI:
        assert [fingerprint64(text) % modulus for text in texts] == of_tensorflow(texts, modulus)
