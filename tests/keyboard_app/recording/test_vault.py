import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyboard_app.recording.vault import UnsealError, Vault

VAULT = Vault(bytes(32))


@given(st.binary(max_size=100), st.text(max_size=20))
def test_a_record_decrypts_to_its_content_and_no_two_records_are_equal(content: bytes, identity: str) -> None:
    sealed = VAULT.seal(content, identity)
    assert VAULT.open(sealed, identity) == content
    assert VAULT.seal(content, identity) != sealed
    assert len(sealed) == len(content) + 28


@given(st.binary(max_size=50), st.text(), st.text(), st.data())
def test_no_other_record_identity_or_key_decrypts_it(
    content: bytes, identity: str, other: str, data: st.DataObject
) -> None:
    sealed = VAULT.seal(content, identity)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:place] + bytes([sealed[place] ^ data.draw(st.integers(1, 255))]) + sealed[place + 1 :]
    attempts = [(VAULT, changed, identity), (VAULT, sealed[:place], identity), (Vault(b"\1" * 32), sealed, identity)]
    if other != identity:
        attempts.append((VAULT, sealed, other))
    for vault, record, name in attempts:
        with pytest.raises(UnsealError):
            vault.open(record, name)


@given(st.text(), st.text())
def test_tags_are_equal_for_equal_texts_and_depend_on_the_key(one: str, other: str) -> None:
    assert (VAULT.tag(one) == VAULT.tag(other)) == (one == other)
    assert Vault(b"\1" * 32).tag(one) != VAULT.tag(one)
