"""TFF's C++ worker as a child process that listens on one address and ends with this process.

Nothing here imports TFF, which would take seconds.
"""

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from data.errors import DataError, UserFacingError
from federation.engine.network_namespace import NOT_ALLOWED, start_private_worker
from federation.processes import start

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (only on request)

_START_SECONDS = 60
_END_SECONDS = 5


class NamespaceUnavailableError(UserFacingError):
    """The kernel does not allow network namespaces, so a worker cannot be restricted to one address."""


def start_worker(host: str, port: int, environment: Mapping[str, str] | None = None) -> tuple[subprocess.Popen, int]:
    """Starts TFF's worker at an address, and waits until it is ready; returns the process and its port.

    The process ends with this one.

    Args:
      host: the address to listen on.
      port: the port; 0 takes a free one.
      environment: variables for the worker, in addition to this process's.

    Raises:
      OSError: the address is taken or not this machine's.
      NamespaceUnavailableError: the worker would listen on other addresses too.
      RuntimeError: the worker does not start.
      DataError: TFF is not installed.
    """
    # No limit on concurrent calls, as when TFF starts it. With a limit of one, rounds wait forever.
    command: list[str | Path] = [_worker_binary(), "--max_concurrent_computation_calls=-1"]
    variables = None if environment is None else os.environ | environment
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=64) as listening:
        port = listening.getsockname()[1]
        if host not in EVERYWHERE:
            worker = start_private_worker(command, listening, variables)
            line = worker.stdout.readline() if worker.stdout else b""
            if line.strip() == b"ready":
                return worker, port
            with suppress(subprocess.TimeoutExpired):
                worker.wait(_END_SECONDS)  # its exit status says why
            end_worker(worker)
            if worker.returncode == NOT_ALLOWED:
                raise NamespaceUnavailableError(
                    "this machine does not allow network namespaces, without which TFF's worker listens on all addresses "
                    f"and not only on {host}: to allow that, use --host {EVERYWHERE[0]}"
                )
            raise RuntimeError(f"the TFF worker {command[0]} does not start: run it by hand to see why")
    worker = start([*command, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)
    until = time.monotonic() + _START_SECONDS
    while not answers(f"127.0.0.1:{port}"):
        if worker.poll() is not None or time.monotonic() > until:
            end_worker(worker)
            raise RuntimeError(f"the TFF worker {command[0]} does not start: run it by hand to see why")
        time.sleep(0.02)
    return worker, port


def _worker_binary() -> Path:
    """Returns the path of the worker inside the package of TFF.

    Raises:
      DataError: TFF is not installed.
    """
    found = find_spec("tensorflow_federated")
    if found is None or found.origin is None:
        raise DataError("TensorFlow Federated is not installed: run uv sync on Linux with Python 3.11")
    return Path(found.origin).parent / "data" / "worker_binary"


def end_worker(worker: subprocess.Popen) -> None:
    """Ends a worker that `start_worker` started."""
    worker.terminate()
    try:
        worker.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    if worker.stdout:
        worker.stdout.close()


def answers(address: str, seconds: float = 5.0) -> bool:
    """Returns whether anything listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError:
        return False
    return True
