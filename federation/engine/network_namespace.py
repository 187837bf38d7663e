"""A program that runs TFF's worker in a network namespace of its own, reachable through one listening socket only.

The worker of TFF 0.87.0 has an option for its port, but none for its address. It listens on all addresses of the machine,
and runs any TensorFlow graph that anybody sends it. `start_private_worker` gives it a Linux network namespace of its own
(which needs no privileges where users may create one). This program forwards bytes between the worker and the connections
that the socket accepts. It imports only the standard library, so that it starts fast.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from federation.processes import bound, die_with

NOT_ALLOWED = 77  # the exit status if the kernel does not allow a network namespace

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PORT = 10_000  # any port: the namespace is empty
_CHUNK = 2**20
_START_SECONDS = 60


def start_private_worker(
    worker: Sequence[str | os.PathLike[str]], listening: socket.socket, environment: dict[str, str] | None = None
) -> subprocess.Popen:
    """Starts `worker`, the command line of TFF's worker without a port, behind a listening socket.

    The process prints `ready` on its standard output, and ends when its worker or this process ends. Without permission for a
    network namespace it ends at once, with the status `NOT_ALLOWED`.
    """
    command = [sys.executable, "-P", "-m", __name__, str(os.getpid()), str(listening.fileno()), *worker]
    return subprocess.Popen(
        bound(command),
        pass_fds=[listening.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs the worker until it ends; returns its exit status."""
    parent, listening, *command = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) and libc.unshare(_CLONE_NEWNET):
            return NOT_ALLOWED
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))
    except (AttributeError, OSError):
        return NOT_ALLOWED
    die_with(int(parent))  # again: the kernel drops this setting when privileges change
    worker = subprocess.Popen(bound([*command, f"--port={_PORT}"]), stdout=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: worker.kill())  # so that the worker does not outlive this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the process that started this one
    until = time.monotonic() + _START_SECONDS
    while not _answers():
        if worker.poll() is not None or time.monotonic() > until:
            return 1
        time.sleep(0.02)
    print("ready", flush=True)
    threading.Thread(target=_serve, args=(socket.socket(fileno=int(listening)),), daemon=True).start()
    return worker.wait()


def _answers() -> bool:
    try:
        _connect().close()
    except OSError:
        return False
    return True


def _connect() -> socket.socket:
    return socket.create_connection(("127.0.0.1", _PORT))


def _serve(listening: socket.socket) -> None:
    while True:
        accepted, _ = listening.accept()
        inside = _connect()
        for a, b in ((accepted, inside), (inside, accepted)):
            a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_forward, args=(a, b), daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    """Forwards bytes until either end closes, then closes both."""
    buffer = bytearray(_CHUNK)
    try:
        while count := source.recv_into(buffer):
            target.sendall(memoryview(buffer)[:count])
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # without waiting for threads that still forward
