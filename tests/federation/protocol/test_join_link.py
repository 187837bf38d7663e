"""Join links are read as they were written, and anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.protocol.join_link import JoinLink

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
CODES = st.text("abcXYZ019-_", min_size=8, max_size=64)


@given(
    st.one_of(st.just("127.0.0.1"), st.just("::1"), st.from_regex(r"[a-z]{1,20}\.example", fullmatch=True)),
    st.integers(1, 65535),
    CODES,
    HEX,
)
def test_a_link_is_read_as_it_was_written(host: str, port: int, code: str, sha256: str) -> None:
    link = JoinLink(host, port, code, sha256)
    assert JoinLink.parse(f" {link}\n") == link
    assert link.url.startswith("https://") and link.url.endswith(f":{port}")


@given(st.text(), CODES, HEX)
def test_text_that_is_not_a_link_is_refused(text: str, code: str, sha256: str) -> None:
    link = str(JoinLink("127.0.0.1", 8470, code, sha256))
    for bad in (text, link[:-1], link.replace("federated-keyboard", "https"), link.replace(":8470", ""), link + "0"):
        with pytest.raises(DataError):
            JoinLink.parse(bad)
