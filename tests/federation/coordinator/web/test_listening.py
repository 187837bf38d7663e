"""Where a coordinator listens, and the address in its join links."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.coordinator.web.certificate import certificate
from federation.coordinator.web.listening import listen, listening_host, reachable_host
from federation.processes import free_port
from federation.protocol.join_link import JoinLink

SHA256 = "ab" * 32
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,8})?", fullmatch=True)


@given(st.ip_addresses().filter(lambda ip: not ip.is_unspecified).map(str) | NAMES, st.booleans())
def test_an_address_or_name_stands_in_the_link_as_devices_read_it(host: str, given_as_address: bool) -> None:
    typed = f"[{host}]" if ":" in host else host
    found = reachable_host(typed, "0.0.0.0") if given_as_address else reachable_host(None, typed)  # noqa: S104
    assert found == listening_host(typed) == listening_host(host) == host
    assert JoinLink.parse(str(JoinLink(found, 8470, "a" * 20, SHA256))).host == host
    assert (f"[{host}]:8470" if ":" in host else f"{host}:8470") in JoinLink(found, 8470, "a" * 20, SHA256).url


@given(
    st.text(max_size=30)
    | st.sampled_from(["https://desk", "desk:8470", "[::1]:8470", "[desk]", "a b", "", "999.1.1.1"])
)
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    try:
        found = listening_host(text)
    except DataError as error:
        assert len(str(error).splitlines()) == 1 and "--host" in str(error)
    else:
        assert found.isascii() and not set(found) & set(" /[]@?#")
        assert JoinLink.parse(str(JoinLink(found, 8470, "a" * 20, SHA256))).host == found.lower()


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::", "[::]"])  # noqa: S104
def test_no_link_holds_an_address_that_stands_for_all(everywhere: str) -> None:
    """Devices could not reach it; without an address of its own, the machine's owner has to give one."""
    with pytest.raises(DataError, match="is no address that a device can reach"):
        reachable_host(everywhere, "127.0.0.1")
    try:
        found = ipaddress.ip_address(reachable_host(None, everywhere))
    except DataError as error:
        assert "add --address" in str(error)
    else:
        assert not found.is_unspecified and not found.is_loopback


def test_a_certificate_is_made_for_a_name_in_any_script(tmp_path) -> None:
    assert certificate(tmp_path / "certificate.pem", reachable_host("müller.example", "127.0.0.1")).sha256


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_answers_do_not_wait_for_acknowledgements(host: str) -> None:
    """With Nagle's algorithm, each answer of two parts would take 40 ms longer."""

    async def accepted() -> int:
        at_once = asyncio.get_running_loop().create_future()

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = writer.get_extra_info("socket")
            at_once.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        (listening,) = listen(host, 0, "--port")
        async with await asyncio.start_server(answer, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            writer.close()
            return await at_once

    assert asyncio.run(accepted())


def test_a_port_in_use_and_an_address_of_another_machine_are_told_apart() -> None:
    port = free_port()
    (taken,) = listen("127.0.0.1", port, "--port")
    with (
        taken,
        pytest.raises(OSError, match=f"127.0.0.1:{port}: another program uses this port.* choose another --port"),
    ):
        listen("127.0.0.1", port, "--port")
    with pytest.raises(OSError, match=r"\[2001:db8::7\]:.*no such address"):
        listen("2001:db8::7", port, "--port")
