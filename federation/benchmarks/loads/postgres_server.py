"""A PostgreSQL server of one's own for tests and benchmarks, from Debian's package, on a socket in a temporary folder.

PostgreSQL refuses to run as root. It then runs as `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import psycopg

from data.errors import DataError
from federation.processes import start

USER = "coordinator"
_PROGRAMS = Path("/usr/lib/postgresql")
_SECONDS = 120  # until it answers


class PostgresServer:
    """A server; `socket` is the folder of its socket."""

    def __init__(self, socket: Path, command: Sequence[str]) -> None:
        """Takes the command that starts it."""
        self.socket, self._command = socket, list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> int:
        """The id of its process.

        Raises:
          DataError: it does not run.
        """
        if self._process is None:
            raise DataError("PostgreSQL does not run")
        return self._process.pid

    def start(self) -> None:
        """Starts it, and waits until it answers.

        Raises:
          DataError: it does not start.
        """
        log = self.socket / "log"
        with log.open("wb") as out:
            process = self._process = start(self._command, stdout=out, stderr=out, cwd=self.socket)
        until = time.monotonic() + _SECONDS
        while not _answers(self.socket):
            if process.poll() is not None or time.monotonic() > until:
                told = " ".join(log.read_text("utf-8", "replace").split())[-300:]
                raise DataError(f"PostgreSQL did not start: {told}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once and without a checkpoint, as a crash does; `start` then recovers what was committed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """Makes an empty schema and returns an address at which it is the database."""
        name = f"federation_{time.monotonic_ns()}"
        with psycopg.connect(host=str(self.socket), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(psycopg.sql.Identifier(name)))
        return f"postgresql://{USER}@/postgres?host={quote(str(self.socket))}&options=-csearch_path%3D{name}"


def is_installed() -> bool:
    """Returns whether this machine has PostgreSQL's programs."""
    return any(_PROGRAMS.glob("*/bin/postgres"))


@contextmanager
def postgres_server(durable: bool) -> Iterator[PostgresServer]:
    """Runs a server; with `durable`, its commits wait for the disk.

    Raises:
      DataError: it does not start.
    """
    programs = max(_PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(
        mkdtemp(prefix="postgres-", dir="/tmp")
    )  # a temporary folder of this user's own would be closed to others
    as_user: list[str] = []
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = [
            "setpriv",
            f"--reuid={nobody.pw_uid}",
            f"--regid={nobody.pw_gid}",
            "--clear-groups",
            "--pdeathsig=INT",
        ]
    data = folder / "data"
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "max_connections": 50}
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    initdb = [
        programs / "initdb",
        "--no-sync",
        "--auth=trust",
        f"--username={USER}",
        "--encoding=UTF8",
        "--locale=C",
        data,
    ]
    try:
        done = subprocess.run([*as_user, *map(str, initdb)], check=False, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise DataError(f"initdb failed: {done.stderr.strip()}")
        server = PostgresServer(folder, [*as_user, str(programs / "postgres"), "-D", str(data), *options])
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True
