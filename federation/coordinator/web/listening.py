"""The addresses on which the coordinator listens, and the one by which devices reach it."""

import errno
import ipaddress
import re
import socket

from data.errors import DataError

_ELSEWHERE = {  # addresses reserved for documentation: nothing is sent there, they only select a route
    socket.AF_INET: ("192.0.2.1", 9),
    socket.AF_INET6: ("2001:db8::1", 9),
}
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def listening_host(text: str) -> str:
    """Returns the host of `--host`: an address, IPv6 with or without brackets, or a name.

    Raises:
      DataError: it is neither.
    """
    return _host("--host", text)


def reachable_host(address: str | None, host: str) -> str:
    """Returns the address for join links: `--address`, or else the host that the coordinator listens on.

    A host that stands for all addresses of this machine cannot stand in a link; this machine's own address, on the interface of
    the default route, replaces it.

    Raises:
      DataError: the address is not one that devices can reach, or this machine has none.
    """
    found = _host("--address" if address else "--host", address or host)
    ip = _ip(found)
    if ip is None or not ip.is_unspecified:
        return found
    if address:
        raise DataError(
            f"--address {address} is no address that a device can reach: give the name or address of this machine"
        )
    own = own_address(socket.AF_INET6 if ip.version == 6 else socket.AF_INET)
    if own is None:
        raise DataError(
            f"--host {host} listens on every address, and this machine's own address was not found: "
            "add --address with the name or address by which devices reach this machine"
        )
    return own


def own_address(family: socket.AddressFamily) -> str | None:
    """Returns this machine's address on the interface of its default route, or None if it has none."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE[family])
            found = str(probe.getsockname()[0])
    except OSError:
        return None
    ip = ipaddress.ip_address(found)
    return None if ip.is_unspecified or ip.is_loopback or ip.is_link_local else found


def listen(host: str, port: int, option: str, shared: bool = False) -> list[socket.socket]:
    """Returns sockets that listen on a host's addresses.

    Args:
      host: an address or a name.
      port: the port.
      option: the option that chose the port, for the message.
      shared: whether other processes of the same user may listen there too; each gets a share of the connections.

    Raises:
      OSError: the port is taken, or this machine has no such address; the message says what to do.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OSError(f"cannot listen on {host}: there is no such name; give an address of this machine") from error
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            # Named TCP, so that asyncio sends what it has at once: a body written after its head would wait for the receiver's
            # acknowledgement of the head, which takes 40 ms.
            opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
            opened.listen(2048)
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise OSError(f"cannot listen on {where}: {_reason(error, option)}") from error
    return sockets


def _reason(error: OSError, option: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another program uses this port, perhaps another coordinator; stop it, or choose another {option}"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return "this machine has no such address; choose another --host"
        case errno.EACCES | errno.EPERM:
            return f"the system does not allow this port; choose a {option} of at least 1024"
        case _:
            return error.strerror or str(error)


def _host(option: str, text: str) -> str:
    text = text.strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    shown = text if text and text.isprintable() else ascii(text)
    wrong = DataError(
        f"{option} {shown} is neither a name nor an address: give, for example, 192.168.1.20, [::1] or "
        "desk.example.org, without a scheme or a port"
    )
    ip = _ip(bare)
    if ip is not None:
        if ip.version == 6 and "%" in bare:
            raise DataError(f"{option} {text} is valid on one interface only: give a name or another address")
        return bare
    if bare != text or re.fullmatch(r"[0-9.]+", bare):
        raise wrong
    try:
        name = bare.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise wrong from error
    if not name or len(name) > 253 or not all(_NAME.fullmatch(part) for part in name.removesuffix(".").split(".")):
        raise wrong
    return name


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
