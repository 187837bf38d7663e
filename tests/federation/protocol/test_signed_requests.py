"""Signed requests: a signature is valid for one request, and malformed headers and names are refused."""

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.api_messages import Enrolment
from federation.protocol.signed_requests import SignedHeaders, check, check_enrolment, device_name, sign, sign_enrolment

KEY = Ed25519PrivateKey.generate()


@given(st.binary(max_size=50), st.integers(0, 2**63 - 1), st.integers(0, 300))
def test_a_signature_is_valid_for_one_request_only(body: bytes, number: int, place: int) -> None:
    headers = sign(KEY, "ab" * 16, number, "POST", "/v1/check-in?wait=1", body)
    assert SignedHeaders.from_headers(headers.to_headers()) == headers
    check(headers, "POST", "/v1/check-in?wait=1")
    assert headers.digest == hashlib.sha256(body).hexdigest()
    flipped = f"{(int(headers.signature, 16) ^ (1 << place)) % 2**512:0128x}"
    for changed in (
        *(replace(headers, number=number ^ 1), replace(headers, session="ac" * 16), replace(headers, digest="0" * 64)),
        *(replace(headers, signature=flipped), replace(headers, device="0" * 64)),
    ):
        with pytest.raises(DataError):
            check(changed, "POST", "/v1/check-in?wait=1")
    for method, path in (("GET", "/v1/check-in?wait=1"), ("POST", "/v1/check-in?wait=2")):
        with pytest.raises(DataError):
            check(headers, method, path)


@given(st.dictionaries(st.sampled_from(["device", "session", "number", "digest", "signature"]), st.text(max_size=130)))
def test_malformed_headers_are_refused(content: dict[str, str]) -> None:
    with pytest.raises(DataError):
        SignedHeaders.from_headers({f"x-federation-{name}": value for name, value in content.items()})


def test_a_key_enrols_under_one_name_only() -> None:
    """Other spellings of the hex digits are the same key, which would then be several devices."""
    name, signature = device_name(KEY), sign_enrolment(KEY, "a" * 20)
    right = Enrolment("a" * 20, name, signature)
    check_enrolment(right.device, right.signature, right.code)
    for other in (f"\n{name}", f"{name[:2]} {name[2:]}", "A" * 64):
        with pytest.raises(DataError, match="device of a Enrolment is not of the form"):
            Enrolment("a" * 20, other, signature)
    with pytest.raises(DataError, match="signature of a Enrolment is not of the form"):
        Enrolment("a" * 20, name, f" {signature}")
