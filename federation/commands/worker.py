"""`federate worker`: a TFF worker that runs clients for the simulated rounds of another machine.

The other machine lists the worker in `federate simulate --workers`. TFF's traffic is neither encrypted nor authenticated, and a
worker runs every TensorFlow graph that it receives, which can read and write this user's files. So run workers only on a
network whose users you all trust. Without `--host`, a worker listens on this machine only.
"""

import argparse
import sys
from typing import Any

from data.errors import DataError
from federation.commands.options import non_negative_int


def add_worker_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate worker`."""
    parser.add_argument(
        "--port", type=non_negative_int, required=True, help="the port to listen on; 0 chooses a free one"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine only)")


def run_worker(options: argparse.Namespace) -> dict[str, Any]:
    """Runs a worker until Ctrl-C, and prints a line on standard error when it is ready. The worker ends with this process.

    Raises:
      OSError: the address is taken, or is not one of this machine.
      UserFacingError: this machine cannot confine the worker to the address.
      DataError: the worker ended by itself.
    """
    from federation.engine.worker_binary import end_worker, start_worker

    host = options.host
    worker, port = start_worker(host, options.port)
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
    raise DataError(f"the TFF worker ended with status {worker.returncode}: start it again")
