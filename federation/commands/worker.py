"""`federate worker`: a TFF worker for the simulated rounds of another machine, by `federate simulate --workers`.

TFF's traffic is neither encrypted nor authenticated, and a worker runs every TensorFlow graph it is sent, which can read and
write this user's files: it belongs on a network that all of its users trust, and listens to this machine alone unless told.
"""

import sys
from typing import Any

from data.errors import DataError
from federation.engine.worker_binary import end_worker, start_worker


def run_worker(host: str, port: int) -> dict[str, Any]:
    """Runs a worker until it is stopped by Ctrl-C or ends, and says when it is ready; it ends with this process.

    Raises:
      OSError: the address is taken or not this machine's.
      DataError: the machine can't keep a worker to that address, or the worker ended by itself.
    """
    worker, port = start_worker(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(
        f"ready: federate simulate --workers {shown}:{port} (unencrypted, for trusted networks)",
        file=sys.stderr,
        flush=True,
    )
    try:
        worker.wait()
    except KeyboardInterrupt:
        return {"host": host, "port": port}
    finally:
        end_worker(worker)
    raise DataError(f"the TFF worker ended with status {worker.returncode}")
